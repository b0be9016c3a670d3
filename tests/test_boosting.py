"""Boosted trees on disk: equal after a round trip, and nothing that points outside of itself reaches the libraries."""

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from siaga.errors import BundleError
from siaga.models.boosting import XGBoost, build_catboost, load_catboost, save_catboost

DENSE = np.random.default_rng(0).random((120, 6)) * (np.random.default_rng(1).random((120, 6)) < 0.5)
X = csr_matrix(DENSE)
TWO = (DENSE.sum(axis=1) > 1.5).astype(np.int64) * 3
THREE = TWO + 2 * (DENSE[:, 0] > 0.4)


def save(kind: str, path: Path, labels: np.ndarray) -> Any:  # Any: catboost is untyped.
    if kind == "xgboost":
        model = XGBoost(seed=0, rounds=10).fit(X, labels)
        model.save(path)
        return model
    model = build_catboost(seed=0).set_params(iterations=20).fit(X, labels)
    save_catboost(path, model)
    return model


def load(kind: str, path: Path) -> Any:  # Any: catboost is untyped.
    return XGBoost().load(path) if kind == "xgboost" else load_catboost(path)


def places(value: object, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # Any: keys and numbers.
    """Yield the place of every part of a JSON value, of a long list only some."""
    if place:
        yield place
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))[:4] if isinstance(value, list) else []
    for key in keys:
        yield from places(value[key], (*place, key))  # type: ignore[index]  # It has keys.


@pytest.mark.parametrize("kind", ["xgboost", "catboost"])
@pytest.mark.parametrize("labels", [TWO, THREE], ids=["two", "three"])
def test_loaded_trees_answer_as_saved_ones(kind: str, labels: np.ndarray, tmp_path: Path) -> None:
    model = save(kind, tmp_path / "a.json", labels)
    loaded = load(kind, tmp_path / "a.json")
    assert loaded.classes_.tolist() == np.unique(labels).tolist()
    np.testing.assert_allclose(loaded.predict_proba(X), model.predict_proba(X), atol=1e-12)
    right = loaded.classes_[loaded.predict_proba(X).argmax(axis=1)] == labels
    assert right.mean() > 0.7


def test_weights_count(tmp_path: Path) -> None:
    weights = np.where(TWO == 3, 1e-3, 1.0)
    light = XGBoost().fit(X, TWO, sample_weight=weights).predict_proba(X)
    assert light[:, 1].mean() < 0.2 < XGBoost().fit(X, TWO).predict_proba(X)[:, 1].mean()


POINTERS = [
    ("left_children", 10**6),
    ("right_children", -2),
    ("left_children", 0),
    ("split_indices", 10**6),
    ("split_type", 1),
    ("parents", 5),
    ("split_conditions", float("nan")),
]


@pytest.mark.parametrize(("key", "value"), POINTERS)
def test_a_tree_of_xgboost_that_points_outside_of_itself_is_refused(key: str, value: float, tmp_path: Path) -> None:
    save("xgboost", tmp_path / "a.json", TWO)
    table = json.loads((tmp_path / "a.json").read_text())
    table["model"]["learner"]["gradient_booster"]["model"]["trees"][0][key][0] = value
    (tmp_path / "a.json").write_text(json.dumps(table))
    with pytest.raises(BundleError, match="Train it again"):
        load("xgboost", tmp_path / "a.json")


@pytest.mark.parametrize(("key", "value"), [("float_feature_index", 10**6), ("split_index", -1), ("border", 0.123)])
def test_a_tree_of_catboost_that_points_outside_of_itself_is_refused(key: str, value: float, tmp_path: Path) -> None:
    save("catboost", tmp_path / "a.json", TWO)
    table = json.loads((tmp_path / "a.json").read_text())
    next(tree for tree in table["oblivious_trees"] if tree["splits"])["splits"][0][key] = value
    (tmp_path / "a.json").write_text(json.dumps(table))
    with pytest.raises(BundleError, match="Train it again"):
        load("catboost", tmp_path / "a.json")


@pytest.mark.parametrize("kind", ["xgboost", "catboost"])
def test_random_mutations_are_refused_or_answer(kind: str, tmp_path: Path) -> None:
    save(kind, tmp_path / "a.json", THREE)
    whole = json.loads((tmp_path / "a.json").read_text())
    dice, spots, refused = random.Random(0), list(places(whole)), 0
    odd: list[object] = [None, -1, 0, 1, 7, 10**9, 2**70, 1e308, float("inf"), float("nan"), "", "9" * 30, [], {}, [0]]
    for _ in range(150):
        *above, last = dice.choice(spots)
        mutated = copy.deepcopy(whole)
        part = mutated
        for key in above:
            part = part[key]
        if dice.random() < 0.3:
            del part[last]
        else:
            part[last] = dice.choice(odd)
        (tmp_path / "b.json").write_text(json.dumps(mutated))
        try:
            rows = load(kind, tmp_path / "b.json").predict_proba(X)
        except BundleError:
            refused += 1
        else:
            assert np.isfinite(rows).all()
    assert refused > 100


@pytest.mark.parametrize("kind", ["xgboost", "catboost"])
@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"{}", b"[" * 100_000, b'{"classes": [0, 1], "model": 1}']
)
def test_what_is_no_model_is_refused(kind: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(BundleError, match="Train it again"):
        load(kind, tmp_path / "a.json")
    with pytest.raises(BundleError, match="Train it again"):
        load(kind, tmp_path / "absent.json")
