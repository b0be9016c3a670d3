"""Raw tweets of Twitter's API v1.1 as items: statuses, and the notices between them.

Speed matters here: a stream of tweets is read as fast as its JSON can be decoded. So a tweet is a struct whose text and
language are put right in place, and whose other parts stay raw until they are asked for.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar

import msgspec
from msgspec import Raw, Struct, field

from siaga.post import Place, Post
from siaga.sources.items.languages import SETTLED, language_of
from siaga.sources.items.message import (
    BROKEN,
    NOTHING,
    Id,
    Notice,
    Text,
    as_address,
    as_milliseconds,
    as_moment,
    as_name,
    as_names,
    checked_id,
    decoding_fault,
    part_of,
    time_or_none,
)
from siaga.sources.items.places import box_place, point_place, profile_place
from siaga.sources.items.whole import post_of
from siaga.sources.values import Fault

NOTICES = ("limit", "scrub_geo", "status_withheld", "user_withheld", "disconnect", "warning", "friends", "friends_str")
LAST_MS_DIGITS = 15  # More of them lead beyond the year 9999, or near it.


class _Hashtag(Struct, gc=False):
    text: str = ""


class _Media(Struct, gc=False):
    media_url_https: str | None = None
    media_url: str | None = None


class _Entities(Struct, gc=False):
    hashtags: list[_Hashtag] | None = None


class _Gallery(Struct, gc=False):
    media: list[_Media] | None = None


class _User(Struct, gc=False):
    screen_name: str | None = None
    location: str | None = None


class _Place(Struct, gc=False):
    full_name: str | None = None
    country_code: str | None = None
    bounding_box: Raw = NOTHING


class _Point(Struct, gc=False):
    coordinates: tuple[float, float]


class _Box(Struct, gc=False):
    coordinates: list[list[tuple[float, float]]]


class _Longer(Struct, gc=False):
    """What a tweet of more than 140 characters has besides."""

    full_text: Text | None = None
    entities: _Entities | None = None
    extended_entities: _Gallery | None = None


class _Original(Struct, gc=False):
    """What a retweet passes on."""

    text: Text | None = None
    full_text: Text | None = None
    longer: _Longer | None = field(name="extended_tweet", default=None)
    entities: _Entities | None = None
    extended_entities: _Gallery | None = None


class _Deleted(Struct, gc=False):
    id: Id | None = field(name="id_str", default=None)
    number: Id | int | None = field(name="id", default=None)


class Delete(Struct, gc=False):
    """What a delete notice says; the API v2 writes `tweet` for `status`."""

    status: _Deleted | None = None
    tweet: _Deleted | None = None

    @property
    def id(self) -> str | None:
        """Return the id of the deleted tweet."""
        deleted = self.status or self.tweet
        if deleted is None:
            return None
        return as_name(deleted.id) or (None if deleted.number is None else as_name(str(deleted.number)))


class Deletion(Struct, gc=False):
    """A delete notice alone, as most lines of a stream are."""

    delete: Delete


class Tweet(Struct, gc=False):
    """A tweet as it came, or another message, whose `id` is blank then. `settle` puts text and language right."""

    platform: ClassVar[str] = "twitter"
    id: Id = field(name="id_str", default="")
    text: Text | None = None
    language: str | None = field(name="lang", default=None)
    longer: _Longer | None = field(name="extended_tweet", default=None)
    original: _Original | None = field(name="retweeted_status", default=None)
    full_text: Text | None = None
    timestamp_ms: str | None = None
    created_at: str | None = None
    delete: Delete | None = None
    profile: _User | None = field(name="user", default=None)
    box: _Place | None = field(name="place", default=None)
    coordinates: Raw = NOTHING
    entities: _Entities | None = None
    extended_entities: _Gallery | None = None

    @property
    def time_ms(self) -> int | None:
        """Return when it was posted, in milliseconds since 1970."""
        stamp = self.timestamp_ms
        if stamp is not None and len(stamp) < LAST_MS_DIGITS and stamp.isascii() and stamp.isdigit():
            return int(stamp)
        return as_milliseconds(time_or_none(self.created_at))

    @property
    def time(self) -> datetime | None:
        """Return when it was posted."""
        return as_moment(self.time_ms)

    @property
    def place(self) -> Place | None:
        """Return its point, else the box of its place, else what its user's profile says."""
        box = self.box
        name, country = (box.full_name, box.country_code) if box is not None else (None, None)
        if (point := part_of(_POINT, self.coordinates)) is not None:
            found = point_place(point.coordinates, name=name, country=country)
            if found is not None:
                return found
        if box is not None and (rings := part_of(_BOX, box.bounding_box)) is not None and rings.coordinates:
            found = box_place(rings.coordinates[0], name=name, country=country)
            if found is not None:
                return found
        return profile_place(self.profile.location) if self.profile is not None else None

    @property
    def image_url(self) -> str | None:
        """Return the address of its first picture, of a video's preview, or of those of the tweet that it passes on."""
        part = self.original or self
        longer = part.longer
        for gallery in (longer.extended_entities if longer is not None else None, part.extended_entities):
            for media in (gallery.media if gallery is not None else None) or ():
                if (address := as_address(media.media_url_https, media.media_url)) is not None:
                    return address
        return None

    @property
    def user(self) -> str | None:
        """Return the name of who posted it, without the sign."""
        return as_name(self.profile.screen_name) if self.profile is not None else None

    @property
    def hashtags(self) -> tuple[str, ...]:
        """Return its hashtags without their sign, in order; of a retweet, those of the original."""
        part = self.original or self
        longer = part.longer
        entities = longer.entities if longer is not None and longer.entities is not None else part.entities
        tags = entities.hashtags if entities is not None else None
        return as_names([tag.text for tag in tags]) if tags else ()

    @property
    def is_repost(self) -> bool:
        """Return whether it is a retweet."""
        return self.original is not None

    def post(self) -> Post:
        """Return it as a post, with `user`, `hashtags` and `image_url` among its fields."""
        return post_of(self)


