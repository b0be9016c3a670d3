"""Decision-level fusion: members that each read what they can, and a combiner learned on held-out answers."""

from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from siaga.models.classifier import (
    Answer,
    Classifier,
    Features,
    Prior,
    Probabilities,
    Progress,
    build_model,
    class_indices,
    silent,
)
from siaga.models.combiner import Combiner, Evidence
from siaga.models.folds import fold_of_each, left_out
from siaga.post import MODALITIES, Modality, Post
from siaga.schema import Fusion

TINY = 1e-9


class FusionClassifier:
    """Holds one classifier a member.

    The combiner never sees a member's answer on a post that the member was trained on (stacking with cross-fitting:
    Wolpert 1992; van der Laan et al. 2007), nor any pseudo-label. A member that cannot see a post adds no evidence.
    """

    def __init__(self, spec: Fusion, *, seed: int = 0) -> None:
        self.spec = spec
        self.seed = seed
        self.members: dict[str, Classifier] = self._build_members()
        self._combiner = Combiner(spec.combiner, seed=seed)
        self._silenced: frozenset[str] = frozenset()

    def fit(
        self,
        posts: Sequence[Post],
        *,
        validation: Sequence[Post] = (),
        unlabelled: Sequence[Post] = (),
        classes: Sequence[str] | None = None,
        progress: Progress = silent,
    ) -> Self:
        """Cross-fit the members, learn the combiner on their out-of-fold answers, then fit the members on all posts."""
        self.classes_, labels = class_indices(posts, classes)
        self._prior, self._silenced = Prior.of(labels, len(self.classes_)), frozenset()
        held_out = {"validation": validation, "unlabelled": unlabelled}
        if self.spec.combiner != "mean":
            true = np.array([not post.is_pseudo_labelled for post in posts])
            evidence, seen = self._cross_fit(posts, held_out, progress)
            self._combiner.fit(evidence[true], seen[true], labels[true])
        for name, member in self.members.items():
            member.fit(posts, **held_out, classes=self.classes_, progress=progress.within(member=name))
        return self

    def answer(self, posts: Sequence[Post]) -> Answer:
        """Answer with the combined evidence; `members` holds each member's own probabilities."""
        answers = {name: self._answer_of(name, posts) for name in self.members}
        evidence, seen = self._evidence(answers)
        faults: dict[int, str] = {}
        for answer in answers.values():
            faults.update(answer.faults)
        return Answer(
            self._combiner.combine(evidence, seen, self._prior),
            [union_of(parts) for parts in zip(*(answer.used for answer in answers.values()), strict=True)],
            members={name: answer.probabilities for name, answer in answers.items()},
            faults=faults,
        )

    def predict_proba(self, posts: Sequence[Post]) -> Probabilities:
        """Return the fused probabilities, (n, classes)."""
        return self.answer(posts).probabilities

    def features(self, posts: Sequence[Post]) -> dict[str, Features]:
        """Return each member's features; see the protocol."""
        found = {name: member.features(posts) for name, member in self.members.items()}
        pairs = [(name, inner, each) for name, own in found.items() for inner, each in own.items()]
        return {f"{name}.{inner}" if inner else name: each for name, inner, each in pairs}

    def without(self, member: str) -> "FusionClassifier":
        """Return the same fusion with a member that sees nothing: what it answers where that member is missing."""
        if member not in self.members:
            raise KeyError(member)
        fusion = copy(self)
        fusion._silenced = self._silenced | {member}
        return fusion

    def save(self, folder: Path) -> None:
        """Write the combiner and each member in a folder of its own."""
        self._prior.save(folder, self.classes_)
        self._combiner.save(folder)
        for name, member in self.members.items():
            (folder / name).mkdir()
            member.save(folder / name)

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote."""
        self._prior, self.classes_ = Prior.load(folder)
        self._combiner.load(folder)
        for name, member in self.members.items():
            member.load(folder / name)
        return self

    def _build_members(self) -> dict[str, Classifier]:
        return {name: build_model(spec, seed=self.seed) for name, spec in self.spec.members.items()}

    def _answer_of(self, name: str, posts: Sequence[Post]) -> Answer:
        return self._prior.alone(len(posts)) if name in self._silenced else self.members[name].answer(posts)

    def _cross_fit(
        self,
        posts: Sequence[Post],
        held_out: dict[str, Sequence[Post]],
        progress: Progress,
    ) -> tuple[Evidence, NDArray[np.bool_]]:
        fold_of = fold_of_each(posts, folds=self.spec.folds, seed=self.seed)
        evidence = np.zeros((len(posts), len(self.members), len(self.classes_)))
        seen = np.zeros((len(posts), len(self.members)), dtype=bool)
        for fold in range(self.spec.folds):
            outside = fold_of == fold
            inside = [post for post, is_out in zip(posts, left_out(fold_of, fold), strict=True) if not is_out]
            asked = [post for post, is_outside in zip(posts, outside, strict=True) if is_outside]
            if not asked or len({post.label for post in inside}) < 2:
                continue
            answers = {}
            for name, member in self._build_members().items():
                heard = progress.within(member=name, fold=fold + 1)
                member.fit(inside, **held_out, classes=self.classes_, progress=heard)
                answers[name] = member.answer(asked)
            evidence[outside], seen[outside] = self._evidence(answers)
            progress({"step": "cross-fit", "fold": fold + 1, "of": self.spec.folds})
        return evidence, seen

    def _evidence(self, answers: dict[str, Answer]) -> tuple[Evidence, NDArray[np.bool_]]:
        log_prior = np.log(self._prior.frequencies)
        seen = np.array([[bool(used) for used in answer.used] for answer in answers.values()], dtype=bool).T
        odds = [np.log(answer.probabilities.clip(TINY)) - log_prior for answer in answers.values()]
        evidence = np.stack(odds, axis=1)
        evidence[~seen] = 0.0
        return evidence, seen


def union_of(parts: Sequence[tuple[Modality, ...]]) -> tuple[Modality, ...]:
    """Return the modalities that stand in any part, in their usual order."""
    used = {modality for part in parts for modality in part}
    return tuple(modality for modality in MODALITIES if modality in used)
