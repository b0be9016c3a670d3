"""What goes into a store and what comes out of it: tuples in the order of the tables' columns."""

from dataclasses import dataclass, field
from typing import NamedTuple


class PostRow(NamedTuple):
    """A post. `source` is the platform that gave the id; `hashtags` stand apart by spaces; `fields` is JSON text.

    Place as in `siaga.post.Place`: degrees and metres; `place` is its name, `place_method` how it was found.
    """

    source: str
    id: str
    text: str | None = None
    language: str | None = None
    time_ms: int | None = None
    lon: float | None = None
    lat: float | None = None
    place_method: str | None = None
    radius_m: float | None = None
    place: str | None = None
    country: str | None = None
    user: str | None = None
    image_url: str | None = None
    hashtags: str | None = None
    is_repost: bool = False
    fields: str | None = None


class PredictionRow(NamedTuple):
    """What one model says of one post. `used` are the modalities that it read, apart by spaces; maps are JSON text."""

    source: str
    post_id: str
    model: str
    label: str
    confidence: float | None = None
    score: int | None = None
    used: str = ""
    probabilities: str | None = None
    members: str | None = None
    error: str | None = None


class DeadLetter(NamedTuple):
    """A message that no post was made of, as it came: `part` and `position` say where it stood in its input."""

    part: str
    position: str
    reason: str
    raw: bytes
    source: str | None = None
    post_id: str | None = None


class Offset(NamedTuple):
    """How far a part of an input was read; `position` is the input's own words."""

    part: str
    position: str
    is_done: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """What is kept together or not at all: what was made of some messages, and how far the input was read.

    `input` is its name without passwords. Offsets, attempts and dead letters belong to (input, model): a second model
    reads the same input from its start. `deleted` holds (source, id); `settled` is the (part, position) whose attempts
    are forgotten.
    """

    input: str
    model: str
    posts: list[PostRow] = field(default_factory=list)
    predictions: list[PredictionRow] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    deleted: list[tuple[str, str]] = field(default_factory=list)
    offset: Offset | None = None
    settled: tuple[str, str] | None = None


class Written(NamedTuple):
    """What a batch added: predictions that are new, those that were there before, and new dead letters."""

    fresh: int
    repeated: int
    dead: int


class MinuteRow(NamedTuple):
    """One minute, language, place and label of one model. "" is an unknown language, country or place.

    `minute_ms` is the minute's start. `place` is the name of a place with a point; what users write of themselves is
    not one. `errors` counts the posts whose prediction carries a reason (no text, another language); `score_sum` and
    `score_squares` are sums over the posts that have a score; `first_ms` and `last_ms` are the times of the first and
    the last post.
    """

    model: str
    minute_ms: int
    language: str
    country: str
    place: str
    label: str
    posts: int
    errors: int
    score_sum: int
    score_squares: int
    first_ms: int
    last_ms: int


class PlaceRow(NamedTuple):
    """One place with a point, and one language and label of one model there; the rows of a place follow each other."""

    place: str | None
    country: str | None
    lon: float
    lat: float
    place_method: str
    radius_m: float | None
    language: str
    model: str
    label: str
    posts: int
    errors: int
    score_sum: int
    score_squares: int


class StoredDeadLetter(NamedTuple):
    """A dead letter, with the input and the model for which it was read, and when it was kept."""

    input: str
    model: str
    part: str
    position: str
    reason: str
    raw: bytes
    source: str | None
    post_id: str | None
    kept_ms: int
