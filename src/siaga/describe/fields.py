"""What stands in the columns kept beside text and image (`fields`), and which of their values tell classes apart."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from siaga.post import Post

Facts = dict[str, Any]  # Any: JSON.

MANY_CLASSES = 12  # Values of more classes are not listed by class.
_TOP = 12
_TELLING = 8
_OFTEN = 5  # A value in fewer posts tells nothing.
_BEYOND_CHANCE = 3.0  # Deviations of the count in a class from what chance would give.
_CODE = re.compile("%[0-9a-fA-F]{2}")


def field_facts(posts: Sequence[Post]) -> dict[str, Facts]:
    """Return for each field of one split's posts what it holds, percent codes undone.

    `top` holds values and their counts. `telling` holds by class the values that are commoner there than chance would
    have them, each with its count in the class and in all labelled posts; values in fewer than five posts are in
    neither. `coded` is the first value with a percent code as written, or None; addresses do not count.
    """
    return {name: _facts(name, posts) for name in dict.fromkeys(name for post in posts for name in post.fields)}


def _facts(name: str, posts: Sequence[Post]) -> Facts:
    written = [value for post in posts if (value := post.fields.get(name)) is not None]
    codes = [value for value in written if _CODE.search(value) and "://" not in value]
    counts = Counter(_read(value) for value in written)
    often = [(value, count) for value, count in _ordered(counts) if count >= _OFTEN]
    return {
        "posts": len(written),
        "missing": len(posts) - len(written),
        "distinct": len(counts),
        "with_codes": len(codes),
        "coded": codes[0] if codes else None,
        "top": [list(entry) for entry in often[:_TOP]],
        "telling": _telling([(_read(post.fields[name]), post.label) for post in posts if name in post.fields]),
    }


def _telling(pairs: Sequence[tuple[str, str | None]]) -> dict[str, list[list[str | int]]]:
    labelled = [(value, label) for value, label in pairs if label is not None]
    values, joint = Counter(value for value, _ in labelled), Counter(labelled)
    classes = Counter(label for _, label in labelled)
    if not 1 < len(classes) <= MANY_CLASSES:
        return {}
    found: dict[str, list[list[str | int]]] = {}
    for label, n in sorted(classes.items()):
        share = n / len(labelled)
        spread = (share * (1 - share)) ** 0.5
        beyond = {
            value: (joint[value, label] - count * share) / (spread * count**0.5)
            for value, count in values.items()
            if count >= _OFTEN
        }
        ranked = sorted((value for value in beyond if beyond[value] >= _BEYOND_CHANCE), key=lambda v: (-beyond[v], v))
        found[label] = [[value, joint[value, label], values[value]] for value in ranked[:_TELLING]]
    return found


def _read(value: str) -> str:
    return unquote(value).strip()


def _ordered(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
