"""Measured: fitted topics, and the posts that they are measured on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siaga.features.documents import Documents
from siaga.models.topics.classifier import Learning, TopicsClassifier
from siaga.post import Post

Shares = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """Fitted topics, all posts with their texts, and which rows were learned from and which were not.

    `posts` are light (their text is an excerpt) and stand in the order of `documents`, whose numbers are those of the
    classifier's vocabulary; `train` and `test` are rows. `learning` says how the fit went.
    """

    classifier: TopicsClassifier
    posts: Sequence[Post]
    documents: Documents
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    learning: Learning

    def part_of_train(self, most: int, *, seed: int) -> Documents:
        """Return the texts that were learned from, or by chance as many of them as have so many words."""
        rows = np.random.default_rng(seed).permutation(self.train)
        words = np.cumsum(self.documents.lengths()[rows])
        return self.documents.take(np.sort(rows[words <= most]))
