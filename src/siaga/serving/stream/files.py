"""Files as a stream: segments of files, read in blocks of whole lines, taken up where they were left.

A plain file is cut into segments of a fixed size, whatever the number of workers, so that a stream can go on with
more workers or fewer. A compressed file is one segment; its offsets count the bytes that it unpacks to.
"""

import os
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import IO, Any

from siaga.errors import DataError, did_you_mean
from siaga.serving.store.rows import Offset
from siaga.serving.stream.messages import Attempt, Messages
from siaga.sources.items.source import SUFFIXES, is_message_file
from siaga.sources.lines import COMPRESSED, LINE_BYTES

SEGMENT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a file: the lines that begin at `start` or later, and before `end` (None: to the end of the file)."""

    path: Path
    name: str
    start: int = 0
    end: int | None = None

    @property
    def part(self) -> str:
        """The name under which a store remembers how far this was read."""
        return self.name if not self.start else f"{self.name}+{self.start}"


class Starts(Sequence[str]):
    """The offsets at which lines begin, in words; worked out when somebody asks."""

    def __init__(self, first: int, lines: Sequence[bytes]) -> None:
        self._first, self._lines = first, lines

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, i: Any) -> Any:  # Any: an index, or the slice that Sequence knows and nobody asks for.
        return str(self._offsets[i])

    @cached_property
    def _offsets(self) -> list[int]:
        return list(accumulate((len(line) + 1 for line in self._lines[:-1]), initial=self._first))


@dataclass(frozen=True, slots=True)
class Delivered:
    """Where the bytes of some lines end, and how often these were handed over."""

    end: int
    deliveries: int = 1


class FilesInput:
    """Segments of files as an input: the store remembers how far each was read, and nothing needs acknowledging."""

    def __init__(
        self, name: str, segments: Sequence[Segment], *, read: Mapping[str, Offset], block_bytes: int = 4 << 20
    ) -> None:
        self._name, self._segments, self._read, self._block_bytes = name, segments, read, block_bytes

    @property
    def name(self) -> str:
        """The path as the user gave it, made whole."""
        return self._name

    def messages(self, attempt: Attempt) -> Iterator[Messages | None]:
        """Yield the messages of each segment from where it was left."""
        for segment in self._segments:
            offset = self._read.get(segment.part)
            if offset is None or not (offset.is_done and segment.path.suffix.lower() in COMPRESSED):
                yield from self._messages(segment, offset, attempt)

    def _messages(self, segment: Segment, offset: Offset | None, attempt: Attempt) -> Iterator[Messages]:
        begin = None if offset is None else int(offset.position)
        if begin is not None and segment.path.suffix.lower() not in COMPRESSED and begin > segment.path.stat().st_size:
            begin = None  # It is another file than the one that was read; what is known already changes nothing.
        alone = 0  # Lines that still come one by one.
        for i, (at, block) in enumerate(read_blocks(segment, begin=begin, block_bytes=self._block_bytes)):
            lines = block.removesuffix(b"\n").split(b"\n")
            if i == 0:
                deliveries = attempt(segment.part, str(at))
                alone = len(lines) if deliveries > 1 else 0
            start, end = at, at + _settled(segment, block)
            if not alone:
                yield self._batch(segment, at, lines, Delivered(end))
                continue
            for number, line in enumerate(lines):
                if number:
                    deliveries = attempt(segment.part, str(start))
                behind = min(start + len(line) + 1, end)
                yield self._batch(segment, start, [line], Delivered(behind, deliveries))
                start = behind
            alone = 0
        if segment.path.suffix.lower() in COMPRESSED:
            yield Messages(segment.name, [], [], Offset(segment.part, "0", True))

    def _batch(self, segment: Segment, at: int, lines: Sequence[bytes], delivered: "Delivered") -> Messages:
        offset = Offset(segment.part, str(delivered.end))
        return Messages(segment.name, lines, Starts(at, lines), offset, delivered.deliveries)

    def acknowledge(self, messages: Messages) -> None:
        """Do nothing: the offset was kept with the results."""

    def lag(self) -> int | None:
        """Return None: how many lines there are is not known before they are read."""
        return None

    def close(self) -> None:
        """Do nothing: files are closed where they end."""


def _settled(segment: Segment, block: bytes) -> int:
    """Return how many bytes of a block need not come again: all but a last line without an end.

    Somebody may still be writing it; a file that is compressed is complete.
    """
    if block.endswith(b"\n") or len(block) >= LINE_BYTES or segment.path.suffix.lower() in COMPRESSED:
        return len(block)
    return block.rfind(b"\n") + 1


def list_segments(path: Path, *, segment_bytes: int | None = None) -> list[Segment]:
    """Return the segments of a file, or of the files of a folder by name; each has SEGMENT_BYTES by default.

    Raises DataError where there are none.
    """
    size = SEGMENT_BYTES if segment_bytes is None else segment_bytes
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file() and is_message_file(file))
        if not files:
            raise DataError(f"{path} holds no file of posts ({', '.join(SUFFIXES)}, plain or .gz, .bz2, .xz).")
    elif path.is_file():
        files = [path]
    else:
        siblings = [sibling.name for sibling in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"{path} does not exist. Check the path.{did_you_mean(path.name, siblings)}")
    root = path if path.is_dir() else path.parent
    return [segment for file in files for segment in _segments(file, root, size)]


def _segments(path: Path, root: Path, size: int) -> list[Segment]:
    name = path.relative_to(root).as_posix()
    if path.suffix.lower() in COMPRESSED:
        return [Segment(path, name)]
    starts = range(0, max(1, path.stat().st_size), size)
    return [Segment(path, name, start, start + size if start != starts[-1] else None) for start in starts]


def read_blocks(segment: Segment, *, begin: int | None = None, block_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Yield blocks of whole lines of a segment, each with its offset; `begin` is where an earlier reader stopped.

    A block ends with a line's end, but for the last of a file. A line of more than LINE_BYTES makes a block of its
    own, cut to LINE_BYTES, so that it is noted and not kept in memory. Raises DataError for a file that cannot be read.
    """
    try:
        with _opened(segment.path) as stream:
            for at, block in _blocks(stream, segment, begin, block_bytes):
                yield at, block if at or not block.startswith(BOM_UTF8) else b"   " + block[3:]  # Offsets stay.
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{segment.path} cannot be read: {error}. It is damaged or cut short; get it again.") from error


