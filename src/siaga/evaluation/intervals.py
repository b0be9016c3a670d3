"""95 % percentile intervals by bootstrap: whole resamples as rows of weights, every metric from the same rows.

Sums over posts are one product of weights and a sparse matrix of per-post values, so accuracy, F1, log loss and ECE
come together, whatever the number of classes; ROC AUC and average precision are weighted cumulative sums over scores
that were sorted once. Those two use fewer resamples (never below 200) when posts × classes × resamples passes
`RANK_BUDGET`. Resampling shows only the spread that the posts have: a metric without a single error among them has a
point for an interval.
"""

from collections.abc import Iterator, Mapping
from math import sqrt

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # It ships no types.

from siaga.evaluation.metrics import additive, from_sums, measure, per_class, rank_metrics, rankings
from siaga.evaluation.outcomes import Indices, Outcomes, Values

Interval = dict[str, float | None]
CHUNK_WEIGHTS = (
    1 << 16
)  # Half a megabyte: larger chunks leave the cache and fault in fresh pages (measured 2 × slower).
RANK_BUDGET = 200_000_000
FEWEST_RANK_RESAMPLES = 200
ENDS = (0.025, 0.975)
BIASED = frozenset({"ece", "average_precision"})


def resample_weights(units: int, *, resamples: int, seed: int, posts: int = 0) -> Iterator[Indices]:
    """Yield the resamples in chunks (rows, units): how often each unit (a post, or a whole group) was drawn.

    A chunk's rows stay in the cache even when they are spread over `posts`; the draws do not depend on it.
    """
    rng = np.random.default_rng(seed)
    rows = max(1, CHUNK_WEIGHTS // max(units, posts))
    for start in range(0, resamples, rows):
        drawn = rng.integers(0, units, size=(min(rows, resamples - start), units), dtype=np.int32)
        yield np.stack([np.bincount(row, minlength=units) for row in drawn])


def replicates(outcomes: Outcomes, *, resamples: int, seed: int) -> dict[str, Values]:
    """Return each metric's value on every resample, (resamples,) or fewer for the rank metrics; classes too.

    `precision`, `recall` and `f1` are (resamples, classes). Equal seeds and equally many posts give equal resamples,
    so the replicates of two classifiers on the same posts are paired. NaN where a resample leaves a metric undefined,
    and everywhere when a single post or group leaves nothing to resample.
    """
    from scipy.sparse import csr_array

    groups = np.arange(len(outcomes)) if outcomes.groups is None else outcomes.groups
    units = int(groups.max()) + 1
    values = additive(outcomes)
    sums = csr_array((values if outcomes.groups is None else _group_sums(values, groups, units)).T)
    ranked, left = rankings(outcomes), _rank_resamples(outcomes, resamples)
    totals, ranks = [], []
    with threadpool_limits(1, user_api="blas"):  # Threads that wait for each other made small products 20 × slower.
        for weights in resample_weights(units, resamples=resamples, seed=seed, posts=len(groups)):
            totals.append((sums @ weights.T.astype(np.float64)).T)
            if left > 0:
                rows = weights[:left] if outcomes.groups is None else weights[:left].take(groups, axis=1)
                ranks.append(rank_metrics(ranked, rows))
                left -= len(rows)
    total = np.concatenate(totals)
    joined = {name: np.concatenate([part[name] for part in ranks]) for name in ranks[0]}
    found = {**from_sums(total, outcomes), **joined, **per_class(total, len(outcomes.classes))}
    return found if units > 1 else {name: np.full_like(rows, np.nan) for name, rows in found.items()}


def with_intervals(outcomes: Outcomes, drawn: Mapping[str, Values]) -> dict[str, Interval]:
    """Return every metric as {value, low, high}; all None where it is undefined."""
    found = {}
    for name, value in measure(outcomes).items():
        most = 1.0 if name in BIASED else None
        low, high = (None, None) if value is None else ends(centred(name, drawn[name], value).clip(0.0, most))
        found[name] = {"value": value, "low": low, "high": high}
    return found


def centred(name: str, rows: Values, value: float) -> Values:
    """Return the replicates of a metric, those of ECE and average precision moved by the bootstrap's own bias.

    A resample repeats posts, so its bins are rougher and its ties more than the sample's, and these two come out
    larger than `value` on average (Efron & Tibshirani 1993, §10).
    """
    if name not in BIASED or np.isnan(rows).all():
        return rows
    moved: Values = rows - np.nanmean(rows) + value
    return moved


def intervals(outcomes: Outcomes, *, resamples: int, seed: int) -> dict[str, Interval]:
    """Return every metric of `measure` as {value, low, high} from `resamples` resamples."""
    return with_intervals(outcomes, replicates(outcomes, resamples=resamples, seed=seed))


def ends(rows: Values) -> tuple[float | None, float | None]:
    """Return the 2.5 % and 97.5 % quantiles of the resamples in which the metric is defined, or None and None."""
    defined = rows[~np.isnan(rows)]
    if not len(defined):
        return None, None
    low, high = np.quantile(defined, ENDS)
    return float(low), float(high)


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of `n` posts (Wilson 1927), which stays within 0 and 1 for a few posts."""
    z = 1.959963985
    centre, spread = share + z * z / (2 * n), z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, (centre - spread) / (1 + z * z / n)), min(1.0, (centre + spread) / (1 + z * z / n))


def mean_of_sums(n: int, total: int, squares: int) -> Interval:
    """Return the mean of `n` whole numbers from their sum and their sum of squares, with its 95 % interval.

    The interval is Student's (1908), so that it is wide enough for a few numbers; for many it is the normal one. It
    is None where it cannot be told: of fewer than two numbers, or of numbers that are all equal.
    """
    from scipy.special import stdtrit

    if n == 0:
        return {"value": None, "low": None, "high": None}
    mean, spread = total / n, n * squares - total * total  # Whole numbers, so that nothing cancels.
    if spread == 0:
        return {"value": mean, "low": None, "high": None}
    half = float(stdtrit(n - 1, ENDS[1])) * sqrt(spread / (n - 1)) / n
    return {"value": mean, "low": mean - half, "high": mean + half}


def _rank_resamples(outcomes: Outcomes, resamples: int) -> int:
    classes = 1 if len(outcomes.classes) == 2 else len(outcomes.classes)
    return min(resamples, max(FEWEST_RANK_RESAMPLES, RANK_BUDGET // (len(outcomes) * classes)))


def _group_sums(values: Values, groups: Indices, units: int) -> Values:
    """Return the per-group sums (units, columns) of per-post values (n, columns)."""
    sums = np.zeros((units, values.shape[1]))
    np.add.at(sums, groups, values)
    return sums
