"""Physical lines of a file or of stdin: UTF-8 bytes, numbered from 1, in memory that does not grow with the file."""

import bz2
import codecs
import gzip
import io
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from siaga.errors import DataError

STDIN: Literal["-"] = "-"
LINE_BYTES = 16 << 20
COMPRESSED: dict[str, Callable[[Path], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}  # Any: the
# three return their own file classes, which share nothing but their methods.

_FOREIGN = {
    b"\x1f\x8b": "gzip data; its name must end in .gz",
    b"BZh": "bzip2 data; its name must end in .bz2",
    b"\xfd7zXZ": "xz data; its name must end in .xz",
    b"PAR1": "a Parquet file; its name must end in .parquet, and it cannot come through a pipe",
    b"PK\x03\x04": "a zip archive or an Excel file; save it as CSV in UTF-8",
    b"\xff\xfe\x00\x00": "UTF-32 text; save it as UTF-8",
    b"\x00\x00\xfe\xff": "UTF-32 text; save it as UTF-8",
}


class Line(NamedTuple):
    """One physical line with its end; `fault` says why its bytes cannot be used, and they are then left out."""

    number: int
    data: bytes
    fault: str | None


def read_lines(path: Path | Literal["-"]) -> Iterator[Line]:
    """Yield the lines of a file (compressed by its suffix) or of stdin ("-").

    A byte-order mark is dropped and UTF-16 that has one becomes UTF-8; bytes are not otherwise checked. A line of
    more than LINE_BYTES is one faulty line. Raises DataError for an empty file, for UTF-16 without a mark, for
    other formats, and for a compressed file that breaks off.
    """
    number = 0
    with _opened(path) as stream:
        try:
            lines = _as_utf8(stream, display_name(path))
            while data := lines.readline(LINE_BYTES):
                number += 1
                if len(data) < LINE_BYTES or data.endswith(b"\n"):
                    yield Line(number, data, None)
                else:
                    _skip_line(lines)
                    yield Line(number, b"\n", f"Line too long: it has more than {LINE_BYTES:,} bytes.")
        except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            where = f"{display_name(path)} cannot be read beyond line {number}"
            raise DataError(f"{where}: {error}. The file is damaged or cut short; get it again.") from error


def display_name(path: Path | Literal["-"]) -> str:
    """Return how messages name a file."""
    return "stdin" if path == STDIN else str(path)


@contextmanager
def _opened(path: Path | Literal["-"]) -> Iterator[io.BufferedReader]:
    if isinstance(path, str):
        yield _buffered(sys.stdin.buffer)
        return
    opener = COMPRESSED.get(path.suffix.lower())
    try:
        stream = path.open("rb") if opener is None else opener(path)
    except OSError as error:
        raise DataError(f"{path} cannot be opened: {error.strerror}. Check its permissions.") from None
    with stream:
        yield _buffered(stream)


def _buffered(stream: Any) -> io.BufferedReader:  # Any: see COMPRESSED.
    return stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(stream, 1 << 20)


def _as_utf8(stream: io.BufferedReader, name: str) -> io.BufferedReader:
    head = stream.peek(64)[:64]
    if not head:
        raise DataError(f"{name} is empty. A table needs at least a header (CSV, TSV) or one object (JSONL).")
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise DataError(f"{name} holds {what}.")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return io.BufferedReader(_FromUtf16(stream), 1 << 20)
    if head[:2].count(0) == 1 and head.count(0) * 3 >= len(head):
        raise DataError(f"{name} looks like UTF-16 without a byte-order mark. Save it as UTF-8.")
    if head.startswith(codecs.BOM_UTF8):
        stream.read(len(codecs.BOM_UTF8))
    return stream


def _skip_line(stream: io.BufferedReader) -> None:
    while (piece := stream.readline(LINE_BYTES)) and not piece.endswith(b"\n"):
        pass


class _FromUtf16(io.RawIOBase):
    """The bytes of a UTF-16 stream as UTF-8; what is broken in it becomes bytes that are no UTF-8 either."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-16")("surrogatepass")
        self._ready = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:  # Any: the writable buffer of io, which has no public type in 3.11.
        """Fill `buffer` with the next bytes; 0 at the end."""
        while not self._ready:
            piece = self._stream.read1(1 << 16)
            self._ready = self._decoded(piece)
            if not piece:
                break
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count

    def _decoded(self, piece: bytes) -> bytes:
        try:
            return self._decoder.decode(piece, final=not piece).encode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            self._decoder.reset()
            return b"\xff"
