"""A head that compares a post with posts that it learned from: logistic regression on a Gaussian kernel."""

import warnings
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from siaga.models.arrays import check_shapes, read_arrays, softmax, write_arrays
from siaga.models.classifier import Probabilities, Progress, silent
from siaga.models.heads import Labelled, Matrix

FILE = "head.npz"
_LANDMARKS = 2000  # Posts that others are compared with; of fewer posts, all.
_FLAT = 1e-8  # Of the largest direction of the landmarks' kernel; smaller ones are noise.
_ROWS = 1024  # Compared at once.


class KernelHead:
    """Multinomial logistic regression, with an L2 penalty, on the features of a Gaussian kernel.

    The features are those of the Nyström method (Williams and Seeger 2001) by up to 2,000 training posts, drawn by
    the seed. The kernel is as wide as the rows are spread: exp(-|a - b|² / the sum of their columns' variances).
    """

    def __init__(self, *, C: float, balanced: bool, seed: int, standardised: bool = True) -> None:
        self._C, self._weight, self._seed = C, "balanced" if balanced else None, seed
        self._standardised = standardised
        self._learned: dict[str, NDArray[Any]] = {}  # Any: of several types.

    def fit(self, examples: Labelled, *, validation: Labelled | None = None, progress: Progress = silent) -> Self:  # noqa: ARG002 - part of the protocol.
        """Learn; the validation examples are not needed."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        rows = _dense(examples.rows)
        mean, scale = rows.mean(axis=0), self._scale(rows)
        rows = (rows - mean) / scale
        drawn = np.sort(np.random.default_rng(self._seed).permutation(len(rows))[:_LANDMARKS])
        landmarks = rows[drawn]
        values, vectors = np.linalg.eigh(_kernel(landmarks, landmarks))
        is_kept = values > _FLAT * values[-1]
        basis = vectors[:, is_kept] / np.sqrt(values[is_kept])
        regression = LogisticRegression(C=self._C, class_weight=self._weight, max_iter=2000)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # 2,000 iterations are enough for a head.
            regression.fit(_compared(rows, landmarks, basis), examples.labels)
        self.classes_ = regression.classes_
        weights, bias = basis @ regression.coef_.T, regression.intercept_
        named = {"mean": mean, "scale": scale, "landmarks": landmarks, "weights": weights, "bias": bias}
        self._learned = {"classes": regression.classes_, **named}
        return self

    def predict_proba(self, rows: Matrix) -> Probabilities:
        """Return the probabilities, (n, classes_)."""
        learned = self._learned
        scaled = (_dense(rows) - learned["mean"]) / learned["scale"]
        return softmax(_compared(scaled, learned["landmarks"], learned["weights"]) + learned["bias"])

    def save(self, folder: Path) -> None:
        """Write `head.npz`."""
        write_arrays(folder / FILE, self._learned)

    def load(self, folder: Path) -> Self:
        """Read `head.npz`."""
        path = folder / FILE
        found = read_arrays(path, ("classes", "mean", "scale", "landmarks", "weights", "bias"))
        scores = len(found["classes"]) if len(found["classes"]) > 2 else 1
        count, width = len(found["landmarks"]), found["mean"].size
        shapes = {"mean": (width,), "scale": (width,), "landmarks": (count, width), "weights": (count, scores)}
        check_shapes(path, found, {**shapes, "bias": (scores,)})
        self._learned, self.classes_ = found, found["classes"]
        return self

    def _scale(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what columns are divided by, (width,), so that their variances sum to 1."""
        deviation = rows.std(axis=0)
        varies = deviation > 1e-8 * (1.0 + np.abs(rows.mean(axis=0)))
        whole = np.sqrt(np.square(deviation[varies]).sum()) or 1.0
        each = deviation * np.sqrt(max(1, varies.sum())) if self._standardised else np.full(len(deviation), whole)
        found: NDArray[np.float64] = np.where(varies, each, whole)
        return found


def _dense(rows: Matrix) -> NDArray[np.float64]:
    plain = rows.toarray() if isinstance(rows, csr_matrix) else rows
    return np.asarray(plain, dtype=np.float64)


def _compared(
    rows: NDArray[np.float64], landmarks: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the kernel of rows and landmarks, times weights (landmarks, columns), a part of the rows at a time."""
    found = np.zeros((len(rows), weights.shape[1]))
    for start in range(0, len(rows), _ROWS):
        found[start : start + _ROWS] = _kernel(rows[start : start + _ROWS], landmarks) @ weights
    return found


def _kernel(rows: NDArray[np.float64], landmarks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return exp(-|a - b|²) of every row a and landmark b."""
    squares = np.square(rows).sum(axis=1)[:, None] + np.square(landmarks).sum(axis=1)
    found: NDArray[np.float64] = np.exp(-(squares - 2.0 * rows @ landmarks.T).clip(min=0.0))
    return found
