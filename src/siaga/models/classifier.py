"""The classifier protocol, and `build_model`, the one door from a spec to a classifier."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, Self, assert_never, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from siaga.errors import BundleError, DataError
from siaga.files import write_text
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

Probabilities = NDArray[np.float64]
Event = Mapping[str, object]
Hear = Callable[[Event], None]


@dataclass(frozen=True)
class Progress:
    """Who hears of a fit, and where the fit may keep checkpoints.

    `hear` gets events for a person or a log (`{"step": "epoch", …}`), each with the `scope` of the fit: its member,
    fold and round. `checkpoints` is a folder of this fit's own, or None: then nothing of it can be resumed. A
    checkpoint is written every `every_s` seconds at most.
    """

    hear: Hear = lambda _: None
    checkpoints: Path | None = None
    every_s: float = 30.0
    scope: Mapping[str, object] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        """Tell an event."""
        self.hear({**event, **self.scope})

    def within(self, **scope: object) -> "Progress":
        """Return the Progress of a fit inside this one; an inner scope of the same name is joined by a dot."""
        joined = {key: f"{self.scope[key]}.{value}" if key in self.scope else value for key, value in scope.items()}
        name = "-".join(f"{key}-{value}" for key, value in scope.items())
        folder = self.checkpoints / name if self.checkpoints else None
        return replace(self, checkpoints=folder, scope={**self.scope, **joined})


silent = Progress()


@dataclass(frozen=True)
class Answer:
    """What a classifier says of n posts.

    `probabilities` is (n, classes) float64 with rows that sum to 1; `used[i]` are the modalities that were read of
    post i (none: the row is the class frequencies); `members` each member's probabilities, in the same shape;
    `faults[i]` says why a part of post i could not be read, or tells nothing; `scores[i]` is the whole number that a
    list of words gives it.
    """

    probabilities: Probabilities
    used: list[tuple[Modality, ...]]
    members: Mapping[str, Probabilities] = field(default_factory=dict)
    faults: Mapping[int, str] = field(default_factory=dict)
    scores: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Features:
    """What a classifier makes of posts before it decides: `rows` (seen posts, width), dense or sparse; `seen` (n,)."""

    rows: NDArray[np.float32] | csr_matrix
    seen: NDArray[np.bool_]


class Classifier(Protocol):
    """What every classifier does. `fit` forgets what was learned before and returns self."""

    @property
    def classes_(self) -> list[str]:
        """The classes, in the order of the columns of `predict_proba`."""
        ...

    def fit(
        self,
        posts: Sequence[Post],
        *,
        validation: Sequence[Post] = (),
        unlabelled: Sequence[Post] = (),
        classes: Sequence[str] | None = None,
        progress: Progress = silent,
    ) -> Self:
        """Learn from labelled posts.

        `validation` (labelled) serves early stopping, calibration and the guard, never the fit itself.
        `classes` fixes the columns; a class without a training post keeps its column. Events for a person or a log
        (`{"step": "epoch", …}`) go to `progress`. Raises DataError when there is nothing to learn from.
        """
        ...

    def answer(self, posts: Sequence[Post]) -> Answer:
        """Answer for each post alone: neither the order nor the company of the posts changes a row."""
        ...

    def predict_proba(self, posts: Sequence[Post]) -> Probabilities:
        """Return `answer(posts).probabilities`, (n, classes)."""
        ...

    def features(self, posts: Sequence[Post]) -> dict[str, Features]:
        """Return the features of posts by member, in the members' order; "" is the classifier's own.

        A member's member is named with a dot between. What has no features, or could see no post, is left out.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write what was learned into the existing, empty `folder`, in open formats."""
        ...

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote."""
        ...


@runtime_checkable
class Fused(Protocol):
    """A classifier that holds members, those of `Answer.members`, and can do without one of them."""

    def without(self, member: str) -> Classifier:
        """Return the same classifier with a member that sees nothing; what was learned is shared, nothing is fitted.

        Raises KeyError for a member that it does not hold.
        """
        ...


def without(classifier: Classifier, member: str) -> Classifier:
    """Return a classifier without the evidence of a member; raises KeyError where it holds no such member."""
    if not isinstance(classifier, Fused):
        raise KeyError(member)
    return classifier.without(member)


def build_model(spec: ModelSpec, *, seed: int = 0) -> Classifier:  # noqa: C901, PLR0911 - a return for each kind.
    """Return an unfitted classifier for `spec`; its library is imported here, not before."""
    match spec:
        case Linear():
            from siaga.models.linear import LinearClassifier

            return LinearClassifier(spec, seed=seed)
        case Encoder(frozen=True):
            from siaga.models.encoder import EncoderClassifier

            return EncoderClassifier(spec, seed=seed)
        case Convnet() | Encoder() | Recurrent():
            from siaga.models.net import NetClassifier

            return NetClassifier(spec, seed=seed)
        case Fusion(level="feature"):
            from siaga.models.feature_fusion import FeatureFusionClassifier

            return FeatureFusionClassifier(spec, seed=seed)
        case Fusion(level="joint"):
            from siaga.models.joint import JointClassifier

            return JointClassifier(spec, seed=seed)
        case Fusion():
            from siaga.models.fusion import FusionClassifier

            return FusionClassifier(spec, seed=seed)
        case SelfTraining():
            from siaga.models.self_training import SelfTrainingClassifier

            return SelfTrainingClassifier(spec, seed=seed)
        case Consistency():
            from siaga.models.consistency import ConsistencyClassifier

            return ConsistencyClassifier(spec, seed=seed)
        case Lexicon():
            from siaga.models.lexicon import LexiconClassifier

            return LexiconClassifier(spec, seed=seed)
        case Topics():
            from siaga.models.topics.classifier import TopicsClassifier

            return TopicsClassifier(spec, seed=seed)
        case _:
            assert_never(spec)


def class_indices(posts: Sequence[Post], classes: Sequence[str] | None) -> tuple[list[str], NDArray[np.int64]]:
    """Return the classes and each post's class index (n,), checking that there is something to learn.

    Raises DataError for no posts, a post without a label, a label outside `classes`, or a single class.
    """
    if not posts:
        raise DataError("There is no labelled post to train on. Check source.path and source.columns.label.")
    labels = [post.label for post in posts]
    if None in labels:
        raise DataError(f"Post {posts[labels.index(None)].id!r} has no label. Only labelled posts can train.")
    found = sorted({label for label in labels if label is not None})
    known = list(classes) if classes else found
    if foreign := sorted(set(found) - set(known)):
        raise DataError(f"The label {foreign[0]!r} is not among the classes {', '.join(known)}. Set classes or labels.")
    if len(found) < 2:
        raise DataError(f"All {len(posts)} training posts carry the label {found[0]!r}. Two classes are needed.")
    index = {name: i for i, name in enumerate(known)}
    return known, np.array([index[str(label)] for label in labels], dtype=np.int64)


@dataclass(frozen=True)
class Prior:
    """The class frequencies of the training posts: the answer for a post that a classifier cannot see.

    They carry no evidence, so that missing text, missing images and empty batches need no branches elsewhere.
    `frequencies` is (classes,), smoothed (Laplace: one more of each), so that no class is impossible.
    """

    frequencies: NDArray[np.float64]

    @classmethod
    def of(cls, labels: NDArray[np.int64], n_classes: int) -> "Prior":
        """Return the frequencies of class indices, (n,)."""
        counts = np.bincount(labels, minlength=n_classes) + 1.0
        return cls(counts / counts.sum())

    def alone(self, n_posts: int) -> Answer:
        """Return the answer of a classifier that saw nothing of `n_posts` posts."""
        return Answer(np.tile(self.frequencies, (n_posts, 1)), [()] * n_posts)

    def widen(self, rows: Probabilities, present: NDArray[np.int64]) -> Probabilities:
        """Return (n, classes) from (n, present classes); a class without a training post keeps its frequency."""
        absent = np.setdiff1d(np.arange(len(self.frequencies)), present)
        probabilities = np.tile(self.frequencies, (len(rows), 1))
        probabilities[:, present] = rows * (1.0 - self.frequencies[absent].sum())
        return probabilities

    def complete(
        self,
        rows: Probabilities,
        present: NDArray[np.int64],
        *,
        seen: NDArray[np.bool_],
        modality: Modality,
        faults: Mapping[int, str] | None = None,
    ) -> Answer:
        """Return the answer of a classifier of one modality from what it said of the posts that it saw.

        `rows` is (seen posts, present classes), `present` the indices of the classes it was trained on, `seen` is
        (n,). A class without a training post keeps its frequency; an unseen post gets all of them.
        """
        probabilities = np.tile(self.frequencies, (len(seen), 1))
        probabilities[seen] = self.widen(rows, present)
        return Answer(probabilities, [(modality,) if is_seen else () for is_seen in seen.tolist()], faults=faults or {})

    def save(self, folder: Path, classes: Sequence[str]) -> None:
        """Write `prior.json`: the classes with their frequencies, in order."""
        pairs = list(zip(classes, self.frequencies.tolist(), strict=True))
        write_text(folder / "prior.json", json.dumps(pairs, ensure_ascii=True, indent=1))

    @classmethod
    def load(cls, folder: Path) -> tuple["Prior", list[str]]:
        """Read what `save` wrote; return the prior and the classes. Raises BundleError for anything else."""
        path = folder / "prior.json"
        try:
            names, shares = zip(*json.loads(path.read_text(encoding="utf-8")), strict=True)
            if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
                raise ValueError("its classes are no names")
            if not all(type(share) is float and 0 < share < 1 for share in shares):
                raise ValueError("its numbers are no frequencies")
        except (OSError, ValueError, TypeError) as error:
            raise BundleError(f"{path} does not hold class frequencies: {error}. Train or copy it again.") from None
        return cls(np.array(shares)), list(names)
