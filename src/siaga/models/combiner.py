"""Combiners: how the evidence of a fusion's members becomes one answer."""

from pathlib import Path
from typing import Any, Literal, Self, assert_never

import numpy as np
from numpy.typing import NDArray

from siaga.models.boosting import build_catboost, load_catboost, save_catboost
from siaga.models.classifier import Prior, Probabilities
from siaga.models.estimators import load_estimator, save_estimator

Kind = Literal["mean", "logistic", "random_forest", "catboost"]
Evidence = NDArray[np.float64]


class Combiner:
    """Combines evidence, (n, members, classes): log-odds against the class frequencies, zero where nothing was seen.

    `seen` is (n, members). `mean` averages the evidence of the members that saw the post and has nothing to learn;
    the others learn from the evidence and from who saw what.
    """

    def __init__(self, kind: Kind, *, seed: int) -> None:
        self.kind = kind
        self.seed = seed
        self._estimator: Any = None  # Any: scikit-learn and catboost are untyped.

    def fit(self, evidence: Evidence, seen: NDArray[np.bool_], labels: NDArray[np.int64]) -> Self:
        """Learn from out-of-fold evidence and class indices (n,)."""
        self._estimator = None if self.kind == "mean" else _build(self.kind, seed=self.seed)
        if self._estimator is not None:
            self._estimator.fit(_columns(evidence, seen), labels)
        return self

    def combine(self, evidence: Evidence, seen: NDArray[np.bool_], prior: Prior) -> Probabilities:
        """Return the probabilities, (n, classes).

        A class that was never learned keeps its prior, and a post that nobody saw gets all of it.
        """
        if self._estimator is None or not len(evidence):
            mean = evidence.sum(axis=1) / seen.sum(axis=1).clip(1)[:, None]
            rows: Probabilities = prior.frequencies * np.exp(mean)
            rows /= rows.sum(axis=1, keepdims=True)
            return rows
        present = np.asarray(self._estimator.classes_, dtype=np.int64)
        probabilities = prior.widen(self._estimator.predict_proba(_columns(evidence, seen)), present)
        probabilities[~seen.any(axis=1)] = prior.frequencies
        return probabilities

    def save(self, folder: Path) -> None:
        """Write what was learned, if anything was."""
        match self.kind:
            case "mean":
                return
            case "logistic" | "random_forest":
                save_estimator(folder / "combiner.skops", self._estimator)
            case "catboost":
                save_catboost(folder / "combiner.json", self._estimator)
            case _:
                assert_never(self.kind)

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote."""
        match self.kind:
            case "mean":
                self._estimator = None
            case "logistic" | "random_forest":
                self._estimator = load_estimator(folder / "combiner.skops")
            case "catboost":
                self._estimator = load_catboost(folder / "combiner.json")
            case _:
                assert_never(self.kind)
        return self


def _columns(evidence: Evidence, seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.hstack([evidence.reshape(len(evidence), -1), seen.astype(np.float64)])


def _build(kind: Literal["logistic", "random_forest", "catboost"], *, seed: int) -> Any:  # Any: untyped libraries.
    match kind:
        case "logistic":
            from sklearn.linear_model import LogisticRegression

            return LogisticRegression(C=0.5, max_iter=3000)
        case "random_forest":
            from sklearn.ensemble import RandomForestClassifier

            return RandomForestClassifier(n_estimators=300, min_samples_leaf=8, random_state=seed)
        case "catboost":
            return build_catboost(seed=seed)
        case _:
            assert_never(kind)
