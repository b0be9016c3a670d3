"""Guarded self-training: confident answers on unlabelled posts become pseudo-labels, if held-out labels agree.

Self-training after Scudder (1965) and Yarowsky (1995), co-training after Blum and Mitchell (1998). A round whose
classifier does not stand up to the one before it on held-out labels is rolled back, and said so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from siaga.models.calibrated import CalibratedClassifier
from siaga.models.classifier import Answer, Features, Probabilities, Progress, build_model, class_indices, silent
from siaga.models.guard import NO_LABELS, Guard, Verdict
from siaga.post import Post
from siaga.schema import SelfTraining


@dataclass(frozen=True)
class PseudoLabel:
    """One unlabelled post that would join: its class index, the confidence, and who was confident."""

    post: Post
    label: int
    confidence: float
    by: Literal["model", "agree_with", "both"]


class SelfTrainingClassifier:
    """Holds the classifier of the last round that was kept; without unlabelled or held-out posts, the first one."""

    def __init__(self, spec: SelfTraining, *, seed: int = 0) -> None:
        self.spec = spec
        self.seed = seed
        self._guard = Guard(spec.guard, seed)
        self._model = self._new_model()

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
        """Fit on the labelled posts, then round by round with the pseudo-labels that the guard lets stay.

        No pseudo-label enters `validation`. Each one goes to `progress` as `{"step": "pseudo_label", …}` with its
        round, and each round as `{"step": "round", …}` with what the guard decided and why.
        """
        known, _ = class_indices(posts, classes)
        self._model = self._new_model().fit(posts, validation=validation, classes=known, progress=progress)
        partner = self._new_partner()
        if partner is not None:
            heard = progress.within(member="agree_with")
            partner.fit(posts, validation=validation, classes=known, progress=heard)
        for number in range(1, self.spec.rounds + 1):
            heard = progress.within(round=number)
            chosen = self._choose(posts, unlabelled, partner)
            reason = self._reason_not_to_try(chosen, validation)
            if reason:
                heard({"step": "round", "kept": False, "added": 0, "reason": reason})
                break
            joined = [*posts, *(one.post.with_pseudo_label(known[one.label]) for one in chosen)]
            candidate = self._new_model().fit(joined, validation=validation, classes=known, progress=heard)
            verdict = self._guard.judge(self._model, candidate, validation)
            _tell(heard, chosen, known, verdict)
            if not verdict.kept:
                break
            self._model = candidate
        return self

    def answer(self, posts: Sequence[Post]) -> Answer:
        """Answer as the classifier of the last kept round."""
        return self._model.answer(posts)

    def predict_proba(self, posts: Sequence[Post]) -> Probabilities:
        """Return the probabilities, (n, classes)."""
        return self._model.predict_proba(posts)

    def features(self, posts: Sequence[Post]) -> dict[str, Features]:
        """Return the features of the classifier inside; see the protocol."""
        return self._model.features(posts)

    def without(self, member: str) -> CalibratedClassifier:
        """Return the classifier of the last kept round without a member; raises KeyError where it has none."""
        return self._model.without(member)

    def save(self, folder: Path) -> None:
        """Write the classifier of the last kept round."""
        self._model.save(folder)

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote."""
        self._model.load(folder)
        return self

    def _new_model(self) -> CalibratedClassifier:
        return CalibratedClassifier(build_model(self.spec.model, seed=self.seed))

    def _new_partner(self) -> CalibratedClassifier | None:
        if self.spec.agree_with is None:
            return None
        return CalibratedClassifier(build_model(self.spec.agree_with, seed=self.seed))

    def _choose(
        self, posts: Sequence[Post], unlabelled: Sequence[Post], partner: CalibratedClassifier | None
    ) -> list[PseudoLabel]:
        """Return the confident answers, at most in the proportion of the labelled classes if the recipe says so."""
        own = _Confident.of(self._model.answer(unlabelled), self._thresholds())
        other = _Confident.of(partner.answer(unlabelled), self._thresholds()) if partner else own.none()
        chosen = [one for i, post in enumerate(unlabelled) if (one := _agreed(post, own.at(i), other.at(i)))]
        chosen.sort(key=lambda one: (-one.confidence, one.post.id))
        if not self.spec.balance:
            return chosen
        labels = [self.classes_.index(str(post.label)) for post in posts]
        return _in_proportion(chosen, np.bincount(labels, minlength=len(self.classes_)))

    def _thresholds(self) -> NDArray[np.float64]:
        return np.array([self.spec.thresholds.get(name, self.spec.threshold) for name in self.classes_])

    def _reason_not_to_try(self, chosen: Sequence[PseudoLabel], validation: Sequence[Post]) -> str:
        if not chosen:
            return "no unlabelled post passed the thresholds in the proportion asked for"
        return "" if self._guard.can_judge(validation) else NO_LABELS


@dataclass(frozen=True)
class _Confident:
    """A classifier's answers on the unlabelled posts: best class, its probability, and whether that passes."""

    label: NDArray[np.int64]
    confidence: NDArray[np.float64]
    passes: NDArray[np.bool_]

    @classmethod
    def of(cls, answer: Answer, thresholds: NDArray[np.float64]) -> "_Confident":
        label = answer.probabilities.argmax(axis=1) if len(answer.used) else np.zeros(0, dtype=np.int64)
        confidence = answer.probabilities.max(axis=1, initial=0.0)
        seen = np.array([bool(used) for used in answer.used], dtype=bool)
        return cls(label, confidence, seen & (confidence >= thresholds[label]))

    def none(self) -> "_Confident":
        """Return the answers of a classifier that is sure of nothing."""
        return _Confident(self.label, np.zeros_like(self.confidence), np.zeros_like(self.passes))

    def at(self, i: int) -> tuple[int, float, bool]:
        return int(self.label[i]), float(self.confidence[i]), bool(self.passes[i])


def _agreed(post: Post, own: tuple[int, float, bool], other: tuple[int, float, bool]) -> PseudoLabel | None:
    """Return the pseudo-label of a post: the surer one's answer, unless both are sure and they disagree."""
    if own[2] and other[2]:
        return PseudoLabel(post, own[0], max(own[1], other[1]), "both") if own[0] == other[0] else None
    if own[2]:
        return PseudoLabel(post, own[0], own[1], "model")
    return PseudoLabel(post, other[0], other[1], "agree_with") if other[2] else None


def _in_proportion(chosen: Sequence[PseudoLabel], labelled: NDArray[np.int64]) -> list[PseudoLabel]:
    """Keep the surest of each class so that the classes that have any stand as they do among the labelled posts."""
    found = np.bincount([one.label for one in chosen], minlength=len(labelled))
    shares = [found[c] / labelled[c] for c in range(len(labelled)) if found[c] and labelled[c]]
    if not shares:
        return []
    left = np.ceil(min(shares) * labelled).astype(int)
    kept = []
    for one in chosen:
        if left[one.label] > 0:
            left[one.label] -= 1
            kept.append(one)
    return kept


def _tell(progress: Progress, chosen: Sequence[PseudoLabel], classes: Sequence[str], verdict: Verdict) -> None:
    for one in chosen:
        line = {"id": one.post.id, "label": classes[one.label], "confidence": one.confidence, "by": one.by}
        progress({"step": "pseudo_label", **line, "kept": verdict.kept})
    progress({"step": "round", "added": len(chosen), **verdict.told()})
