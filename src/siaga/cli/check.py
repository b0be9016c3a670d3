"""`siaga check`: is everything right, before an hour is spent on training?"""

import typer

from siaga.cli.options import RecipeName, Seed, Settings, Variant, with_seed


def run(recipe: RecipeName, settings: Settings = [], variant: Variant = None, seed: Seed = None) -> None:
    """Check a recipe and its data without training: settings, files, columns, labels, splits, weights."""
    from siaga.quarantine import Quarantine
    from siaga.recipe import load_recipe
    from siaga.training_run import check_at_hand, prepare

    checked = load_recipe(recipe, overrides=with_seed(settings, seed), variant=variant)
    check_at_hand(checked, fetch=False)
    quarantine = Quarantine()
    dataset = prepare(checked, quarantine=quarantine)
    for name, posts in dataset.splits().items():
        typer.echo(f"{name:<11} {len(posts):>8,} posts")
    typer.echo(f"classes     {', '.join(dataset.classes)}")
    for reason, count in quarantine.counts.most_common():
        typer.echo(f"set aside   {count:>8,} × {reason}")
    typer.echo("The recipe and its data can be trained.")
