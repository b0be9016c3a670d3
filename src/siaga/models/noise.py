"""Is a change beyond noise? Macro-F1 from counts with its paired bootstrap, and the mean of paired differences."""

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float64]
CHUNK_CELLS = 1 << 22


def macro_f1(hits: Counts, labelled: Counts, predicted: Counts) -> NDArray[np.float64]:
    """Return the mean F1 over the classes that occur in labels or predictions, (...,), from counts (..., classes).

    `hits` counts the posts of a class that were predicted as it, `labelled` those that are it, `predicted` those
    that were said to be it; a class that occurs in neither is left out, as scikit-learn does.
    """
    total = labelled + predicted
    scores = np.divide(2.0 * hits, total, out=np.zeros_like(total), where=total > 0)
    mean: NDArray[np.float64] = scores.sum(axis=-1) / np.maximum((total > 0).sum(axis=-1), 1)
    return mean


def paired_difference(
    labels: NDArray[np.int64],
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    *,
    seed: int,
    resamples: int = 2000,
) -> tuple[float, float, float]:
    """Return macro-F1 of `after` minus that of `before`, and the low and high end of its 95 % interval.

    `labels` is (n,) class indices; `before` and `after` are (n, classes) probabilities, read by argmax. Both are
    resampled together (Efron & Tibshirani 1993, §15): posts that share label and both answers are one cell, and a
    resample is one multinomial draw over the cells, so the order of the posts does not matter. No posts say
    nothing: (0, -1, 1).
    """
    if len(labels) == 0:
        return 0.0, -1.0, 1.0
    k = before.shape[1]
    codes = (labels * k + before.argmax(axis=1)) * k + after.argmax(axis=1)
    cells, counts = np.unique(codes, return_counts=True)
    parts = np.eye(k)[np.stack([cells // (k * k), cells // k % k, cells % k])]  # (3, cells, classes): one-hot
    value = _difference(counts[None, :].astype(np.float64), parts)[0]
    rng = np.random.default_rng(seed)
    rows = max(1, CHUNK_CELLS // len(cells))
    drawn = [
        _difference(rng.multinomial(len(labels), counts / len(labels), size=size).astype(np.float64), parts)
        for size in [rows] * (resamples // rows) + [resamples % rows]
        if size
    ]
    low, high = np.quantile(np.concatenate(drawn), (0.025, 0.975))
    return float(value), float(low), float(high)


def mean_difference(differences: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the mean of paired differences, (n,), and the low and high end of its normal 95 % interval."""
    mean = float(differences.mean())
    half = 1.96 * float(differences.std(ddof=1)) / len(differences) ** 0.5 if len(differences) > 1 else float("inf")
    return mean, mean - half, mean + half


def _difference(weights: Counts, parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the difference of macro-F1, (rows,), for cells that weigh `weights` (rows, cells)."""
    label, before, after = parts
    labelled = weights @ label
    was, now = (macro_f1(weights @ (label * said), labelled, weights @ said) for said in (before, after))
    return now - was
