"""Explanation of one answer: what of a post speaks for a class, found by taking parts away and answering again.

Words are erased (Li, Monroe and Jurafsky 2016, section 3), patches of the picture covered (Zeiler and Fergus 2014,
section 4.2), fields, modalities and members left out. Nothing is asked of a classifier but answers, so any can be
explained.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from siaga.errors import DataError, did_you_mean
from siaga.features.text import word_spans
from siaga.models.classifier import Answer, Classifier, without
from siaga.post import Modality, Pixels, Post

MOST_WORDS = 100
GRID = 7
LONGEST = 640  # Pixels a side of a picture whose patches are covered; a larger one is made smaller first.
TINY = 1e-12
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Word:
    """A word, or a few in a row where a text has many: its place in the post's text, and its effect."""

    text: str
    start: int
    end: int
    effect: float


@dataclass(frozen=True, slots=True)
class Patch:
    """A box of the picture, its sides as fractions of width and height from the upper left corner, and its effect."""

    left: float
    top: float
    right: float
    bottom: float
    effect: float


@dataclass(frozen=True)
class Explanation:
    """What speaks for a class (`label`, answered with `probability`) in one post, as plain values.

    An effect is the log-odds of the class for the whole post minus those without the part, in nats: above zero the
    part speaks for the class, below zero against it. Effects need not add up: parts may say the same, or act together.
    `words_each` tells how many words were erased at a time. Only what was read of the post appears.
    """

    label: str
    probability: float
    words: list[Word] = field(default_factory=list)
    words_each: int = 1
    patches: list[Patch] = field(default_factory=list)
    modalities: dict[Modality, float] = field(default_factory=dict)
    members: dict[str, float] = field(default_factory=dict)
    fields: dict[str, float] = field(default_factory=dict)


def explain(
    classifier: Classifier, post: Post, *, label: str | None = None, words: int = MOST_WORDS, grid: int = GRID
) -> Explanation:
    """Return what speaks in `post` for `label`, or else for the most probable class.

    At most `words` stretches of the text are erased one by one, each of as many words as that takes; a blank stands
    where they were. The picture is covered patch by patch, `grid` × `grid`, with its mean colour; 0 leaves it whole. A
    further field, such as a keyword, is emptied, and told where that has an effect. A modality or a member that is left
    out is missing, which every classifier knows how to answer. Takes one call of `answer` for all parts, and one a
    member. Raises DataError for a class that the classifier does not know.
    """
    answer = classifier.answer([post])
    name = _known(label, answer, classifier.classes_)
    k = classifier.classes_.index(name)
    probability, read = float(answer.probabilities[0, k]), answer.used[0]
    if not read:
        return Explanation(name, probability)
    [alone] = _log_odds(answer, k)
    members = {each: alone - _log_odds(without(classifier, each).answer([post]), k)[0] for each in answer.members}
    halves = {modality: _without(post, modality) for modality in read if modality in post.modalities}
    emptied = {each: _emptied(post, each) for each, value in post.fields.items() if value.strip()}
    size, erased = _erased(post, words) if "text" in read else (1, {})
    plain, covered = _covered(post, grid) if "image" in read and grid else (post, {})
    asked = [post, *halves.values(), *emptied.values(), *erased.values(), plain, *covered.values()]
    odds = iter(_log_odds(classifier.answer(asked), k))
    whole = next(odds)
    modalities = {modality: whole - next(odds) for modality in halves}
    fields = {each: effect for each in emptied if abs(effect := whole - next(odds)) > TINY}
    told = [_word(post, span, whole - next(odds)) for span in erased]
    uncovered = next(odds)
    patches = [replace(patch, effect=uncovered - next(odds)) for patch in covered]
    return Explanation(name, probability, told, size, patches, modalities, members, fields)


def _known(label: str | None, answer: Answer, classes: Sequence[str]) -> str:
    if label is None:
        return classes[int(answer.probabilities[0].argmax())]
    if label not in classes:
        hint = did_you_mean(label, classes)
        raise DataError(f"The classifier does not know the class {label!r}.{hint} It knows: {', '.join(classes)}.")
    return label


def _log_odds(answer: Answer, k: int) -> list[float]:
    """Return the log-odds of class k for each post, from all columns, so that a probability near 1 keeps its digits."""
    rows = answer.probabilities
    odds = np.log(rows[:, k].clip(TINY)) - np.log(np.delete(rows, k, axis=1).sum(axis=1).clip(TINY))
    return [float(each) for each in odds]


def _without(post: Post, modality: Modality) -> Post:
    return replace(post, text=None) if modality == "text" else post.without_image()


def _emptied(post: Post, name: str) -> Post:
    return replace(post, fields={**post.fields, name: ""})


def _erased(post: Post, most: int) -> tuple[int, dict[tuple[int, int], Post]]:
    """Return how many words are erased at a time, and the post without each stretch, by its place in the text."""
    text = post.text or ""
    spans = word_spans(text)
    size = max(1, -(-len(spans) // max(1, most)))
    stretches = [spans[i : i + size] for i in range(0, len(spans), size)]
    places = [(inside[0][0], inside[-1][1]) for inside in stretches]
    return size, {(start, end): replace(post, text=f"{text[:start]} {text[end:]}") for start, end in places}


def _word(post: Post, span: tuple[int, int], effect: float) -> Word:
    return Word((post.text or "")[span[0] : span[1]], *span, effect)


def _covered(post: Post, grid: int) -> tuple[Post, dict[Patch, Post]]:
    """Return the post with its picture as pixels, and with each patch of it covered; a patch holds a pixel or more.

    Both are of the same pixels, so that nothing but the patch tells them apart.
    """
    from siaga.features.images import open_image

    if post.image is None:
        return post, {}
    picture = open_image(post.image, side=LONGEST)
    picture.thumbnail((LONGEST, LONGEST))
    array = np.asarray(picture, dtype=np.uint8)
    mean = array.reshape(-1, 3).mean(axis=0).round().astype(np.uint8)
    covered = {}
    for left, top, right, bottom in _boxes(*picture.size, grid):
        changed = array.copy()
        changed[top:bottom, left:right] = mean
        sides = left / picture.width, top / picture.height, right / picture.width, bottom / picture.height
        covered[Patch(*sides, effect=0.0)] = replace(post, image=_pixels(changed))
    return replace(post, image=_pixels(array)), covered


def _boxes(width: int, height: int, grid: int) -> Iterator[Box]:
    """Yield the boxes of a grid, row by row; a picture of fewer pixels a side has as many boxes as pixels there."""
    xs, ys = ([round(i * n / min(grid, n)) for i in range(min(grid, n) + 1)] for n in (width, height))
    for top, bottom in pairwise(ys):
        for left, right in pairwise(xs):
            yield left, top, right, bottom


def _pixels(array: np.ndarray) -> Pixels:
    return Pixels(array.shape[1], array.shape[0], 3, array.tobytes())
