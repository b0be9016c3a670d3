"""The process in which a pickle is opened: arrays, lists of numbers and lists of names go in and out, and no code.

`siaga.sources.pickles` runs this file by itself, so neither Siaga nor numpy nor any installed library is there to be
called. A pickle comes on stdin; on stdout follow one line of JSON and the bytes of the array `data`. What a pickle of
arrays names of numpy is answered by stand-ins that remember their arguments and do nothing else; any other name ends
the reading. Limits on memory and time are set before the first byte is read.
"""

import json
import pickle
import sys
from collections.abc import Callable
from math import prod
from typing import Any, Literal

NUMBERS = ("labels", "fine_labels", "coarse_labels")
NAMES = ("label_names", "fine_label_names", "coarse_label_names")
MAX_NUMBER, MAX_NAME, MAX_ENTRIES = 1 << 16, 200, 10_000_000

_SIZES = {"u1": 1, "i1": 1, "u2": 2, "i2": 2, "u4": 4, "i4": 4, "u8": 8, "i8": 8}


class Refused(Exception):
    """Why a pickle is not read further: the end of a sentence that begins with "it"."""


class Kind:
    """A stand-in for numpy's dtype: whole numbers only."""

    __slots__ = ("is_big", "name")

    def __init__(self, name: object, *_: object) -> None:
        self.name, self.is_big = _text(name).lstrip("|<=>"), False
        if self.name not in _SIZES:
            raise Refused(f"holds an array of {self.name[:20]!r}, not of whole numbers")

    def __setstate__(self, state: Any) -> None:  # Any: whatever the pickle says, here and below.
        self.is_big = isinstance(state, tuple) and len(state) > 1 and _text(state[1]) == ">"

    def numbers(self, data: bytes | bytearray) -> list[int]:
        """Return the numbers that these bytes stand for."""
        size, is_signed = _SIZES[self.name], self.name.startswith("i")
        order: Literal["big", "little"] = "big" if self.is_big else "little"
        return [int.from_bytes(data[i : i + size], order, signed=is_signed) for i in range(0, len(data), size)]


class Array:
    """A stand-in for numpy's ndarray, once its state is set."""

    __slots__ = ("data", "is_fortran", "kind", "shape")

    def __init__(self, *_: object) -> None:
        self.kind: Kind | None = None
        self.data: bytes | bytearray = b""
        self.shape: tuple[int, ...] = (0,)
        self.is_fortran = False

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, is_fortran, data = state
        self.fill(shape, kind, data, is_fortran=bool(is_fortran))

    def fill(self, shape: Any, kind: Any, data: Any, *, is_fortran: bool) -> None:
        """Take the content of an array; raises Refused where its parts do not fit each other."""
        is_shape = isinstance(shape, tuple) and all(type(n) is int and 0 <= n <= sys.maxsize for n in shape)
        if not (is_shape and len(shape) <= 2 and isinstance(kind, Kind) and isinstance(data, bytes | bytearray)):
            raise Refused("holds something else than arrays of whole numbers in one or two dimensions")
        if prod(shape) * _SIZES[kind.name] != len(data):
            raise Refused(f"holds an array of shape {shape} with {len(data):,} bytes, which do not fit each other")
        self.data, self.shape, self.kind, self.is_fortran = data, shape, kind, is_fortran


def scalar(kind: Any, data: Any) -> int:
    """Return what numpy's scalar stands for."""
    if not (isinstance(kind, Kind) and isinstance(data, bytes) and len(data) == _SIZES[kind.name]):
        raise Refused("holds a number that is not whole")
    return kind.numbers(data)[0]


def from_buffer(data: Any, kind: Any, shape: Any, order: Any) -> Array:
    """Return what numpy's protocol 5 writes as an array."""
    array = Array()
    array.fill(shape, kind, data, is_fortran=order == "F")
    return array


