"""A scikit-learn transformer that finds topics: texts, series, frames or posts in, shares of topics out."""

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from siaga.errors import RecipeError
from siaga.estimator import as_posts, checked_model
from siaga.models.topics.classifier import TopicsClassifier
from siaga.schema import Topics

HELD_OUT = 5  # One post in so many is kept back where the number of topics has to be chosen.


class PostTopics(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped.
    """Finds topics as scikit-learn expects: `fit(X)`, `transform(X)`, `components_`.

    `topics` is how many, or "auto"; `settings` are other keys of a recipe's table `[model]` of the kind `topics`, such
    as `{"words": {"stop_words": ["id"]}}`. `X` is what `PostClassifier` takes; nothing but the texts is read.
    `components_` is the probability of each word in each topic, (topics, words), `words_` the words.
    """

    def __init__(
        self,
        topics: int | Literal["auto"] = 10,
        seed: int = 0,
        settings: Mapping[str, Any] | None = None,  # Any: a recipe's values.
    ) -> None:
        self.topics = topics
        self.seed = seed
        self.settings = settings

    def fit(self, X: object, y: object = None) -> Self:  # noqa: ARG002 - scikit-learn hands labels over; none is read.
        """Learn topics from n posts. Raises DataError for fewer posts, or known words, than topics."""
        spec = self._spec()
        posts = as_posts(X)
        is_held = np.random.default_rng(self.seed).permutation(len(posts)) % HELD_OUT == 0
        held = [post for post, out in zip(posts, is_held.tolist(), strict=True) if out and spec.topics == "auto"]
        kept = [post for post, out in zip(posts, is_held.tolist(), strict=True) if not out or spec.topics != "auto"]
        self.classifier_ = TopicsClassifier(spec, seed=self.seed).fit(kept, validation=held)
        self.components_ = self.classifier_.phi_
        self.words_ = np.array(self.classifier_.vocabulary_.words, dtype=object)
        return self

    def transform(self, X: object) -> NDArray[np.float64]:
        """Return the share of each topic in each post, (n, topics); rows sum to 1."""
        check_is_fitted(self)
        return self.classifier_.predict_proba(as_posts(X))

    def get_feature_names_out(self, input_features: object = None) -> NDArray[Any]:  # noqa: ARG002 - scikit-learn's.
        """Return the names of the topics, (topics,)."""
        check_is_fitted(self)
        return np.array(self.classifier_.classes_, dtype=object)

    def top_words(self, n: int = 10) -> list[list[str]]:
        """Return the n most probable words of each topic, the most probable first."""
        check_is_fitted(self)
        order = np.argsort(-self.components_, axis=1, kind="stable")[:, :n]
        return [[str(self.words_[word]) for word in row] for row in order]

    def _spec(self) -> Topics:
        settings = self.settings or {}
        if "start" in settings:
            raise RecipeError("settings name start, which only `siaga.train` goes on from. Leave it out.")
        if taken := sorted({"kind", "topics"} & set(settings)):
            raise RecipeError(f"settings name {taken[0]}. Leave it out: this finds topics, as many as `topics` says.")
        spec = checked_model({"kind": "topics", "topics": self.topics, **settings})
        if not isinstance(spec, Topics):
            raise TypeError(f"the kind is {spec.kind!r}")
        return spec

    def __sklearn_tags__(self) -> Any:  # Any: scikit-learn is untyped.
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags
