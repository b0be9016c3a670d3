"""Report: the measured quality of a classifier on posts it never saw, and `evaluate`, which measures it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from siaga.evaluation import analysis
from siaga.evaluation.cleaned import cleaned_texts
from siaga.evaluation.fits import heard_of_fits
from siaga.evaluation.intervals import Interval, ends, replicates, with_intervals
from siaga.evaluation.metrics import PER_CLASS, additive, confusion, per_class
from siaga.evaluation.outcomes import (
    Indices,
    Outcomes,
    Values,
    cost_row,
    group_column,
    outcomes,
    probability_rows,
    superclasses_of,
)
from siaga.evaluation.pairing import Measured, differences
from siaga.evaluation.written import as_json, read_report, write_report
from siaga.post import Post, Prediction
from siaga.schema import Recipe

Table = dict[str, Any]  # Any: the value of a JSON object.
SLICES = ("language", "event")


@dataclass(frozen=True)
class Report:
    """Measured quality. Every field is plain JSON; an interval is {value, low, high}, all None where undefined.

    `confusion` has a row for each true class and a column for each predicted one. `versus` holds, for every baseline,
    alternative and member, the model minus it: {metric: {difference, low, high, p}}. `training`, `finder`, `precision`
    and `augmented` hold what was heard while fitting (not while cross-fitting), `self_training` the rounds.
    `explanations` (by post id) and `maps` are added by `siaga.evaluation.insight`, which asks the classifier.
    """

    recipe: str
    seed: int
    n: int
    classes: list[str]
    metrics: dict[str, Interval]
    per_class: dict[str, dict[str, float]]
    confusion: list[list[int]]
    baselines: dict[str, dict[str, Interval]]
    members: dict[str, dict[str, Interval]]
    agreement: Table
    by_modality: dict[str, Table]
    data: Table
    environment: Table
    seconds: float | dict[str, float] | None
    positive: str = ""
    resamples: int = 0
    groups: str | None = None
    per_class_intervals: dict[str, dict[str, list[float | None]]] = field(default_factory=dict)
    versus: dict[str, dict[str, Table]] = field(default_factory=dict)
    slices: dict[str, dict[str, Table]] = field(default_factory=dict)
    calibration: list[dict[str, float]] = field(default_factory=list)
    thresholds: Table = field(default_factory=dict)
    top_losses: list[Table] = field(default_factory=list)
    examples: list[Table] = field(default_factory=list)
    cleaned: list[Table] = field(default_factory=list)
    explanations: dict[str, Table] = field(default_factory=dict)
    maps: list[Table] = field(default_factory=list)
    alternatives: dict[str, dict[str, Interval]] = field(default_factory=dict)
    superclasses: dict[str, str] = field(default_factory=dict)
    training: list[Table] = field(default_factory=list)
    finder: list[Table] = field(default_factory=list)
    precision: list[Table] = field(default_factory=list)
    augmented: Table = field(default_factory=dict)
    self_training: list[Table] = field(default_factory=list)
    recipe_toml: str = ""

    def to_dict(self) -> Table:
        """Return the report as it stands in `report.json`."""
        return asdict(self)

    def write(self, path: Path) -> None:
        """Write the report as JSON, whole or not at all."""
        write_report(self, path)

    @classmethod
    def read(cls, path: Path) -> "Report":
        """Read what `write` wrote. Raises DataError when there is no report, or it is another kind of file."""
        return read_report(cls, path, needed=frozenset({"recipe", "metrics"}))


def evaluate(  # noqa: PLR0913 - the subject, and what it is compared with.
    posts: Sequence[Post],
    predictions: Sequence[Prediction],
    *,
    recipe: Recipe,
    baselines: Mapping[str, Sequence[Prediction]],
    facts: Mapping[str, object],
    alternatives: Mapping[str, Sequence[Prediction]] | None = None,
) -> Report:
    """Measure `predictions` of labelled `posts`, in the same order; the order itself does not matter.

    `baselines` and `alternatives` are other predictions for the same posts. `facts` are what only the caller knows,
    each optional: `data` (with its `quarantine`), `environment`, `seconds` (in all, or by step), `events` (what
    `Progress` heard), `recipe_toml`, and `superclasses` by class, which other posts showed. Raises DataError for no
    posts, a missing label, one that the classifier does not know, or superclasses that are missing or contradict each
    other, and RecipeError where the recipe measures topics.
    """
    order = sorted(range(len(posts)), key=lambda i: posts[i].id)
    others = {**baselines, **(alternatives or {})}
    ordered = {name: [answers[i] for i in order] for name, answers in others.items()}
    posts, predictions = [posts[i] for i in order], [predictions[i] for i in order]
    report = _classification(posts, predictions, recipe, ordered, facts)
    return _apart(report, list(alternatives or ()))


def _classification(
    posts: list[Post],
    predictions: list[Prediction],
    recipe: Recipe,
    baselines: Mapping[str, Sequence[Prediction]],
    facts: Mapping[str, object],
) -> Report:
    superclasses = _superclasses(posts, recipe, facts)
    found = outcomes(posts, predictions, recipe=recipe, superclasses=superclasses)
    same = _as(recipe, found)
    others = {
        name: outcomes(posts, answers, recipe=same, superclasses=superclasses) for name, answers in baselines.items()
    }
    members = _members(found, predictions, recipe)
    settings = {"resamples": recipe.classification.resamples, "seed": recipe.seed}
    drawn = replicates(found, **settings)
    rivals = {name: (each, replicates(each, **settings)) for name, each in {**others, **members}.items()}
    slices = {column: analysis.by_column(posts, column) for column in SLICES}
    return Report(
        recipe=recipe.name,
        seed=recipe.seed,
        n=len(posts),
        classes=found.classes,
        metrics=with_intervals(found, drawn),
        confusion=confusion(found).tolist(),
        baselines={name: with_intervals(*rivals[name]) for name in others},
        members={name: with_intervals(*rivals[name]) for name in members},
        agreement=analysis.agreement(found, members),
        by_modality=_sliced((found, drawn), analysis.by_modality(predictions), settings),
        versus={name: differences((found, drawn), rival) for name, rival in rivals.items()},
        slices={column: _sliced((found, drawn), rows, settings) for column, rows in slices.items() if rows},
        superclasses=superclasses,
        resamples=recipe.classification.resamples,
        groups=group_column(recipe),
        **_of_posts(found, posts, recipe),
        **_of_classes(found, drawn, recipe),
        **_of_facts(facts),
    )


def _apart(report: Report, alternatives: Sequence[str]) -> Report:
    """Return the report with its alternatives apart from its baselines."""
    rows = report.baselines
    others = {name: row for name, row in rows.items() if name not in alternatives}
    return replace(report, baselines=others, alternatives={name: rows[name] for name in alternatives})


def _of_classes(found: Outcomes, drawn: Mapping[str, Values], recipe: Recipe) -> Table:
    """Return what the report says class by class, and of the class of interest."""
    k, positive = len(found.classes), found.classes[found.positive]
    is_of_interest = k == 2 or recipe.positive is not None  # Of many classes, only one that the recipe names.
    sums = additive(found).sum(axis=0, keepdims=True)
    values = per_class(sums, k)
    return {
        "per_class": {
            name: {**{metric: float(values[metric][0, i]) for metric in PER_CLASS}, "support": int(sums[0, i])}
            for i, name in enumerate(found.classes)
        },
        "per_class_intervals": {
            name: {metric: list(ends(drawn[metric][:, i])) for metric in PER_CLASS}
            for i, name in enumerate(found.classes)
        },
        "positive": positive,
        "calibration": analysis.calibration(found),
        "thresholds": analysis.threshold_curve(found, recipe.decision.costs.get(positive, 1.0))
        if is_of_interest
        else {},
    }


def _of_posts(found: Outcomes, posts: Sequence[Post], recipe: Recipe) -> Table:
    return {
        "top_losses": analysis.top_losses(found, posts, recipe.classification.top_losses),
        "examples": analysis.examples(found, posts, recipe.classification.examples, seed=recipe.seed),
        "cleaned": cleaned_texts(posts, recipe),
    }


def _of_facts(facts: Mapping[str, object]) -> Table:
    plain: Table = as_json(dict(facts))
    events = [event for event in plain.get("events", ()) if isinstance(event, dict)]
    return {
        "data": {**(plain.get("data") or {}), **({"quarantine": lost} if (lost := plain.get("quarantine")) else {})},
        "environment": plain.get("environment") or {},
        "seconds": plain.get("seconds"),
        "recipe_toml": str(plain.get("recipe_toml") or ""),
        **heard_of_fits(events),
        "self_training": [event for event in events if event.get("step") == "round"],
    }


def _members(found: Outcomes, predictions: Sequence[Prediction], recipe: Recipe) -> dict[str, Outcomes]:
    """Return each member's own outcomes, decided as the model decides; only members that answered every post."""
    costs = cost_row(recipe.decision.costs, found.classes)
    names = [name for name in predictions[0].members if all(name in each.members for each in predictions)]
    rows = {name: probability_rows([each.members[name] for each in predictions], found.classes) for name in names}
    return {name: found.answered(rows[name], costs) for name in names}


def _sliced(whole: Measured, rows: Mapping[str, Indices], settings: Mapping[str, int]) -> dict[str, Table]:
    """Return `n` and the metrics of each part of the posts; one that holds them all is not resampled again."""
    found, drawn = whole
    parts = {name: found if len(chosen) == len(found) else found.take(chosen) for name, chosen in rows.items()}
    return {
        name: {
            "n": len(part),
            "metrics": with_intervals(part, drawn if part is found else replicates(part, **settings)),
        }
        for name, part in parts.items()
    }


def _superclasses(posts: Sequence[Post], recipe: Recipe, facts: Mapping[str, object]) -> dict[str, str]:
    if recipe.classification.superclass is None:
        return {}
    known = facts.get("superclasses")
    return superclasses_of(posts, recipe.classification.superclass, known=known if isinstance(known, Mapping) else None)


def _as(recipe: Recipe, found: Outcomes) -> Recipe:
    """Return the recipe with the classes that were found, so that baselines get the same columns."""
    return recipe.model_copy(update={"classes": tuple(found.classes)})
