"""Pictures: what every file of arrays is read as, whatever its form, before its rows become posts."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from siaga.errors import DataError
from siaga.post import Picture

MAX_SIDE = 5_000  # Of one picture, in pixels: 25 megapixels, as for pictures that come as files.
DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError)  # What a compressed file that breaks off raises.
CLASS_NAMES = "classes.txt"

_OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}  # Any: three classes
# of files that share nothing but their methods.


Label = int | str | None  # A class by its number from 0, or by its name; nothing, or -1, is unlabelled.


class PictureRow(NamedTuple):
    """One picture: its number from 1, its line where there are lines (else its number), its labels by column.

    `id` is what the file calls it, if it does.
    """

    number: int
    line: int
    image: Picture
    labels: Mapping[str, Label]
    id: str | None = None


class Spoilt(NamedTuple):
    """A row that cannot be used: its line (its number where there are no lines), the reason, and what stands there."""

    line: int
    reason: str
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of one file, to be read once; `names` holds the names of the classes by column of labels.

    A column without names has an empty sequence; without a column of labels, the pictures are unlabelled.
    """

    rows: Iterable[PictureRow | Spoilt]
    names: Mapping[str, Sequence[str]]


def open_packed(path: Path) -> io.BufferedReader:
    """Open a file as the bytes that it stands for; gzip, bzip2 and xz are told by content and unpacked piece by piece.

    Raises DataError for a file that cannot be opened.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(8)
        opener = next((opener for magic, opener in _OPENERS.items() if head.startswith(magic)), None)
        stream = path.open("rb") if opener is None else opener(path)
    except OSError as error:
        raise DataError(f"{path} cannot be opened: {error.strerror}. Check its permissions.") from None
    return stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(stream, 1 << 20)


def class_names(path: Path) -> list[str]:
    """Return the names of classes in the `classes.txt` beside a file, one a line up to its first comma; or none.

    A name that was there before gets its number, so that all differ. Raises DataError for a file that is not UTF-8.
    """
    beside = path.parent / CLASS_NAMES
    if not beside.is_file():
        return []
    try:
        lines = beside.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{beside} cannot be read: {error}. Write one name of a class a line, in UTF-8.") from None
    while lines and not lines[-1].strip():
        lines.pop()
    return distinct_names([line.split(",")[0].strip() for line in lines])


def distinct_names(names: Sequence[str]) -> list[str]:
    """Return the names with those that are blank, or were there before, followed by their number from 0."""
    seen: set[str] = set()
    distinct = []
    for number, name in enumerate(names):
        if not name or name in seen:
            name = f"{name} {number}".strip()  # noqa: PLW2901 - the name as it is used.
        seen.add(name)
        distinct.append(name)
    return distinct
