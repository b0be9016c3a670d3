"""What learns on the TF-IDF of `linear`: the protocol, the door `build_head`, and heads that libraries keep."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, Self, assert_never

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from siaga.models.array_heads import FILE as NPZ
from siaga.models.array_heads import GaussianHead, MarginHead
from siaga.models.boosting import XGBoost, build_catboost, load_catboost, save_catboost
from siaga.models.classifier import Probabilities
from siaga.models.estimators import load_estimator, save_estimator
from siaga.schema import Linear

Labels = NDArray[np.int64]
FoldOfEach = Callable[[], NDArray[np.int64]]
_SKOPS, _JSON = "head.skops", "head.json"


class LinearHead(Protocol):
    """Turns sparse rows (n, n-grams) into probabilities of `classes_`, the class indices that it was trained on."""

    classes_: Labels

    def fit(self, rows: csr_matrix, labels: Labels, fold_of_each: FoldOfEach) -> Self:
        """Learn from at least two classes; `fold_of_each` gives each row's fold, (n,), to a head that cross-fits."""
        ...

    def predict_proba(self, rows: csr_matrix) -> Probabilities:
        """Return (n, classes_)."""
        ...

    def save(self, folder: Path) -> None:
        """Write what was learned."""
        ...

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote. Raises BundleError for anything else."""
        ...


def build_head(spec: Linear, *, seed: int) -> LinearHead:
    """Return the unfitted head that `spec` asks for."""
    match spec.head:
        case "ridge" | "svm":
            return MarginHead(spec, seed=seed)
        case "gaussian":
            return GaussianHead(balanced=spec.balanced)
        case "xgboost" | "catboost":
            return BoostedHead(spec, seed=seed)
        case "sgd" | "logistic" | "bernoulli" | "complement" | "tree" | "forest":
            return EstimatorHead(spec, seed=seed)
        case _:
            assert_never(spec.head)


def has_head(folder: Path) -> bool:
    """Whether a head was saved into `folder`."""
    return any((folder / name).exists() for name in (_SKOPS, NPZ, _JSON))


class EstimatorHead:
    """An estimator of scikit-learn that gives probabilities by itself."""

    def __init__(self, spec: Linear, *, seed: int) -> None:
        self._spec, self._seed = spec, seed
        self._estimator: Any = None  # Any: scikit-learn is untyped.

    def fit(self, rows: csr_matrix, labels: Labels, fold_of_each: FoldOfEach) -> Self:  # noqa: ARG002 - part of the protocol.
        """Learn."""
        self._estimator = _build_estimator(self._spec, seed=self._seed, n_rows=len(labels)).fit(rows, labels)
        self.classes_ = self._estimator.classes_
        return self

    def predict_proba(self, rows: csr_matrix) -> Probabilities:
        """Return the estimator's own."""
        probabilities: Probabilities = self._estimator.predict_proba(rows)
        return probabilities

    def save(self, folder: Path) -> None:
        """Write `head.skops`."""
        save_estimator(folder / _SKOPS, self._estimator)

    def load(self, folder: Path) -> Self:
        """Read `head.skops`."""
        self._estimator = load_estimator(folder / _SKOPS)
        self.classes_ = self._estimator.classes_
        return self


class BoostedHead:
    """Boosted trees of xgboost or catboost."""

    def __init__(self, spec: Linear, *, seed: int) -> None:
        self._spec, self._seed = spec, seed
        self._trees: Any = None  # Any: catboost is untyped.

    def fit(self, rows: csr_matrix, labels: Labels, fold_of_each: FoldOfEach) -> Self:  # noqa: ARG002 - part of the protocol.
        """Learn."""
        from sklearn.utils.class_weight import compute_sample_weight

        weights = compute_sample_weight("balanced", labels) if self._spec.balanced else None
        is_xgboost = self._spec.head == "xgboost"
        self._trees = XGBoost(seed=self._seed) if is_xgboost else build_catboost(seed=self._seed, is_sparse=True)
        self._trees.fit(rows, labels, sample_weight=weights)
        self.classes_ = np.asarray(self._trees.classes_, dtype=np.int64)
        return self

    def predict_proba(self, rows: csr_matrix) -> Probabilities:
        """Return the trees' own."""
        probabilities: Probabilities = self._trees.predict_proba(rows)
        return probabilities

    def save(self, folder: Path) -> None:
        """Write `head.json`."""
        if isinstance(self._trees, XGBoost):
            self._trees.save(folder / _JSON)
        else:
            save_catboost(folder / _JSON, self._trees)

    def load(self, folder: Path) -> Self:
        """Read `head.json`."""
        path = folder / _JSON
        self._trees = XGBoost(seed=self._seed).load(path) if self._spec.head == "xgboost" else load_catboost(path)
        self.classes_ = np.asarray(self._trees.classes_, dtype=np.int64)
        return self


def _build_estimator(spec: Linear, *, seed: int, n_rows: int) -> Any:  # Any: scikit-learn is untyped.
    weight = "balanced" if spec.balanced else None
    match spec.head:
        case "logistic":
            from sklearn.linear_model import LogisticRegression

            return LogisticRegression(C=spec.C or 4.0, class_weight=weight, max_iter=3000)
        case "sgd":
            from sklearn.linear_model import SGDClassifier

            alpha = 1.0 / (spec.C * n_rows) if spec.C else 1e-5
            return SGDClassifier(loss="log_loss", alpha=alpha, class_weight=weight, random_state=seed)
        case "bernoulli":
            from sklearn.naive_bayes import BernoulliNB

            return BernoulliNB(fit_prior=not spec.balanced)
        case "complement":
            from sklearn.naive_bayes import ComplementNB

            return ComplementNB()
        case "tree":
            from sklearn.tree import DecisionTreeClassifier

            return DecisionTreeClassifier(min_samples_leaf=5, class_weight=weight, random_state=seed)
        case _:
            from sklearn.ensemble import RandomForestClassifier

            return RandomForestClassifier(100, min_samples_leaf=2, class_weight=weight, random_state=seed, n_jobs=1)
