"""Made lines of an open stream as Twitter's API v1.1 gave them, with all that stands between the tweets."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np

from siaga.post import Place
from siaga.sources.chatter import write_sentence
from siaga.sources.stream import CITIES, MINUTES, START, Words, write_words
from siaga.sources.templates import letters

Object = dict[str, Any]  # Any: JSON.
_EPOCH_MS = 1_288_834_974_657  # From here the time in a tweet's id counts.
_WIDTH = 140
_RETWEETS, _LONG, _PHOTOS, _VIDEOS, _NO_TEXT = 0.35, 0.12, 0.2, 0.05, 0.01
_OLD_CODES: Mapping[str, str] = {"id": "in"}
_ODD_CODES = (None, "und", "qme")
_ODD = 0.06  # The share of tweets whose language is not told.


@dataclass(frozen=True, slots=True)
class Dirt:
    """What there is beside tweets: shares of all lines that are delete notices, and that are broken.

    Of the deletes, the share `recalled` takes back a tweet that came before; the others are of tweets never seen.
    """

    deletes: float = 0.4
    broken: float = 0.0
    recalled: float = 0.0


_ORDINARY = Dirt()


def made_lines(
    count: int, *, seed: int = 7, start: datetime = START, minutes: float = MINUTES, dirt: Dirt = _ORDINARY
) -> Iterator[bytes]:
    """Yield `count` lines without their ends, spread evenly over `minutes` from `start`; the same seed, the same lines.

    Tweets come with every way of saying a thing: truncated with an `extended_tweet`, retweets of such, language
    missing, unknown or under its old code, text missing, a place by coordinates, by box or in the profile's words,
    photos and videos, entities. Exactly the lines that `dirt.broken` adds cannot be read.
    """
    rng = np.random.default_rng([seed, 2])
    ids: list[str] = []
    for number in range(count):
        share = number / max(1, count)
        at = _Moment(start + timedelta(milliseconds=int(share * minutes * 60_000)), number)
        chance = rng.random()
        if chance < dirt.deletes:
            is_recalled = bool(ids) and rng.random() < dirt.recalled
            yield _delete(ids[int(rng.integers(len(ids)))] if is_recalled else _unseen(at, rng), at)
        else:
            tweet = _tweet(write_words(share, rng), at, rng)
            if chance < dirt.deletes + dirt.broken:
                yield _BREAKS[int(rng.integers(len(_BREAKS)))](tweet)
            else:
                ids.append(tweet["id_str"])
                yield _line(tweet)


@dataclass(frozen=True, slots=True)
class _Moment:
    time: datetime
    number: int

    @property
    def ms(self) -> int:
        return int(self.time.timestamp() * 1000)

    @property
    def id(self) -> int:
        return ((self.ms - _EPOCH_MS) << 22) + self.number % (1 << 22)

    @property
    def text(self) -> str:
        named = self.time.ctime()  # English in every locale.
        return f"{named[:8]}{self.time.day:02d} {named[11:19]} +0000 {self.time.year}"


def _line(message: Object) -> bytes:
    return msgspec.json.encode(message)


def _delete(id_: str, at: _Moment) -> bytes:
    status = {
        "id": int(id_),
        "id_str": id_,
        "user_id": 7_000_000 + at.number,
        "user_id_str": str(7_000_000 + at.number),
    }
    return _line({"delete": {"status": status, "timestamp_ms": str(at.ms)}})


def _unseen(at: _Moment, rng: np.random.Generator) -> str:
    return str(at.id - (int(rng.integers(1, 1 << 12)) << 40))


def _tweet(words: Words, at: _Moment, rng: np.random.Generator) -> Object:
    """Return a tweet with these words; of a retweet, they are those of the original."""
    content = _content(words, at, rng)
    if rng.random() < _RETWEETS:
        author = letters(7, rng)
        original = {**_head(at.id - (1 << 32), at), **content, "user": _user(author, None)}
        short, _ = _shortened(f"RT @{author}: {content.get('text') or ''}")
        content = {**content, "text": short, "truncated": False, "retweeted_status": original}
        content.pop("extended_tweet", None)
    language = _OLD_CODES.get(words.language, words.language)
    return {
        **_head(at.id, at),
        **content,
        "user": _user(words.user, words.place),
        **_place(words.place),
        "lang": _ODD_CODES[int(rng.integers(len(_ODD_CODES)))] if rng.random() < _ODD else language,
        "timestamp_ms": str(at.ms),
    }


def _head(id_: int, at: _Moment) -> Object:
    source = '<a href="https://app.example" rel="nofollow">An app</a>'
    return {"created_at": at.text, "id": id_, "id_str": str(id_), "source": source, "filter_level": "low"}


def _content(words: Words, at: _Moment, rng: np.random.Generator) -> Object:
    """Return the parts that a retweet repeats: text, entities, pictures; a long text in full beside its beginning."""
    entities = {"hashtags": [{"text": tag, "indices": [0, 1]} for tag in words.hashtags], "urls": []}
    pictures = _pictures(at, rng)
    text = escaped(words.text)
    if rng.random() < _NO_TEXT:
        return {"truncated": False, "entities": entities, **pictures}
    if rng.random() >= _LONG:
        return {"text": text, "truncated": False, "entities": entities, **pictures}
    text = " ".join([text, *(escaped(write_sentence(words.mood, words.language, rng)) for _ in range(4))])
    short, is_shorter = _shortened(text)
    whole = {"full_text": text, "entities": entities, **pictures}
    beside = {"extended_tweet": whole} if is_shorter else {}
    return {"text": short, "truncated": is_shorter, "entities": {"hashtags": [], "urls": []}, **beside}


def escaped(text: str) -> str:
    """Return a text as Twitter writes it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _shortened(text: str) -> tuple[str, bool]:
    is_long = len(text) > _WIDTH
    return (f"{text[: _WIDTH - 1]}…" if is_long else text), is_long


