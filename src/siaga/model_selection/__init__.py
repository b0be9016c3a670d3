"""Model selection: several candidates, or a search, under the same folds; the test posts are never touched.

from siaga.model_selection import candidates_of, select

recipe = load_recipe("disaster-tweets")
standings = select(recipe, candidates_of(recipe), metric="macro_f1")
"""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from siaga.errors import DataError, MissingExtra
from siaga.evaluation.metrics import METRICS, measure
from siaga.model_selection.candidates import (
    Candidate,
    as_it_is,
    candidates_of,
    differs_in,
    distinct,
    tfidf_baseline,
    trial_of,
)
from siaga.model_selection.contest import Contest
from siaga.model_selection.folds import fold
from siaga.model_selection.processes import Fitter, fitters
from siaga.model_selection.search import best_of, check_search, search
from siaga.model_selection.standings import Contender, Standing, Standings, Trial, check_metric, ranked
from siaga.models.classifier import Hear, silent
from siaga.quarantine import Quarantine
from siaga.schema import Linear, Recipe
from siaga.training_run import check_at_hand, prepare

__all__ = [
    "Candidate",
    "Options",
    "Standing",
    "Standings",
    "Trial",
    "as_it_is",
    "candidates_of",
    "differs_in",
    "select",
]

MOST_NETS = 4
DRAWS_PER_CANDIDATE = 50  # Of a bootstrap: fewer could not tell many candidates apart after Holm's correction.


@dataclass(frozen=True)
class Options:
    """How a selection goes about it: the folds, what decides, and how many processes fit at a time.

    0 `workers` are as many as there are cores, at most 4 where nets learn; `trials` are those of a search; 0: none.
    """

    folds: int = 5
    metric: str = "macro_f1"
    workers: int = 0
    trials: int = 0


def select(
    recipe: Recipe,
    candidates: Sequence[Candidate] = (),
    *,
    options: Options = Options(),
    quarantine: Quarantine | None = None,
    progress: Hear = silent,
) -> Standings:
    """Fit every candidate on all folds but one, in turn, ask it about that one, and rank what they answered.

    The posts are those of the recipe's training and validation splits; the test posts are not read beyond splitting.
    Without candidates, they are those of `candidates_of`; with `trials`, the best trial joins those that are given, and
    the recipe as it is. Seed and posts decide the outcome, the number of workers does not. Raises RecipeError and
    DataError for what cannot be compared, and MissingExtra when no candidate has its library.
    """
    started = time.perf_counter()
    check_metric(options.metric, dict.fromkeys(METRICS))
    if options.trials:
        check_search(recipe)
    kept, skipped = distinct(_chosen(recipe, candidates, options), recipe)
    _check_at_hand(kept)
    dataset = prepare(recipe, quarantine=quarantine if quarantine is not None else Quarantine())
    folds = fold(dataset, recipe, count=options.folds)
    contest = Contest(recipe, folds, progress)
    check_metric(options.metric, measure(contest.majority().outcomes))
    progress({"step": "start", "what": f"{len(kept) * folds.count} fits on {len(folds.posts):,} posts"})
    with fitters(folds, workers=_workers(options, kept)) as ready:
        contenders, missing = contest.answered(kept, ready)
        if not contenders:
            raise MissingExtra(" ".join(missing.values()))
        contenders += _baselines(recipe, kept, contest, ready)
        trials, best = _searched(recipe, options, contest, ready) if options.trials else ([], [])
    contenders += [*best, contest.majority()]
    draws = max(recipe.classification.resamples, DRAWS_PER_CANDIDATE * len(contenders))
    return Standings(
        recipe=recipe.name,
        seed=recipe.seed,
        metric=options.metric,
        n=len(folds.posts),
        classes=folds.classes,
        folds=folds.facts(),
        resamples=draws,
        rows=ranked(contenders, metric=options.metric, resamples=draws, seed=recipe.seed),
        skipped={**skipped, **missing},
        trials=trials,
        seconds=time.perf_counter() - started,
    )


def _chosen(recipe: Recipe, candidates: Sequence[Candidate], options: Options) -> list[Candidate]:
    """Return who competes; the trials of a search are always compared with the recipe as it is."""
    if not options.trials:
        return list(candidates) or candidates_of(recipe)
    own = as_it_is(recipe)
    return [*candidates, *([] if own in candidates else [own])]


def _check_at_hand(candidates: Sequence[Candidate]) -> None:
    """Raise DataError where a candidate's weights are not there; one without its library is left out later."""
    for each in candidates:
        try:
            with suppress(MissingExtra):
                check_at_hand(each.recipe, fetch=True)
        except DataError as error:
            raise DataError(f"The candidate {each.name!r} cannot be fitted. {error}") from None


def _workers(options: Options, candidates: Sequence[Candidate]) -> int:
    """Return how many fit at a time; where nets learn, each of which holds its posts and weights, not too many."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not all(isinstance(each.recipe.model, Linear) for each in candidates):
        cores = min(cores, MOST_NETS)
    return max(1, min(options.workers or cores, len(candidates) * options.folds))


def _baselines(recipe: Recipe, kept: Sequence[Candidate], contest: Contest, ready: Sequence[Fitter]) -> list[Contender]:
    """Return TF-IDF as a baseline, where there are texts and no candidate is one of it."""
    has_texts = any(post.text for post in contest.folds.posts)
    if not has_texts or any(isinstance(each.recipe.model, Linear) for each in kept):
        return []
    found, _ = contest.answered([tfidf_baseline(recipe)], ready)
    return [replace(each, is_baseline=True) for each in found]


def _searched(
    recipe: Recipe, options: Options, contest: Contest, ready: Sequence[Fitter]
) -> tuple[list[Trial], list[Contender]]:
    """Return the trials of a search, and the best of them as it stands beside the candidates."""

    def value_of(changed: Recipe, number: int) -> float | None:
        found, _ = contest.answered([Candidate(f"trial {number} of {options.trials}", changed)], ready)
        return measure(found[0].outcomes)[options.metric] if found else None

    found = search(recipe, trials=options.trials, metric=options.metric, value_of=value_of)
    trial, changed = best_of(found, metric=options.metric)
    best, _ = contest.answered([trial_of(trial.number, changed, trial.settings)], ready)
    return [each for each, _ in found], best
