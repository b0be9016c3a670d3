"""One raw value of a table as a value of a post; what cannot be read raises Fault with the reason."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from siaga.errors import did_you_mean
from siaga.post import Place

TEXT_CHARACTERS = 1_000_000
EVERY_OTHER = "*"

_MILLISECONDS_FROM = 1e11  # As seconds this is the year 5138; as milliseconds 1973.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TWITTER_PARTS = 6
_DAY_MONTH_YEAR = re.compile(r"(\d\d?)-([A-Za-z]{3})-(\d{4})(?: +(\d\d?)(:\d\d(?::\d\d(?:\.\d{1,6})?)?))?", re.ASCII)


class Fault(Exception):
    """Why a value cannot be used: a sentence for the quarantine."""


def as_string(value: Any) -> str | None:  # Any: whatever JSON or Parquet holds, here and below.
    """Return a value as text: numbers as digits (123.0 is "123"), lists and objects as JSON, nothing as None."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        if len(value) > TEXT_CHARACTERS:
            raise Fault(f"Text too long: {len(value):,} characters, {TEXT_CHARACTERS:,} at most.")
        if "\x00" in value:
            raise Fault("NUL: it holds a NUL character. Remove it.")
        return value
    return as_string(_written(value))


def as_word(value: Any) -> str | None:
    """Return a value as text without space around it; None when nothing is left."""
    text = as_string(value)
    return text.strip() or None if text is not None else None


def as_label(value: Any, mapping: Mapping[str, str]) -> str | None:
    """Return the class for a raw label; of a list, the first entry is the label.

    An empty `mapping` keeps labels as they are; "*" in it stands for every label that it does not name.
    """
    if isinstance(value, list):
        value = value[0] if value else None
    label = as_word(value)
    if label is None or not mapping:
        return label
    if label in mapping:
        return mapping[label]
    if EVERY_OTHER in mapping:
        return mapping[EVERY_OTHER]
    known = ", ".join(mapping)
    raise Fault(f"Unknown label: {label[:80]!r} is not among {known}.{did_you_mean(label, mapping)}")


def as_time(value: Any) -> datetime | None:
    """Return an aware time in UTC.

    Read are ISO 8601 (UTC where it names no zone), seconds or milliseconds since 1970, Twitter's
    `Wed Oct 10 20:19:24 +0000 2018`, day, month and year as in `26-FEB-1987 15:01:01.79` (UTC; the time may be
    missing), and what Parquet knows as a date or a time.
    """
    if isinstance(value, datetime):
        return _in_utc(value)
    text = as_word(value)
    if text is None:
        return None
    try:
        return _in_utc(_parsed_time(text))
    except (ValueError, OverflowError, OSError):
        raise Fault(f"{text[:80]!r} is neither ISO 8601 nor seconds since 1970.") from None


def as_place(lon: Any, lat: Any) -> Place | None:
    """Return the given point in degrees, or None where both values are missing."""
    texts = as_word(lon), as_word(lat)
    if texts == (None, None):
        return None
    try:
        x, y = (float(text or "") for text in texts)
    except ValueError:
        raise Fault(f"lon {texts[0]!r} and lat {texts[1]!r} are not two numbers.") from None
    if not (abs(x) <= 180 and abs(y) <= 90):
        raise Fault(f"lon {x:g} and lat {y:g} are out of range (±180, ±90). Are they swapped?")
    return Place(x, y, method="given", radius_m=0.0)


def as_image(value: Any, root: Path) -> Path | bytes | None:
    """Return an image's bytes, or its path, which must exist inside the resolved folder `root`, links followed."""
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return value or None
    name = as_word(value)
    if name is None:
        return None
    if name.lower().startswith(("http://", "https://")):
        raise Fault(f"{name[:200]!r} is a URL, and nothing is fetched while reading. Run siaga download first.")
    return existing_inside(root, name)


def existing_inside(root: Path, name: str) -> Path:
    """Return the file `name` in the resolved folder `root`; raises Fault when it is outside, or is no file."""
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise Fault(f"{name[:200]!r} lies outside {root}. Images must lie inside.")
    try:
        is_file = path.is_file()
    except OSError as error:
        raise Fault(f"{name[:200]!r} cannot be looked up: {error.strerror}.") from None
    if not is_file:
        raise Fault(f"{name[:200]!r} is not a file in {root}.")
    return path


def _written(value: Any) -> str | None:
    match value:
        case bool():
            return "true" if value else "false"
        case float() | Decimal():
            whole = math.isfinite(value) and value == int(value)
            return str(int(value)) if whole else None if math.isnan(value) else str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case bytes():
            return _decoded(value)
        case _:
            return msgspec.json.encode(value).decode() if isinstance(value, list | dict) else str(value)


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Fault("Not UTF-8: a column of text holds other bytes.") from None


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _parsed_time(text: str) -> datetime:
    if text[4:5] == "-":
        return datetime.fromisoformat(text)
    if found := _DAY_MONTH_YEAR.fullmatch(text):
        return _day_month_year(*found.groups(default=""))
    try:
        number = float(text)
    except ValueError:
        parts = text.split()
        return _twitter_time(parts) if len(parts) == _TWITTER_PARTS else datetime.fromisoformat(text)
    if len(text) == len("20240131") and text.isdigit():
        return datetime.fromisoformat(text)
    return datetime.fromtimestamp(number / 1000 if abs(number) >= _MILLISECONDS_FROM else number, UTC)


def _twitter_time(parts: list[str]) -> datetime:
    _, month, day, clock, zone, year = parts
    return datetime.fromisoformat(f"{year}-{_MONTHS.index(month) + 1:02d}-{day:0>2}T{clock}{zone[:3]}:{zone[3:]}")


def _day_month_year(*parts: str) -> datetime:
    day, month, year, hour, minutes = parts
    return datetime.fromisoformat(
        f"{year}-{_MONTHS.index(month.title()) + 1:02d}-{day:0>2}T{hour:0>2}{minutes or ':00'}"
    )
