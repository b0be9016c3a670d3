"""Features of several classifiers as columns that can stand side by side: a row of each is about one long."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Self, TypeAlias
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack

from siaga.errors import BundleError
from siaga.files import write_text, write_whole
from siaga.models.classifier import Features

Rows: TypeAlias = NDArray[np.float32] | csr_matrix
_ARRAYS = ("width", "mean", "scale", "directions")


class Block:
    """The columns of one classifier: dense ones are standardised, sparse ones kept or reduced to `reduced` columns.

    They are reduced to the directions in which the rows it is fitted on are longest (a truncated singular value
    decomposition: Deerwester et al. 1990), without being centred.
    """

    def __init__(self, *, reduced: int | None) -> None:
        self._reduced = reduced
        self._arrays: dict[str, NDArray[np.float32]] = {}

    @property
    def width(self) -> int:
        """How many columns it gives."""
        directions = self._arrays.get("directions")
        return int(self._arrays["width"]) if directions is None else directions.shape[1]

    @property
    def is_sparse(self) -> bool:
        """Whether its rows are sparse."""
        return "mean" not in self._arrays and "directions" not in self._arrays

    def fit(self, rows: Rows) -> Self:
        """Learn from at least one row."""
        width = np.float32(rows.shape[1])
        if not isinstance(rows, csr_matrix):
            mean, deviation = rows.mean(0, dtype=np.float64), rows.std(0, dtype=np.float64)
            known = np.where(deviation > 1e-8 * (1 + np.abs(mean)), deviation, 1.0)  # A constant is only centred.
            scale = known * np.sqrt(rows.shape[1])
            self._arrays = {"width": width, "mean": np.float32(mean), "scale": np.float32(scale)}  # type: ignore[dict-item]  # Numbers are arrays of no dimension.
            return self
        self._arrays = {"width": width}  # type: ignore[dict-item]  # As above.
        if self._reduced is not None:
            self._arrays["directions"] = _directions(rows, self._reduced)
        lengths = np.square(self._plain(rows)).sum() if self._reduced else rows.multiply(rows).sum()
        self._arrays["scale"] = np.float32(max(np.sqrt(lengths / rows.shape[0]), 1e-8))  # type: ignore[assignment]  # As above.
        return self

    def transform(self, rows: Rows) -> Rows:
        """Return the columns of rows."""
        if self.is_sparse:
            return csr_matrix(rows / float(self._arrays["scale"]))
        return np.asarray(self._plain(rows) / self._arrays["scale"], dtype=np.float32)

    def empty(self, n: int) -> Rows:
        """Return n rows of nothing."""
        return csr_matrix((n, self.width)) if self.is_sparse else np.zeros((n, self.width), dtype=np.float32)

    def save(self, path: Path) -> None:
        """Write what was learned, as plain arrays."""
        with write_whole(path) as stream:
            np.savez(stream, **self._arrays)  # type: ignore[arg-type]  # numpy's stubs take the arrays for its flag.

    def load(self, path: Path) -> Self:
        """Read what `save` wrote. Raises BundleError where that is not there."""
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                self._arrays = {name: arrays[name] for name in arrays.files if name in _ARRAYS}
                if not self._fits():
                    raise ValueError("its arrays do not fit together")
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise BundleError(f"{path} does not describe columns: {error}. Train or copy it again.") from None
        return self

    def _fits(self) -> bool:
        """Whether the arrays are those that `fit` makes: of dense columns, of sparse ones, or of reduced ones."""
        arrays, width = self._arrays, self._arrays["width"]
        if any(each.dtype != np.float32 for each in arrays.values()) or width.shape or not 1 <= width < np.inf:
            return False
        shapes = {name: each.shape for name, each in arrays.items() if name != "width"}
        columns = (int(width),)
        directions = shapes.get("directions", (0,))
        sparse = {"scale": ()} | ({"directions": (*columns, *directions[1:2])} if "directions" in shapes else {})
        return shapes in ({"mean": columns, "scale": columns}, sparse)

    def _plain(self, rows: Rows) -> NDArray[np.float32]:
        """Return dense columns before they are scaled."""
        if isinstance(rows, csr_matrix):
            return np.asarray(rows @ self._arrays["directions"], dtype=np.float32)
        return np.asarray(rows - self._arrays["mean"], dtype=np.float32)


class Stack:
    """Blocks by name, side by side; what is missing is zeros, and a column of each block says whether it is there."""

    def __init__(self, *, reduced: int | None) -> None:
        self._reduced = reduced
        self._blocks: dict[str, Block] = {}

    @property
    def names(self) -> list[str]:
        """The blocks' names, in order."""
        return list(self._blocks)

    def fit(self, features: Mapping[str, Features]) -> Self:
        """Learn the columns of all that have any row."""
        known = {name: found for name, found in features.items() if found.seen.any()}
        self._blocks = {name: Block(reduced=self._reduced).fit(found.rows) for name, found in known.items()}
        return self

    def rows(self, features: Mapping[str, Features], n_posts: int) -> Features:
        """Return the columns of the posts of which any block has something, and which of the n posts those are."""
        nobody = Features(np.zeros((0, 0), dtype=np.float32), np.zeros(n_posts, dtype=np.bool_))
        found = [features.get(name, nobody) for name in self._blocks]
        seen = np.zeros((n_posts, len(found)), dtype=np.bool_)
        for column, each in enumerate(found):
            seen[:, column] = each.seen
        here: NDArray[np.bool_] = np.logical_or.reduce(seen, axis=1)
        columns = [_filled(block, each, here) for block, each in zip(self._blocks.values(), found, strict=True)]
        presence = seen[here].astype(np.float32)
        if any(isinstance(each, csr_matrix) for each in columns):
            return Features(hstack([csr_matrix(each) for each in (*columns, presence)], format="csr"), here)
        dense = [each for each in columns if not isinstance(each, csr_matrix)]
        return Features(np.hstack([*dense, presence]), here)

    def save(self, folder: Path) -> None:
        """Write `blocks.json`, their names in order, and each block's arrays."""
        write_text(folder / "blocks.json", json.dumps(self.names))
        for number, block in enumerate(self._blocks.values()):
            block.save(folder / f"block_{number}.npz")

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote."""
        path = folder / "blocks.json"
        try:
            names = [str(name) for name in json.loads(path.read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError) as error:
            raise BundleError(f"{path} does not name the columns: {error}. Train or copy it again.") from None
        self._blocks = {
            name: Block(reduced=self._reduced).load(folder / f"block_{number}.npz") for number, name in enumerate(names)
        }
        return self


def _filled(block: Block, found: Features, here: NDArray[np.bool_]) -> Rows:
    """Return a block's columns of the posts that are `here`; zeros where it has nothing of them."""
    seen = np.flatnonzero(found.seen[here])
    if not len(seen):
        return block.empty(int(here.sum()))
    rows = block.transform(found.rows)
    if isinstance(rows, csr_matrix):
        places = csr_matrix((np.ones(len(seen)), (seen, np.arange(len(seen)))), shape=(int(here.sum()), len(seen)))
        return csr_matrix(places @ rows)
    whole = np.zeros((int(here.sum()), block.width), dtype=np.float32)
    whole[seen] = rows
    return whole


def _directions(rows: csr_matrix, count: int) -> NDArray[np.float32]:
    """Return (columns, count or as many as there can be) of unit length."""
    from sklearn.utils.extmath import randomized_svd

    _, _, found = randomized_svd(rows, min(count, *rows.shape), random_state=0)
    return np.ascontiguousarray(found.T, dtype=np.float32)
