"""The posts of a selection in folds: what each fit learns from, and what it is then asked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siaga.dataset import Dataset
from siaga.errors import DataError
from siaga.features.duplicates import find_duplicates, fingerprints, merged
from siaga.models.folds import fold_of_each
from siaga.post import Post
from siaga.schema import EventSplit, GroupedSplit, Recipe

Rows = NDArray[np.bool_]


@dataclass(frozen=True)
class Folds:
    """The training and validation posts of a dataset, n in all, in `count` folds; its test posts are not among them.

    `fold` is (n,). Posts keep their part: of the other folds the training posts are learned from, and the validation
    posts (`is_validation`, (n,)) calibrate and stop, as when the recipe is trained. `near` is (unlabelled, folds):
    which unlabelled posts repeat a post of a fold, or nearly so, and must not be learned from when it is asked.
    `tied` is the number of groups that were kept together.
    """

    posts: list[Post]
    classes: list[str]
    fold: NDArray[np.int64]
    count: int
    is_validation: Rows
    unlabelled: list[Post]
    near: Rows
    tied: int

    def learned(self, fold: int) -> tuple[list[Post], list[Post], list[Post]]:
        """Return the training, validation and unlabelled posts of the fit that is asked about a fold."""
        inside = self.fold != fold
        train, validation = inside & ~self.is_validation, inside & self.is_validation
        return (
            _chosen(self.posts, train),
            _chosen(self.posts, validation),
            _chosen(self.unlabelled, ~self.near[:, fold]),
        )

    def asked(self, fold: int) -> list[Post]:
        """Return the posts of a fold."""
        return _chosen(self.posts, self.fold == fold)

    def facts(self) -> dict[str, object]:
        """Return what a report says of the folds, as JSON."""
        sizes = np.bincount(self.fold, minlength=self.count).tolist()
        return {"folds": self.count, "sizes": sizes, "kept_together": self.tied}


def fold(dataset: Dataset, recipe: Recipe, *, count: int) -> Folds:
    """Put the training and validation posts into folds: stratified, the same for one seed and the same posts.

    Copies and near-duplicates share a fold, and so do posts of one value of the column of a grouped split, or of one
    event of a split by event. Raises DataError where that leaves fewer groups than folds, or one class to learn from.
    """
    posts = [*dataset.train, *dataset.validation]
    if count < 2 or count > len(posts):
        raise DataError(f"{count} folds cannot be made of {len(posts):,} posts. Set --folds from 2 to that many.")
    groups = _groups([*posts, *dataset.unlabelled], recipe)
    own, others = groups[: len(posts)], groups[len(posts) :]
    number = fold_of_each(posts, folds=count, seed=recipe.seed, groups=own)
    if (found := len(np.unique(own))) < count:
        what = f"The {len(posts):,} posts hang together in {found} groups, which are too few for {count} folds"
        raise DataError(f"{what}. Set --folds {max(2, found)}, or add posts.")
    near = np.stack([np.isin(others, own[number == k]) for k in range(count)], axis=1)
    is_validation = np.arange(len(posts)) >= len(dataset.train)
    tied = int((np.unique(own, return_counts=True)[1] > 1).sum())
    folds = Folds(posts, dataset.classes, number, count, is_validation, dataset.unlabelled, near, tied)
    _check(folds)
    return folds


def _groups(posts: Sequence[Post], recipe: Recipe) -> NDArray[np.int64]:
    """Return which posts stay together, (n,)."""
    near = find_duplicates(fingerprints(posts)).near
    match recipe.split:
        case GroupedSplit(column=column):
            return merged(near, [post.get(column) or None for post in posts])
        case EventSplit():
            return merged(near, [post.event for post in posts])
        case _:
            return near


def _check(folds: Folds) -> None:
    for k in range(folds.count):
        train, _, _ = folds.learned(k)
        labels = sorted({str(post.label) for post in train})
        if len(labels) < 2:
            what = (
                f"The training posts outside of fold {k + 1} of {folds.count} are all {' and '.join(labels) or 'gone'}"
            )
            raise DataError(f"{what}, so there is nothing to learn. Add posts of the other classes.")


def _chosen(posts: Sequence[Post], rows: Rows) -> list[Post]:
    return [post for post, is_chosen in zip(posts, rows.tolist(), strict=True) if is_chosen]
