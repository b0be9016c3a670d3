"""`siaga select`: which of several candidates is best, under the same folds, beyond noise?"""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siaga.cli.options import AsJson, RecipeName, Seed, Settings, with_seed
from siaga.errors import SiagaError

if TYPE_CHECKING:
    from siaga.model_selection import Candidate, Standings
    from siaga.quarantine import Quarantine
    from siaga.schema import Recipe

_TRIALS = 10


def run(
    recipe: RecipeName,
    out: Annotated[
        Path | None, typer.Option(help="The folder for selection.json and selection.html; runs/NAME-select otherwise.")
    ] = None,
    settings: Settings = [],
    heads: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="The heads of a linear model that compete; all when not given.")
    ] = None,
    base: Annotated[
        str | None, typer.Option(metavar="VARIANT", help="The variant to start from: its posts, its model.")
    ] = None,
    some: Annotated[
        list[str],
        typer.Option("--variant", metavar="A,B,…", help="A variant of the recipe that competes too; may be repeated."),
    ] = [],
    variants: Annotated[bool, typer.Option("--variants", help="Every variant of the recipe competes.")] = False,
    vary: Annotated[
        list[str],
        typer.Option(metavar="KEY=V1,V2,…", help="Every value of a setting competes; may be repeated."),
    ] = [],
    optuna: Annotated[
        int, typer.Option(min=0, metavar="TRIALS", help="Search the recipe's search.space with Optuna; 0: do not.")
    ] = 0,
    folds: Annotated[int, typer.Option(min=2, help="How many folds.")] = 5,
    metric: Annotated[str, typer.Option(help="What decides: macro_f1, accuracy, roc_auc, log_loss, …")] = "macro_f1",
    workers: Annotated[int, typer.Option(min=0, help="How many fit at a time; 0: as many as there are cores.")] = 0,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """Compare candidates by cross-validation on the training and validation posts; the test posts are left alone.

    Near-equal posts share a fold. Every figure has a 95 % interval, and every candidate is tested against the best.
    """
    from siaga.cli.progress import hearing
    from siaga.model_selection import Options, select
    from siaga.quarantine import Quarantine
    from siaga.recipe import load_recipe
    from siaga.run_folder import check_no_run

    overrides, quarantine = with_seed(settings, seed), Quarantine()
    checked = load_recipe(recipe, overrides=overrides, variant=base)
    folder = out or Path("runs") / f"{checked.name}-select"
    check_no_run(folder)
    named = [name for part in some for name in _names(part)]
    candidates = _candidates(checked, heads, vary, is_searched=optuna > 0)
    candidates += [_variant(recipe, overrides, name, base) for name in named]
    candidates += _comparable_variants((recipe, overrides, base), checked, but=named) if variants else []
    options = Options(folds=folds, metric=metric, workers=workers, trials=optuna)
    try:
        with hearing() as progress:
            standings = select(checked, candidates, options=options, quarantine=quarantine, progress=progress)
    except SiagaError:
        for reason, count in quarantine.counts.most_common(5):
            typer.echo(f"Before that, {count} rows were set aside or kept in part: {reason}", err=True)
        raise
    command = _command(recipe, overrides, base, standings)
    _write(standings, folder, quarantine, command)
    if as_json:
        typer.echo(json.dumps(standings.to_dict(), ensure_ascii=True))
        return
    _tell(standings, command)
    typer.echo(f"See {folder / 'selection.html'}")


def _write(standings: "Standings", folder: Path, quarantine: "Quarantine", command: str) -> None:
    from siaga.model_selection.page import write_page

    write_page(standings, folder / "selection.html", command=command)
    standings.write(folder / "selection.json")
    quarantine.write(folder / "quarantine.jsonl")
    if quarantine:
        what = f"{len(quarantine)} rows were set aside or kept in part"
        typer.echo(f"{what}. See {folder / 'quarantine.jsonl'}.", err=True)


def _candidates(recipe: "Recipe", heads: str | None, vary: list[str], *, is_searched: bool) -> list["Candidate"]:
    from siaga.model_selection import as_it_is, candidates_of

    if is_searched and heads is None:
        return [as_it_is(recipe), *candidates_of(recipe, heads=(), vary=vary)]
    return candidates_of(recipe, heads=None if heads is None else _names(heads), vary=vary)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _variant(name: str, overrides: list[str], variant: str, base: str | None) -> "Candidate":
    """Return a variant of the recipe, laid over the one that everything starts from."""
    from siaga.model_selection import Candidate
    from siaga.recipe import load_recipe

    laid = variant if base is None else f"{base},{variant}"
    return Candidate(f"variant {variant}", load_recipe(name, overrides=overrides, variant=laid), ("--variant", laid))


def _comparable_variants(
    asked: tuple[str, list[str], str | None], recipe: "Recipe", *, but: Sequence[str]
) -> list["Candidate"]:
    """Return the other variants that use the same posts, and tell of those that do not."""
    from siaga.model_selection import differs_in
    from siaga.recipe import variants_of

    name, overrides, base = asked
    left_out = [*but, *(base.split(",") if base is not None else [])]
    found = [_variant(name, overrides, each, base) for each in variants_of(name) if each not in left_out]
    for each in found:
        if (own := differs_in(each, recipe)) is not None:
            typer.echo(f"{each.name} does not compete: it has a {own} of its own.", err=True)
    return [each for each in found if differs_in(each, recipe) is None]


def _command(name: str, overrides: list[str], base: str | None, standings: "Standings") -> str:
    """Return the command that trains the best candidate."""
    own = standings.best.arguments
    start = ["--variant", base] if base is not None and "--variant" not in own else []
    given = [part for setting in overrides for part in ("--set", setting)]
    return shlex.join(["siaga", "train", name, *start, *given, *own])


def _tell(standings: "Standings", command: str) -> None:
    from siaga.cli.tables import aligned, figure

    shown = standings.shown()
    rows = [["", *shown, "p", "fit s", "answer s", "beside the best"]]
    for row in standings.rows:
        seconds = ["-" if value is None else f"{value:.1f}" for value in (row.fit_s, row.answer_s)]
        p = "-" if row.p is None else f"{row.p:.2g}"
        rows.append([row.name, *(figure(row.metrics.get(name)) for name in shown), p, *seconds, row.said])
    typer.echo(f"{standings.recipe} on {standings.n:,} posts in {standings.folds['folds']} folds (95 % intervals)")
    typer.echo(aligned(rows))
    if standings.trials:
        shown_trials = min(_TRIALS, len(standings.trials))
        typer.echo(f"\nThe best {shown_trials} of {len(standings.trials)} trials by {standings.metric}:")
        typer.echo(aligned([["trial", standings.metric, "settings"], *_trial_rows(standings)]))
    for name, why in standings.skipped.items():
        typer.echo(f"{name} did not compete: {why}", err=True)
    typer.echo("\n" + "\n".join(standings.sentences()))
    typer.echo(f"Train it: {command}")


def _trial_rows(standings: "Standings") -> list[list[str]]:
    return [
        [
            str(trial.number),
            "-" if trial.value is None else f"{trial.value:.4f}",
            ", ".join(
                f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}"
                for key, value in trial.settings.items()
            ),
        ]
        for trial in standings.best_trials()[:_TRIALS]
    ]
