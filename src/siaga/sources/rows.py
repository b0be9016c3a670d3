"""Table files as rows: CSV, TSV, JSONL and Parquet by suffix, each row with its line and its raw values by column."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from siaga.errors import DataError
from siaga.sources.lines import COMPRESSED, Line, display_name, read_lines

FORMATS = {".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
Reject = Callable[[int, str, bytes], None]  # Called with a row's line, the reason, and the raw row.


class Row(NamedTuple):
    """One row: the physical line where it starts (Parquet: its number), its values by column, and its raw bytes."""

    line: int
    values: Mapping[str, Any]  # Any: whatever JSON or Parquet holds.
    raw: bytes


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one table. `columns` is None where each row names its own (JSONL)."""

    columns: tuple[str, ...] | None
    rows: Iterable[Row]


def read_rows(path: Path | Literal["-"], *, wanted: frozenset[str] | None, reject: Reject) -> Rows:
    """Open a table whose unreadable rows go to `reject`. From stdin, a first "{" means JSONL, anything else CSV.

    Of a Parquet file only the `wanted` columns are read, or all when None. Raises DataError where `read_lines` does,
    for an unknown suffix, and for a missing header.
    """
    if isinstance(path, str):
        lines = read_lines(path)
        first = next(lines)
        lines, kind = chain([first], lines), "jsonl" if first.data.lstrip().startswith(b"{") else "csv"
    else:
        kind = table_format(path)
        if kind == "parquet":
            from siaga.sources.parquet import read_parquet

            return read_parquet(path, wanted=wanted, reject=reject)
        lines = read_lines(path)
    if kind == "jsonl":
        return Rows(None, _json_rows(lines, reject))
    from siaga.sources.records import read_records

    return read_records(lines, name=display_name(path), delimiter="\t" if kind == "tsv" else ",", reject=reject)


def table_format(path: Path) -> str:
    """Return csv, tsv, jsonl or parquet for a file's suffixes; raises DataError that lists the known ones."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    is_packed = bool(suffixes) and suffixes[-1] in COMPRESSED
    if is_packed:
        suffixes.pop()
    kind = FORMATS.get(suffixes[-1]) if suffixes else None
    if kind is None or (is_packed and kind == "parquet"):
        known = f"{', '.join(FORMATS)}; all but .parquet also with {', '.join(COMPRESSED)} after it"
        raise DataError(f"{path} is not named like a table. The known suffixes are {known}.")
    return kind


def not_utf8(error: UnicodeDecodeError) -> str:
    """Return the reason for a row whose bytes are not UTF-8."""
    return f"Not UTF-8: it holds the byte 0x{error.object[error.start]:02x}. Save the file as UTF-8."


def _json_rows(lines: Iterable[Line], reject: Reject) -> Iterator[Row]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode  # Any: whatever JSON holds.
    for number, data, fault in lines:
        if fault is not None:
            reject(number, fault, data)
        elif not data.isspace():
            try:
                values = decode(data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                reject(number, _json_fault(error), data)
            else:
                yield Row(number, values, data)


def _json_fault(error: Exception) -> str:
    match error:
        case UnicodeDecodeError():
            return not_utf8(error)
        case msgspec.ValidationError():
            return f"Not a JSON object: {error}."
        case RecursionError():
            return "Not JSON: it is nested too deeply."
        case _:
            return f"Not JSON: {error}."
