"""What a head has learned as plain arrays: written, read, and checked; and scores as probabilities."""

import zlib
from lzma import LZMAError
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from siaga.errors import BundleError
from siaga.files import write_whole
from siaga.models.classifier import Probabilities

# What NumPy raises for files that are no archive of arrays, or whose parts lie about their size or their packing.
_UNREADABLE = (
    *(OSError, EOFError, LookupError, ValueError, TypeError, MemoryError, NotImplementedError, BadZipFile),
    *(zlib.error, LZMAError),
)


def softmax(scores: NDArray[np.float64]) -> Probabilities:
    """Return probabilities (n, classes) of scores; one column stands for the second of two classes."""
    if scores.shape[1] == 1:
        scores = np.hstack([np.zeros_like(scores), scores])
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    rows: Probabilities = powers / powers.sum(axis=1, keepdims=True)
    return rows


def write_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:  # Any: of several types.
    """Write arrays by name, whole or not at all."""
    with write_whole(path) as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def read_arrays(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:  # Any: of several types.
    """Return the arrays of these names. Raises BundleError where they are not there."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as found:
            arrays = {name: found[name] for name in names}
    except _UNREADABLE as error:
        raise BundleError(f"{path} does not hold a head that Siaga saved: {error}. Train it again.") from None
    return arrays


def check_shapes(
    path: Path, arrays: dict[str, NDArray[Any]], shapes: dict[str, tuple[int, ...]]
) -> None:  # Any: as above.
    """Raise BundleError unless `classes` are class indices and the others, float64, have these shapes."""
    classes = arrays["classes"]
    holds = classes.ndim == 1 and classes.dtype == np.int64 and len(classes) >= 2
    if not holds or any(
        arrays[name].shape != shape or arrays[name].dtype != np.float64 for name, shape in shapes.items()
    ):
        raise BundleError(f"{path} does not hold a head that Siaga saved: its arrays do not fit. Train it again.")
