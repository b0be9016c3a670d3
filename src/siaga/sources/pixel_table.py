"""CSV with a column a pixel as pictures: Kaggle's `label,pixel0…pixel783`, grey, or red, green and blue."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Literal

from siaga.errors import DataError
from siaga.post import Pixels
from siaga.quarantine import RAW_CHARACTERS
from siaga.sources.lines import Line, read_lines
from siaga.sources.pictures import Label, PictureRow, Pictures, Spoilt, class_names
from siaga.sources.rows import not_utf8
from siaga.sources.values import Fault, as_word

_FEWEST = 4  # Pixels: with fewer columns of numbers it is an ordinary table.
_NUMBERED = re.compile(r"([^\d]*?)(\d{1,8})(?:[xX](\d{1,8}))?")
_BYTES = {str(value).encode(): value for value in range(256)}
CHANNELS: tuple[Literal[1], Literal[3]] = (1, 3)
_LABEL, _ID = ("label",), ("id", "imageid")


@dataclass(frozen=True, slots=True)
class _Layout:
    """The columns of a table: where the label and the id stand (None: nowhere), and the shape of a picture."""

    columns: int
    label: int | None
    id: int | None
    side: int
    channels: Literal[1, 3]


def is_pixel_header(line: bytes) -> bool:
    """Return whether this is the header of a table with a column a pixel."""
    return _layout(line) is not None


def read_pixel_table(path: Path, *, planar: bool) -> Pictures:
    """Return the pictures of a table, square and row by row: one number a pixel, or three.

    With `planar` all red values stand before all green and all blue ones, else each pixel's three stand together. A
    row with another number of cells, or with a cell that is no whole number from 0 to 255, is spoilt. Raises
    DataError where `read_lines` does, and for a header that names anything but a label, an id and pixels.
    """
    lines = read_lines(path)
    header = next(lines)
    layout = _layout(header.data)
    if layout is None:
        raise DataError(f"{path} has no column a pixel, as in label,pixel0,pixel1,…,pixel783. Mend the header.")
    return Pictures(_rows(lines, layout, planar=planar), {} if layout.label is None else {"label": class_names(path)})


def _layout(header: bytes) -> _Layout | None:
    try:
        names = [name.strip().casefold() for name in next(csv.reader([header.decode("utf-8-sig").rstrip("\r\n")]))]
    except (UnicodeDecodeError, csv.Error, StopIteration):
        return None
    label = next((i for i, name in enumerate(names) if name in _LABEL), None)
    id_ = next((i for i, name in enumerate(names) if name in _ID), None)
    pixels = [_NUMBERED.fullmatch(name) for i, name in enumerate(names) if i not in (label, id_)]
    places = [(found[1], int(found[2]), int(found[3] or 0)) for found in pixels if found is not None]
    in_order = len(places) == len(pixels) and places == sorted(set(places)) and len({name for name, *_ in places}) == 1
    for channels in CHANNELS:
        side = isqrt(len(places) // channels)
        if in_order and len(places) >= _FEWEST and channels * side * side == len(places):
            return _Layout(len(names), label, id_, side, channels)
    return None


def _rows(lines: Iterator[Line], layout: _Layout, *, planar: bool) -> Iterator[PictureRow | Spoilt]:
    number = 0
    for line, data, fault in lines:
        if fault is None and not data.strip():
            continue
        number += 1
        try:
            if fault is not None:
                raise Fault(fault)
            label, id_, values = _parts(data, layout)
        except (Fault, UnicodeDecodeError) as error:
            reason = str(error) if isinstance(error, Fault) else not_utf8(error)
            yield Spoilt(line, reason, data[:RAW_CHARACTERS].decode("utf-8", "replace"))
        else:
            ordered = _together(values) if planar and layout.channels == 3 else values
            image = Pixels(layout.side, layout.side, layout.channels, ordered)
            yield PictureRow(number, line, image, {"label": label}, id_)


def _parts(data: bytes, layout: _Layout) -> tuple[Label, str | None, bytes]:
    """Return the label, the id and the pixels of a line, which is not UTF-8 or raises Fault where it is spoilt."""
    cells = data.rstrip(b"\r\n").split(b",")
    if b'"' in data:
        cells = [cell.strip().removeprefix(b'"').removesuffix(b'"') for cell in cells]
    if len(cells) != layout.columns:
        raise Fault(f"Ragged row: it has {len(cells):,} cells, the header {layout.columns:,}.")
    own = {place: cells[place].decode() for place in (layout.label, layout.id) if place is not None}
    for place in sorted(own, reverse=True):
        del cells[place]
    label = _label(own[layout.label]) if layout.label is not None else None
    return label, as_word(own[layout.id]) if layout.id is not None else None, _values(cells)


def _values(cells: Sequence[bytes]) -> bytes:
    try:
        return bytes(map(_BYTES.__getitem__, cells))
    except KeyError:
        return bytes(_value(cell, number) for number, cell in enumerate(cells))


def _value(cell: bytes, number: int) -> int:
    text = cell.strip()
    if not text:
        raise Fault(f"Empty pixel: cell {number} of the pixels, counted from 0, is empty.")
    value = _BYTES.get(text.removesuffix(b".0"))
    if value is None:
        shown = text[:20].decode("utf-8", "replace")
        raise Fault(f"No pixel: {shown!r}, cell {number} of the pixels, is no whole number from 0 to 255.")
    return value


def _label(text: str) -> Label:
    number = text.strip().removesuffix(".0")
    return (
        int(number) if number.isascii() and number.removeprefix("-").isdigit() and len(number) < 10 else as_word(text)
    )


def _together(planes: bytes) -> bytes:
    """Return the colours pixel by pixel, of all red values, all green and all blue ones."""
    size = len(planes) // 3
    pixels = bytearray(len(planes))
    for channel in range(3):
        pixels[channel::3] = planes[channel * size : (channel + 1) * size]
    return bytes(pixels)
