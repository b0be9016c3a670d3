"""Messages of Twitter's API v2 as items: an object `data`, and in `includes` what it refers to by id or key."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

import msgspec
from msgspec import Raw, Struct, field

from siaga.post import Place
from siaga.sources.items.languages import language_of
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
    part_of,
    time_or_none,
)
from siaga.sources.items.places import box_place, point_place, profile_place
from siaga.sources.items.twitter import Delete, Tweet, unescaped
from siaga.sources.items.whole import WholeItem
from siaga.sources.values import Fault

PLATFORM = Tweet.platform


class _Point(Struct):
    coordinates: tuple[float, float]


class _Geo(Struct):
    place_id: str | None = None
    coordinates: Raw = NOTHING


class _Attachments(Struct):
    media_keys: list[str] | None = None


class _Hashtag(Struct):
    tag: str = ""


class _Entities(Struct):
    hashtags: list[_Hashtag] | None = None


class _Note(Struct):
    """The whole of a text that is longer than a tweet once was."""

    text: Text | None = None
    entities: _Entities | None = None


class _Reference(Struct):
    type: str
    key: str = field(name="id")


class _Data(Struct):
    key: Id = field(name="id", default="")
    text: Text | None = None
    note: _Note | None = field(name="note_tweet", default=None)
    created_at: str | None = None
    lang: str | None = None
    author_id: str | None = None
    geo: _Geo | None = None
    attachments: _Attachments | None = None
    entities: _Entities | None = None
    referenced_tweets: list[_Reference] | None = None


class _Media(Struct):
    key: str = field(name="media_key")
    url: str | None = None
    preview_image_url: str | None = None


class _Box(Struct):
    bbox: tuple[float, float, float, float]


class _Place(Struct):
    key: str = field(name="id")
    full_name: str | None = None
    country_code: str | None = None
    geo: Raw = NOTHING


class _User(Struct):
    key: str = field(name="id")
    username: str | None = None
    location: str | None = None


class _Includes(Struct):
    media: list[_Media] = []
    places: list[_Place] = []
    users: list[_User] = []
    tweets: list[_Data] = []


class _Message(Struct):
    data: Raw = NOTHING
    includes: _Includes = field(default_factory=_Includes)
    delete: Delete | None = None
    errors: Raw = NOTHING


class _Keyed(Protocol):
    @property
    def key(self) -> str: ...


Found = TypeVar("Found", bound=_Keyed)
_MESSAGE = msgspec.json.Decoder(_Message)
_DATA = msgspec.json.Decoder(_Data | None)
_POINT = msgspec.json.Decoder(_Point | None)
_BOX = msgspec.json.Decoder(_Box | None)


def read_tweet_v2(line: bytes) -> WholeItem | Notice:
    """Return the item or the notice of a line; raises Fault, also for a page of posts."""
    try:
        message = _MESSAGE.decode(line)
        if message.delete is not None:
            return Notice("delete", PLATFORM, message.delete.id)
        data = bytes(message.data)
        if data == b"null" and message.errors is not NOTHING:
            return Notice("error", PLATFORM)
        if data[:1] == b"[":
            raise Fault("A page: data is a list of posts. Write one post a line: jq -c '{data: .data[], includes}'.")
        return _item(_DATA.decode(data) or _Data(), message.includes)
    except BROKEN as error:
        raise decoding_fault(error, line) from None


def _item(data: _Data, includes: _Includes) -> WholeItem:
    original = _original(data, includes.tweets)
    shown = original or data
    user = next(_found(includes.users, [data.author_id]), None)
    entities = shown.note.entities if shown.note is not None and shown.note.entities is not None else shown.entities
    return WholeItem(
        PLATFORM,
        checked_id(data.key),
        text=_text(shown) or _text(data),
        language=language_of(data.lang),
        time_ms=as_milliseconds(time_or_none(data.created_at)),
        place=_place(data, includes, user),
        image_url=_image_url(shown, includes) or _image_url(data, includes),
        user=as_name(user.username) if user is not None else None,
        hashtags=as_names(hashtag.tag for hashtag in (entities.hashtags if entities else None) or ()),
        is_repost=any(reference.type == "retweeted" for reference in data.referenced_tweets or ()),
    )


def _original(data: _Data, tweets: Iterable[_Data]) -> _Data | None:
    """Return the tweet that a retweet passes on, where the message includes it."""
    wanted = [reference.key for reference in data.referenced_tweets or () if reference.type == "retweeted"]
    return next(_found(tweets, wanted), None)


def _text(data: _Data) -> str | None:
    text = (data.note.text if data.note is not None else None) or data.text
    return checked_text(unescaped(text)) if text is not None else None


def _image_url(data: _Data, includes: _Includes) -> str | None:
    keys = (data.attachments.media_keys if data.attachments is not None else None) or ()
    found = (as_address(media.url, media.preview_image_url) for media in _found(includes.media, keys))
    return next(filter(None, found), None)


def _place(data: _Data, includes: _Includes, user: _User | None) -> Place | None:
    geo = data.geo or _Geo()
    area = next(_found(includes.places, [geo.place_id]), None)
    name, country = (area.full_name, area.country_code) if area is not None else (None, None)
    place = None
    if (point := part_of(_POINT, geo.coordinates)) is not None:
        place = point_place(point.coordinates, name=name, country=country)
    if place is None and area is not None and (box := part_of(_BOX, area.geo)) is not None:
        west, south, east, north = box.bbox
        place = box_place([(west, south), (east, north)], name=name, country=country)
    return place or (profile_place(user.location) if user is not None else None)


def _found(objects: Iterable[Found], keys: Iterable[str | None]) -> Iterator[Found]:
    """Yield the objects of the given keys, in the keys' order."""
    by_key = {one.key: one for one in objects}
    return (by_key[key] for key in keys if key is not None and key in by_key)
