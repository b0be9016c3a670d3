"""Events of Bluesky's Jetstream as items: posts that somebody made or deleted; all other events are notices."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct, field

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
from siaga.sources.items.whole import WholeItem
from siaga.sources.values import Fault

PLATFORM = "bluesky"
POSTS = "app.bsky.feed.post"
_LATEST_US = 10**17  # Beyond the year 5000.


class _Ref(Struct):
    link: str = field(name="$link")


class _Blob(Struct):
    ref: _Ref


class _Picture(Struct):
    image: _Blob


class _Media(Struct):
    images: list[_Picture] = []
    video: _Blob | None = None


class _Embed(_Media):
    media: _Media | None = None  # Beside a post that is quoted.


class _Feature(Struct):
    tag: str | None = None


class _Facet(Struct):
    features: list[_Feature] = []


class _Record(Struct):
    text: Text | None = None
    created_at: str | None = field(name="createdAt", default=None)
    languages: list[str] | None = field(name="langs", default=None)
    embed: msgspec.Raw = NOTHING
    facets: msgspec.Raw = NOTHING
    tags: list[str] | None = None


class _Commit(Struct):
    operation: str = ""
    collection: str = ""
    rkey: Id = ""
    record: msgspec.Raw = NOTHING


class _Event(Struct):
    did: Id = ""
    kind: str = ""
    time_us: int | None = None
    commit: _Commit | None = None


_EVENT = msgspec.json.Decoder(_Event)
_RECORD = msgspec.json.Decoder(_Record | None)
_EMBED = msgspec.json.Decoder(_Embed | None)
_FACETS = msgspec.json.Decoder(list[_Facet] | None)


def read_event(line: bytes) -> WholeItem | Notice:
    """Return the item or the notice of a line; raises Fault.

    A notice is of the event's kind ("identity", "account"), of what was done to a post ("delete", "update"), or of the
    collection ("like", "repost") where that is not of posts.
    """
    try:
        event = _EVENT.decode(line)
        if not event.did or not event.kind:
            raise Fault("Unknown message: it is no event of Jetstream, it lacks did or kind.")
        if (commit := event.commit) is None:
            return Notice(_kind(event.kind), PLATFORM)
        if commit.collection != POSTS:
            return Notice(_kind(commit.collection.rpartition(".")[2]), PLATFORM)
        if not commit.rkey:
            raise Fault("No id: the event lacks rkey.")
        id_ = checked_id(f"at://{event.did}/{POSTS}/{commit.rkey}")
        if commit.operation != "create":
            return Notice(_kind(commit.operation), PLATFORM, id_)
        return _item(id_, event, _RECORD.decode(commit.record) or _Record())
    except BROKEN as error:
        raise decoding_fault(error, line) from None


def _kind(name: str) -> str:
    return as_name(name) or "event"


def _item(id_: str, event: _Event, record: _Record) -> WholeItem:
    return WholeItem(
        PLATFORM,
        id_,
        text=checked_text(record.text),
        language=language_of(record.languages[0]) if record.languages else None,
        time_ms=_time_ms(event, record),
        image_url=_image_url(event.did, part_of(_EMBED, record.embed)),
        user=as_name(event.did),
        hashtags=as_names([*_tags(record), *(record.tags or ())]),
    )


def _time_ms(event: _Event, record: _Record) -> int | None:
    """Return when it was written, but not later than it came: what is written there is up to the writer."""
    written = as_milliseconds(time_or_none(record.created_at))
    came = event.time_us // 1000 if event.time_us is not None and 0 < event.time_us < _LATEST_US else None
    return min((time for time in (written, came) if time is not None), default=None)


def _tags(record: _Record) -> Iterator[str]:
    for facet in part_of(_FACETS, record.facets) or ():
        yield from (feature.tag for feature in facet.features if feature.tag is not None)


def _image_url(did: str, embed: _Embed | None) -> str | None:
    for media in (embed, embed.media) if embed is not None else ():
        if media is not None and media.images:
            return as_address(
                f"https://cdn.bsky.app/img/feed_fullsize/plain/{did}/{media.images[0].image.ref.link}@jpeg"
            )
        if media is not None and media.video is not None:
            return as_address(f"https://video.bsky.app/watch/{did}/{media.video.ref.link}/thumbnail.jpg")
    return None
