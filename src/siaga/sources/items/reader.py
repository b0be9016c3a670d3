"""Reading messages: which form each has, and many at one go."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import repeat
from operator import attrgetter
from pathlib import Path
from typing import Any, assert_never

import msgspec

from siaga.schema.sources import Form
from siaga.sources.items.bluesky import read_event
from siaga.sources.items.mastodon import read_status
from siaga.sources.items.message import BROKEN, NOTHING, Item, Notice, decoding_fault
from siaga.sources.items.plain import read_plain
from siaga.sources.items.twitter import NOTICES, Deletion, Tweet, read_tweet, read_tweets
from siaga.sources.items.twitter_v2 import read_tweet_v2
from siaga.sources.values import Fault


class _Head(msgspec.Struct, gc=False):
    """The keys by which forms are told apart."""

    id: msgspec.Raw = NOTHING
    id_str: msgspec.Raw = NOTHING
    delete: msgspec.Raw = NOTHING
    did: msgspec.Raw = NOTHING
    kind: msgspec.Raw = NOTHING
    event: msgspec.Raw = NOTHING
    payload: msgspec.Raw = NOTHING
    stream: msgspec.Raw = NOTHING
    content: msgspec.Raw = NOTHING
    account: msgspec.Raw = NOTHING
    data: msgspec.Raw = NOTHING
    errors: msgspec.Raw = NOTHING
    user: msgspec.Raw = NOTHING


_SLICE = 256  # Lines that are read at one go; a fault among them makes so many be read one by one.
_SHOWN_KEYS = 6
_KEYS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_WRITTEN_ID = attrgetter("delete.status.id")
_HEAD = msgspec.json.Decoder(_Head)
_PLATFORMS = {"bluesky": "bluesky", "mastodon": "mastodon", "posts": "posts"}


class Notices(Sequence[Notice]):
    """Notices in no order. Most say that a tweet was deleted; these become a `Notice` only when somebody looks."""

    def __init__(self) -> None:
        self._deletions: list[Deletion] = []
        self._others: list[Notice] = []

    def __len__(self) -> int:
        return len(self._deletions) + len(self._others)

    def __getitem__(self, i: Any) -> Any:  # Any: an index or a slice, and what Sequence says that they give.
        return list(self)[i]

    def __iter__(self) -> Iterator[Notice]:
        yield from (Notice("delete", Tweet.platform, one.delete.id) for one in self._deletions)
        yield from self._others

    def add(self, notice: Notice) -> None:
        """Take one more."""
        self._others.append(notice)

    def add_deletions(self, deletions: Sequence[Deletion]) -> None:
        """Take more deleted tweets."""
        self._deletions.extend(deletions)

    @property
    def counts(self) -> Counter[str]:
        """How many there are of each kind."""
        counts = Counter(notice.kind for notice in self._others)
        if self._deletions:
            counts["delete"] += len(self._deletions)
        return counts

    @property
    def deleted(self) -> list[tuple[str, str]]:
        """The platform and the id of each post that was deleted."""
        tweets = _ids_of(self._deletions)
        others = [(one.platform, one.id) for one in self._others if one.kind == "delete" and one.id is not None]
        return [*zip(repeat(Tweet.platform), tweets), *others]


class ItemReader:
    """Reads messages of one form; with "auto" it finds out the form of each.

    `root` is the folder that paths of images start at; without it, images of the form "posts" that are paths are left
    out.
    """

    def __init__(self, form: Form = "auto", *, root: Path | None = None) -> None:
        self._form, self._root = form, root
        self._last: Form = form

    def read(self, line: bytes) -> Item | Notice:
        """Return the item or the notice of one message; a blank one is the notice "keep-alive".

        Raises Fault for what is neither: JSON that is broken, nested too deeply or of wrong types, no id, a text too
        long, NUL, half a character. What was returned once raises nothing later.
        """
        if not line or line.isspace():
            return Notice("keep-alive", _PLATFORMS.get(self._last, Tweet.platform))
        if self._form == "auto":
            self._last = find_form(line)
        return _read_as(self._last, line, self._root)

    def read_all(self, lines: Sequence[bytes]) -> tuple[list[Item], Notices, list[tuple[int, str]]]:
        """Return the items in order, the notices, and of all other lines the index and the reason. Never raises."""
        items: list[Item] = []
        notices, faults = Notices(), []
        for start in range(0, len(lines), _SLICE):
            part = lines[start : start + _SLICE]
            if self._last in ("twitter", "auto"):
                try:
                    tweets, deletions = read_tweets(part)
                except Fault:
                    pass  # Now one by one, to find out which it was, and what the others are.
                else:
                    items.extend(tweets)
                    notices.add_deletions(deletions)
                    continue
            for i, line in enumerate(part, start):
                try:
                    found = self.read(line)
                except Fault as fault:
                    faults.append((i, str(fault)))
                else:
                    notices.add(found) if isinstance(found, Notice) else items.append(found)
        return items, notices, faults


def _ids_of(deletions: Sequence[Deletion]) -> list[str]:
    try:
        ids = list(map(_WRITTEN_ID, deletions))
        if "\0" not in "".join(ids):
            return ids
    except (AttributeError, TypeError):
        pass  # One of them is not written as usual: then each with more care, which takes ten times as long.
    return [id_ for one in deletions if (id_ := one.delete.id)]


def find_form(line: bytes) -> Form:
    """Return the form of a message by its keys; raises Fault for one of no form that is known."""
    try:
        head = _HEAD.decode(line)
    except BROKEN as error:
        raise decoding_fault(error, line) from None
    has_id = head.id is not NOTHING
    rules: tuple[tuple[Form, bool], ...] = (
        ("twitter", head.id_str is not NOTHING or _is_object(head.delete)),
        ("bluesky", NOTHING not in (head.did, head.kind)),
        ("mastodon", head.event is not NOTHING and (head.payload is not NOTHING or head.stream is not NOTHING)),
        ("mastodon", NOTHING not in (head.content, head.account)),
        ("twitter-v2", not has_id and (head.data is not NOTHING or head.errors is not NOTHING)),
        ("twitter", has_id and _is_object(head.user)),
        ("posts", has_id),
    )
    form = next((form for form, fits in rules if fits), None)
    return _form_of_other(line) if form is None else form


def _is_object(raw: msgspec.Raw) -> bool:
    return bytes(raw)[:1] == b"{"


def _form_of_other(line: bytes) -> Form:
    try:
        keys = list(_KEYS.decode(line))
    except BROKEN as error:
        raise decoding_fault(error, line) from None
    if not set(NOTICES).isdisjoint(keys):
        return "twitter"
    shown = ", ".join(repr(name[:40]) for name in keys[:_SHOWN_KEYS]) or "none"
    raise Fault(f"Unknown message: it has {shown}. A post has at least an id.")


def _read_as(form: Form, line: bytes, root: Path | None) -> Item | Notice:
    match form:
        case "twitter":
            return read_tweet(line)
        case "twitter-v2":
            return read_tweet_v2(line)
        case "bluesky":
            return read_event(line)
        case "mastodon":
            return read_status(line)
        case "posts":
            return read_plain(line, root)
        case "auto":
            return _read_as(find_form(line), line, root)
        case _:
            assert_never(form)
