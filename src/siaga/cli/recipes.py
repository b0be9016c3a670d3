"""`siaga recipes`: what there is to train."""

import typer


def run() -> None:
    """List the recipes with their variants."""
    from siaga.recipe import list_recipes, load_recipe, variants_of

    for name in list_recipes():
        typer.echo(f"{name}\n    {load_recipe(name).summary}\n    variants: {', '.join(variants_of(name)) or 'none'}")
