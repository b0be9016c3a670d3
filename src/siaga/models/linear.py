"""TF-IDF of words and characters under a linear or naive Bayes head: small, fast, and hard to beat on short texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, assert_never

import numpy as np

from siaga.features.text import clean_text
from siaga.features.tfidf import TfIdf
from siaga.models.classifier import (
    Answer,
    Prior,
    Probabilities,
    Progress,
    class_indices,
    silent,
)
from siaga.models.estimators import load_estimator, save_estimator
from siaga.post import Post
from siaga.schema import Linear


class LinearClassifier:
    """Reads the text of a post; a post without text gets the class frequencies."""

    def __init__(self, spec: Linear, *, seed: int = 0) -> None:
        self.spec = spec
        self.seed = seed
        self._tfidf = TfIdf(words=spec.words, characters=spec.characters, min_posts=spec.min_posts)
        self._head: Any = None  # Any: scikit-learn is untyped.

    def fit(
        self,
        posts: Sequence[Post],
        *,
        validation: Sequence[Post] = (),  # noqa: ARG002 - part of the protocol; nothing here stops early.
        unlabelled: Sequence[Post] = (),  # noqa: ARG002 - part of the protocol.
        classes: Sequence[str] | None = None,
        progress: Progress = silent,
    ) -> Self:
        """Learn from the posts that have text."""
        self.classes_, labels = class_indices(posts, classes)
        self._prior = Prior.of(labels, len(self.classes_))
        texts, seen = self._read(posts)
        self._head = None
        if len(np.unique(labels[seen])) < 2:
            progress({"step": "fit", "note": "fewer than two classes have text: answers with the class frequencies"})
            return self
        self._head = _build_head(self.spec, seed=self.seed).fit(self._tfidf.fit(texts).transform(texts), labels[seen])
        progress({"step": "fit", "posts": len(texts)})
        return self

    def answer(self, posts: Sequence[Post]) -> Answer:
        """Answer for each post; see the protocol."""
        texts, seen = self._read(posts)
        if self._head is None or not texts:
            return self._prior.alone(len(posts))
        rows = self._head.predict_proba(self._tfidf.transform(texts))
        return self._prior.complete(rows, self._head.classes_, seen=seen, modality="text")

    def predict_proba(self, posts: Sequence[Post]) -> Probabilities:
        """Return the probabilities, (n, classes)."""
        return self.answer(posts).probabilities

    def save(self, folder: Path) -> None:
        """Write the frequencies, the vocabulary and the head."""
        self._prior.save(folder, self.classes_)
        if self._head is not None:
            self._tfidf.save(folder)
            save_estimator(folder / "head.skops", self._head)

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote."""
        self._prior, self.classes_ = Prior.load(folder)
        self._head = None
        if (folder / "head.skops").exists():
            self._tfidf.load(folder)
            self._head = load_estimator(folder / "head.skops")
        return self

    def _read(self, posts: Sequence[Post]) -> tuple[list[str], np.ndarray[Any, np.dtype[np.bool_]]]:
        cleaned = [clean_text(post.text, self.spec.cleaning) if post.text is not None else "" for post in posts]
        return [text for text in cleaned if text], np.array([bool(text) for text in cleaned], dtype=bool)


def _build_head(spec: Linear, *, seed: int) -> Any:  # Any: scikit-learn is untyped.
    weight = "balanced" if spec.balanced else None
    match spec.head:
        case "logistic":
            from sklearn.linear_model import LogisticRegression

            return LogisticRegression(C=spec.C, class_weight=weight, max_iter=3000)
        case "sgd":
            from sklearn.linear_model import SGDClassifier

            return SGDClassifier(loss="log_loss", alpha=1e-5, class_weight=weight, random_state=seed)
        case "bernoulli":
            from sklearn.naive_bayes import BernoulliNB

            return BernoulliNB(fit_prior=not spec.balanced)
        case "complement":
            from sklearn.naive_bayes import ComplementNB

            return ComplementNB()
        case _:
            assert_never(spec.head)
