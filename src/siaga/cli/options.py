"""The options that several commands share, each with one meaning."""

from pathlib import Path
from typing import Annotated

import typer

RecipeName = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A recipe's name (see `siaga recipes`) or a .toml file.")
]
BundleFolder = Annotated[Path, typer.Argument(metavar="BUNDLE", help="The folder `bundle` of a run.")]
Settings = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override a setting of the recipe; may be repeated.")
]
Variant = Annotated[str | None, typer.Option(help="A variant of the recipe (see `siaga recipes`), or several: A,B.")]
Seed = Annotated[int | None, typer.Option(help="Override the recipe's seed.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
ColumnNames = Annotated[
    list[str],
    typer.Option("--column", metavar="WHAT=NAME", help="Which column holds what, such as text=tweet; may be repeated."),
]


def with_seed(settings: list[str], seed: int | None) -> list[str]:
    """Return the settings with the seed among them."""
    return [*settings, f"seed={seed}"] if seed is not None else settings
