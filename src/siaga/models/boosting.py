"""Boosted trees of xgboost and catboost, kept in the libraries' own JSON: equal fits give equal bytes, one thread."""

import json
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from siaga.errors import BundleError
from siaga.extras import require
from siaga.files import write_text
from siaga.models.boosted_trees import CATBOOST_PARAMS, check_catboost, check_xgboost
from siaga.models.classifier import Probabilities

_XGBOOST = {
    "eta": 0.2,
    "max_depth": 6,
    "tree_method": "hist",
    "max_bin": 16,  # Columns of TF-IDF are mostly empty: sixteen steps tell the rest apart.
    "colsample_bytree": 0.3,
    "nthread": 1,
    "verbosity": 0,
}
_SPARSE = {
    "learning_rate": 0.2,
    "border_count": 8,
    "rsm": 0.1,
    "boosting_type": "Plain",
    "bootstrap_type": "Bernoulli",
    "subsample": 0.7,
}


class XGBoost:
    """Gradient-boosted trees on sparse rows, in which what is not there counts as missing."""

    def __init__(self, *, seed: int = 0, rounds: int = 200) -> None:
        self._seed, self._rounds = seed, rounds
        self._booster: Any = None  # Any: xgboost is untyped.
        self.classes_: NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    def fit(
        self, rows: csr_matrix, labels: NDArray[np.int64], sample_weight: NDArray[np.float64] | None = None
    ) -> Self:
        """Learn from at least two classes; `sample_weight` is (n,)."""
        xgboost = require("xgboost", extra="boost")
        self.classes_, inside = np.unique(labels, return_inverse=True)
        many = len(self.classes_) > 2
        objective = {"objective": "multi:softprob", "num_class": len(self.classes_)} if many else {}
        settings = {**_XGBOOST, "seed": self._seed, "objective": "binary:logistic", **objective}
        matrix = xgboost.DMatrix(rows, inside, weight=sample_weight, nthread=1)
        self._booster = xgboost.train(settings, matrix, num_boost_round=self._rounds)
        return self

    def predict_proba(self, rows: csr_matrix) -> Probabilities:
        """Return (n, classes_)."""
        xgboost = require("xgboost", extra="boost")
        found: Probabilities = self._booster.predict(xgboost.DMatrix(rows, nthread=1)).astype(np.float64)
        probabilities: Probabilities = found if found.ndim == 2 else np.column_stack([1.0 - found, found])
        probabilities /= probabilities.sum(axis=1, keepdims=True)  # They are float32 inside.
        return probabilities

    def save(self, path: Path) -> None:
        """Write the model, with its classes, as JSON."""
        model = json.loads(bytes(self._booster.save_raw("json")))
        write_text(path, json.dumps({"classes": self.classes_.tolist(), "model": model}, sort_keys=True))

    def load(self, path: Path) -> Self:
        """Read what `save` wrote. Raises BundleError for anything else."""
        xgboost = require("xgboost", extra="boost")
        table = _read_json(path)
        try:
            classes, model = table["classes"], table["model"]
            check_xgboost(model, n_classes=len(classes))
            self.classes_ = np.array(classes, dtype=np.int64)
            self._booster = xgboost.Booster({"nthread": 1})
            self._booster.load_model(bytearray(json.dumps(model).encode()))
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError, xgboost.core.XGBoostError) as error:
            raise BundleError(_refusal(path, error)) from None
        return self


def build_catboost(*, seed: int, is_sparse: bool = False) -> Any:  # Any: catboost is untyped.
    """Return an unfitted CatBoostClassifier, for a few columns or for the many, mostly empty ones of TF-IDF."""
    return require("catboost", extra="boost").CatBoostClassifier(
        **(_SPARSE if is_sparse else {"learning_rate": 0.05}),
        iterations=300,
        depth=4,
        loss_function="MultiClass",
        random_seed=seed,
        verbose=False,
        allow_writing_files=False,
        thread_count=1,
    )


def save_catboost(path: Path, estimator: Any) -> None:  # Any: catboost is untyped.
    """Write catboost's JSON without its clock, run ids and training, so that equal fits give equal bytes."""
    raw = path.with_suffix(".raw")
    estimator.save_model(str(raw), format="json")
    model: dict[str, Any] = json.loads(raw.read_text(encoding="utf-8"))  # Any: catboost's own schema.
    raw.unlink()
    model["model_info"] = {"class_params": model["model_info"]["class_params"], "params": CATBOOST_PARAMS}
    write_text(path, json.dumps(model, ensure_ascii=True, sort_keys=True))


def load_catboost(path: Path) -> Any:  # Any: catboost is untyped.
    """Return the classifier that `save_catboost` wrote. Raises BundleError for anything else."""
    catboost = require("catboost", extra="boost")
    model = _read_json(path)
    try:
        check_catboost(model)
        estimator = catboost.CatBoostClassifier()
        estimator.load_model(str(path), format="json")
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, catboost.CatBoostError) as error:
        raise BundleError(_refusal(path, error)) from None
    return estimator


def _read_json(path: Path) -> Any:  # Any: the JSON of boosted trees.
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(_refusal(path, error)) from None


def _refusal(path: Path, error: Exception) -> str:
    said = str(error).strip().splitlines()
    return f"{path} does not hold boosted trees that Siaga saved: {said[0] if said else 'damaged'}. Train it again."
