"""Heads of `linear` that are kept as plain arrays: margins made into probabilities, and Gaussians on sparse rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from siaga.models.arrays import check_shapes, read_arrays, softmax, write_arrays
from siaga.models.classifier import Probabilities
from siaga.models.folds import left_out
from siaga.schema import Linear

FILE = "head.npz"
_NOISE = 1e-9  # Of the largest variance: added to every one, as scikit-learn's GaussianNB does.


class MarginHead:
    """Ridge regression or support vectors: a sigmoid of the margins gives the probabilities (Platt 1999).

    It is fitted on the margins of rows that the machine had not seen, in folds that keep copies together; for more
    than two classes it is a multinomial logistic regression. Where no fold can be left out, all rows serve. Two
    matrices are all that is kept.
    """

    def __init__(self, spec: Linear, *, seed: int) -> None:
        self._spec, self._seed = spec, seed
        self._learned: dict[str, NDArray[Any]] = {}  # Any: of several types.

    def fit(self, rows: csr_matrix, labels: NDArray[np.int64], fold_of_each: Callable[[], NDArray[np.int64]]) -> Self:
        """Learn the margins from all rows, and the sigmoid from those left out."""
        from sklearn.linear_model import LogisticRegression

        machine = self._build().fit(rows, labels)
        margins, asked = self._left_out(rows, labels, fold_of_each())
        if not asked.any():
            margins, asked = _column(machine.decision_function(rows)), np.ones(len(labels), dtype=bool)
        weight = "balanced" if self._spec.balanced else None
        sigmoid = LogisticRegression(class_weight=weight, max_iter=3000).fit(margins[asked], labels[asked])
        self.classes_ = machine.classes_
        self._learned = {
            "classes": machine.classes_,
            "weights": np.atleast_2d(machine.coef_),
            "bias": np.atleast_1d(machine.intercept_),
            "slope": sigmoid.coef_,
            "offset": sigmoid.intercept_,
        }
        return self

    def predict_proba(self, rows: csr_matrix) -> Probabilities:
        """Return the sigmoid of the margins."""
        learned = self._learned
        margins = rows @ learned["weights"].T + learned["bias"]
        scores = margins @ learned["slope"].T + learned["offset"]
        return softmax(scores)

    def save(self, folder: Path) -> None:
        """Write `head.npz`."""
        write_arrays(folder / FILE, self._learned)

    def load(self, folder: Path) -> Self:
        """Read `head.npz`."""
        found = read_arrays(folder / FILE, ("classes", "weights", "bias", "slope", "offset"))
        n = len(found["classes"])
        margins = 1 if n == 2 else n
        shapes = ((margins, found["weights"].shape[-1]), (margins,), (margins, margins), (margins,))
        check_shapes(folder / FILE, found, dict(zip(("weights", "bias", "slope", "offset"), shapes, strict=True)))
        self._learned, self.classes_ = found, found["classes"]
        return self

    def _build(self) -> Any:  # Any: scikit-learn is untyped.
        weight = "balanced" if self._spec.balanced else None
        if self._spec.head == "ridge":
            from sklearn.linear_model import RidgeClassifier

            return RidgeClassifier(alpha=1.0 / (self._spec.C or 1.0), class_weight=weight)
        from sklearn.svm import LinearSVC

        return LinearSVC(C=self._spec.C or 0.1, class_weight=weight, random_state=self._seed, max_iter=10_000)

    def _left_out(
        self, rows: csr_matrix, labels: NDArray[np.int64], fold_of: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return margins, (n, 1 or classes), and which rows have one from a machine that had not seen them."""
        classes = np.unique(labels)
        margins = np.zeros((len(labels), 1 if len(classes) == 2 else len(classes)))
        asked = np.zeros(len(labels), dtype=bool)
        for fold in np.unique(fold_of[fold_of >= 0]):
            outside, inside = fold_of == fold, ~left_out(fold_of, fold)
            if np.array_equal(np.unique(labels[inside]), classes):
                machine = self._build().fit(rows[inside], labels[inside])
                margins[outside] = _column(machine.decision_function(rows[outside]))
                asked |= outside
        whole = np.array_equal(np.unique(labels[asked]), classes)
        return margins, asked if whole else np.zeros_like(asked)


class GaussianHead:
    """Gaussian naive Bayes from sparse sums: no dense copy of the rows is ever made."""

    def __init__(self, *, balanced: bool) -> None:
        self._balanced = balanced
        self._learned: dict[str, NDArray[Any]] = {}  # Any: of several types.

    def fit(self, rows: csr_matrix, labels: NDArray[np.int64], fold_of_each: Callable[[], NDArray[np.int64]]) -> Self:  # noqa: ARG002 - part of the protocol.
        """Learn mean and variance of each column by class."""
        self.classes_, inside, counts = np.unique(labels, return_inverse=True, return_counts=True)
        one_hot = csr_matrix((np.ones(len(labels)), (inside, np.arange(len(labels)))))
        squares = rows.multiply(rows).tocsr()
        means = (one_hot @ rows).toarray() / counts[:, None]
        variances = (one_hot @ squares).toarray() / counts[:, None] - means**2
        everywhere = np.asarray(squares.mean(axis=0)) - np.asarray(rows.mean(axis=0)) ** 2
        variances = variances.clip(0.0) + max(_NOISE * float(everywhere.max()), np.finfo(np.float64).tiny ** 0.5)
        priors = np.full(len(counts), 1.0 / len(counts)) if self._balanced else counts / counts.sum()
        self._learned = {"classes": self.classes_, "means": means, "variances": variances, "priors": priors}
        return self

    def predict_proba(self, rows: csr_matrix) -> Probabilities:
        """Return the posterior."""
        means, variances = self._learned["means"], self._learned["variances"]
        constant = np.log(self._learned["priors"]) - 0.5 * (np.log(2.0 * np.pi * variances) + means**2 / variances).sum(
            axis=1
        )
        squares = rows.multiply(rows).tocsr()
        return softmax(constant + rows @ (means / variances).T - 0.5 * (squares @ (1.0 / variances).T))

    def save(self, folder: Path) -> None:
        """Write `head.npz`."""
        write_arrays(folder / FILE, self._learned)

    def load(self, folder: Path) -> Self:
        """Read `head.npz`."""
        found = read_arrays(folder / FILE, ("classes", "means", "variances", "priors"))
        shape = (len(found["classes"]), found["means"].shape[-1])
        check_shapes(folder / FILE, found, {"means": shape, "variances": shape, "priors": shape[:1]})
        self._learned, self.classes_ = found, found["classes"]
        return self


def _column(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    return margins.reshape(len(margins), -1)
