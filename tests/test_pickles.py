"""Pickles of arrays are read; everything else that a pickle can be is refused, and nothing that it names is called."""

import io
import os
import pickle
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siaga.errors import DataError
from siaga.sources.pickles import read_pickle

PICTURES = np.arange(4 * 12, dtype=np.uint8).reshape(4, 12)
BATCH = {"data": PICTURES, "labels": [3, 0, 1, 2], "filenames": ["a.png"] * 4}
# As Python 2 with the numpy of its time wrote the official files: byte texts, and numpy.core.
OFFICIAL = (
    b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b\x87"
    b"Rq\x05(K\x01K\x02K\x0c\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff"
    b"\xff\xffK\x00tb\x89U\x18" + bytes(range(24)) + b"tbU\x06labelsq\x08]q\t(K\x05K\x07eu."
)


class Calls:
    """Pickles as a call of a function with arguments."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def said(value: object) -> str:
    """Name a case by what is said of it, not by its bytes."""
    return value if isinstance(value, str) else "bytes"


def refusal(content: bytes) -> str:
    with pytest.raises(DataError, match="is refused") as caught:
        read_pickle(io.BytesIO(content), "train")
    return str(caught.value)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_the_arrays_and_lists_of_a_pickle_come_back(protocol: int) -> None:
    read = read_pickle(io.BytesIO(pickle.dumps(BATCH, protocol)), "train")
    assert read.data is not None
    np.testing.assert_array_equal(read.data, PICTURES)
    assert (read.numbers, read.names) == ({"labels": [3, 0, 1, 2]}, {})


def test_the_official_form_of_python_2_is_read() -> None:
    read = read_pickle(io.BytesIO(OFFICIAL), "data_batch_1")
    assert read.data is not None
    assert read.data.tolist() == np.arange(24).reshape(2, 12).tolist()
    assert read.numbers == {"labels": [5, 7]}


def test_names_labels_in_arrays_and_columns_first_are_read() -> None:
    meta = {b"fine_label_names": [b"apple", "b\u00e4r".encode()], "coarse_label_names": ["fruit"]}
    assert read_pickle(io.BytesIO(pickle.dumps(meta, 2)), "meta").names == {
        "fine_label_names": ["apple", "bär"],
        "coarse_label_names": ["fruit"],
    }
    batch = {
        "data": np.asfortranarray(PICTURES),
        "fine_labels": np.array([1, 2, 3, -1], dtype=">i4"),
        "coarse_labels": list(np.array([7, 8, 9, 300])),
    }
    for protocol in (2, 5):
        read = read_pickle(io.BytesIO(pickle.dumps(batch, protocol)), "train")
        assert read.data is not None
        np.testing.assert_array_equal(read.data, PICTURES)
        assert read.numbers == {"fine_labels": [1, 2, 3, -1], "coarse_labels": [7, 8, 9, 300]}


@pytest.mark.parametrize(
    ("hostile", "said"),
    [
        (lambda canary: Calls(os.system, f"touch {canary}"), "names posix.system,"),
        (lambda canary: Calls(exec, f"open({str(canary)!r}, 'w')"), ".exec,"),
        (lambda canary: Calls(__import__("importlib").import_module, "antigravity"), "names importlib.import_module,"),
        (lambda canary: Calls(np.load, str(canary), None, True), "names numpy.load,"),
        (lambda canary: Calls(Path.touch, canary), "names "),
        (lambda canary: Calls(subprocess.run, ["touch", str(canary)]), ".run,"),
        (lambda canary: Calls(open, str(canary), "w"), "names io.open,"),
        (lambda canary: Calls(bytearray, 8 << 30), ".bytearray,"),
        (lambda canary: np.array([Calls(os.system, f"touch {canary}")]), "array of 'O8'"),
        (lambda canary: np.array([None, 1, "x"]), "array of 'O8'"),
        (lambda canary: np.zeros((2, 12)), "array of 'f8'"),
        (lambda canary: np.zeros((2, 2, 3), dtype=np.uint8), "one or two dimensions"),
        (lambda canary: np.zeros(3, dtype=np.uint8), "no array of pictures"),
        (lambda canary: [1, 2, 3], "no array of pictures"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_what_is_no_array_is_refused_and_nothing_is_called(
    tmp_path: Path, hostile: Callable[[Path], object], said: str, protocol: int
) -> None:
    canary = tmp_path / "canary"
    assert said in refusal(pickle.dumps({"data": hostile(canary)}, protocol))
    assert not canary.exists()


def laughing(levels: int) -> bytes:
    """Ten lists of ten lists of ten lists …, each the same one by the memo: small in memory, vast to walk."""
    content = b"]q\x00(" + b"K\x01" * 10 + b"e"
    for level in range(1, levels):
        content += b"0]q" + bytes([level]) + b"(" + (b"h" + bytes([level - 1])) * 10 + b"e"
    return b"\x80\x02}U\x06labels" + content + b"s."


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x80\x05\x96" + struct.pack("<Q", 8 << 30) + b".", "of memory"),  # An 8 GiB bytearray in eleven bytes.
        (b"\x80\x04\x8e" + struct.pack("<Q", 8 << 30) + b".", "of memory"),  # The same as bytes.
        (b"\x80\x02" + b"]" * 300_000 + b".", "holds a list"),
        (b"\x80\x02" + b"(" * 300_000, "damaged"),
        (b"\x80\x02]" + b"\x85" * 2_000_000 + b"}Qu.", "damaged"),
        (laughing(30), "'labels' that are not whole numbers"),
        (b"\x80\x02}U\x06labels]K\x01\x8b\xff\xff\xff\x7f" + b"\x01" * 64 + b"as.", "of memory"),  # A number of 2 GiB.
        (b"\x80\x02}X\x06\x00\x00\x00labels](\x8a\xff" + b"\x7f" * 255 + b"es.", "'labels' that are not whole"),
        (b"\x80\x02\x82\x01.", "damaged"),  # An entry of the registry of extensions.
        (b"\x80\x02U\x01aQ.", "damaged"),  # A persistent id.
        (b"", "damaged"),
        (b"\x80\x02", "damaged"),
        (b"not a pickle", "damaged"),
        (OFFICIAL[: len(OFFICIAL) // 2], "damaged"),
        (pickle.dumps({"data": PICTURES, "labels": {1, 2}}), "not a list"),
        (pickle.dumps({"data": PICTURES, "labels": [0, 1, 2, "x"]}), "not whole numbers"),
        (pickle.dumps({"data": PICTURES, "labels": [0, 1, 2, True]}), "not whole numbers"),
        (pickle.dumps({"label_names": ["x" * 1000]}), "more than 200 characters"),
        (pickle.dumps({"label_names": [["x"]]}), "where a text should be"),
        (pickle.dumps("text"), "holds a str"),
        (pickle.dumps(BATCH, 2).replace(b"K\x04K\x0c\x86", b"K\x05K\x0c\x86"), "do not fit each other"),
    ],
    ids=said,
)
def test_bombs_tricks_and_broken_pickles_are_refused(content: bytes, said: str) -> None:
    assert said in refusal(content)


def test_a_pickle_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siaga.sources.pickles.CPU_S", 1)
    # Keys that collide: a dictionary of them takes time with the square of their number.
    keys = b"".join(
        b"\x8a\x0a" + ((2**61 - 1) * i).to_bytes(10, "little", signed=True) + b"N" for i in range(1, 60_000)
    )
    assert "takes more than 1 s" in refusal(b"\x80\x02}(" + keys + b"u.")


def test_a_pickle_that_is_too_large_is_refused_before_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siaga.sources.pickles.MAX_BYTES", 1 << 20)

    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:  # Any: the buffer of io.
            buffer[:] = bytes(len(buffer))
            return len(buffer)

    with pytest.raises(DataError, match="larger than"):
        read_pickle(io.BufferedReader(Endless()), "train")


def test_the_process_that_opens_pickles_sees_no_library_and_no_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = tmp_path / "look.py"
    look.write_text(
        "import importlib.util, json\n"
        "seen = [name for name in ('numpy', 'siaga', 'planted') if importlib.util.find_spec(name)]\n"
        "print(json.dumps({'refused': f'sees {seen}'}))"
    )
    (tmp_path / "planted.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("siaga.sources.pickles.unpickling", SimpleNamespace(__file__=str(look)))
    assert "it sees []." in refusal(pickle.dumps(BATCH))


@given(start=st.integers(0, len(OFFICIAL)), cut=st.integers(0, 12), new=st.binary(max_size=12))
@settings(max_examples=60, deadline=None)
def test_a_changed_pickle_is_read_or_refused(start: int, cut: int, new: bytes) -> None:
    try:
        read = read_pickle(io.BytesIO(OFFICIAL[:start] + new + OFFICIAL[start + cut :]), "train")
    except DataError as error:
        assert str(error).startswith("train is refused: it ")  # noqa: PT017 - either is right.
    else:
        assert read.data is None or read.data.ndim == 2
