"""A scikit-learn estimator over any classifier of Siaga: texts, series, frames or posts in, labels out."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from siaga.errors import DataError, RecipeError
from siaga.models.calibrated import CalibratedClassifier
from siaga.models.classifier import build_model
from siaga.models.folds import fold_of_each
from siaga.post import Post
from siaga.schema import Linear, ModelSpec, Topics

_POST_COLUMNS = ("id", "text", "image", "language", "event")


class PostClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped.
    """Learns from posts as scikit-learn expects: `fit(X, y)`, `predict`, `predict_proba`, `classes_`, `score`.

    `model` is a classifier's table as it stands in a recipe, such as `{"kind": "linear"}`. `X` is a sequence or
    series of texts or of `Post`s, or a frame (pandas, polars) with the columns text and/or image (paths or bytes).
    `held_out` is the share of the posts kept back for calibration, early stopping and the guard (0: none).
    """

    def __init__(
        self,
        model: Mapping[str, Any] | ModelSpec = Linear(),  # noqa: B008 - it is frozen. Any: a recipe's values.
        seed: int = 0,
        held_out: float = 0.0,
    ) -> None:
        self.model = model
        self.seed = seed
        self.held_out = held_out

    def fit(self, X: object, y: Iterable[object]) -> Self:
        """Learn from n posts and their labels (strings, integers or booleans)."""
        posts, labels = as_posts(X), np.asarray(list(y))
        if len(posts) != len(labels):
            raise DataError(f"There are {len(posts)} posts and {len(labels)} labels. Give one label a post.")
        self.classes_, index = np.unique(labels, return_inverse=True)
        names = [str(i) for i in range(len(self.classes_))]
        labelled = [post.with_label(names[i]) for post, i in zip(posts, index, strict=True)]
        kept, held = _hold_out(labelled, self.held_out, self.seed)
        built = build_model(_labelled(self.model), seed=self.seed)
        self.classifier_ = CalibratedClassifier(built) if held else built
        self.classifier_.fit(kept, validation=held, classes=names)
        return self

    def predict_proba(self, X: object) -> NDArray[np.float64]:
        """Return (n, classes), columns in the order of `classes_`."""
        check_is_fitted(self)
        return self.classifier_.predict_proba(as_posts(X))

    def predict(self, X: object) -> NDArray[Any]:  # Any: labels as they were given.
        """Return the most probable label of each post, (n,)."""
        probabilities = self.predict_proba(X)
        best: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]  # Any: as above.
        return best

    def __sklearn_tags__(self) -> Any:  # Any: scikit-learn is untyped.
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags


def as_posts(X: object) -> list[Post]:
    """Return posts from posts, texts, a series of texts, or a frame with the columns text and/or image."""
    columns = getattr(X, "columns", None)
    if columns is not None:
        return _from_frame(X, [str(name) for name in columns])
    if isinstance(X, str | bytes) or not isinstance(X, Iterable):
        raise DataError(f"Posts cannot be read from {type(X).__name__}. Give a list of texts or of Post, or a frame.")
    return [_as_post(item, i) for i, item in enumerate(X)]


def _from_frame(frame: Any, columns: Sequence[str]) -> list[Post]:  # Any: pandas or polars.
    if not {"text", "image"} & set(columns):
        raise DataError(f"The frame has neither text nor image. It has: {', '.join(columns)}. Rename its columns.")
    taken = {name: list(frame[name]) for name in _POST_COLUMNS if name in columns}
    rows = [dict(zip(taken, values, strict=True)) for values in zip(*taken.values(), strict=True)]
    return [_from_row(row, i) for i, row in enumerate(rows)]


def _from_row(row: Mapping[str, Any], i: int) -> Post:  # Any: a frame's cells.
    present = {name: value for name, value in row.items() if not _is_missing(value)}
    if not isinstance(present.get("text", ""), str):
        raise DataError(f"The text of row {i} is {type(present['text']).__name__}, not a string. Convert the column.")
    image = present.pop("image", None)
    post_id = str(present.pop("id", i))
    return Post(post_id, image=Path(image) if isinstance(image, str) else image, **present)


def _as_post(item: object, i: int) -> Post:
    if isinstance(item, Post):
        return item
    if isinstance(item, str) or _is_missing(item):
        return Post(str(i), text=item if isinstance(item, str) else None)
    raise DataError(f"Item {i} is {type(item).__name__}, neither a text nor a Post. Give a list of texts or of Post.")


def _is_missing(value: object) -> bool:
    return value is None or value != value  # noqa: PLR0124 - NaN is the one value that differs from itself.


def _labelled(model: Mapping[str, Any] | ModelSpec) -> ModelSpec:  # Any: a recipe's values.
    spec = checked_model(model)
    if isinstance(spec, Topics):
        raise RecipeError("Topics are found without labels. Use siaga.PostTopics, which has fit(X) and transform(X).")
    return spec


def checked_model(model: Mapping[str, Any] | ModelSpec) -> ModelSpec:  # Any: a recipe's values.
    """Return the spec of a model's table. Raises RecipeError for what no recipe could hold."""
    try:
        spec: ModelSpec = TypeAdapter(ModelSpec).validate_python(model)
    except ValueError as error:
        raise RecipeError(f"The model {model!r} is not one that a recipe could hold: {error}") from None
    return spec


def _hold_out(posts: Sequence[Post], share: float, seed: int) -> tuple[list[Post], list[Post]]:
    if share <= 0.0:
        return list(posts), []
    folds = max(2, round(1 / share))
    fold = fold_of_each(posts, folds=folds, seed=seed)
    kept = [post for post, number in zip(posts, fold, strict=True) if number]
    return kept, [post for post, number in zip(posts, fold, strict=True) if not number]
