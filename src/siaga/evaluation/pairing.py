"""Paired differences of two classifiers on the same posts: McNemar for accuracy, paired bootstrap for the rest."""

from collections.abc import Mapping

import numpy as np

from siaga.evaluation.intervals import centred, ends, replicates
from siaga.evaluation.metrics import LOWER_IS_BETTER, METRICS, measure
from siaga.evaluation.outcomes import Indices, Outcomes, Values
from siaga.models import noise

Measured = tuple[Outcomes, Mapping[str, Values]]
Difference = dict[str, float | None]
SURE = 0.05
NOTHING: Difference = {"difference": None, "low": None, "high": None, "p": None}


def differences(a: Measured, b: Measured) -> dict[str, Difference]:
    """Return, for every metric, a − b with its 95 % interval and p-value: {difference, low, high, p}.

    Each side is outcomes with their replicates, drawn with one seed over the same posts, so row i of both is the same
    resample. The p-value of accuracy is McNemar's, exact; where posts are grouped it too is the bootstrap's, since
    McNemar takes posts to be independent. All None where a metric is undefined.
    """
    values_a, values_b = measure(a[0]), measure(b[0])
    found = {}
    for name in (name for name in METRICS if name in values_a and name in values_b):
        found[name] = _difference(name, values_a[name], values_b[name], (a[1][name], b[1][name]))
    if a[0].groups is None:
        found["accuracy"]["p"] = mcnemar(a[0].predicted == a[0].labels, b[0].predicted == b[0].labels)
    return found


def mcnemar(right_a: np.ndarray, right_b: np.ndarray) -> float:
    """Return the two-sided exact p-value of McNemar (1947) for two (n,) arrays that say which posts are right."""
    from scipy.special import bdtr

    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    return min(1.0, 2.0 * float(bdtr(min(only_a, only_b), only_a + only_b, 0.5)))


def verdict(metric: str, row: Mapping[str, float | None]) -> str:
    """Return "a is better", "b is better" or "no difference beyond noise"; the p-value and the interval must agree."""
    difference, low, high, p = (row[key] for key in ("difference", "low", "high", "p"))
    if difference is None or low is None or high is None or p is None:
        return "not defined"
    if p >= SURE or low <= 0.0 <= high:
        return "no difference beyond noise"
    return "a is better" if (difference > 0) != (metric in LOWER_IS_BETTER) else "b is better"


def paired_difference(
    labels: Indices, a: Values, b: Values, *, metric: str = "macro_f1", seed: int = 0
) -> tuple[float | None, float | None, float | None]:
    """Return a − b in one metric with its 95 % interval, for class indices (n,) and probabilities (n, classes).

    Labels are decided by argmax; the last class is the one of interest. All None where the metric is undefined.
    """
    if metric == "macro_f1":
        return noise.paired_difference(labels, b, a, seed=seed)
    classes = [str(i) for i in range(a.shape[1])]
    sides = [Outcomes(classes, labels, rows.argmax(axis=1), rows, ordered=True) for rows in (a, b)]
    measured = [(side, replicates(side, resamples=2000, seed=seed)) for side in sides]
    row = differences(*measured)[metric]
    return row["difference"], row["low"], row["high"]


def _difference(name: str, a: float | None, b: float | None, drawn: tuple[Values, Values]) -> Difference:
    if a is None or b is None:
        return dict(NOTHING)
    shared = min(len(rows) for rows in drawn)
    rows = centred(name, drawn[0][:shared] - drawn[1][:shared], a - b)
    rows = rows[~np.isnan(rows)]
    low, high = ends(rows)
    tail = min((rows <= 0.0).sum(), (rows >= 0.0).sum())
    return {"difference": a - b, "low": low, "high": high, "p": min(1.0, 2.0 * float(tail + 1) / (len(rows) + 1))}
