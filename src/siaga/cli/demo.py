"""`siaga demo`: the whole job on made posts, in a minute, with nothing to download."""

from pathlib import Path
from typing import Annotated

import typer


def run(
    out: Annotated[Path, typer.Option(help="The folder to fill.")] = Path("demo"),
    posts: Annotated[int, typer.Option(help="How many labelled posts to make.")] = 2000,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run in the folder.")] = False,
) -> None:
    """Make a small flood data set, train the flagship, print the table, write the report, predict two posts."""
    from siaga.bundle import load_bundle
    from siaga.cli.progress import hearing
    from siaga.cli.tables import table_of
    from siaga.post import Post
    from siaga.recipe import load_recipe
    from siaga.serving.batch import to_json
    from siaga.workflow import train

    recipe = load_recipe("flood-triage", overrides=[f"source.posts={posts}"])
    with hearing() as progress:
        report = train(recipe, out, overwrite=overwrite, progress=progress)
    typer.echo(table_of(report))
    typer.echo(f"\nThe report: {out / 'report.html'}\nThe bundle: {out / 'bundle'}\n\nTwo predictions from it:")
    examples = [
        Post("1", text="Banjir 60cm di Jl. Kemang Raya, motor tidak bisa lewat"),
        Post("2", text="banjir diskon akhir tahun, buruan cek toko kami"),
    ]
    for prediction in load_bundle(out / "bundle").predict(examples):
        typer.echo(to_json(prediction))
