"""Heads on features: the protocol, and logistic regression."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from siaga.models.classifier import Probabilities, Progress, silent
from siaga.models.estimators import load_estimator, save_estimator

Matrix: TypeAlias = NDArray[np.float32] | csr_matrix


@dataclass(frozen=True)
class Labelled:
    """Features `rows` (n, width) with class indices `labels` (n,) and the posts' `ids`."""

    rows: Matrix
    labels: NDArray[np.int64]
    ids: Sequence[str]


class Head(Protocol):
    """Turns features into probabilities of `classes_`, the class indices that it was trained on."""

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


def has_head(folder: Path) -> bool:
    """Whether a head of any kind was saved in a folder."""
    return any((folder / name).exists() for name in ("head.skops", "head.npz", "head.safetensors"))


class LogisticHead:
    """Multinomial logistic regression with an L2 penalty.

    `C` is for standardised rows over the root of their width, which are about one long: it means the same for every
    encoder. (Dividing C by the width is the same as dividing the rows.) Rows that are not to be `standardised` may be
    sparse; their length is taken as it is.
    """

    def __init__(self, *, C: float, balanced: bool, standardised: bool = True) -> None:
        self._C, self._weight, self._standardised = C, "balanced" if balanced else None, standardised
        self._model: Any = None  # Any: scikit-learn has no types.

    def fit(self, examples: Labelled, *, validation: Labelled | None = None, progress: Progress = silent) -> Self:  # noqa: ARG002 - part of the protocol.
        """Learn; the validation examples are not needed."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        share = 1 / examples.rows.shape[1] if self._standardised else 1.0
        regression = LogisticRegression(C=self._C * share, class_weight=self._weight, max_iter=2000)
        steps = [StandardScaler(), regression] if self._standardised else [regression]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # 2,000 iterations are enough for a head.
            self._model = make_pipeline(*steps).fit(examples.rows.astype(np.float64), examples.labels)
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
