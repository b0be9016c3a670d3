"""What the JSON files of a saved classifier tell, checked: class indices, and how wide something is."""

import numpy as np
from numpy.typing import NDArray

_WIDEST = 1 << 24  # No net comes near it.


def read_indices(values: object, *, below: int | None = None) -> NDArray[np.int64]:
    """Return the class indices (n,) that a file holds; raises ValueError unless they are two or more that rise."""
    found = values if isinstance(values, list) else []
    if not all(type(each) is int and 0 <= each < (below or 1 << 31) for each in found):
        raise ValueError("it names classes that there are not")
    if len(found) < 2 or found != sorted(set(found)):
        raise ValueError("it names no classes")
    return np.array(found, dtype=np.int64)


def read_width(value: object) -> int:
    """Return the number of columns that a file tells; raises ValueError for what is none, or beyond any net's."""
    if type(value) is not int or not 1 <= value <= _WIDEST:
        raise ValueError(f"{value!r} is not a number of columns")
    return value