def _opened(path: Path) -> IO[bytes]:
    opener = COMPRESSED.get(path.suffix.lower())
    opened: IO[bytes] = path.open("rb", buffering=0) if opener is None else opener(path)
    return opened


def _blocks(stream: IO[bytes], segment: Segment, begin: int | None, block_bytes: int) -> Iterator[tuple[int, bytes]]:
    at = segment.start if begin is None else begin
    if at:  # The line that a cut goes through belongs to the segment before; one beyond all measure was noted already.
        stream.seek(at - 1)
        at = at - 1 + _skip_line(stream)
    stream.seek(at)
    end = float("inf") if segment.end is None else segment.end
    kept = b""
    while at < end:
        wanted = block_bytes if segment.end is None else min(block_bytes, segment.end - at - len(kept))
        piece = stream.read(max(wanted, 1 << 16)) or b""
        block = kept + piece if kept else piece
        cut = _cut(block, end - at) if piece else len(block)
        if cut:
            yield at, block[:cut]
            at, kept = at + cut, block[cut:]
        else:
            kept = block
        if not piece:
            return
        if len(kept) > LINE_BYTES:
            yield at, kept[:LINE_BYTES]
            at, kept = at + len(kept) + _skip_line(stream), b""


def _cut(block: bytes, room: float) -> int:
    """Return where the last line ends that is whole and begins before `room`; 0 when there is none."""
    if len(block) <= room:
        return block.rfind(b"\n") + 1
    return block.find(b"\n", int(room) - 1) + 1 or block.rfind(b"\n", 0, int(room)) + 1


def _skip_line(stream: IO[bytes]) -> int:
    """Read to behind the end of the line; return how many bytes that were."""
    skipped = 0
    while piece := stream.read(1 << 20):
        found = piece.find(b"\n")
        if found >= 0:
            stream.seek(found + 1 - len(piece), os.SEEK_CUR)
            return skipped + found + 1
        skipped += len(piece)
    return skipped
