"""Baselines: what anyone reaches without effort, beside which every figure stands."""

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from siaga.models.classifier import Prior, Probabilities, class_indices
from siaga.models.linear import LinearClassifier
from siaga.post import Post
from siaga.schema import Linear

_SIDE = 12  # Pixels a side: enough to see more than a mean colour, and no more.
_SHRINKAGE = 0.1


def baseline_answers(
    train: Sequence[Post], test: Sequence[Post], *, classes: Sequence[str], seed: int
) -> dict[str, Probabilities]:
    """Return the probabilities (test posts, classes) of each baseline by name.

    `majority` is the class frequencies; `tfidf` is TF-IDF with logistic regression, where there are texts; `pixels`,
    where there are pictures alone, a linear discriminant analysis of each picture reduced to 12 × 12 pixels.
    """
    known, labels = class_indices(train, classes)
    prior = Prior.of(labels, len(known))
    answers = {"majority": prior.alone(len(test)).probabilities}
    if any(post.text for post in train):
        answers["tfidf"] = LinearClassifier(Linear(), seed=seed).fit(train, classes=known).predict_proba(test)
    elif (found := _pixels(train, test, prior, classes=known)) is not None:
        answers["pixels"] = found
    return answers


def _pixels(
    train: Sequence[Post], test: Sequence[Post], prior: Prior, *, classes: Sequence[str]
) -> Probabilities | None:
    """Return what can be told from reduced pictures, or None where fewer than two classes have any."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    rows, seen = _reduced(train)
    labels = class_indices(train, classes)[1][seen]
    if len(present := np.unique(labels)) < 2:
        return None
    analysis = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=_SHRINKAGE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of pixels that are constant, as the edges of digits are.
        analysis.fit(rows, labels)
    asked, was_seen = _reduced(test)
    found = analysis.predict_proba(asked) if len(asked) else np.zeros((0, len(present)))
    return prior.complete(found, present, seen=was_seen, modality="image").probabilities


def _reduced(posts: Sequence[Post]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the reduced pictures that can be read, (seen, values) in 0…1, and which posts those are."""
    import torch

    from siaga.models.feed import single
    from siaga.models.pictures import read_pictures

    pictures = read_pictures(posts, side=_SIDE, grey=False)
    rows = single(pictures.inputs[torch.arange(len(pictures.inputs))]).flatten(1).float() / 255
    return rows.numpy(), pictures.seen
