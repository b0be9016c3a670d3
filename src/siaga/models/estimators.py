"""Fitted scikit-learn estimators on disk: a skops file of trusted types only, equal bytes for equal estimators.

skops names everything by its address in memory and dates its archive; both are rewritten. Its own list of trusted
types is long, so a file is first held against the short one below, which is all that Siaga's classifiers need.
"""

import io
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.tree._tree import Tree

from siaga.errors import BundleError
from siaga.files import write_whole

TRUSTED = (
    *("sklearn.linear_model._logistic.LogisticRegression", "sklearn.linear_model._stochastic_gradient.SGDClassifier"),
    *("sklearn.linear_model._sgd_fast.ModifiedHuber", "sklearn._loss._loss.CyHalfBinomialLoss"),
    *("sklearn.naive_bayes.BernoulliNB", "sklearn.naive_bayes.ComplementNB", "sklearn.naive_bayes.MultinomialNB"),
    *("sklearn.tree._classes.DecisionTreeClassifier", "sklearn.tree._tree.Tree"),
    *("sklearn.ensemble._forest.RandomForestClassifier", "sklearn.pipeline.Pipeline"),
    "sklearn.preprocessing._data.StandardScaler",
    *("builtins.dict", "builtins.list", "builtins.str", "builtins.tuple"),
    *("numpy.ndarray", "numpy.float64", "numpy.float32", "numpy.int64", "numpy.int32", "numpy.bool"),
)
_LOADERS = (
    "DictNode",
    "JsonNode",
    "ListNode",
    "LossNode",
    "NdArrayNode",
    "ObjectNode",
    "TreeNode",
    "TupleNode",
    "TypeNode",
)
_SCHEMA = "schema.json"
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)


def save_estimator(path: Path, estimator: BaseEstimator) -> None:
    """Write a fitted estimator; raises TypeError for one whose parts `load_estimator` would not trust."""
    import skops.io  # Here, since it imports all of scikit-learn, which imports torch.

    with ZipFile(io.BytesIO(skops.io.dumps(estimator))) as archive:
        schema = json.loads(archive.read(_SCHEMA))
        arrays: dict[bytes, str] = {}
        _rename(schema, archive, arrays)
    if faults := _distrusted(schema):
        raise TypeError(f"{type(estimator).__name__} holds {faults[0]}, which siaga.models.estimators does not trust.")
    with write_whole(path) as stream, ZipFile(stream, "w", ZIP_STORED) as out:
        text = json.dumps(schema, separators=(",", ":")).encode()
        for name, content in [(_SCHEMA, text), *((name, content) for content, name in arrays.items())]:
            entry = ZipInfo(name, _FIXED_DATE)
            entry.create_system = 3  # The same on every system.
            out.writestr(entry, content)


def load_estimator(path: Path) -> Any:  # Any: scikit-learn has no types.
    """Return the estimator that `save_estimator` wrote.

    Raises BundleError when the file is damaged, holds a type that is not trusted, or a tree that points outside of
    itself (scikit-learn follows such pointers unchecked).
    """
    import skops.io

    try:
        content = path.read_bytes()
        with ZipFile(io.BytesIO(content)) as archive:
            _check_archive(archive)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InconsistentVersionWarning)
            estimator = skops.io.loads(content, trusted=list(TRUSTED))
        _check_trees(estimator)
    except (OSError, EOFError, BadZipFile, LookupError, ValueError, TypeError, AttributeError) as error:
        raise BundleError(f"{path} is not an estimator that Siaga saved: {error}. Train or copy it again.") from None
    except (NotImplementedError, RecursionError, MemoryError, ImportError) as error:
        raise BundleError(f"{path} cannot be read as an estimator: {error}. Train or copy it again.") from None
    return estimator


def _rename(node: object, archive: ZipFile, arrays: dict[bytes, str]) -> None:
    """Drop every address from a schema, and name its arrays (once for each content) in order of appearance."""
    match node:
        case dict():
            node.pop("__id__", None)
            if "file" in node and node.get("__loader__") == "NdArrayNode":
                node["file"] = arrays.setdefault(_unpadded(archive.read(node["file"])), f"{len(arrays)}.npy")
            for value in node.values():
                _rename(value, archive, arrays)
        case list():
            for value in node:
                _rename(value, archive, arrays)


def _unpadded(content: bytes) -> bytes:
    """Return the `.npy` bytes of an array with zeros between the fields of its records (a tree's nodes)."""
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    clean = np.zeros(array.shape, array.dtype)
    for name in array.dtype.names:
        clean[name] = array[name]
    stream = io.BytesIO()
    np.save(stream, clean, allow_pickle=False)
    return stream.getvalue()


def _distrusted(node: object) -> list[str]:
    """Return what a schema names that is not in the lists above."""
    found = []
    if isinstance(node, Mapping):
        if "__class__" in node or "__loader__" in node or "__module__" in node:
            name = f"{node.get('__module__')}.{node.get('__class__')}"
            found += [] if name in TRUSTED else [f"the type {name}"]
            found += [] if node.get("__loader__") in _LOADERS else [f"the loader {node.get('__loader__')}"]
        found += ["an address"] if "__id__" in node else []
    children = node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
    return found + [fault for child in children for fault in _distrusted(child)]


def _check_archive(archive: ZipFile) -> None:
    if any(entry.compress_type != ZIP_STORED for entry in archive.infolist()):
        raise ValueError("it is compressed")
    if faults := _distrusted(json.loads(archive.read(_SCHEMA))):
        raise ValueError(f"it holds {faults[0]}, which is not trusted")


def _check_trees(estimator: object) -> None:
    parts = list(_parts(estimator))
    trees = [part for part in parts if isinstance(part, Tree)]
    widths = {tree.n_features for tree in trees} | {width for part in parts if (width := _width(part)) is not None}
    if trees and len(widths) != 1:
        raise ValueError("its trees differ in their number of features")
    for tree in trees:
        left, right, feature = tree.children_left, tree.children_right, tree.feature
        nodes = np.arange(tree.node_count)
        inner = left != -1
        low, high = np.minimum(left, right)[inner], np.maximum(left, right)[inner]
        inside = (low > nodes[inner]).all() and (high < tree.node_count).all()
        known = (feature[inner] >= 0).all() and (feature[inner] < tree.n_features).all()
        if not (tree.node_count and inside and known):
            raise ValueError("a tree of it points outside of itself")


def _width(part: object) -> int | None:
    return vars(part).get("n_features_in_") if hasattr(part, "__dict__") else None


def _parts(thing: object) -> Iterator[object]:
    """Yield `thing` and all that it holds."""
    yield thing
    children: list[object] = []
    if isinstance(thing, (list, tuple)):
        children = list(thing)
    elif isinstance(thing, dict):
        children = list(thing.values())
    elif isinstance(thing, BaseEstimator):
        children = list(vars(thing).values())
    elif isinstance(thing, np.ndarray) and thing.dtype == object:
        children = thing.ravel().tolist()
    for child in children:
        yield from _parts(child)
