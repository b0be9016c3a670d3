"""Heads on embeddings, on standardised columns: the protocol, and logistic regression."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from siaga.models.classifier import Probabilities, Progress, silent
from siaga.models.estimators import load_estimator, save_estimator

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Labelled:
    """Embeddings `rows` (n, width) with class indices `labels` (n,) and the posts' `ids`."""

    rows: Matrix
    labels: NDArray[np.int64]
    ids: Sequence[str]


class Head(Protocol):
    """Turns embeddings into probabilities of `classes_`, the class indices that it was trained on."""

    classes_: NDArray[np.int64]

    def fit(self, examples: Labelled, *, validation: Labelled | None = None, progress: Progress = silent) -> Self:
        """Learn from at least two classes."""
        ...

    def predict_proba(self, rows: Matrix) -> Probabilities:
        """Return (n, classes_); n is at least 1."""
        ...

    def save(self, folder: Path) -> None:
        """Write what was learned."""
        ...

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote."""
        ...


class LogisticHead:
    """Multinomial logistic regression with an L2 penalty.

    `C` is for standardised rows over the root of their width, which are about one long: it means the same for every
    encoder. (Dividing C by the width is the same as dividing the rows.)
    """

    def __init__(self, *, C: float, balanced: bool) -> None:
        self._C, self._weight = C, "balanced" if balanced else None
        self._model: Any = None  # Any: scikit-learn has no types.

    def fit(self, examples: Labelled, *, validation: Labelled | None = None, progress: Progress = silent) -> Self:  # noqa: ARG002 - part of the protocol.
        """Learn; the validation examples are not needed."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        regression = LogisticRegression(C=self._C / examples.rows.shape[1], class_weight=self._weight, max_iter=2000)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # 2,000 iterations are enough for a head.
            self._model = make_pipeline(StandardScaler(), regression).fit(
                examples.rows.astype(np.float64), examples.labels
            )
        self.classes_ = self._model.classes_
        return self

    def predict_proba(self, rows: Matrix) -> Probabilities:
        """Return the probabilities."""
        probabilities: Probabilities = self._model.predict_proba(rows.astype(np.float64))
        return probabilities

    def save(self, folder: Path) -> None:
        """Write `head.skops`."""
        save_estimator(folder / "head.skops", self._model)

    def load(self, folder: Path) -> Self:
        """Read `head.skops`."""
        self._model = load_estimator(folder / "head.skops")
        self.classes_ = self._model.classes_
        return self
