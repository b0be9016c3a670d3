"""Posts and the predictions of a made-up classifier, for the tests of the evaluation."""

from collections.abc import Sequence

import numpy as np

from siaga.evaluation.outcomes import Outcomes
from siaga.post import Post, Prediction
from siaga.recipe import check_recipe
from siaga.schema import GroupedSplit, Linear, Recipe, SplitSpec, SyntheticSource

CLASSES = ("NO_INFO", "INFO")


def recipe(classes: Sequence[str] = CLASSES, *, split: SplitSpec | None = None, **settings: object) -> Recipe:
    whole = {"name": "made", "seed": 3, "classes": tuple(classes), "source": SyntheticSource(), "model": Linear()}
    return check_recipe({**whole, **({"split": split} if split else {}), **settings}, where="made")


def grouped(column: str) -> GroupedSplit:
    return GroupedSplit(column=column)


def judged(
    n: int = 60, classes: Sequence[str] = CLASSES, *, skill: float = 1.5, members: Sequence[str] = (), seed: int = 0
) -> tuple[list[Post], list[Prediction]]:
    """Return labelled posts, and predictions that are right the more often the larger `skill` is."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(classes), n)
    names = ["", *members]
    rows = {name: probabilities(labels, len(classes), skill, rng).tolist() for name in names}
    posts = [Post(f"p{i:04d}", text=f"post {i}", label=classes[labels[i]]) for i in range(n)]
    return posts, [
        prediction(posts[i], dict(zip(classes, rows[""][i], strict=True)), {name: rows[name][i] for name in members})
        for i in range(n)
    ]


def prediction(post: Post, row: dict[str, float], members: dict[str, list[float]] | None = None) -> Prediction:
    best = max(row, key=lambda name: row[name])
    parts = {name: dict(zip(row, values, strict=True)) for name, values in (members or {}).items()}
    return Prediction(post.id, best, row[best], row, post.modalities, parts, model="m1")


def probabilities(labels: np.ndarray, classes: int, skill: float, rng: np.random.Generator) -> np.ndarray:
    scores = rng.normal(size=(len(labels), classes))
    scores[np.arange(len(labels)), labels] += skill
    rows: np.ndarray = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return rows


def outcomes_of(n: int, classes: int, *, skill: float = 1.0, seed: int = 0, ordered: bool = False) -> Outcomes:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    rows = probabilities(labels, classes, skill, rng)
    return Outcomes([str(c) for c in range(classes)], labels, rows.argmax(axis=1), rows, ordered=ordered)
