"""What can be counted in one split's posts, as JSON; and charts of all splits on one scale."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil, floor, log10
from typing import Any

import numpy as np

from siaga.describe.fields import MANY_CLASSES, field_facts
from siaga.features.duplicates import Fingerprint
from siaga.features.text import hashtags
from siaga.post import Post

Facts = dict[str, Any]  # Any: JSON.

LISTED = 20
_TOP = 12
_SHOWN = 2000  # Characters of a text that are kept.
_BINS = 24
_GARBLED = re.compile("[\x80-\x9f\ufffd]|\u00c3[\u0080-\u00bf]|\u00e2\u20ac|\u00c2[\u00a0-\u00bf]")
_STEPS = (  # Up to which span posts are counted by which period, and how the period is written.
    (timedelta(hours=2), "minute", "%Y-%m-%d %H:%M"),
    (timedelta(days=3), "hour", "%Y-%m-%d %H:00"),
    (timedelta(days=62), "day", "%Y-%m-%d"),
    (timedelta(days=6 * 366), "month", "%Y-%m"),
    (timedelta.max, "year", "%Y"),
)


def measure(posts: Sequence[Post], prints: Sequence[Fingerprint]) -> Facts:
    """Return the facts of one split; an image that cannot be decoded counts as broken, not as missing."""
    ids = Counter(post.id for post in posts)
    languages = Counter(post.language for post in posts if post.language)
    times = [post.time for post in posts if post.time is not None]
    return {
        "posts": len(posts),
        "repeated_ids": [id_ for id_, count in ids.items() if count > 1][:LISTED],
        "classes": dict(sorted(Counter(post.label for post in posts if post.label is not None).items())),
        "without_label": sum(post.label is None for post in posts),
        "modalities": dict(Counter(" + ".join(post.modalities) or "neither" for post in posts).most_common()),
        "text": _texts(posts),
        "hashtags": _hashtags(posts),
        "fields": field_facts(posts),
        "languages": dict(languages.most_common(_TOP)),
        "without_language": len(posts) - languages.total(),
        "places": dict(Counter(post.place.method for post in posts if post.place is not None).most_common()),
        "images": _images(posts, prints),
        "time": {
            "posts": len(times),
            "first": min(times).isoformat() if times else None,
            "last": max(times).isoformat() if times else None,
        },
    }


def charts(posts: Mapping[str, Sequence[Post]]) -> Facts:
    """Return posts by period and by length of the text, each split on the same bins: `labels`, and counts by split.

    Lengths are counted by class as well, over all splits, where there are two classes or some more.
    """
    return {"time": _time_chart(posts), "length": _length_chart(posts)}


def verbatim(posts: Sequence[Post], others: Sequence[Post]) -> int:
    """Return how many of the `others` have a text that stands, to the letter, among the `posts`."""
    texts = {post.text for post in posts} - {None}
    return sum(post.text in texts for post in others)


def _texts(posts: Sequence[Post]) -> Facts:
    texted = sorted((len(post.text), post.text, post.id) for post in posts if post.text is not None)
    named = {"shortest": 0, "typical": (len(texted) - 1) // 2, "longest": len(texted) - 1} if texted else {}
    found = {name: texted[place] for name, place in named.items()}
    return {
        "posts": len(texted),
        "missing": len(posts) - len(texted),
        "repeated": len(texted) - len({text for _, text, _ in texted}),
        "garbled": sum(_GARBLED.search(text) is not None for _, text, _ in texted),
        "quartiles": _quartiles([length for length, _, _ in texted]),
        "lengths": {
            label: {"posts": len(found), "quartiles": _quartiles(found)}
            for label, found in _lengths_by_class(posts).items()
        },
        **{name: {"id": id_, "length": n, "text": text[:_SHOWN]} for name, (n, text, id_) in found.items()},
    }


def _lengths_by_class(posts: Iterable[Post]) -> dict[str, list[int]]:
    lengths: dict[str, list[int]] = {}
    for post in posts:
        if post.text is not None and post.label is not None:
            lengths.setdefault(post.label, []).append(len(post.text))
    return dict(sorted(lengths.items()))


def _quartiles(lengths: Sequence[int]) -> list[int] | None:
    if not lengths:
        return None
    found: list[int] = np.percentile(lengths, (25, 50, 75), method="lower").tolist()
    return found


def _hashtags(posts: Sequence[Post]) -> Facts:
    tags = [[tag.casefold() for tag in hashtags(post.text)] for post in posts if post.text]
    counts = Counter(tag for found in tags for tag in set(found))
    top = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:_TOP]
    return {"posts": sum(map(bool, tags)), "distinct": len(counts), "top": [list(entry) for entry in top]}


def _images(posts: Sequence[Post], prints: Sequence[Fingerprint]) -> Facts:
    sizes = np.array([print_.size for print_ in prints if print_.size is not None]).reshape(-1, 2)
    broken = [(post.id, print_.fault) for post, print_ in zip(posts, prints, strict=True) if print_.fault is not None]
    return {
        "posts": sum(post.image is not None for post in posts),
        "missing": sum(post.image is None for post in posts),
        "broken": len(broken),
        "broken_listed": [{"id": id_, "reason": fault} for id_, fault in sorted(broken)[:LISTED]],
        "distinct": len({print_.pixels for print_ in prints} - {None}),
        "smallest": sizes[sizes.prod(axis=1).argmin()].tolist() if len(sizes) else None,
        "median": np.median(sizes, axis=0).round().astype(int).tolist() if len(sizes) else None,
        "largest": sizes[sizes.prod(axis=1).argmax()].tolist() if len(sizes) else None,
    }


def _time_chart(posts: Mapping[str, Sequence[Post]]) -> Facts | None:
    times = {name: [post.time for post in found if post.time is not None] for name, found in posts.items()}
    every = [time for found in times.values() for time in found]
    if not every:
        return None
    first, last = min(every), max(every)
    unit, form = next((unit, form) for span, unit, form in _STEPS if last - first <= span)
    counts = {name: Counter(time.strftime(form) for time in found) for name, found in times.items()}
    labels = _periods(first, last, unit, form)
    return {
        "unit": unit,
        "labels": labels,
        "splits": {name: [counts[name][label] for label in labels] for name in posts if times[name]},
    }


def _periods(first: datetime, last: datetime, unit: str, form: str) -> list[str]:
    """Return every period from the first to the last, as written."""
    match unit:
        case "year":
            return [f"{year:04}" for year in range(first.year, last.year + 1)]
        case "month":
            months = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
            return [f"{month // 12:04}-{month % 12 + 1:02}" for month in months]
        case _:
            step = timedelta(**{f"{unit}s": 1})
            starts = (first + step * i for i in range((last - first) // step + 1))
            return list(dict.fromkeys([*(start.strftime(form) for start in starts), last.strftime(form)]))


def _length_chart(posts: Mapping[str, Sequence[Post]]) -> Facts | None:
    lengths = {name: [len(post.text) for post in found if post.text is not None] for name, found in posts.items()}
    every = [length for found in lengths.values() for length in found]
    if not every:
        return None
    width = _round_up(max(1.0, float(np.percentile(every, 99)) / _BINS))
    bins = min(_BINS, max(every) // width + 1)
    labels = [f"{i * width}-{(i + 1) * width - 1}" for i in range(bins - 1)] + [f"{(bins - 1) * width} or more"]

    def counted(groups: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
        bounded = {name: np.minimum(np.array(found) // width, bins - 1) for name, found in groups.items() if found}
        return {name: np.bincount(found, minlength=bins).tolist() for name, found in bounded.items()}

    classes = _lengths_by_class(post for found in posts.values() for post in found)
    by_class = counted(classes) if 1 < len(classes) <= MANY_CLASSES else {}
    return {"unit": "characters", "labels": labels, "splits": counted(lengths), "classes": by_class}


def _round_up(width: float) -> int:
    scale: int = 10 ** floor(log10(width))
    return next(step * scale for step in (1, 2, 5, 10) if step * scale >= width) if width > 1 else ceil(width)
