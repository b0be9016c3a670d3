"""A net that learns from unlabelled posts as well (FixMatch, SoftMatch), if held-out labels agree."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self, assert_never

from siaga.models.calibrated import CalibratedClassifier
from siaga.models.classifier import Answer, Classifier, Event, Features, Probabilities, Progress, build_model, silent
from siaga.models.guard import NO_LABELS, Guard
from siaga.post import Post
from siaga.schema import Consistency, Convnet, Encoder, Fusion, Recurrent


class ConsistencyClassifier:
    """Holds the net that learned from all posts, or, where the guard rolled it back, that of the labelled ones."""

    def __init__(self, spec: Consistency, *, seed: int = 0) -> None:
        self.spec = spec
        self.seed = seed
        self._guard = Guard(spec.guard, seed)
        self._model = CalibratedClassifier(build_model(spec.model, seed=seed))

    @property
    def classes_(self) -> list[str]:
        """The classes of the classifier inside."""
        return self._model.classes_

    def fit(
        self,
        posts: Sequence[Post],
        *,
        validation: Sequence[Post] = (),
        unlabelled: Sequence[Post] = (),
        classes: Sequence[str] | None = None,
        progress: Progress = silent,
    ) -> Self:
        """Fit the net on the labelled posts, then another one on the unlabelled ones as well, and let the guard choose.

        What it decided, and why, goes to `progress` as `{"step": "round", …}`.
        """
        self._model = CalibratedClassifier(build_model(self.spec.model, seed=self.seed))
        self._model.fit(posts, validation=validation, classes=classes, progress=progress)
        heard = progress.within(round=1)
        before = self._model.answer(unlabelled)
        readable = [i for i, used in enumerate(before.used) if used]
        if reason := self._reason_not_to_try(readable, validation):
            heard({"step": "round", "method": self.spec.method, "kept": False, "added": 0, "reason": reason})
            return self
        last: dict[str, object] = {}
        joined = [unlabelled[i] for i in readable]
        candidate = CalibratedClassifier(_build_net(self.spec, seed=self.seed))
        candidate.fit(posts, validation=validation, unlabelled=joined, classes=classes, progress=_noting(heard, last))
        verdict = self._guard.judge(self._model, candidate, validation)
        after = candidate.predict_proba(joined).argmax(axis=1)
        same = float((after == before.probabilities[readable].argmax(axis=1)).mean())
        figures = {"weight": last.get("unlabelled_weight"), "used": last.get("unlabelled_used"), "agreement": same}
        heard({"step": "round", "method": self.spec.method, "added": len(joined), **verdict.told(), **figures})
        if verdict.kept:
            self._model = candidate
        return self

    def answer(self, posts: Sequence[Post]) -> Answer:
        """Answer as the net that was kept."""
        return self._model.answer(posts)

    def predict_proba(self, posts: Sequence[Post]) -> Probabilities:
        """Return the probabilities, (n, classes)."""
        return self._model.predict_proba(posts)

    def features(self, posts: Sequence[Post]) -> dict[str, Features]:
        """Return the features of the classifier inside; see the protocol."""
        return self._model.features(posts)

    def save(self, folder: Path) -> None:
        """Write the net that was kept."""
        self._model.save(folder)

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote."""
        self._model.load(folder)
        return self

    def _reason_not_to_try(self, readable: Sequence[int], validation: Sequence[Post]) -> str:
        if len(readable) < 2:  # Batch statistics need two.
            return "there are not two unlabelled posts that can be read"
        return "" if self._guard.can_judge(validation) else NO_LABELS


def _build_net(spec: Consistency, *, seed: int) -> Classifier:
    """Return the unfitted net, told how to learn from unlabelled posts."""
    match spec.model:
        case Encoder(frozen=True):
            from siaga.models.encoder import EncoderClassifier

            return EncoderClassifier(spec.model, seed=seed, consistency=spec)
        case Convnet() | Encoder() | Recurrent():
            from siaga.models.net import NetClassifier

            return NetClassifier(spec.model, seed=seed, consistency=spec)
        case Fusion():
            from siaga.models.joint import JointClassifier

            return JointClassifier(spec.model, seed=seed, consistency=spec)
        case _:
            assert_never(spec.model)


def _noting(progress: Progress, last: dict[str, object]) -> Progress:
    """Return the same Progress, with `last` kept the last epoch that was heard of."""

    def hear(event: Event) -> None:
        if event["step"] == "epoch":
            last.update(event)
        progress.hear(event)

    return replace(progress, hear=hear)
