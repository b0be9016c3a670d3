"""Optuna's search of a recipe's space: seeded, on the same folds, one trial after the other."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from siaga.errors import RecipeError
from siaga.evaluation.metrics import LOWER_IS_BETTER
from siaga.extras import require
from siaga.model_selection.standings import Trial
from siaga.recipe import with_settings
from siaga.schema import Recipe, Searched


def search(
    recipe: Recipe, *, trials: int, metric: str, value_of: Callable[[Recipe, int], float | None]
) -> list[tuple[Trial, Recipe | None]]:
    """Return so many trials of the recipe's `search.space` in order, each with its recipe, None for one that is none.

    The sampler is TPE (Bergstra et al. 2011), seeded by the recipe; `value_of` measures a recipe, and is told the
    trial's number. Raises what `check_search` raises.
    """
    check_search(recipe)
    optuna = require("optuna", extra="search")
    space = recipe.search.space
    found: list[tuple[Trial, Recipe | None]] = []
    with _quiet(optuna):
        sampler = optuna.samplers.TPESampler(seed=recipe.seed)
        direction = "minimize" if metric in LOWER_IS_BETTER else "maximize"
        study = optuna.create_study(sampler=sampler, direction=direction)
        for number in range(1, trials + 1):
            asked = study.ask()
            settings = {key: _drawn(asked, key, searched) for key, searched in space.items()}
            changed = _changed(recipe, settings)
            value = value_of(changed, number) if changed is not None else None
            if value is None:
                study.tell(asked, state=optuna.trial.TrialState.PRUNED)
            else:
                study.tell(asked, value)
            found.append((Trial(number, settings, value), changed))
    return found


def check_search(recipe: Recipe) -> None:
    """Raise RecipeError where there is nothing to search, and MissingExtra without Optuna."""
    if not recipe.search.space:
        what = f"{recipe.name} says nothing to search. Write for example"
        raise RecipeError(f'{what}: [search] space = {{ "model.C" = {{ low = 0.1, high = 30.0, log = true }} }}')
    require("optuna", extra="search")


def best_of(found: list[tuple[Trial, Recipe | None]], *, metric: str) -> tuple[Trial, Recipe]:
    """Return the trial of the best value, the earliest of equals, and its recipe.

    Raises RecipeError when no trial could be measured.
    """
    sign = 1.0 if metric in LOWER_IS_BETTER else -1.0
    sound = [
        (sign * trial.value, trial.number, trial, recipe)
        for trial, recipe in found
        if trial.value is not None and recipe
    ]
    if not sound:
        raise RecipeError("No trial had settings that go together. Mend search.space.")
    _, _, trial, recipe = min(sound, key=lambda each: each[:2])
    return trial, recipe


def _drawn(asked: Any, key: str, searched: Searched) -> object:  # Any: Optuna is untyped.
    if searched.choices:  # By their number, since Optuna takes no lists.
        choice = searched.choices[asked.suggest_categorical(key, range(len(searched.choices)))]
        return list(choice) if isinstance(choice, tuple) else choice
    draw = asked.suggest_int if searched.is_whole else asked.suggest_float
    value: object = draw(key, searched.low, searched.high, log=searched.log)
    return value


def _changed(recipe: Recipe, settings: Mapping[str, object]) -> Recipe | None:
    """Return the recipe with settings, or None where they do not go together; each alone was tried before."""
    try:
        return with_settings(recipe, settings, where=f"a trial of {recipe.name}")
    except RecipeError:
        return None


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:  # Any: Optuna is untyped.
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
