"""What comes of one message of a stream: an item, which can become a post, or a notice; and why else it cannot."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple, Protocol, TypeVar

import msgspec

from siaga.post import Place, Post
from siaga.sources.values import TEXT_CHARACTERS, Fault, as_time

Text = Annotated[str, msgspec.Meta(max_length=TEXT_CHARACTERS)]
ID_CHARACTERS = 500  # What an index of a database can hold, in any script.
Id = Annotated[str, msgspec.Meta(max_length=ID_CHARACTERS)]
WORD_CHARACTERS = 1_000  # Of a name, a place, a hashtag or an address; what is longer is none.

NOTHING = msgspec.Raw(b"null")
BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # What decoding raises on lines that are no good.
Part = TypeVar("Part")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONE_SURROGATE = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?:[^\\]|\\[^u])")


class Item(Protocol):
    """A post as it came: its parts are cheap, and worked out when they are asked for. No part raises a fault.

    `platform` is the source under which a store keys it; `language` is a lower-case code (ISO 639), `time` is aware and
    in UTC; `text` is whole, with entities undone; `image_url` is that of the first picture, or of a video's preview.
    """

    @property
    def platform(self) -> str:
        """Return twitter, bluesky, mastodon or posts."""
        ...

    @property
    def id(self) -> str:
        """Return the id, unique on its platform."""
        ...

    @property
    def text(self) -> str | None:
        """Return the whole text; of a repost, that of the original."""
        ...

    @property
    def language(self) -> str | None:
        """Return the language as the platform has it."""
        ...

    @property
    def time(self) -> datetime | None:
        """Return when it was posted."""
        ...

    @property
    def time_ms(self) -> int | None:
        """Return when it was posted, in milliseconds since 1970."""
        ...

    @property
    def place(self) -> Place | None:
        """Return where it is from, with the method that says so."""
        ...

    @property
    def image_url(self) -> str | None:
        """Return the address of its first picture."""
        ...

    @property
    def user(self) -> str | None:
        """Return the name of who posted it."""
        ...

    @property
    def hashtags(self) -> tuple[str, ...]:
        """Return its hashtags without their sign, in order."""
        ...

    @property
    def is_repost(self) -> bool:
        """Return whether it passes on another post."""
        ...

    def post(self) -> Post:
        """Return it as a post, with `user`, `hashtags` (spaces between) and `image_url` among its fields."""
        ...


class Notice(NamedTuple):
    """A message that is no post: delete (`id` is the post's), limit, keep-alive and others."""

    kind: str
    platform: str
    id: str | None = None


def decoding_fault(error: Exception, line: bytes) -> Fault:
    """Return the fault for what msgspec says of a line."""
    match error:
        case UnicodeDecodeError():
            reason = f"Not UTF-8: it holds the byte 0x{error.object[error.start]:02x}."
        case RecursionError():
            reason = "Not JSON: it is nested too deeply."
        case msgspec.ValidationError():
            reason = _mismatch(str(error))
        case _ if "surrogate" in str(error) or _LONE_SURROGATE.search(line):
            reason = "Lone surrogate: it holds one half of a character."
        case _:
            reason = f"Not JSON: {error}."
    return Fault(reason)


def _mismatch(said: str) -> str:
    if "of length <=" in said:
        what, most = ("Text", TEXT_CHARACTERS) if f"<= {TEXT_CHARACTERS}" in said else ("Id", ID_CHARACTERS)
        return f"{what} too long: it has more than {most:,} characters."
    return f"Wrong type: {said}." if " - at `" in said else f"Not a JSON object: {said}."


def part_of(decoder: msgspec.json.Decoder[Part], raw: msgspec.Raw) -> Part | None:
    """Return a part of a message that was left raw, or None where it is not as it should be."""
    try:
        return decoder.decode(raw)
    except BROKEN:
        return None


def checked_id(value: str | None) -> str:
    """Return an id; raises Fault for none, and for one with NUL in it."""
    if value is None or not value.strip():
        raise Fault("No id: the message has none, or a blank one.")
    if "\x00" in value:
        raise Fault("NUL: its id holds a NUL character.")
    return value


def checked_text(value: str | None) -> str | None:
    """Return a text, or None for a blank one; raises Fault for NUL in it."""
    if value is None or not value or value.isspace():
        return None
    if "\x00" in value:
        raise Fault("NUL: its text holds a NUL character.")
    return value


def as_name(value: Any) -> str | None:  # Any: whatever JSON holds.
    """Return a name or an address without space around it; None where there is none that can be kept."""
    if not isinstance(value, str) or len(value) > WORD_CHARACTERS or "\x00" in value:
        return None
    return value.strip() or None


def as_names(values: Iterable[Any]) -> tuple[str, ...]:  # Any: whatever JSON holds.
    """Return hashtags that can be kept, without white space within, which would part them."""
    names = (as_name(value) for value in values)
    return tuple("".join(name.split()) for name in names if name)


def as_address(*values: Any) -> str | None:  # Any: whatever JSON holds.
    """Return the first web address among values."""
    for value in values:
        address = as_name(value)
        if address is not None and address.startswith(("https://", "http://")):
            return address
    return None


def as_moment(milliseconds: int | None) -> datetime | None:
    """Return the aware time of milliseconds since 1970."""
    return None if milliseconds is None else _EPOCH + timedelta(milliseconds=milliseconds)


def as_milliseconds(moment: datetime | None) -> int | None:
    """Return the milliseconds since 1970 of an aware time."""
    return None if moment is None else (moment - _EPOCH) // timedelta(milliseconds=1)


def time_or_none(value: str | None) -> datetime | None:
    """Return the aware time that a text says, or None where it says none."""
    try:
        return as_time(value)
    except Fault:
        return None
