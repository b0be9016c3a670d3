"""One fit of a recipe on all folds but one, and what it answers about that one."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # It ships no types.

from siaga.bundle import build_classifier
from siaga.errors import MissingExtra
from siaga.features.fields import SharedTfIdf
from siaga.model_selection.folds import Folds
from siaga.models.calibrated import CalibratedClassifier
from siaga.models.classifier import Classifier, Probabilities
from siaga.post import Post
from siaga.schema import Linear, Recipe

MEMORY, BYTES_PER_CHARACTER = 1 << 30, 64  # What may be kept of readings, and about what one takes of it.


@dataclass(frozen=True)
class Fitted:
    """What one fit answered: (posts of the fold, classes) probabilities, and the seconds of learning and answering.

    `missing` says which library this fit would need, where it is not installed; then there are no answers.
    """

    probabilities: Probabilities | None
    fit_s: float = 0.0
    answer_s: float = 0.0
    missing: str | None = None


class Here:
    """Fits in this process; what heads of `linear` read alike is read once, as far as that stays small."""

    def __init__(self, folds: Folds) -> None:
        self._folds = folds
        self._read: dict[object, _Reading] = {}
        characters = sum(len(post.text or "") for post in folds.posts)
        self._most = max(1, MEMORY // (BYTES_PER_CHARACTER * max(1, characters)))

    def fit(self, recipe: Recipe, fold: int) -> Fitted:
        """Return what the recipe's classifier, fitted with one thread, answered."""
        try:
            return self._fitted(recipe, fold)
        except MissingExtra as error:
            return Fitted(None, missing=str(error))

    def _fitted(self, recipe: Recipe, fold: int) -> Fitted:
        train, validation, unlabelled = self._folds.learned(fold)
        asked = self._folds.asked(fold)
        reading = self._reading(recipe, fold, train, validation, asked)
        classifier = _build(recipe, reading.readings)
        with _one_thread():
            started = time.perf_counter()
            classifier.fit(train, validation=validation, unlabelled=unlabelled, classes=self._folds.classes)
            learned = time.perf_counter()
            probabilities = classifier.predict_proba(asked)
            answered = time.perf_counter()
        return Fitted(probabilities, learned - started + reading.fit_s, answered - learned + reading.answer_s)

    def _reading(
        self, recipe: Recipe, fold: int, train: Sequence[Post], validation: Sequence[Post], asked: Sequence[Post]
    ) -> "_Reading":
        """Return what was read of a fold for such a model; the one that has waited longest makes room."""
        model = recipe.model
        if not isinstance(model, Linear):
            return _Reading()
        key = fold, model.fields, model.cleaning, model.words, model.characters, model.min_posts
        found = self._read.pop(key, None) or _Reading.of(model, train, validation, asked)
        while len(self._read) >= self._most:
            del self._read[next(iter(self._read))]
        self._read[key] = found
        return found


@dataclass(frozen=True)
class _Reading:
    """What was read of a fold, and the seconds it took: every head that shares it is told them as its own."""

    readings: SharedTfIdf | None = None
    fit_s: float = 0.0
    answer_s: float = 0.0

    @classmethod
    def of(cls, spec: Linear, train: Sequence[Post], validation: Sequence[Post], asked: Sequence[Post]) -> "_Reading":
        started, readings = time.perf_counter(), SharedTfIdf()
        tfidf, _ = readings.fit(spec, train)
        readings.read(tfidf, validation)
        learned = time.perf_counter()
        readings.read(tfidf, asked)
        return cls(readings, learned - started, time.perf_counter() - learned)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread, so that sums come out the same in every process."""
    torch = sys.modules.get("torch")  # There once a net was built.
    before = torch.get_num_threads() if torch is not None else 0
    with threadpool_limits(1):
        if torch is not None:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if torch is not None:
                torch.set_num_threads(before)


def _build(recipe: Recipe, readings: SharedTfIdf | None) -> Classifier:
    """Return the unfitted classifier that the recipe asks for, which shares what was read where there is any."""
    if readings is None or not isinstance(recipe.model, Linear):
        return build_classifier(recipe)
    from siaga.models.linear import LinearClassifier

    model = LinearClassifier(recipe.model, seed=recipe.seed, shared=readings)
    return CalibratedClassifier(model) if recipe.decision.calibrate else model
