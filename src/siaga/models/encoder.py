"""A frozen pretrained encoder with a small head: embeddings are computed once, and only the head learns."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from siaga.features.embeddings import Embeddings
from siaga.features.weights import copy_weights, find_weights
from siaga.models.classifier import Answer, Features, Prior, Probabilities, Progress, class_indices, silent
from siaga.models.heads import Head, Labelled, LogisticHead, has_head
from siaga.post import Post
from siaga.schema import Consistency, Encoder
from siaga.schema.nets import SOLVED

if TYPE_CHECKING:
    from siaga.models.unlabelled import Unlabelled

log = logging.getLogger(__name__)


class EncoderClassifier:
    """Reads the text or the image of a post; a post whose part is missing or broken gets the class frequencies."""

    def __init__(self, spec: Encoder, *, seed: int = 0, consistency: Consistency | None = None) -> None:
        self.spec = spec
        self.seed = seed
        self._consistency = consistency
        self._embeddings: Embeddings | None = None
        self._head: Head | None = None

    def fit(
        self,
        posts: Sequence[Post],
        *,
        validation: Sequence[Post] = (),
        unlabelled: Sequence[Post] = (),
        classes: Sequence[str] | None = None,
        progress: Progress = silent,
    ) -> Self:
        """Fit the head on the posts that can be read. Raises DataError when the weights cannot be used.

        The unlabelled ones are learned from where the classifier was told how.
        """
        self.classes_, labels = class_indices(posts, classes)
        self._prior = Prior.of(labels, len(self.classes_))
        self._head = None
        embeddings = self._encoder()
        examples = _labelled(embeddings, posts, labels, progress)
        if len(np.unique(examples.labels)) < 2:
            log.warning("Fewer than two classes have a readable %s: all get the class frequencies.", self.spec.modality)
            return self
        held_out = self._held_out(embeddings, validation, progress)
        beside = self._read_unlabelled(embeddings, unlabelled, progress)
        self._head = self._build_head(beside).fit(examples, validation=held_out, progress=progress)
        return self

    def answer(self, posts: Sequence[Post]) -> Answer:
        """Answer for each post; see the protocol."""
        embedded = self._encoder().embed(posts, progress=silent)
        if self._head is None or not embedded.seen.any():
            return replace(self._prior.alone(len(posts)), faults=embedded.faults)
        rows = self._head.predict_proba(embedded.rows)
        return self._prior.complete(
            rows, self._head.classes_, seen=embedded.seen, modality=self.spec.modality, faults=embedded.faults
        )

    def predict_proba(self, posts: Sequence[Post]) -> Probabilities:
        """Return the probabilities, (n, classes)."""
        return self.answer(posts).probabilities

    def features(self, posts: Sequence[Post]) -> dict[str, Features]:
        """Return the embeddings; see the protocol."""
        embedded = self._encoder().embed(posts, progress=silent)
        return {"": Features(embedded.rows, embedded.seen)} if embedded.seen.any() else {}

    def save(self, folder: Path) -> None:
        """Write the frequencies, the head, and a copy of the encoder, so that the folder is complete elsewhere."""
        self._prior.save(folder, self.classes_)
        copy_weights(self._encoder().folder, folder / "weights")
        if self._head is not None:
            self._head.save(folder)

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote, the encoder among it; the spec's own weights are not looked for."""
        self._prior, self.classes_ = Prior.load(folder)
        self._embeddings = Embeddings(self.spec, find_weights(str(folder / "weights")))
        self._head = self._build_head().load(folder) if has_head(folder) else None
        return self

    def _encoder(self) -> Embeddings:
        if self._embeddings is None:
            folder = find_weights(self.spec.weights, download=self.spec.download)
            self._embeddings = Embeddings(self.spec, folder)
        return self._embeddings

    def _held_out(self, embeddings: Embeddings, posts: Sequence[Post], progress: Progress) -> Labelled | None:
        """Return the validation posts that can be read, if the head has a use for them."""
        index = {name: i for i, name in enumerate(self.classes_)}
        known = [post for post in posts if post.label in index]
        if self.spec.head in SOLVED or not known:
            return None
        labels = np.array([index[str(post.label)] for post in known], dtype=np.int64)
        return _labelled(embeddings, known, labels, progress)

    def _read_unlabelled(
        self, embeddings: Embeddings, posts: Sequence[Post], progress: Progress
    ) -> "Unlabelled | None":
        if self._consistency is None:
            return None
        import torch

        from siaga.models.towers import Readings
        from siaga.models.unlabelled import read_unlabelled

        def read(asked: Sequence[Post]) -> Readings:
            embedded = embeddings.embed(asked, progress=progress)
            return Readings(torch.from_numpy(embedded.rows), embedded.seen, dict(embedded.faults))

        return read_unlabelled(posts, self._consistency, read=read)

    def _build_head(self, unlabelled: "Unlabelled | None" = None) -> Head:
        if self.spec.head == "logistic":
            return LogisticHead(C=self.spec.C or 1.0, balanced=self.spec.balanced)
        if self.spec.head == "kernel":
            from siaga.models.kernel_head import KernelHead

            return KernelHead(C=self.spec.C or 8.0, balanced=self.spec.balanced, seed=self.seed)
        from siaga.models.mlp import MlpHead

        return MlpHead(self.spec, seed=self.seed, unlabelled=unlabelled)


def _labelled(embeddings: Embeddings, posts: Sequence[Post], labels: NDArray[np.int64], progress: Progress) -> Labelled:
    embedded = embeddings.embed(posts, progress=progress)
    if embedded.faults:
        first = posts[min(embedded.faults)].id
        log.warning("%d images cannot be read and are left out, that of post %r first.", len(embedded.faults), first)
    seen = np.flatnonzero(embedded.seen)
    return Labelled(embedded.rows, labels[seen], [posts[i].id for i in seen.tolist()])
