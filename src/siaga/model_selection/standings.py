"""Standings: how the candidates of a selection compare, with intervals and paired tests against the best."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from siaga.errors import RecipeError, did_you_mean
from siaga.evaluation.intervals import Interval, replicates, with_intervals
from siaga.evaluation.metrics import LOWER_IS_BETTER, METRICS
from siaga.evaluation.outcomes import Outcomes
from siaga.evaluation.pairing import SURE, Difference, Measured, differences, verdict
from siaga.evaluation.plots import NAMES
from siaga.evaluation.tables import number
from siaga.files import write_text

SHOWN = ("accuracy", "macro_f1", "roc_auc", "log_loss")
BEST, LEVEL, WORSE, BASELINE = "best", "not worse beyond noise", "worse beyond noise", "baseline"
Table = dict[str, Any]  # Any: the value of a JSON object.


@dataclass(frozen=True)
class Standing:
    """One candidate, measured on the answers about posts that its fits had not seen.

    `metrics` are intervals, `versus_best` holds each metric's difference to the best candidate (this one minus the
    best: {difference, low, high, p}); `p` is that of the chosen metric after Holm's correction for all candidates, and
    `said` what it means. `fit_s` and `answer_s` are the seconds of all folds together, each with one thread.
    """

    name: str
    metrics: dict[str, Interval]
    versus_best: dict[str, Difference]
    said: str
    p: float | None = None
    arguments: list[str] = field(default_factory=list)
    fit_s: float | None = None
    answer_s: float | None = None


@dataclass(frozen=True)
class Trial:
    """One trial of a search: the settings it tried, and the chosen metric on all posts; None where it had none."""

    number: int
    settings: Table
    value: float | None


@dataclass(frozen=True)
class Standings:
    """The candidates of a selection, the best by `metric` first, baselines last; and the trials of a search.

    `n` posts are answered; `folds` tells the number, the sizes, and the groups that were `kept_together`. `skipped`
    says of what did not compete why. Every field is plain JSON.
    """

    recipe: str
    seed: int
    metric: str
    n: int
    classes: list[str]
    folds: Table
    resamples: int
    rows: list[Standing]
    skipped: dict[str, str] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    seconds: float | None = None

    @property
    def best(self) -> Standing:
        """The candidate that leads."""
        return self.rows[0]

    @property
    def level(self) -> list[str]:
        """The names of the candidates that are not worse than the best beyond noise."""
        return [row.name for row in self.rows if row.said == LEVEL]

    def best_trials(self) -> list[Trial]:
        """Return the trials of a search, the best first; those without a value last."""
        sign = 1.0 if self.metric in LOWER_IS_BETTER else -1.0

        def place(trial: Trial) -> tuple[float, int]:
            return np.inf if trial.value is None else sign * trial.value, trial.number

        return sorted(self.trials, key=place)

    def shown(self) -> list[str]:
        """Return the names of the metrics that a table shows, in order."""
        wanted = {*SHOWN, self.metric, *(["mae"] if "mae" in self.best.metrics else [])}
        return [name for name in METRICS if name in wanted and name in self.best.metrics]

    def sentences(self) -> list[str]:
        """Return what the figures mean, one sentence each."""
        rivals = sum(row.said in (LEVEL, WORSE) for row in self.rows)
        figure = f"{NAMES[self.metric]} {number(self.best.metrics[self.metric]['value'])}"
        said = [
            f"{self.best.name} {'leads with' if rivals else 'reaches'} {figure} on posts that its fits had not seen."
        ]
        if rivals:
            found = ", ".join(self.level) or "no other candidate"
            correction = f", Holm's correction for {rivals}" * (rivals > 1)
            said.append(f"Not worse than it beyond noise: {found} (paired by post{correction}).")
        flattered = rivals or self.trials
        why = "The best of many is chosen by these very posts, which flatters it a little: i" if flattered else "I"
        return [*said, f"{why}ts test figure comes from siaga train. The test posts were not touched."]

    def to_dict(self) -> Table:
        """Return the standings as they stand in `selection.json`."""
        return asdict(self)

    def write(self, path: Path) -> None:
        """Write the standings as JSON, whole or not at all."""
        write_text(path, json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n")


@dataclass(frozen=True)
class Contender:
    """What `ranked` compares: a name, its outcomes, and what else its row tells."""

    name: str
    outcomes: Outcomes
    arguments: Sequence[str] = ()
    fit_s: float | None = None
    answer_s: float | None = None
    is_baseline: bool = False


def ranked(contenders: Sequence[Contender], *, metric: str, resamples: int, seed: int) -> list[Standing]:
    """Return the rows, the best candidate by `metric` first and the baselines last; equals stand by name.

    Raises RecipeError for a metric that these posts have not.
    """
    measured = {}
    for each in contenders:
        drawn = replicates(each.outcomes, resamples=resamples, seed=seed)
        measured[each.name] = (each, (each.outcomes, drawn), with_intervals(each.outcomes, drawn))
    check_metric(metric, next(iter(measured.values()))[2])
    sign = 1.0 if metric in LOWER_IS_BETTER else -1.0

    def place(name: str) -> tuple[bool, float, str]:
        value = measured[name][2][metric]["value"]
        return measured[name][0].is_baseline, np.inf if value is None else sign * value, name

    order = sorted(measured, key=place)
    best: Measured = measured[order[0]][1]
    versus = {name: differences(measured[name][1], best) for name in order[1:]}
    rivals = [name for name in order[1:] if not measured[name][0].is_baseline]
    adjusted = holm({name: versus[name][metric]["p"] for name in rivals})
    return [
        Standing(
            name,
            metrics=found,
            versus_best=versus.get(name, {}),
            said=_said(each, metric, versus.get(name), adjusted.get(name)),
            p=adjusted.get(name),
            arguments=list(each.arguments),
            fit_s=each.fit_s,
            answer_s=each.answer_s,
        )
        for name in order
        for each, _, found in [measured[name]]
    ]


def check_metric(metric: str, known: Mapping[str, object]) -> None:
    """Raise RecipeError for a metric that is not among the known ones."""
    if metric not in known:
        raise RecipeError(
            f"There is no metric {metric!r} here.{did_you_mean(metric, known)} Known: {', '.join(known)}."
        )


def holm(p_values: Mapping[str, float | None]) -> dict[str, float]:
    """Return p-values that hold for all of them together (Holm 1979); those that are undefined stay out."""
    defined = {name: p for name, p in p_values.items() if p is not None}
    adjusted: dict[str, float] = {}
    highest = 0.0
    for rank, name in enumerate(sorted(defined, key=lambda name: (defined[name], name))):
        highest = max(highest, min(1.0, defined[name] * (len(defined) - rank)))
        adjusted[name] = highest
    return adjusted


def _said(each: Contender, metric: str, versus: Mapping[str, Difference] | None, p: float | None) -> str:
    if each.is_baseline:
        return BASELINE
    if versus is None:
        return BEST
    is_other = p is not None and p < SURE and "better" in verdict(metric, {**versus[metric], "p": p})
    return WORSE if is_other else LEVEL
