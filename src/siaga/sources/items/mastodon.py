"""Statuses of Mastodon as items, bare or in the events of its streams."""

import msgspec
from msgspec import Raw, Struct, field

from siaga.sources.items.languages import language_of
from siaga.sources.items.markup import text_of
from siaga.sources.items.message import (
    BROKEN,
    NOTHING,
    Id,
    Notice,
    Text,
    as_address,
    as_milliseconds,
    as_name,
    as_names,
    checked_id,
    checked_text,
    decoding_fault,
    time_or_none,
)
from siaga.sources.items.whole import WholeItem

PLATFORM = "mastodon"


class _Account(Struct):
    acct: str | None = None
    username: str | None = None


class _Attachment(Struct):
    preview_url: str | None = None
    url: str | None = None


class _Tag(Struct):
    name: str = ""


class _Passed(Struct):
    """What a boost passes on."""

    content: Text | None = None
    language: str | None = None
    attachments: list[_Attachment] = field(name="media_attachments", default=[])
    tags: list[_Tag] = []


class _Status(_Passed):
    id: Id = ""
    created_at: str | None = None
    account: _Account | None = None
    reblog: _Passed | None = None


class _Event(Struct):
    event: str | None = None
    payload: Raw = NOTHING


_STATUS = msgspec.json.Decoder(_Status)
_EVENT = msgspec.json.Decoder(_Event)
_STRING = msgspec.json.Decoder(str)


def read_status(line: bytes) -> WholeItem | Notice:
    """Return the item or the notice of a line: a status, or an event with one; raises Fault."""
    try:
        event = _EVENT.decode(line)
        if event.event is None:
            return _item(_STATUS.decode(line))
        return _from_event(event.event, event.payload)
    except BROKEN as error:
        raise decoding_fault(error, line) from None


def _from_event(name: str, payload: Raw) -> WholeItem | Notice:
    """Return what an event is about. Its payload is JSON within a JSON text, or, of a delete, the id alone."""
    raw = bytes(payload)
    content = _STRING.decode(raw).encode() if raw[:1] == b'"' else raw
    match name:
        case "update":
            return _item(_STATUS.decode(content))
        case "delete":
            return Notice("delete", PLATFORM, checked_id(content.decode()))
        case _:
            return Notice(as_name(name) or "event", PLATFORM)


def _item(status: _Status) -> WholeItem:
    shown = status.reblog or status
    account = status.account or _Account()
    pictures = (as_address(one.preview_url, one.url) for one in shown.attachments)
    return WholeItem(
        PLATFORM,
        checked_id(status.id),
        text=checked_text(text_of(shown.content)) if shown.content is not None else None,
        language=language_of(shown.language),
        time_ms=as_milliseconds(time_or_none(status.created_at)),
        image_url=next(filter(None, pictures), None),
        user=as_name(account.acct) or as_name(account.username),
        hashtags=as_names(tag.name for tag in shown.tags),
        is_repost=status.reblog is not None,
    )
