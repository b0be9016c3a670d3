"""`siaga describe`: what is in the data, and what is wrong with it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from siaga.cli.options import AsJson, RecipeName, Seed, Settings, Variant, with_seed


def run(
    recipe: RecipeName,
    out: Annotated[Path, typer.Option(help="The folder to fill with describe.html and describe.json.")] = Path(
        "described"
    ),
    settings: Settings = [],
    variant: Variant = None,
    seed: Seed = None,
    split: Annotated[bool, typer.Option("--split", help="Describe the splits that training would use.")] = False,
    as_json: AsJson = False,
) -> None:
    """Describe a recipe's data as it comes (or split by split): one HTML page, JSON, and in short on stdout."""
    from siaga.describe import describe, write_page
    from siaga.files import write_text
    from siaga.quarantine import Quarantine
    from siaga.recipe import load_recipe
    from siaga.sources import read_source
    from siaga.training_run import prepare

    quarantine = Quarantine()
    checked = load_recipe(recipe, overrides=with_seed(settings, seed), variant=variant)
    if split:
        parts = prepare(checked, quarantine=quarantine).splits()
    else:
        parts = {name: list(posts) for name, posts in read_source(checked.source, quarantine=quarantine).items()}
    description = describe(parts, seed=checked.seed, quarantine=quarantine)
    text = json.dumps(description.to_dict(), ensure_ascii=True, indent=1)
    write_text(out / "describe.json", text)
    write_page(description, out / "describe.html")
    quarantine.write(out / "quarantine.jsonl")
    if quarantine:
        typer.echo(f"{len(quarantine)} rows were set aside or kept in part. See {out / 'quarantine.jsonl'}.", err=True)
    if as_json:
        typer.echo(text)
        return
    for line in description.summary:
        typer.echo(line)
    for finding in description.findings:
        typer.echo(f"- {finding}")
    typer.echo(f"See {out / 'describe.html'}")
