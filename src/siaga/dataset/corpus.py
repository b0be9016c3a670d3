"""A corpus: posts whose texts are read once, as a stream, into numbers of words; and its rows in splits."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from json import dumps
from typing import Any

import numpy as np

from siaga.dataset.pool import ROLES, Pool
from siaga.dataset.splits import Rows, choose_parts
from siaga.errors import DataError, RecipeError, did_you_mean
from siaga.features.duplicates import Duplicates, Fingerprint, merged
from siaga.features.spelling import Speller, Spelt
from siaga.features.text_prints import text_print
from siaga.features.words import WordReader, text_of
from siaga.post import Post
from siaga.quarantine import Quarantine
from siaga.schema import SplitSpec, Topics

SPLITS = ("train", "validation", "test")
LISTED = 50
EXCERPT = 300  # Characters of a text that a post keeps.

Facts = dict[str, Any]  # Any: JSON.


@dataclass(frozen=True)
class Corpus:
    """Light posts, and in the same rows their texts as words, `spelt`; sorted by content and then id.

    A post holds an excerpt of what was read, of 300 characters at most, and only the fields that were asked for. Row
    by row, `roles` are those in the source and `prints` equal where texts are. `hash` is a hash of all ids, labels
    and whole texts, blind to the order of the posts.
    """

    posts: list[Post]
    roles: list[str]
    prints: list[str]
    spelt: Spelt
    hash: str

    def __len__(self) -> int:
        """Return how many posts there are."""
        return len(self.posts)


def read_corpus(
    posts: Mapping[str, Iterable[Post]], spec: Topics, *, quarantine: Quarantine, keep: Sequence[str] = ()
) -> Corpus:
    """Read the words of all posts, each once; posts without a text, and repeated ids, go to `quarantine`.

    A post in whose text no word is left stays, as an empty row. `keep` names the fields that the posts keep. Raises
    RecipeError for a field that is to be read or left out and that no post has.
    """
    reader, speller, names = WordReader(spec.words), Speller(), _Names((*spec.fields, *spec.words.left_out_fields))
    light, lines = [], []
    for role, post, text in _distinct(names.seen(posts), spec.fields, quarantine):
        left_out = [value for name in spec.words.left_out_fields if (value := post.get(name))]
        speller.add(reader.words(text, left_out=left_out))
        light.append((text_print(text), post.id, role, _light(post, text, keep)))
        lines.append(_line(post, text))
    names.check()
    order = sorted(range(len(light)), key=lambda row: light[row][:2])
    spelt = speller.spelt()
    return Corpus(
        posts=[light[row][3] for row in order],
        roles=[light[row][2] for row in order],
        prints=[light[row][0] for row in order],
        spelt=Spelt(spelt.documents.take(order), spelt.words),
        hash=blake2b(b"".join(sorted(lines)), digest_size=32).hexdigest(),
    )


def split_corpus(corpus: Corpus, split: SplitSpec, *, seed: int) -> tuple[dict[str, Rows], Facts]:
    """Return the rows of train, validation and test, each in rising order, and facts for the report, as JSON.

    Equal normalised texts never stand in two splits. Labels are not read: posts without one are split like others,
    and what the source calls unlabelled joins the training posts. Facts are `hash`, `splits` (posts in each),
    `changes` and `notes`, as those of `Dataset`. Raises DataError for what cannot be split or learned from.
    """
    if not corpus.posts:
        raise DataError("The source has no post with a text, so there is nothing to learn. Check source.path.")
    pool = _pool(corpus)
    parts = choose_parts(pool, split, seed=seed)
    parts["train"] = parts["train"] + parts["unlabelled"]
    rows = {name: sorted(parts[name]) for name in SPLITS}
    _check(rows)
    changes = [
        {"split": name, "what": what, "posts": len(ids), "ids": sorted(ids)[:LISTED]}
        for (name, what), ids in sorted(pool.changes.items())
    ]
    notes = [f"{change['posts']:,} posts of {change['split']} {change['what']}." for change in changes]
    sizes = {name: {"posts": len(found)} for name, found in rows.items()}
    return rows, {"hash": corpus.hash, "splits": sizes, "changes": changes, "notes": notes}


def excerpt(text: str) -> str:
    """Return the first words of a text, 300 characters at most, each run of white space as one space."""
    start = " ".join(text[: 2 * EXCERPT].split())
    if len(start) <= EXCERPT and len(text) <= 2 * EXCERPT:
        return start
    cut = start[: EXCERPT - 1]
    whole, space, _ = cut.rpartition(" ")
    return f"{whole if len(space + whole) > EXCERPT // 2 else cut}…"


class _Names:
    """The fields that a recipe names, and those that posts have: a slip of the pen must not leave half a text out."""

    def __init__(self, wanted: Sequence[str]) -> None:
        self._missing = dict.fromkeys(wanted)
        self._known: set[str] = set()

    def seen(self, posts: Mapping[str, Iterable[Post]]) -> dict[str, Iterable[Post]]:
        """Return the same posts, looked at as they pass."""
        return {role: map(self._see, found) for role, found in posts.items()}

    def check(self) -> None:
        """Raise RecipeError for a field that no post has, where there are posts."""
        if self._missing and self._known:
            name, known = next(iter(self._missing)), sorted(self._known)
            what = f"The model names the field {name!r}, which no post has.{did_you_mean(name, known)}"
            lists = "model.fields and model.words.left_out_fields"
            raise RecipeError(f"{what} Name it in source.columns.fields, or, if it is empty, not in {lists}.")

    def _see(self, post: Post) -> Post:
        for name in [name for name in self._missing if post.get(name)]:
            del self._missing[name]
        self._known.update(("text",), post.fields)
        return post


def _distinct(
    posts: Mapping[str, Iterable[Post]], fields: Sequence[str], quarantine: Quarantine
) -> Iterator[tuple[str, Post, str]]:
    """Yield role, post and text of each post that has a text and an id of its own."""
    owners: dict[str, str] = {}
    for role in ROLES:
        for post in posts.get(role, ()):
            text = text_of(post, fields)
            if post.id in owners:
                reason = f"Repeated id: {post.id[:80]!r} stands in {owners[post.id]} already; the first post stays."
                quarantine.add(role, 0, reason, text or "")
                continue
            owners[post.id] = role
            if text is None:
                quarantine.add(role, 0, f"No text: post {post.id[:80]!r} has nothing in {', '.join(fields)}.")
            else:
                yield role, post, text


def _light(post: Post, text: str, keep: Sequence[str]) -> Post:
    return Post(
        post.id,
        excerpt(text),
        label=post.label,
        time=post.time,
        language=post.language,
        event=post.event,
        fields={name: value for name in keep if (value := post.fields.get(name)) is not None},
    )


def _line(post: Post, text: str) -> bytes:
    """Return a hash of what was read of a post: its id, its label and the whole text."""
    head = dumps([post.id, post.label]).encode()
    return blake2b(head + b"\0" + text.encode("utf-8", "surrogatepass"), digest_size=32).digest()


def _pool(corpus: Corpus) -> Pool:
    """Return the rows as `choose_parts` takes them: without texts, and all with one label, so that each counts."""
    equal = merged(np.arange(len(corpus), dtype=np.int64), corpus.prints)
    prints = [Fingerprint(print_) for print_ in corpus.prints]
    posts = [
        Post(post.id, label="", time=post.time, language=post.language, event=post.event, fields=post.fields)
        for post in corpus.posts
    ]
    return Pool(posts, list(corpus.roles), prints, Duplicates(same=equal, exact=equal, near=equal))


def _check(rows: Mapping[str, Rows]) -> None:
    sizes = ", ".join(f"{name} {len(rows[name]):,}" for name in SPLITS)
    for name, purpose in (("test", "test on"), ("train", "learn from")):
        if not rows[name]:
            what = f"No post is left to {purpose} ({sizes})"
            raise DataError(f"{what}. Add posts, or change the shares of split; posts with equal texts stay together.")
