"""Lists of words with whole numbers, from the `afinn` package or a file, checked line by line."""

import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from siaga.errors import DataError, did_you_mean
from siaga.extras import require
from siaga.features.word_bytes import BREAK, stretches_of, text_bytes

LISTS = {"afinn-111": "AFINN-111.txt", "afinn-en-165": "AFINN-en-165.txt", "afinn-da-32": "AFINN-da-32.txt"}
MOST = 1_000_000
_FAULTS = 20
_NUMBER = re.compile(r"[+-]?[0-9]{1,9}")


class Row(NamedTuple):
    """An entry and its value as written, and where; no value where a line has another form."""

    place: str
    entry: str
    value: str | None


def read_word_list(spec: str) -> dict[str, int]:
    """Return the entries of a list, folded, with their values: one of LISTS by name, or a file by path.

    Empty lines, and those that begin with #, are passed over. Raises DataError naming up to 20 lines that are at fault.
    """
    path = _package_file(LISTS[spec]) if spec in LISTS else Path(spec)
    return checked_entries(_rows(path, spec), where=str(path))


def checked_entries(rows: Iterable[Row], *, where: str) -> dict[str, int]:
    """Return folded entries with their values, or raise DataError with what is wrong and where."""
    entries: dict[str, int] = {}
    faults = []
    for row in rows:
        try:
            entry, value = _checked(row)
            if entries.setdefault(entry, value) != value:
                faults.append(f"  - {row.place}: {entry!r} counts {entries[entry]} before, and {value} here. Keep one")
        except ValueError as error:
            faults.append(f"  - {row.place}: {error}")
    if faults:
        more = [f"  - and {len(faults) - _FAULTS} more"] if len(faults) > _FAULTS else []
        count = f"{len(faults)} faults" if len(faults) > 1 else "1 fault"
        raise DataError("\n".join([f"{where} has {count}:", *faults[:_FAULTS], *more]))
    if not entries:
        raise DataError(f"{where} holds no words. Write a word, a tab and a whole number a line.")
    return entries


def folded_entry(entry: str) -> str | None:
    """Return an entry as texts are searched for it, or None where it could be found in no text."""
    [pieces, *others] = stretches_of(text_bytes(entry.strip()))
    joined = b"".join(pieces)
    if others or BREAK in joined or b"@" in joined or not all(pieces):
        return None
    return joined.decode()


def _checked(row: Row) -> tuple[str, int]:
    """Return a folded entry and its value; raises ValueError for what cannot be one."""
    if row.value is None:
        raise ValueError(f"{row.entry[:80]!r} is not a word or phrase, one tab, and a number")
    entry = folded_entry(row.entry)
    if entry is None:
        raise ValueError(
            f"{row.entry[:80]!r} is no word and no phrase: letters, digits, _, between them ' - or a space"
        )
    if not _NUMBER.fullmatch(row.value) or abs(int(row.value)) > MOST:
        raise ValueError(f"{row.value[:80]!r} is no whole number from -{MOST:,} to {MOST:,}")
    return entry, int(row.value)


def _rows(path: Path, spec: str) -> list[Row]:
    rows = []
    for number, line in enumerate(_text(path, spec).splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            entry, *values = line.split("\t")
            row = (entry, values[0].strip()) if len(values) == 1 else (line, None)
            rows.append(Row(f"line {number}", *row))
    return rows


def _text(path: Path, spec: str) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start}). Save it as UTF-8.") from None
    except (FileNotFoundError, NotADirectoryError):
        what = f"There is no list of words {spec!r}.{did_you_mean(spec, LISTS)}"
        raise DataError(f"{what} Known: {', '.join(LISTS)}; or give the path of a file.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Give a file of words.") from None


def _package_file(name: str) -> Path:
    """Return a file of the `afinn` package, which is found and not run."""
    found = find_spec("afinn")
    if found is None or not found.submodule_search_locations:
        require("afinn", extra="stream")
        raise DataError("The module afinn has no lists of words. Run: pip install --force-reinstall afinn")
    return Path(found.submodule_search_locations[0]) / "data" / name
