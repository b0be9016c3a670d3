"""CSV and TSV records: one row each, whatever a broken quote, a ragged row or foreign bytes do to its neighbours."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from siaga.errors import DataError
from siaga.sources.lines import LINE_BYTES, Line
from siaga.sources.rows import Reject, Row, Rows, not_utf8

RECORD_LINES = 10_000


def read_records(lines: Iterable[Line], *, name: str, delimiter: str, reject: Reject) -> Rows:
    """Return the rows of a CSV table with a header; a quoted cell may hold line ends.

    A quote must end where its cell ends. Where it does not, or where a record would run beyond RECORD_LINES lines,
    LINE_BYTES bytes or the end of the file, its first line alone is rejected and reading goes on at the next line,
    so a broken quote costs one row. A ragged row that spans lines says which. Blank lines are no rows. Raises
    DataError where the first row names no column.
    """
    # The limit belongs to the process and its default of 131,072 would refuse long texts; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), LINE_BYTES))
    records = _records(_Feed(iter(lines)), delimiter)
    header = next((record for record in records if record.cells or record.fault), None)
    if header is not None and header.fault is not None:
        raise DataError(f"{name}: the header (line {header.line}) cannot be read. {header.fault}")
    columns = tuple(cell.strip() for cell in header.cells) if header is not None else ()
    if not any(columns):
        raise DataError(f"{name} has no header. Its first line must name the columns.")
    return Rows(columns, _rows(columns, records, reject))


class _Record(NamedTuple):
    line: int
    cells: list[str]
    raw: bytes
    fault: str | None


class _UnclosedQuoteError(Exception):
    """A record runs on for too long."""


class _Feed:
    """Gives a csv reader its lines, remembers those of the current record, and can take them back."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._returned: deque[Line] = deque()
        self._size = 0
        self.taken: list[Line] = []
        self.fault: str | None = None

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else next(self._lines)
        self.taken.append(line)
        self._size += len(line.data)
        if len(self.taken) > RECORD_LINES or self._size > LINE_BYTES:
            raise _UnclosedQuoteError(f"a quote is not closed within {RECORD_LINES:,} lines and {LINE_BYTES:,} bytes")
        if line.fault is not None:
            self.fault = line.fault
        try:
            return line.data.decode()
        except UnicodeDecodeError as error:
            self.fault = not_utf8(error)
            return line.data.decode("utf-8", "replace")

    def begin_record(self) -> None:
        """Forget the lines taken so far: their record is dealt with."""
        self.taken.clear()
        self._size, self.fault = 0, None

    def keep_first(self) -> Line:
        """Take all lines of the current record back but the first, and return that one."""
        self._returned.extendleft(reversed(self.taken[1:]))
        return self.taken[0]


def _records(feed: _Feed, delimiter: str) -> Iterator[_Record]:
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.begin_record()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _UnclosedQuoteError) as error:
            line = feed.keep_first()
            yield _Record(line.number, [], line.data, line.fault or f"Broken row: {error}. Check its quotes.")
            continue
        yield _Record(feed.taken[0].number, cells, b"".join([line.data for line in feed.taken]), feed.fault)


def _rows(columns: tuple[str, ...], records: Iterable[_Record], reject: Reject) -> Iterator[Row]:
    for line, cells, raw, fault in records:
        if fault is not None:
            reject(line, fault, raw)
        elif len(cells) == len(columns):
            yield Row(line, dict(zip(columns, cells, strict=True)), raw)
        elif cells:
            span = raw.rstrip(b"\n").count(b"\n")
            where = f" It reaches from line {line} to line {line + span}: check its quotes." if span else ""
            reject(line, f"Ragged row: {len(cells)} cells where the header names {len(columns)}.{where}", raw)
