"""What was counted, in a few lines of plain text: the posts of each split, and what tells their classes apart.

Of posts that have them, also when they were written, in which languages, and how their places are known.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from siaga.describe.fields import MANY_CLASSES

Facts = Mapping[str, Any]  # Any: JSON, as `measure` makes it.

_SHOWN = 4  # Telling values of a class.
_LANGUAGES = 6


def summary(splits: Mapping[str, Facts], charts: Facts) -> list[str]:
    """Return a line for each split, and below it one for each class where there are few of them."""
    return [
        line for name, facts in splits.items() for line in (*_of_split(name, facts), *_of_stream(name, facts, charts))
    ]


def _of_split(name: str, facts: Facts) -> Iterator[str]:
    text, classes = facts["text"], facts["classes"]
    parts = [f"{facts['posts']:,} posts"]
    if text["posts"]:
        bounds = f"{text['shortest']['length']:,} to {text['longest']['length']:,} characters"
        parts.append(f"texts of {bounds}, median {text['quartiles'][1]:,}")
    for field, found in facts["fields"].items():
        parts.append(f"{field}: {found['distinct']:,} values, missing in {found['missing']:,}")
    yield f"{name}: {'; '.join(parts)}"
    if len(classes) <= MANY_CLASSES:
        for label, count in classes.items():
            yield f"  {label}: {'; '.join([f'{count:,} posts', *_of_class(label, facts)])}"


def _of_stream(name: str, facts: Facts, charts: Facts) -> Iterator[str]:
    if name in (charts["time"] or {}).get("splits", {}):
        unit, counts = charts["time"]["unit"], charts["time"]["splits"][name]
        first, last = (facts["time"][end][:16].replace("T", " ") for end in ("first", "last"))
        filled = [count for count in counts if count]
        yield f"  time: {first} to {last} (UTC), {sum(filled) / len(filled):,.0f} posts a {unit}"
    if facts["languages"]:
        yield f"  languages: {_listed(facts['languages'], facts['posts'])}"
    if facts["places"]:
        yield f"  places, by how they are known: {_listed(facts['places'], facts['posts'])}"


def _listed(counts: Mapping[str, int], posts: int) -> str:
    """Return the commonest of some values, and how many posts have another one or none."""
    shown = list(counts.items())[:_LANGUAGES]
    others = posts - sum(count for _, count in shown)
    return ", ".join([*(f"{value} {count:,}" for value, count in shown), f"others or none {others:,}"])


def _of_class(label: str, facts: Facts) -> Iterator[str]:
    if lengths := facts["text"]["lengths"].get(label):
        low, middle, high = lengths["quartiles"]
        yield f"half the texts have {low:,} to {high:,} characters, median {middle:,}"
    for field, found in facts["fields"].items():
        if telling := found["telling"].get(label):
            values = ", ".join(f"{value} ({count:,} of {all_:,})" for value, count, all_ in telling[:_SHOWN])
            yield f"{field} such as {values}"
