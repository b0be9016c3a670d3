"""Loops over numbers as machine code, by `numba`; compiled on the first call and kept on disk for the next process
where the disk can be written to."""

from collections.abc import Callable
from typing import TypeVar, cast

from siaga.extras import require

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Return the function as machine code that runs without the interpreter's lock.

    Sums may be reordered, so that they run side by side in registers: equal input gives equal output on one machine,
    and differs in the last digits between kinds of processors.
    """
    numba = require("numba", extra="topics")
    options = {"nogil": True, "fastmath": {"reassoc", "contract", "arcp", "nsz"}}
    try:
        made = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # Neither the package's folder nor the user's can be written to, as in a sealed container.
        made = numba.njit(**options)(function)
    return cast("Function", made)
