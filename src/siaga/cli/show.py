"""`siaga show`: the whole recipe with every default."""

import typer

from siaga.cli.options import RecipeName, Seed, Settings, Variant, with_seed


def run(recipe: RecipeName, settings: Settings = [], variant: Variant = None, seed: Seed = None) -> None:
    """Print a recipe as TOML, every default written out."""
    from siaga.recipe import load_recipe, to_toml

    typer.echo(to_toml(load_recipe(recipe, overrides=with_seed(settings, seed), variant=variant)), nl=False)
