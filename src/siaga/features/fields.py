"""The fields of posts as `linear` reads them: cleaned, filled where they are empty, and as TF-IDF side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack

from siaga.features.text import clean_hashtags, clean_text
from siaga.features.tfidf import TfIdf
from siaga.post import Post
from siaga.schema import Linear

HASHTAGS = "hashtags"
_OF_THE_HEAD = {"head", "C", "balanced"}


@dataclass(frozen=True)
class Read:
    """What was read: `rows` (posts seen, n-grams), sparse float64, and which posts were `seen`, (posts,)."""

    rows: csr_matrix
    seen: NDArray[np.bool_]


def field_of(post: Post, name: str, spec: Linear) -> str:
    """Return a field of a post as `spec` reads it; empty where there is nothing, even to stand in for it."""
    if found := _own(post, name, spec):
        return found[0] if name != HASHTAGS else " ".join(found)
    stand_in = _own(post, spec.fill[name], spec) if name in spec.fill else []
    return stand_in[0] if stand_in else ""


class FieldsTfIdf:
    """TF-IDF of every field in spaces of its own; a post is seen if any of its fields has something to read."""

    def __init__(self, spec: Linear) -> None:
        self.spec = spec
        self._spaces = [
            TfIdf(words=spec.words, characters=spec.characters, min_posts=spec.min_posts, stop_words=spec.stop_words)
            for _ in spec.fields
        ]

    def fit(self, posts: Sequence[Post]) -> Read:
        """Learn vocabularies and weights, and return what was read."""
        columns, seen = self._columns(posts)
        for space, texts in zip(self._spaces, columns, strict=True):
            space.fit(texts)
        return self._side_by_side(columns, seen)

    def read(self, posts: Sequence[Post]) -> Read:
        """Return what can be read of posts."""
        return self._side_by_side(*self._columns(posts))

    def save(self, folder: Path) -> None:
        """Write the spaces into `fields/0`, `fields/1`, … in the order of the fields, whatever these are called."""
        for number, space in enumerate(self._spaces):
            place = folder / "fields" / str(number)
            place.mkdir(parents=True)
            space.save(place)

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote."""
        for number, space in enumerate(self._spaces):
            space.load(folder / "fields" / str(number))
        return self

    def _columns(self, posts: Sequence[Post]) -> tuple[list[list[str]], NDArray[np.bool_]]:
        """Return the texts of each field, of the posts that are seen."""
        columns = [[field_of(post, name, self.spec) for post in posts] for name in self.spec.fields]
        seen = np.array([any(texts) for texts in zip(*columns, strict=True)], dtype=bool)
        return [[text for text, is_seen in zip(texts, seen, strict=True) if is_seen] for texts in columns], seen

    def _side_by_side(self, columns: list[list[str]], seen: NDArray[np.bool_]) -> Read:
        blocks = [space.transform(texts) for space, texts in zip(self._spaces, columns, strict=True)]
        return Read(hstack(blocks, format="csr"), seen)


class SharedTfIdf:
    """Keeps what was read, so that heads which read alike share one TF-IDF: clean and count once, then fit many.

    Two calls are alike when the settings are equal, but for those of the head, and the posts are the same objects in
    the same order. It grows with every new call: drop it with the fold that it served.
    """

    def __init__(self) -> None:
        self._fitted: dict[tuple[object, ...], tuple[FieldsTfIdf, Read]] = {}
        self._read: dict[tuple[object, ...], Read] = {}
        self._kept: list[object] = []  # What lives on keeps its id to itself.

    def fit(self, spec: Linear, posts: Sequence[Post]) -> tuple[FieldsTfIdf, Read]:
        """Return the TF-IDF that was fitted on `posts`, and what it read of them."""
        key = (spec.model_dump_json(exclude=_OF_THE_HEAD), *map(id, posts))
        if key not in self._fitted:
            self._kept.append(list(posts))
            tfidf = FieldsTfIdf(spec)
            self._fitted[key] = (tfidf, tfidf.fit(posts))
        return self._fitted[key]

    def read(self, tfidf: FieldsTfIdf, posts: Sequence[Post]) -> Read:
        """Return what `tfidf` reads of posts."""
        key = (id(tfidf), *map(id, posts))
        if key not in self._read:
            self._kept.append((tfidf, list(posts)))
            self._read[key] = tfidf.read(posts)
        return self._read[key]


def _own(post: Post, name: str, spec: Linear) -> list[str]:
    """Return what a post itself has in a field, cleaned: one text, or each hashtag."""
    if name == HASHTAGS:
        return clean_hashtags(post.text or "", spec.cleaning)
    raw = post.text if name == "text" else post.fields.get(name)
    cleaned = clean_text(raw, spec.cleaning) if raw is not None else ""
    return [cleaned] if cleaned else []