_KEYS = msgspec.json.Decoder(dict[str, Raw])
_NUMBER = msgspec.json.Decoder(int | None)
_POINT = msgspec.json.Decoder(_Point | None)
_BOX = msgspec.json.Decoder(_Box | None)
_decode_tweet = msgspec.json.Decoder(Tweet).decode
_decode_deletion = msgspec.json.Decoder(Deletion).decode

# Lines between these two begin like a delete notice; comparing is the fastest way to tell.
_FROM, _TO = b'{"delete"', b'{"deletf'


def read_tweet(line: bytes) -> Tweet | Notice:
    """Return the item or the notice of a line; raises Fault."""
    try:
        tweet = _decode_tweet(line)
        if (not tweet.id or _FROM < line < _TO) and (notice := _notice(tweet, line)) is not None:
            return notice
    except BROKEN as error:
        raise decoding_fault(error, line) from None
    settle([tweet])
    return tweet


def read_tweets(lines: Sequence[bytes]) -> tuple[list[Tweet], list[Deletion]]:
    """Return the tweets of lines in order, and the delete notices among them.

    Raises Fault where a line is neither; `read_tweet` then tells which one, and reads rarer notices.
    """
    try:
        deletions = list(map(_decode_deletion, [line for line in lines if _FROM < line < _TO]))
        tweets = list(map(_decode_tweet, [line for line in lines if not _FROM < line < _TO]))
    except BROKEN as error:
        raise decoding_fault(error, b"") from None
    settle(tweets)
    return tweets, deletions


def settle(tweets: Iterable[Tweet]) -> None:
    """Give each tweet its whole text, and its language as a code of today.

    A retweet gets the whole text of its original, without the "RT" that Twitter puts before it. Raises Fault for a
    tweet without id, and for a NUL in text or id.
    """
    for tweet in tweets:
        part = tweet.original or tweet
        longer = part.longer
        text = part.full_text or part.text if longer is None else longer.full_text or part.text
        if not text or text.isspace():
            text = None
        elif "\0" in text:
            raise Fault("NUL: its text holds a NUL character.")
        elif "&" in text:
            text = unescaped(text)
        tweet.text = text
        if tweet.language not in SETTLED:
            tweet.language = language_of(tweet.language)
        if tweet.id < "!" or "\0" in tweet.id:
            checked_id(tweet.id)


def unescaped(text: str) -> str:
    """Return a text with the three entities undone that Twitter writes, the ampersand last: none is undone twice."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _notice(tweet: Tweet, line: bytes) -> Notice | None:
    """Return the notice that a message is; or give the tweet its id, if that is a number, and return None."""
    if tweet.delete is not None:
        return Notice("delete", Tweet.platform, tweet.delete.id)
    keys = _KEYS.decode(line)
    for name in NOTICES:
        if name in keys:
            return Notice(name, Tweet.platform)
    number = part_of(_NUMBER, keys.get("id", NOTHING))
    if not tweet.id and number is not None:
        tweet.id = str(number)
    return None