def encoded(text: Any, encoding: Any) -> bytes:
    """Return the bytes that protocol 2 writes as a text in Latin-1."""
    if not isinstance(text, str) or encoding != "latin1":
        raise Refused("names an encoding other than latin1")
    return text.encode("latin-1")


def no_bytes() -> bytes:
    """Return no bytes at all, which protocol 2 writes as a call."""
    return b""


_STAND_INS: dict[tuple[str, str], Callable[..., object]] = {
    ("_codecs", "encode"): encoded,
    ("__builtin__", "bytes"): no_bytes,
    ("builtins", "bytes"): no_bytes,
    ("numpy", "dtype"): Kind,
    ("numpy", "ndarray"): Array,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): Array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): from_buffer for core in ("core", "_core")},
}


class Unpickler(pickle.Unpickler):
    """Knows the stand-ins, and no other name."""

    def find_class(self, module: str, name: str) -> Callable[..., object]:
        """Return the stand-in for a name; raises Refused for a name that has none."""
        if (stand_in := _STAND_INS.get((module, name))) is None:
            raise Refused(f"names {module[:80]}.{name[:80]}, which no file of arrays needs")
        return stand_in


def main(memory: int, cpu_s: int, output: int) -> None:
    """Answer one pickle within so many bytes of memory, seconds of the processor, and bytes of output."""
    import resource

    limits = {resource.RLIMIT_AS: memory, resource.RLIMIT_CPU: cpu_s, resource.RLIMIT_FSIZE: output}
    for limit, most in {**limits, resource.RLIMIT_CORE: 0}.items():
        resource.setrlimit(limit, (most, most))
    try:
        header, data = answer(Unpickler(sys.stdin.buffer, encoding="bytes").load())
    except Refused as refused:
        header, data = {"refused": str(refused)}, b""
    except MemoryError:
        header, data = (
            {"refused": f"takes more than {memory >> 20:,} MiB of memory, which its size does not explain"},
            b"",
        )
    except Exception as error:  # noqa: BLE001 - a broken pickle raises whatever it likes, and the process ends here.
        header, data = {"refused": f"is damaged or no pickle ({type(error).__name__})"}, b""
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n")
    sys.stdout.buffer.write(data)


def answer(loaded: Any) -> tuple[dict[str, Any], bytes | bytearray]:
    """Return what is of use in a loaded pickle: a header for JSON, and the bytes of its pictures."""
    if not isinstance(loaded, dict):
        raise Refused(f"holds a {type(loaded).__name__}, not a dictionary of arrays and lists")
    found = {_text(key): value for key, value in loaded.items() if isinstance(key, str | bytes)}
    header: dict[str, Any] = {
        "numbers": {key: _numbers(key, found[key]) for key in NUMBERS if key in found},
        "names": {key: _names(key, found[key]) for key in NAMES if key in found},
    }
    data = found.get("data")
    if data is None:
        return header, b""
    if not isinstance(data, Array) or data.kind is None or data.kind.name != "u1" or len(data.shape) != 2:
        raise Refused("holds no array of pictures × bytes under 'data'")
    return {**header, "shape": data.shape, "is_fortran": data.is_fortran}, data.data


def _numbers(key: str, value: Any) -> list[int]:
    if isinstance(value, Array) and value.kind is not None and len(value.shape) == 1:
        value = value.kind.numbers(value.data)
    entries = _entries(key, value)
    if not all(type(number) is int and -1 <= number < MAX_NUMBER for number in entries):
        raise Refused(f"holds {key!r} that are not whole numbers from 0 on")
    return entries


def _names(key: str, value: Any) -> list[str]:
    names = [_text(name) for name in _entries(key, value)]
    if any(len(name) > MAX_NAME for name in names):
        raise Refused(f"holds {key!r} of more than {MAX_NAME} characters")
    return names


def _entries(key: str, value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > MAX_ENTRIES:
        raise Refused(f"holds {key!r} that are not a list")
    return value


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise Refused(f"holds a {type(value).__name__} where a text should be")
    return value


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
