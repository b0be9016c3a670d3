"""Feature-level fusion: the members' features side by side, and one head that learns on all of them."""

import logging
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Self, assert_never

import numpy as np
from numpy.typing import NDArray

from siaga.models.blocks import Stack
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
from siaga.models.folds import fold_of_each, left_out
from siaga.models.fusion import union_of
from siaga.models.heads import Head, Labelled, LogisticHead, has_head
from siaga.post import Modality, Post
from siaga.schema import (
    Consistency,
    Convnet,
    Encoder,
    Fusion,
    Lexicon,
    Linear,
    ModelSpec,
    Recurrent,
    SelfTraining,
    Topics,
)
from siaga.schema.nets import SOLVED

log = logging.getLogger(__name__)

_FOLDS = 10  # Of these, a share is held out.


@dataclass(frozen=True)
class _Looks:
    """What the members make of n posts: their answers and, by block, features of the posts that they answered from."""

    answers: Mapping[str, Answer]
    features: Mapping[str, Features]


class FeatureFusionClassifier:
    """Holds one classifier a member, whose features the head is given; what is missing is zeros, and a column says so.

    Features that a member has learned fit the posts that it learned from too well, and those of another fold's member
    cannot stand in for them, as each fit has columns of its own. So such a member is fitted once, without a share of
    the posts, and of the others the head sees its features as missing.
    """

    def __init__(self, spec: Fusion, *, seed: int = 0) -> None:
        self.spec = spec
        self.seed = seed
        self.members: dict[str, Classifier] = {
            name: build_model(member, seed=seed) for name, member in spec.members.items()
        }
        self._stack = Stack(reduced=None if spec.feature.head == "logistic" else spec.feature.reduced)
        self._head: Head | None = None
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
        """Fit the members, then the head on their features."""
        self.classes_, labels = class_indices(posts, classes)
        self._prior = Prior.of(labels, len(self.classes_))
        self._head, self._silenced = None, frozenset()
        is_held_out = self._held_out(posts)
        for name, member in self.members.items():
            own = [post for post, is_held in zip(posts, is_held_out, strict=True) if not is_held]
            known = own if learns_features(self.spec.members[name]) else posts
            heard = progress.within(member=name)
            member.fit(known, validation=validation, unlabelled=unlabelled, classes=self.classes_, progress=heard)
        looks = self._look(posts)
        shown = {name: self._shown(name, found, is_held_out) for name, found in looks.features.items()}
        read = self._stack.fit(shown).rows(shown, len(posts))
        if len(np.unique(labels[read.seen])) < 2:
            log.warning("Fewer than two classes have features: all get the class frequencies.")
            return self
        ids = [posts[i].id for i in np.flatnonzero(read.seen).tolist()]
        self._head = self._build_head()
        examples = Labelled(read.rows, labels[read.seen], ids)
        self._head.fit(examples, validation=self._validation(validation), progress=progress)
        return self

    def answer(self, posts: Sequence[Post]) -> Answer:
        """Answer with the head; `members` holds each member's own probabilities."""
        looks = self._look(posts)
        read = self._stack.rows(looks.features, len(posts))
        probabilities = np.tile(self._prior.frequencies, (len(posts), 1))
        if self._head is not None and read.seen.any():
            probabilities[read.seen] = self._prior.widen(self._head.predict_proba(read.rows), self._head.classes_)
        faults = {i: fault for answer in looks.answers.values() for i, fault in answer.faults.items()}
        members = {name: answer.probabilities for name, answer in looks.answers.items()}
        return Answer(probabilities, self._used(looks, len(posts)), members, faults)

    def predict_proba(self, posts: Sequence[Post]) -> Probabilities:
        """Return the probabilities, (n, classes)."""
        return self.answer(posts).probabilities

    def features(self, posts: Sequence[Post]) -> dict[str, Features]:
        """Return what the head is given, and each member's features; see the protocol."""
        features = self._look(posts).features
        read = self._stack.rows(features, len(posts))
        return {"": read, **features} if read.seen.any() else {}

    def without(self, member: str) -> "FeatureFusionClassifier":
        """Return the same fusion with a member that sees nothing; raises KeyError where it has no such member."""
        if member not in self.members:
            raise KeyError(member)
        fusion = copy(self)
        fusion._silenced = self._silenced | {member}
        return fusion

    def save(self, folder: Path) -> None:
        """Write the head, what was learned of the columns, and each member in a folder of its own."""
        self._prior.save(folder, self.classes_)
        self._stack.save(folder)
        if self._head is not None:
            self._head.save(folder)
        for name, member in self.members.items():
            place = folder / "members" / name
            place.mkdir(parents=True)
            member.save(place)

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote."""
        self._prior, self.classes_ = Prior.load(folder)
        self._silenced = frozenset()
        self._stack.load(folder)
        self._head = self._build_head().load(folder) if has_head(folder) else None
        for name, member in self.members.items():
            member.load(folder / "members" / name)
        return self

    def _build_head(self) -> Head:
        settings = self.spec.feature
        if settings.head == "logistic":
            return LogisticHead(C=settings.C, balanced=settings.balanced, standardised=False)
        if settings.head == "kernel":
            from siaga.models.kernel_head import KernelHead

            return KernelHead(C=settings.C, balanced=settings.balanced, seed=self.seed, standardised=False)
        from siaga.models.mlp import MlpHead

        return MlpHead(settings, seed=self.seed)

    def _held_out(self, posts: Sequence[Post]) -> NDArray[np.bool_]:
        """Return the posts, (n,), from which members that learn their features do not learn."""
        nothing = np.zeros(len(posts), dtype=np.bool_)
        if not any(learns_features(member) for member in self.spec.members.values()):
            return nothing
        fold_of = fold_of_each(posts, folds=_FOLDS, seed=self.seed)
        count = min(max(1, round(_FOLDS * self.spec.feature.held_out)), _FOLDS - 1)  # Members need a fold as well.
        held_out: NDArray[np.bool_] = np.logical_or.reduce([left_out(fold_of, fold) for fold in range(count)])
        for part in (held_out, ~held_out):
            if len({post.label for post, is_in in zip(posts, part, strict=True) if is_in}) < 2:
                log.warning("Too few posts to hold any out: the head learns on what the members have learned from.")
                return nothing
        return held_out

    def _shown(self, name: str, found: Features, is_held_out: NDArray[np.bool_]) -> Features:
        """Return the features of training posts that the head may learn from."""
        if not is_held_out.any() or not learns_features(self.spec.members[name.partition(".")[0]]):
            return found
        return Features(found.rows[is_held_out[found.seen]], found.seen & is_held_out)

    def _validation(self, posts: Sequence[Post]) -> Labelled | None:
        """Return the validation posts that can be read, if the head has a use for them."""
        index = {name: i for i, name in enumerate(self.classes_)}
        known = [post for post in posts if post.label in index]
        if self.spec.feature.head in SOLVED or not known:
            return None
        found = self._stack.rows(self._look(known).features, len(known))
        read = [known[i] for i in np.flatnonzero(found.seen).tolist()]
        labels = np.array([index[str(post.label)] for post in read], dtype=np.int64)
        return Labelled(found.rows, labels, [post.id for post in read])

    def _look(self, posts: Sequence[Post]) -> _Looks:
        answers = {
            name: self._prior.alone(len(posts)) if name in self._silenced else member.answer(posts)
            for name, member in self.members.items()
        }
        features: dict[str, Features] = {}
        for name, member in self.members.items():
            used = np.array([bool(each) for each in answers[name].used], dtype=np.bool_)
            for inner, found in member.features(posts).items() if used.any() else ():
                whole = f"{name}.{inner}" if inner else name
                features[whole] = Features(found.rows[used[found.seen]], found.seen & used)
        return _Looks(answers, features)

    def _used(self, looks: _Looks, n_posts: int) -> list[tuple[Modality, ...]]:
        """Return what was read of each post by the members whose features the head knows."""
        known = {name.partition(".")[0] for name in self._stack.names} if self._head else set()
        parts = [answer.used for name, answer in looks.answers.items() if name in known] or [[()] * n_posts]
        return [union_of(each) for each in zip(*parts, strict=True)]


def learns_features(spec: ModelSpec) -> bool:
    """Whether a classifier's features, and not only its head, are learned from the labels of its training posts."""
    match spec:
        case Linear() | Lexicon() | Topics() | Encoder(frozen=True):
            return False
        case Convnet() | Encoder() | Recurrent() | Fusion(level="joint"):
            return True
        case Fusion():
            return any(learns_features(member) for member in spec.members.values())
        case SelfTraining() | Consistency():
            return learns_features(spec.model)
        case _:
            assert_never(spec)
