"""Pickles of arrays, opened without trust: in a process of their own that knows no code, within limits.

A pickle is a program. It runs where nothing can be called (`siaga.sources.unpickling`), with bounded memory and time,
and what comes back is bytes and JSON, checked here.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from siaga.errors import DataError
from siaga.sources import unpickling

MAX_BYTES = 1 << 30
CPU_S, WALL_S = 60, 120
_MEMORY = 256 << 20  # Beside five times the pickle: text that is read, decoded and encoded again stands there at once.
_HEADER_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Pickled:
    """What is of use in a pickle: `data` (n, bytes) uint8 if there is any, lists of numbers and of names by key."""

    data: NDArray[np.uint8] | None
    numbers: Mapping[str, list[int]]
    names: Mapping[str, list[str]]


def read_pickle(stream: IO[bytes], name: str) -> Pickled:
    """Return the arrays and lists of a pickle; `name` is what messages call it.

    `data` lies on disk and is read as it is used. Raises DataError for a pickle that names anything but arrays and
    lists, is damaged, is larger than 1 GiB, or takes more memory or time than its size explains.
    """
    with tempfile.TemporaryFile() as pickled, tempfile.TemporaryFile() as answered:
        size = _copy(stream, pickled, name)
        _run(pickled, answered, size, name)
        return _checked(answered, name)


def _copy(stream: IO[bytes], target: IO[bytes], name: str) -> int:
    size = 0
    while piece := stream.read(1 << 20):
        size += len(piece)
        if size > MAX_BYTES:
            raise _refusal(name, f"is larger than {MAX_BYTES >> 30} GiB")
        target.write(piece)
    target.flush()
    target.seek(0)
    return size


def _run(pickled: IO[bytes], answered: IO[bytes], size: int, name: str) -> None:
    limits = [_MEMORY + 5 * size, CPU_S, _HEADER_BYTES + size]
    # -I and -S: no path, no setting and no installed library of this Python reaches the process.
    command = [sys.executable, "-I", "-S", str(Path(unpickling.__file__)), *map(str, limits)]
    try:
        ended = subprocess.run(  # noqa: S603 - our own file and three numbers.
            command, stdin=pickled, stdout=answered, stderr=subprocess.DEVNULL, timeout=WALL_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise _refusal(name, f"takes more than {WALL_S} s") from None
    if ended.returncode:
        raise _refusal(name, f"takes more than {CPU_S} s of the processor, or breaks what reads it")


def _checked(answered: IO[bytes], name: str) -> Pickled:
    answered.seek(0)
    try:
        header: dict[str, Any] = json.loads(answered.readline(_HEADER_BYTES))  # Any: JSON, checked here.
        if (reason := header.get("refused")) is not None:
            raise _refusal(name, str(reason)[:300])
        data = _array(answered, header["shape"], is_fortran=header["is_fortran"]) if "shape" in header else None
        numbers = {key: [int(number) for number in header["numbers"][key]] for key in header["numbers"]}
        names = {key: [str(text) for text in header["names"][key]] for key in header["names"]}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _refusal(name, "gives no answer that can be used") from None
    return Pickled(data, numbers, names)


def _array(answered: IO[bytes], shape: list[int], *, is_fortran: bool) -> NDArray[np.uint8]:
    n, width = shape
    start = answered.tell()
    if not 0 <= n * width == answered.seek(0, 2) - start:
        raise ValueError("the array is not of its shape")
    if not n * width:
        return np.empty((n, width), dtype=np.uint8)
    order: Literal["F", "C"] = "F" if is_fortran else "C"
    return np.memmap(answered, dtype=np.uint8, mode="r", offset=start, shape=(n, width), order=order)


def _refusal(name: str, reason: str) -> DataError:
    return DataError(
        f"{name} is refused: it {reason}. A pickle may hold arrays and lists only; get it from its makers."
    )
