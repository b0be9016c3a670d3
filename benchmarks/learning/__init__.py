"""Training a variant of a recipe on real data with a clock beside it; for digits.py and cifar100.py."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from siaga.dataset import Dataset
from siaga.models.classifier import Progress, build_model
from siaga.quarantine import Quarantine
from siaga.recipe import load_recipe
from siaga.training_run import prepare


@dataclass
class Learned:
    """One fit: seconds since its start and validation accuracy after each epoch, and what it reached."""

    name: str
    curve: list[tuple[float, float]] = field(default_factory=list)
    data_wait: list[float] = field(default_factory=list)
    seconds: float = 0.0
    test_accuracy: float = 0.0
    test_interval: tuple[float, float] = (0.0, 0.0)
    top_5: float = 0.0
    superclass: float | None = None

    @property
    def best(self) -> float:
        """The best validation accuracy of all epochs."""
        return max(accuracy for _, accuracy in self.curve)

    def seconds_to(self, accuracy: float) -> float | None:
        """Return the seconds until the first epoch that reached a validation accuracy, or None."""
        return next((seconds for seconds, reached in self.curve if reached >= accuracy), None)

    def summary(self) -> dict[str, object]:
        """Return what is printed."""
        low, high = self.test_interval
        return {
            "epochs": len(self.curve),
            "seconds": round(self.seconds, 1),
            "best_validation_accuracy": round(self.best, 4),
            "test_accuracy": {"value": round(self.test_accuracy, 4), "low": round(low, 4), "high": round(high, 4)},
            "test_top_5_accuracy": round(self.top_5, 4),
            **({} if self.superclass is None else {"test_superclass_accuracy": round(self.superclass, 4)}),
            "data_wait": round(float(np.mean(self.data_wait)), 4),
            "curve": [(round(seconds, 1), round(accuracy, 4)) for seconds, accuracy in self.curve],
        }


class Enough(Exception):
    """The accuracy that was asked for is reached."""


def read_data(recipe: str, overrides: Sequence[str]) -> Dataset:
    """Return the posts of a recipe in splits; they need not name superclasses, whatever the recipe measures."""
    loaded = load_recipe(recipe, overrides=list(overrides))
    plain = loaded.evaluation.model_copy(update={"superclass": None})
    return prepare(loaded.model_copy(update={"evaluation": plain}), quarantine=Quarantine())


def learn(
    recipe: str, data: Dataset, *, variant: str | None = None, overrides: Sequence[str] = (), until: float = 2.0
) -> Learned:
    """Fit a variant on the training posts; stop after the epoch that reaches a validation accuracy of `until`."""
    loaded = load_recipe(recipe, overrides=list(overrides), variant=variant)
    learned = Learned(variant or "default")
    began = time.perf_counter()

    def hear(event: Mapping[str, object]) -> None:
        if event["step"] != "epoch":
            return
        accuracy = float(str(event["validation_accuracy"]))
        learned.curve.append((time.perf_counter() - began, accuracy))
        learned.data_wait.append(float(str(event["data_wait"])))
        if accuracy >= until:
            raise Enough

    model = build_model(loaded.model, seed=loaded.seed)
    try:
        model.fit(data.train, validation=data.validation, classes=data.classes, progress=Progress(hear))
    except Enough:
        learned.seconds = time.perf_counter() - began
        return learned
    learned.seconds = time.perf_counter() - began
    rows = model.predict_proba(data.test)
    labels = np.array([data.classes.index(str(post.label)) for post in data.test])
    right = rows.argmax(1) == labels
    learned.test_accuracy, learned.test_interval = float(right.mean()), _wilson(int(right.sum()), len(right))
    learned.top_5 = float((np.argsort(-rows, axis=1)[:, :5] == labels[:, None]).any(axis=1).mean())
    learned.superclass = _superclass_accuracy(data, rows.argmax(1))
    return learned


def _superclass_accuracy(data: Dataset, answered: NDArray[np.int64]) -> float | None:
    """Return how often the superclass is right, where the posts name one."""
    of_class = {str(post.label): post.get("coarse_label") for post in [*data.train, *data.test]}
    if None in of_class.values():
        return None
    pairs = zip(data.test, answered.tolist(), strict=True)
    return float(np.mean([of_class[data.classes[k]] == post.get("coarse_label") for post, k in pairs]))


def _wilson(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return the 95 % interval of a share (E. Wilson, 1927)."""
    share = right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return middle - half, middle + half
