"""Seeded look-alikes of flood posts: texts from a grammar, drawn pictures, and the flaws of real data."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from siaga.post import Place, Post
from siaga.schema import SyntheticSource
from siaga.sources.drawings import PictureKind, draw_picture
from siaga.sources.grammar import CITIES, TextKind, retell, write_text

INFO, NO_INFO = "INFO", "NO_INFO"
EVENTS: tuple[tuple[str, datetime], ...] = (
    ("jakarta", datetime(2020, 1, 1, tzinfo=UTC)),
    ("bandung", datetime(2020, 2, 8, tzinfo=UTC)),
    ("semarang", datetime(2020, 3, 14, tzinfo=UTC)),
)
EVENT_DAYS = 30

_EXACT, _NEAR, _CONTRADICTION = 75, 60, 400  # One post in so many repeats an earlier text in that way.
_REMEMBERED = 60  # So many posts back.


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one post is to be: its class, and which of its modalities mislead or are missing."""

    is_info: bool
    text_misleads: bool
    picture_misleads: bool
    has_text: bool
    has_picture: bool


def make_floods(spec: SyntheticSource, count: int, name: str, rng: np.random.Generator) -> Iterator[Post]:
    """Yield `count` posts, each made when its turn comes.

    The share `spec.noise` of the texts misleads and, independently, the same share of the pictures; no post lacks
    both. Some texts repeat an earlier one, exactly, nearly, or under the other label, as in real data.
    """
    earlier: deque[Post] = deque(maxlen=_REMEMBERED)
    for number, plan in enumerate(_plans(spec, count, rng), 1):
        post = _post(f"{name}-{number}", plan, rng)
        if post.text is not None:
            post = _repeating(post, number, earlier, rng)
            earlier.append(post)
        yield post


def _plans(spec: SyntheticSource, count: int, rng: np.random.Generator) -> list[_Plan]:
    n_text = round(count * spec.missing_text)
    n_picture = min(round(count * spec.missing_image), count - n_text)
    gaps = rng.permutation(count)  # Who comes first lacks the text, who comes next lacks the picture.
    columns = (
        rng.permutation(count) < round(count * spec.info_share),
        rng.permutation(count) < round(count * spec.noise),
        rng.permutation(count) < round(count * spec.noise),
        gaps >= n_text,
        (gaps < n_text) | (gaps >= n_text + n_picture),
    )
    return [_Plan(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def _post(name: str, plan: _Plan, rng: np.random.Generator) -> Post:
    event, start = EVENTS[int(rng.integers(len(EVENTS)))]
    text = write_text(_text_kind(plan, rng), event, rng) if plan.has_text else None
    picture: PictureKind = "flood" if plan.is_info != plan.picture_misleads else "other"
    return Post(
        id=name,
        text=text,
        image=draw_picture(picture, rng) if plan.has_picture else None,
        label=INFO if plan.is_info else NO_INFO,
        time=start + timedelta(seconds=int(rng.integers(EVENT_DAYS * 86_400))),
        language="id",
        place=_place(event, rng) if rng.random() < (0.25 if plan.is_info else 0.08) else None,
        event=event,
    )


def _text_kind(plan: _Plan, rng: np.random.Generator) -> TextKind:
    if plan.is_info:
        return "vague" if plan.text_misleads else "report"
    if plan.text_misleads:
        return "stale"
    return "vague" if rng.random() < 0.12 else "other"


def _place(event: str, rng: np.random.Generator) -> Place:
    lon, lat = CITIES[event][1] + rng.normal(0.0, 0.03, size=2)
    return Place(round(float(lon), 5), round(float(lat), 5), method="geotag", radius_m=50.0)


def _repeating(post: Post, number: int, earlier: Sequence[Post], rng: np.random.Generator) -> Post:
    """Return the post, or in its turn one that repeats the text of an earlier post (a retweet: the picture too)."""
    is_contradiction = number % _CONTRADICTION == 0
    sources = [other for other in earlier if (other.label != post.label) == is_contradiction]
    if not sources:
        return post
    source = sources[int(rng.integers(len(sources)))]
    if is_contradiction:
        return replace(post, text=source.text)
    if number % _EXACT == 0:
        return replace(post, text=source.text, image=source.image if post.image is not None else None)
    if number % _NEAR == 0 and source.text is not None:
        return replace(post, text=retell(source.text, rng))
    return post
