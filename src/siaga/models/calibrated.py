"""Calibration: one temperature, fitted on held-out posts, over any classifier (Guo et al. 2017, section 4.2)."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from siaga.errors import BundleError
from siaga.files import write_text
from siaga.models.classifier import Answer, Classifier, Features, Probabilities, Progress, silent, without
from siaga.post import Post

TINY = 1e-12
LOG_TEMPERATURES = (-3.0, 3.0)


class CalibratedClassifier:
    """Holds a classifier and divides its log-probabilities by `temperature_` (1 when nothing was held out).

    Only posts that the classifier can read are touched: class frequencies are already what they say.
    """

    def __init__(self, model: Classifier) -> None:
        self.model = model
        self.temperature_ = 1.0

    @property
    def classes_(self) -> list[str]:
        """The classes of the classifier inside."""
        return self.model.classes_

    def fit(
        self,
        posts: Sequence[Post],
        *,
        validation: Sequence[Post] = (),
        unlabelled: Sequence[Post] = (),
        classes: Sequence[str] | None = None,
        progress: Progress = silent,
    ) -> Self:
        """Fit the classifier, then the temperature on `validation`."""
        self.model.fit(posts, validation=validation, unlabelled=unlabelled, classes=classes, progress=progress)
        self.temperature_ = 1.0
        answer = self.model.answer(validation)
        seen = _seen(answer)
        if seen.any():
            labels = np.array([self.classes_.index(str(post.label)) for post in validation])
            self.temperature_ = _fit_temperature(answer.probabilities[seen], labels[seen])
            progress({"step": "calibrate", "temperature": self.temperature_, "posts": int(seen.sum())})
        return self

    def answer(self, posts: Sequence[Post]) -> Answer:
        """Answer with calibrated probabilities; the members' stay as they are."""
        raw = self.model.answer(posts)
        seen = _seen(raw)
        probabilities = raw.probabilities.copy()
        probabilities[seen] = _soften(raw.probabilities[seen], self.temperature_)
        return replace(raw, probabilities=probabilities)

    def predict_proba(self, posts: Sequence[Post]) -> Probabilities:
        """Return the calibrated probabilities, (n, classes)."""
        return self.answer(posts).probabilities

    def features(self, posts: Sequence[Post]) -> dict[str, Features]:
        """Return the features of the classifier inside; see the protocol."""
        return self.model.features(posts)

    def without(self, member: str) -> "CalibratedClassifier":
        """Return the same classifier, at the same temperature, without a member; raises KeyError where it has none."""
        calibrated = CalibratedClassifier(without(self.model, member))
        calibrated.temperature_ = self.temperature_
        return calibrated

    def save(self, folder: Path) -> None:
        """Write the temperature and the classifier."""
        write_text(folder / "temperature.json", json.dumps(self.temperature_))
        (folder / "model").mkdir()
        self.model.save(folder / "model")

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote."""
        path = folder / "temperature.json"
        try:
            self.temperature_ = float(json.loads(path.read_text(encoding="utf-8")))
            if not 0 < self.temperature_ < np.inf:
                raise ValueError(f"{self.temperature_} is none")
        except (OSError, ValueError, TypeError, OverflowError) as error:
            raise BundleError(f"{path} does not tell a temperature: {error}. Train or copy it again.") from None
        self.model.load(folder / "model")
        return self


def _seen(answer: Answer) -> NDArray[np.bool_]:
    return np.array([bool(used) for used in answer.used], dtype=bool)


def _soften(probabilities: Probabilities, temperature: float) -> Probabilities:
    logits = np.log(probabilities.clip(TINY)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    rows: Probabilities = powers / powers.sum(axis=1, keepdims=True)
    return rows


def _fit_temperature(probabilities: Probabilities, labels: NDArray[np.int64]) -> float:
    """Return the temperature of least loss, drawn towards 1 as by one post, so that a few posts do not rule it."""
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        softened = _soften(probabilities, float(np.exp(log_temperature)))
        return float(-np.log(softened[rows, labels].clip(TINY)).sum() + log_temperature**2 / 2)

    found = minimize_scalar(loss, bounds=LOG_TEMPERATURES, method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))