def _pictures(at: _Moment, rng: np.random.Generator) -> Object:
    chance = rng.random()
    if chance >= _PHOTOS + _VIDEOS:
        return {}
    kind, folder = ("photo", "media") if chance < _PHOTOS else ("video", "ext_tw_video_thumb")
    url = f"https://pbs.example/{folder}/{at.id}.jpg"
    return {"extended_entities": {"media": [{"id": at.id, "type": kind, "media_url_https": url, "sizes": {}}]}}


def _user(name: str, place: Place | None) -> Object:
    location = place.name if place is not None and place.method == "profile" else None
    return {
        "id": sum(name.encode()) * 7919,
        "screen_name": name,
        "name": name.title(),
        "location": location,
        "description": None,
        "verified": False,
        "followers_count": len(name) * 31,
        "lang": None,
        "profile_image_url_https": f"https://pbs.example/profile_images/{name}.jpg",
    }


def _place(place: Place | None) -> Object:
    if place is None or place.method == "profile":
        return {"geo": None, "coordinates": None, "place": None}
    city = next(city for city in CITIES if city.name == place.name)
    ring = [list(corner) for corner in city.corners()]
    box = {"full_name": city.name, "country_code": city.country, "place_type": "city"}
    written = {**box, "bounding_box": {"type": "Polygon", "coordinates": [ring]}}
    if place.method == "box":
        return {"geo": None, "coordinates": None, "place": written}
    return {
        "geo": {"type": "Point", "coordinates": [place.lat, place.lon]},
        "coordinates": {"type": "Point", "coordinates": [place.lon, place.lat]},
        "place": written,
    }


def _with_text(tweet: Object, text: str) -> bytes:
    return _line({"id_str": tweet["id_str"], "text": text, "lang": "en", "user": tweet["user"]})


_TEXT = b'"text":"'
_BREAKS: tuple[Callable[[Object], bytes], ...] = (
    lambda tweet: _line(tweet)[: len(_line(tweet)) // 2],
    lambda _: b"<html>502 Bad Gateway</html>",
    lambda tweet: _line({**tweet, "text": 5}),
    lambda tweet: _line({key: value for key, value in tweet.items() if key not in ("id", "id_str")}),
    lambda tweet: _with_text(tweet, "a NUL \x00 within"),
    lambda tweet: _with_text(tweet, "half").replace(_TEXT, _TEXT + b"\\ud83d "),
    lambda tweet: _with_text(tweet, "half").replace(_TEXT, _TEXT + b"\xf0\x9f"),
    lambda _: b'{"id_str":"1","deep":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
)
