"""Outcomes: the labels, decisions and probabilities of n posts, as arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from siaga.errors import DataError, did_you_mean
from siaga.post import Post, Prediction
from siaga.schema import GroupedSplit, Recipe

Indices = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Outcomes:
    """What n posts are and what was said of them.

    `labels` and `predicted` are (n,) class indices, `probabilities` is (n, classes) float64. `positive` is the index
    of the class of interest, `ordered` says that the classes are. `groups` is (n,): posts of one group are
    resampled together. `superclasses` is (classes,): classes of one superclass have one number.
    """

    classes: list[str]
    labels: Indices
    predicted: Indices
    probabilities: Values
    positive: int = -1
    ordered: bool = False
    groups: Indices | None = None
    superclasses: Indices | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def confidence(self) -> Values:
        """The probability of what was decided, (n,)."""
        return self.probabilities[np.arange(len(self)), self.predicted]

    @property
    def loss(self) -> Values:
        """The negative log-probability of the label, (n,), in nats; clipped at the float's epsilon."""
        rows = self.probabilities[np.arange(len(self)), self.labels]
        losses: Values = -np.log(rows.clip(np.finfo(np.float64).eps, 1.0))
        return losses

    def share_in_top(self, places: int) -> Values:
        """Return how far each post's label is among the most probable `places` classes, (n,): 1, 0, or between.

        Classes of equal probability share the places that are left to them, so that an answer which prefers none
        gains nothing by it.
        """
        own = self.probabilities[np.arange(len(self)), self.labels, None]
        above, equal = (self.probabilities > own).sum(axis=1), (self.probabilities == own).sum(axis=1)
        shares: Values = ((places - above) / equal).clip(0.0, 1.0)
        return shares

    def take(self, rows: Indices) -> "Outcomes":
        """Return the outcomes of some posts."""
        groups = None if self.groups is None else np.unique(self.groups[rows], return_inverse=True)[1]
        return replace(
            self,
            labels=self.labels[rows],
            predicted=self.predicted[rows],
            probabilities=self.probabilities[rows],
            groups=groups,
        )

    def answered(self, probabilities: Values, costs: Values) -> "Outcomes":
        """Return the same posts with another's probabilities, decided at the least expected cost.

        `costs` is (classes,): what it costs to miss each class.
        """
        return replace(self, predicted=(probabilities * costs).argmax(axis=1), probabilities=probabilities)


def outcomes(
    posts: Sequence[Post],
    predictions: Sequence[Prediction],
    *,
    recipe: Recipe,
    superclasses: Mapping[str, str] | None = None,
) -> Outcomes:
    """Return the outcomes of labelled posts and their predictions, which stand in the same order.

    The classes are the recipe's, or else those of the first prediction; `superclasses` names the superclass of each.
    Raises DataError when there is no post, or a post's label is missing or unknown to the predictions.
    """
    if not posts:
        raise DataError("There is no labelled post to evaluate on. Check the source's test posts and their labels.")
    if [post.id for post in posts] != [prediction.id for prediction in predictions]:
        raise ValueError("posts and predictions must stand in the same order")
    classes = list(recipe.classes or predictions[0].probabilities)
    index = {name: i for i, name in enumerate(classes)}
    positive = index.get(recipe.positive, -1) if recipe.positive else -1
    return Outcomes(
        classes,
        labels=np.array([_class_of(post, index) for post in posts], dtype=np.int64),
        predicted=np.array([index[prediction.label] for prediction in predictions], dtype=np.int64),
        probabilities=probability_rows([prediction.probabilities for prediction in predictions], classes),
        positive=positive % len(classes),
        ordered=recipe.ordered,
        groups=group_indices(posts, group_column(recipe)),
        superclasses=superclass_indices(superclasses, classes) if superclasses else None,
    )


def probability_rows(rows: Sequence[Mapping[str, float]], classes: Sequence[str]) -> Values:
    """Return probabilities by class as (n, classes); a class that a row does not name has probability 0."""
    return np.array([[row.get(name, 0.0) for name in classes] for row in rows]).reshape(len(rows), len(classes))


def cost_row(costs: Mapping[str, float], classes: Sequence[str]) -> Values:
    """Return what it costs to miss each class, (classes,): 1 where not named."""
    return np.array([costs.get(name, 1.0) for name in classes])


def group_column(recipe: Recipe) -> str | None:
    """Return the column whose values are resampled as whole groups, if the recipe's split names one."""
    return recipe.split.column if isinstance(recipe.split, GroupedSplit) else None


def group_indices(posts: Sequence[Post], column: str | None) -> Indices | None:
    """Return each post's group as an index (n,), numbered by first use; a post without the value is a group alone."""
    if column is None:
        return None
    numbers: dict[tuple[str, ...], int] = {}
    keys = [(post.id, "alone") if (value := post.get(column)) is None else (value,) for post in posts]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def superclasses_of(posts: Sequence[Post], field: str, *, known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the superclass of each class, as the labelled posts show it in a field; `known` is what others showed.

    Raises DataError for a class that is seen with two superclasses, and where no post has the field.
    """
    found = dict(known or {})
    for post in posts:
        superclass = post.get(field)
        if post.label is None or superclass is None:
            continue
        if (first := found.setdefault(post.label, superclass)) != superclass:
            what = f"The class {post.label!r} is seen with two superclasses in the field {field!r}"
            where = f"{first!r}, and in post {post.id!r} {superclass!r}"
            raise DataError(f"{what}: {where}. Mend the posts, or name another field as evaluation.superclass.")
    if not found:
        fields = sorted({name for post in posts for name in post.fields})
        hint = did_you_mean(field, fields) or (f" They have: {', '.join(fields)}." if fields else "")
        what = f"No labelled post has the field {field!r}, which evaluation.superclass names.{hint}"
        raise DataError(f"{what} Keep the column with source.columns.fields, or leave evaluation.superclass out.")
    return found


def superclass_indices(superclasses: Mapping[str, str], classes: Sequence[str]) -> Indices:
    """Return the number of each class's superclass, (classes,); a class without one is a superclass of its own."""
    numbers: dict[tuple[bool, str], int] = {}
    keys = [(name in superclasses, superclasses.get(name, name)) for name in classes]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _class_of(post: Post, index: Mapping[str, int]) -> int:
    if post.label is None:
        raise DataError(f"Post {post.id!r} has no label. Only labelled posts can be evaluated on.")
    if post.label not in index:
        what = f"Post {post.id!r} carries the label {post.label!r}, which the classifier does not know."
        hint = did_you_mean(post.label, index)
        raise DataError(f"{what}{hint} It knows {', '.join(index)}. Map the label with source.labels.")
    return index[post.label]
