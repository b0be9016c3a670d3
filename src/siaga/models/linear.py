"""TF-IDF of words and characters under a linear, naive Bayes or tree head: small, fast, hard to beat on short texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from siaga.features.fields import FieldsTfIdf, Read, SharedTfIdf
from siaga.models.classifier import (
    Answer,
    Features,
    Prior,
    Probabilities,
    Progress,
    class_indices,
    silent,
)
from siaga.models.folds import fold_of_each
from siaga.models.linear_heads import LinearHead, build_head, has_head
from siaga.post import Post
from siaga.schema import Linear

_FOLDS = 5


class LinearClassifier:
    """Reads the text of a post, or several fields side by side; a post without any gets the class frequencies.

    `shared` may be given to several classifiers that learn from the same posts and differ in their heads.
    """

    def __init__(self, spec: Linear, *, seed: int = 0, shared: SharedTfIdf | None = None) -> None:
        self.spec = spec
        self.seed = seed
        self._shared = shared
        self._tfidf = FieldsTfIdf(spec)
        self._head: LinearHead | None = None

    def fit(
        self,
        posts: Sequence[Post],
        *,
        validation: Sequence[Post] = (),  # noqa: ARG002 - part of the protocol; nothing here stops early.
        unlabelled: Sequence[Post] = (),  # noqa: ARG002 - part of the protocol.
        classes: Sequence[str] | None = None,
        progress: Progress = silent,
    ) -> Self:
        """Learn from the posts that have something to read."""
        self.classes_, labels = class_indices(posts, classes)
        self._prior = Prior.of(labels, len(self.classes_))
        self._tfidf, read = (self._shared or SharedTfIdf()).fit(self.spec, posts)
        self._head = None
        if len(np.unique(labels[read.seen])) < 2:
            progress({"step": "fit", "note": "fewer than two classes have text: answers with the class frequencies"})
            return self
        known = [post for post, is_seen in zip(posts, read.seen.tolist(), strict=True) if is_seen]
        self._head = build_head(self.spec, seed=self.seed)
        self._head.fit(read.rows, labels[read.seen], lambda: _folds(known, seed=self.seed))
        progress({"step": "fit", "posts": len(known)})
        return self

    def answer(self, posts: Sequence[Post]) -> Answer:
        """Answer for each post; see the protocol."""
        if self._head is None:
            return self._prior.alone(len(posts))
        read = self._read(posts)
        if not read.seen.any():
            return self._prior.alone(len(posts))
        rows = self._head.predict_proba(read.rows)
        return self._prior.complete(rows, self._head.classes_, seen=read.seen, modality="text")

    def predict_proba(self, posts: Sequence[Post]) -> Probabilities:
        """Return the probabilities, (n, classes)."""
        return self.answer(posts).probabilities

    def features(self, posts: Sequence[Post]) -> dict[str, Features]:
        """Return the TF-IDF rows; see the protocol."""
        if self._head is None:
            return {}
        read = self._read(posts)
        return {"": Features(read.rows, read.seen)} if read.seen.any() else {}

    def save(self, folder: Path) -> None:
        """Write the frequencies, the vocabularies and the head."""
        self._prior.save(folder, self.classes_)
        if self._head is not None:
            self._tfidf.save(folder)
            self._head.save(folder)

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote."""
        self._prior, self.classes_ = Prior.load(folder)
        self._head = None
        if has_head(folder):
            self._tfidf = FieldsTfIdf(self.spec).load(folder)
            self._head = build_head(self.spec, seed=self.seed).load(folder)
        return self

    def _read(self, posts: Sequence[Post]) -> Read:
        return self._shared.read(self._tfidf, posts) if self._shared else self._tfidf.read(posts)


def _folds(posts: Sequence[Post], *, seed: int) -> NDArray[np.int64]:
    """Return the fold of each post; copies are those of the same text, as nothing else is read."""
    return fold_of_each([post.without_image() for post in posts], folds=_FOLDS, seed=seed)
