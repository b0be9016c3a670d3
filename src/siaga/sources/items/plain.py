"""Posts as Siaga writes them itself, one JSON object a line, with everything that a post holds.

{"id": "7", "text": "air naik", "time": "2020-02-01T06:00:00+00:00", "language": "id", "user": "ani", "image": "7.jpg"}

`image` is a path (read only where a folder is given, and then inside it), or the content itself. `place` is a name, or
an object with the parts of a place. Other keys with texts are further fields.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, assert_never

import msgspec
from msgspec import Struct

from siaga.post import Picture, Pixels, Place, Post
from siaga.sources.items.languages import language_of
from siaga.sources.items.message import (
    BROKEN,
    Id,
    Notice,
    Text,
    as_milliseconds,
    as_names,
    checked_id,
    checked_text,
    decoding_fault,
)
from siaga.sources.values import TEXT_CHARACTERS, Fault, as_label, as_time, existing_inside

PLATFORM = "posts"


class _Content(Struct, omit_defaults=True):
    """A picture within the line: an encoded file, or pixels where it has a size."""

    data: str
    width: int | None = None
    height: int | None = None
    channels: Literal[1, 3] | None = None


class _Where(Struct, omit_defaults=True):
    lon: float | None = None
    lat: float | None = None
    method: str = ""
    radius_m: float | None = None
    name: str | None = None
    country: str | None = None


class _Line(Struct, omit_defaults=True):
    """The keys that are known; whatever else holds a text is a field."""

    id: Id | int = ""
    text: Text | None = None
    image: str | _Content | None = None
    label: str | int | float | bool | None = None
    time: str | int | float | None = None
    language: str | None = None
    place: str | _Where | None = None
    event: str | None = None
    hashtags: str | list[str] | None = None
    fields: dict[str, str] = {}
    is_pseudo_labelled: bool = False


_KNOWN = frozenset(_Line.__struct_fields__)


@dataclass(frozen=True, slots=True)
class PlainItem:
    """A post as an item, as `Item` describes it."""

    whole: Post
    platform: str = PLATFORM

    @property
    def id(self) -> str:
        """Return the id."""
        return self.whole.id

    @property
    def text(self) -> str | None:
        """Return the text."""
        return self.whole.text

    @property
    def language(self) -> str | None:
        """Return the language as a code of today."""
        return language_of(self.whole.language)

    @property
    def time(self) -> datetime | None:
        """Return when it was posted."""
        return self.whole.time

    @property
    def time_ms(self) -> int | None:
        """Return when it was posted, in milliseconds since 1970."""
        return as_milliseconds(self.whole.time)

    @property
    def place(self) -> Place | None:
        """Return where it is from."""
        return self.whole.place

    @property
    def image_url(self) -> str | None:
        """Return the address of its picture."""
        return self.whole.fields.get("image_url")

    @property
    def user(self) -> str | None:
        """Return the name of who posted it."""
        return self.whole.fields.get("user")

    @property
    def hashtags(self) -> tuple[str, ...]:
        """Return its hashtags."""
        return tuple(self.whole.fields.get("hashtags", "").split())

    @property
    def is_repost(self) -> bool:
        """Return False: nothing says it of a post."""
        return False

    def post(self) -> Post:
        """Return the post as it was written."""
        return self.whole


def to_line(post: Post) -> bytes:
    """Return a post as one line, without its end; read again, it gives an equal post.

    An image's path is written as it is; it is found again where the reader is given the folder that it starts at.
    """
    beside = {name: value for name, value in post.fields.items() if name not in _KNOWN}
    known = _Line(
        id=post.id,
        text=post.text,
        image=_written(post.image),
        label=post.label,
        time=post.time.isoformat() if post.time is not None else None,
        language=post.language,
        place=_Where(**asdict(post.place)) if post.place is not None else None,
        event=post.event,
        hashtags=post.fields.get("hashtags"),
        fields={name: value for name, value in post.fields.items() if name in _KNOWN - {"hashtags"}},
        is_pseudo_labelled=post.is_pseudo_labelled,
    )
    return msgspec.json.encode({**msgspec.to_builtins(known), **beside})


def read_plain(line: bytes, root: Path | None = None) -> PlainItem | Notice:
    """Return the item of a line, with its image where `root` is the folder that image paths start at; raises Fault."""
    try:
        values = msgspec.json.decode(line, type=dict[str, Any])  # Any: whatever JSON holds.
        known = msgspec.convert(values, _Line)
    except BROKEN as error:
        raise decoding_fault(error, line) from None
    return PlainItem(_post(known, _fields(known, values), root))


def _post(line: _Line, fields: Mapping[str, str], root: Path | None) -> Post:
    return Post(
        checked_id(str(line.id)),
        text=checked_text(line.text),
        image=_image(line.image, root),
        label=as_label(line.label, {}),
        time=_time(line.time),
        language=_sound("language", line.language),
        place=_place(line.place),
        event=_sound("event", line.event),
        fields=fields,
        is_pseudo_labelled=line.is_pseudo_labelled,
    )


def _fields(line: _Line, values: Mapping[str, Any]) -> dict[str, str]:  # Any: whatever JSON holds.
    others = {name: value for name, value in values.items() if name not in _KNOWN and isinstance(value, str)}
    if line.hashtags is not None:
        others["hashtags"] = line.hashtags if isinstance(line.hashtags, str) else " ".join(as_names(line.hashtags))
    fields = {**others, **line.fields}
    for name, value in fields.items():
        _sound("field's name", name)
        _sound(name, value)
    return fields


def _sound(what: str, value: str | None) -> str | None:
    if value is not None and "\x00" in value:
        raise Fault(f"NUL: its {what[:80]!r} holds a NUL character.")
    if value is not None and len(value) > TEXT_CHARACTERS:
        raise Fault(f"Text too long: its {what[:80]!r} has more than {TEXT_CHARACTERS:,} characters.")
    return value


def _time(value: str | float | None) -> datetime | None:
    try:
        return as_time(value)
    except Fault as fault:
        raise Fault(f"Time: {fault}") from None


def _place(value: str | _Where | None) -> Place | None:
    where = _Where(name=value.strip() or None) if isinstance(value, str) else value or _Where()
    for part in ("method", "name", "country"):
        _sound(part, getattr(where, part))
    lon, lat = where.lon, where.lat
    if (lon is None) != (lat is None):
        raise Fault("Place: it has lon without lat, or lat without lon.")
    if lon is not None and lat is not None and not (abs(lon) <= 180 and abs(lat) <= 90):
        raise Fault(f"Place: lon {lon:g} and lat {lat:g} are out of range (±180, ±90).")
    if lon is None and where.name is None:
        return None
    method = where.method or ("profile" if lon is None else "given")
    return Place(lon, lat, method, where.radius_m, where.name, where.country)


def _image(value: str | _Content | None, root: Path | None) -> Picture | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return existing_inside(root.resolve(), _sound("image", value) or "") if root is not None else None
    try:
        data = b64decode(value.data, validate=True)
        if value.width is None or value.height is None or value.channels is None:
            return data or None
        return Pixels(value.width, value.height, value.channels, data)
    except (binascii.Error, ValueError) as error:
        raise Fault(f"Image: {error}") from None


def _written(image: Picture | None) -> str | _Content | None:
    match image:
        case None:
            return None
        case Path():
            return str(image)
        case bytes():
            return _Content(b64encode(image).decode())
        case Pixels():
            return _Content(b64encode(image.data).decode(), image.width, image.height, image.channels)
        case _:
            assert_never(image)
