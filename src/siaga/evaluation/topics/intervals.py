"""95 % intervals of what is measured of topics: by bootstrap over posts, and by leaving groups of posts out."""

from collections.abc import Callable, Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # It ships no types.

from siaga.evaluation.intervals import ENDS, Interval, ends, resample_weights
from siaga.models.topics.agreement import contingency, nmi, purity
from siaga.models.topics.coherence import Cooccurrences

GROUPS = 20  # Into how many the texts are parted for the interval of a coherence.
_AT_ONCE = 1 << 20  # Cells of the tables of resamples that are held at once.

Values = NDArray[np.float64]


def perplexity_interval(log_likelihoods: Values, n_hidden: NDArray[np.int64], *, resamples: int, seed: int) -> Interval:
    """Return the perplexity of a hidden word, with the interval of a bootstrap over texts; None without any.

    Both are (texts,): ln of the probability of a text's hidden words, and how many these are.
    """
    mean = ratio_interval(log_likelihoods, n_hidden, resamples=resamples, seed=seed)
    value, low, high = (None if end is None else float(np.exp(-end)) for end in mean.values())
    return {"value": value, "low": high, "high": low}


def ratio_interval(parts: NDArray[np.generic], wholes: NDArray[np.int64], *, resamples: int, seed: int) -> Interval:
    """Return Σ parts / Σ wholes of posts, both (posts,), with the interval of a bootstrap over posts.

    So the share of words of no clear topic: unclear words of each post, and all of its words. The value is None where
    the wholes are 0, and the interval is None for fewer than two posts.
    """
    total = int(wholes.sum())
    if total == 0 or len(wholes) < 2:
        return {"value": float(parts.sum() / total) if total else None, "low": None, "high": None}
    sums = np.stack([parts, wholes]).astype(np.float64).T
    with threadpool_limits(1, user_api="blas"):  # Threads that wait for each other are slower on small products.
        drawn = np.concatenate([w @ sums for w in resample_weights(len(sums), resamples=resamples, seed=seed)])
    rows = np.divide(drawn[:, 0], drawn[:, 1], out=np.full(len(drawn), np.nan), where=drawn[:, 1] > 0)
    low, high = ends(rows)
    return {"value": float(sums[:, 0].sum() / total), "low": low, "high": high}


def coherence_interval(counts: Cooccurrences, measure: Callable[[Cooccurrences], Values]) -> Interval:
    """Return the mean coherence of the topics, with the interval of a jackknife that leaves one group of texts out.

    `measure` is `Cooccurrences.npmi` or `Cooccurrences.c_v`. Student's t with a degree less than there are groups
    with texts (Wolter 2007, ch. 4); the interval is None for fewer than two, and ends where the measures do, at -1
    and 1.
    """
    from scipy.special import stdtrit

    value, filled = float(measure(counts).mean()), np.flatnonzero(counts.windows)
    groups = len(filled)
    if groups < 2:
        return {"value": value, "low": None, "high": None}
    left = np.array([measure(counts.without(group)).mean() for group in filled.tolist()])
    half = float(stdtrit(groups - 1, ENDS[1])) * sqrt((groups - 1) / groups * float(((left - value) ** 2).sum()))
    return {"value": value, "low": max(value - half, min(value, -1.0)), "high": min(value + half, max(value, 1.0))}


def nmi_and_purity(
    labels: Sequence[str], topics: NDArray[np.int64], *, resamples: int, seed: int
) -> dict[str, Interval]:
    """Return the normalised mutual information and the purity of posts' main topics, with bootstrap intervals.

    Resamples repeat posts, so both come out larger than of the posts; they are moved back by that (Efron & Tibshirani
    1993, §10). None without posts.
    """
    table = contingency(labels, topics)
    n = int(table.sum())
    if n == 0:
        return {name: {"value": None, "low": None, "high": None} for name in ("nmi", "purity")}
    rng, rows, most = np.random.default_rng(seed), [], max(1, _AT_ONCE // table.size)
    for start in range(0, resamples, most):  # Drawn posts matter only by how many fall into each cell.
        drawn = rng.multinomial(n, table.ravel() / n, size=min(most, resamples - start))
        tables = drawn.reshape(-1, *table.shape)
        rows.append(np.stack([nmi(tables), purity(tables)]))
    of_nmi, of_purity = np.concatenate(rows, axis=1)
    return {"nmi": _moved(float(nmi(table)), of_nmi), "purity": _moved(float(purity(table)), of_purity)}


def _moved(value: float, rows: Values) -> Interval:
    low, high = ends((rows - rows.mean() + value).clip(0.0, 1.0))
    return {"value": value, "low": low, "high": high}
