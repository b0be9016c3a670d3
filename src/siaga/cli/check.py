"""`siaga check`: is everything right, before an hour is spent on training?"""

from typing import TYPE_CHECKING

import typer

from siaga.cli.options import RecipeName, Seed, Settings, Variant, with_seed

if TYPE_CHECKING:
    from siaga.quarantine import Quarantine
    from siaga.schema import Recipe


def run(recipe: RecipeName, settings: Settings = [], variant: Variant = None, seed: Seed = None) -> None:
    """Check a recipe and its data without training: settings, files, columns, labels, splits, weights."""
    from siaga.quarantine import Quarantine
    from siaga.recipe import load_recipe
    from siaga.schema import TopicQuality
    from siaga.training_run import check_at_hand, prepare

    checked = load_recipe(recipe, overrides=with_seed(settings, seed), variant=variant)
    if isinstance(checked.evaluation, TopicQuality):
        _check_topics(checked)
        return
    check_at_hand(checked, fetch=False)
    quarantine = Quarantine()
    dataset = prepare(checked, quarantine=quarantine)
    for name, posts in dataset.splits().items():
        typer.echo(f"{name:<11} {len(posts):>8,} posts")
    typer.echo(f"classes     {', '.join(dataset.classes)}")
    _tell_quarantine(quarantine)
    typer.echo("The recipe and its data can be trained.")


def _check_topics(recipe: "Recipe") -> None:
    from siaga.quarantine import Quarantine
    from siaga.topic_run import known_words, prepare_corpus

    quarantine = Quarantine()
    corpus, parts, _ = prepare_corpus(recipe, quarantine=quarantine)
    for name, rows in parts.items():
        typer.echo(f"{name:<11} {len(rows):>8,} posts")
    typer.echo(f"words       {known_words(recipe, corpus, parts):>8,} known")
    _tell_quarantine(quarantine)
    typer.echo("The recipe and its data can be trained.")


def _tell_quarantine(quarantine: "Quarantine") -> None:
    for reason, count in quarantine.counts.most_common():
        typer.echo(f"set aside   {count:>8,} × {reason}")
