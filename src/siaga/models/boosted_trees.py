"""What the JSON of boosted trees must say before xgboost or catboost may read it.

Both follow the pointers of a file unchecked, so a file that points outside of itself could end the process.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

_NO_CATEGORIES: dict[str, list[object]] = {"enc": [], "feature_segments": [], "sorted_idx": []}
_ROOT = 2**31 - 1  # What xgboost calls the parent of a root.
_DEEPEST = 16
_HUGE = 1e30  # Sums of numbers below it stay finite, in single precision as well.
CATBOOST_PARAMS = {
    "loss_function": {"params": {}, "type": "MultiClass"},
    "flat_params": {"loss_function": "MultiClass"},  # Without them catboost complains aloud.
}
_Table = Mapping[str, Any]  # Any: JSON.


def check_xgboost(model: _Table, *, n_classes: int) -> None:
    """Raise a plain error (ValueError, TypeError, …) unless `model` is one of `siaga.models.boosting.XGBoost`."""
    learner = model["learner"]
    booster, shape = learner["gradient_booster"], learner["learner_model_param"]
    trees = booster["model"]["trees"]
    each_round = n_classes if n_classes > 2 else 1
    number = str(n_classes)
    many = {"name": "multi:softprob", "softmax_multiclass_param": {"num_class": number}}
    two = {"name": "binary:logistic", "reg_loss_param": {"scale_pos_weight": "1"}}
    _demand(n_classes >= 2 and set(model) == {"learner", "version"}, "its form")
    _demand(_is_version(model["version"]), "its version")
    _demand(learner["objective"] == (many if n_classes > 2 else two), "its objective")
    _demand(learner["feature_names"] == learner["feature_types"] == [] and learner["attributes"] == {}, "its features")
    _demand((shape["num_class"], shape["num_target"]) == (number if n_classes > 2 else "0", "1"), "its classes")
    _check_start(shape, each_round)
    forest = {
        "cats": _NO_CATEGORIES,
        "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(len(trees))},
        "iteration_indptr": list(range(0, len(trees) + 1, each_round)),
        "tree_info": [i % each_round for i in range(len(trees))],
        "trees": trees,
    }
    _demand(booster == {"model": forest, "name": "gbtree"} and len(trees) % each_round == 0, "its list of trees")
    for i, tree in enumerate(trees):
        _check_xgboost_tree(tree, i, width=int(shape["num_feature"]))


def check_catboost(model: _Table) -> None:
    """Raise a plain error (ValueError, TypeError, …) unless `model` is oblivious trees on numbers, and nothing else."""
    parts = {"features_info", "model_info", "oblivious_trees", "scale_and_bias"}
    _demand(set(model) == parts and set(model["features_info"]) == {"float_features"}, "its form")
    names = model["model_info"]["class_params"]["class_names"]
    classes = {"class_label_type": "Integer", "class_names": names, "class_to_label": list(range(len(names)))}
    _demand(_are_whole(names, below=2**31) and names == sorted(set(names)) and len(names) > 1, "its classes")
    _demand(
        model["model_info"] == {"class_params": {**classes, "classes_count": 0}, "params": CATBOOST_PARAMS}, "its form"
    )
    scale, bias = model["scale_and_bias"]
    _demand(_are_finite([scale, *bias], len(names) + 1), "its scale")
    features = model["features_info"]["float_features"]
    splits = []
    for i, feature in enumerate(features):
        _demand((feature["feature_index"], feature["flat_feature_index"]) == (i, i), "its features")
        borders = [] if feature["borders"] is None else feature["borders"]  # It never varied.
        _demand(_are_finite(borders, len(borders)) and borders == sorted(set(borders)), "its borders")
        _demand(feature["has_nans"] is False and feature["nan_value_treatment"] == "AsIs", "its features")
        splits += [(i, border) for border in borders]
    _demand(len(model["oblivious_trees"]) > 0, "its list of trees")
    for tree in model["oblivious_trees"]:
        _check_catboost_tree(tree, splits, n_classes=len(names))


def _check_xgboost_tree(tree: _Table, number: int, *, width: int) -> None:
    nodes = len(tree["left_children"])
    none: dict[str, object] = {f"categories{part}": [] for part in ("", "_nodes", "_segments", "_sizes")}
    sizes = {"num_deleted": "0", "num_feature": str(width), "num_nodes": str(nodes), "size_leaf_vector": "1"}
    fixed = {"id": number, "split_type": [0] * nodes, "tree_param": sizes, **none}
    _demand({key: tree[key] for key in fixed} == fixed, "the form of a tree")
    for key in ("base_weights", "loss_changes", "split_conditions", "sum_hessian"):
        _demand(_are_finite(tree[key], nodes), "the numbers of a tree")
    for key, below in (("split_indices", width), ("default_left", 2)):
        _demand(len(tree[key]) == nodes and _are_whole(tree[key], below=below), "the splits of a tree")
    parents = {0: _ROOT}
    for i, children in enumerate(zip(tree["left_children"], tree["right_children"], strict=True)):
        if children != (-1, -1):
            inside = _are_whole(children, below=nodes) and min(children) > i and children[0] != children[1]
            _demand(inside and not parents.keys() & set(children), "the shape of a tree")
            parents.update(dict.fromkeys(children, i))
    _demand(tree["parents"] == [parents.get(i) for i in range(nodes)] and nodes > 0, "the shape of a tree")


def _check_catboost_tree(tree: _Table, splits: Sequence[tuple[int, float]], *, n_classes: int) -> None:
    chosen = [] if tree["splits"] is None else tree["splits"]  # Nothing was worth a split.
    leaves = 2 ** len(chosen) if len(chosen) <= _DEEPEST else 0
    for split in chosen:
        at = split["split_index"]
        _demand(split["split_type"] == "FloatFeature" and _are_whole([at], below=len(splits)), "the splits of a tree")
        _demand((split["float_feature_index"], split["border"]) == splits[at], "the splits of a tree")
    _demand(leaves > 0 and _are_finite(tree["leaf_values"], leaves * n_classes), "the numbers of a tree")
    _demand(_are_finite(tree["leaf_weights"], leaves), "the numbers of a tree")


def _check_start(shape: _Table, each_round: int) -> None:
    start = json.loads(shape["base_score"])
    _demand(_are_finite(start, each_round) and (each_round > 1 or 0.0 < start[0] < 1.0), "where it starts")
    _demand(shape["num_feature"].isdecimal() and len(shape["num_feature"]) < 10, "its width")
    _demand(shape["boost_from_average"] in ("0", "1"), "where it starts")


def _is_version(numbers: Sequence[int]) -> bool:
    return len(numbers) == 3 and _are_whole(numbers, below=1000)


def _are_whole(numbers: Sequence[object], *, below: int) -> bool:
    return all(type(number) is int and 0 <= number < below for number in numbers)


def _are_finite(numbers: Sequence[Any], length: int) -> bool:  # Any: JSON.
    return len(numbers) == length and all(type(number) in (int, float) and abs(number) < _HUGE for number in numbers)


def _demand(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"{what} is not what Siaga writes")
