"""Joint fusion: towers of all members, which learn together under one interaction head."""

import json
import logging
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from siaga.errors import BundleError
from siaga.files import write_text
from siaga.models.classifier import (
    Answer,
    Features,
    Prior,
    Probabilities,
    Progress,
    class_indices,
    silent,
)
from siaga.models.examples import Examples, answers
from siaga.models.facts import read_indices, read_width
from siaga.models.fusion import union_of
from siaga.models.joint_net import Asked, JointNet, SideBySide, Widths, position_width
from siaga.models.modules import load_module, save_module
from siaga.models.towers import Readings, Tower, build_tower
from siaga.models.training import train
from siaga.models.unlabelled import read_unlabelled
from siaga.post import Post
from siaga.schema import Consistency, Convnet, Encoder, Fusion, Linear, Recurrent

log = logging.getLogger(__name__)


class JointClassifier:
    """Reads with every member what it can of a post; a post of which nothing can be read gets the class frequencies.

    A member that no training post has anything for is left out.
    """

    def __init__(self, spec: Fusion, *, seed: int = 0, consistency: Consistency | None = None) -> None:
        self.spec = spec
        self.seed = seed
        self._consistency = consistency
        self._towers: dict[str, Tower] = {}
        self._net: JointNet | None = None
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
        """Learn from the posts of which anything can be read; stops early where there are validation posts.

        The unlabelled ones are learned from where the classifier was told how.
        """
        self.classes_, labels = class_indices(posts, classes)
        self._prior = Prior.of(labels, len(self.classes_))
        self._net, self._silenced = None, frozenset()
        readings = self._prepared(posts, unlabelled)
        self._trained = np.unique(labels[_anyone(_seen(readings, len(posts)))])
        if len(self._trained) < 2:
            log.warning("Fewer than two classes have anything that can be read: all get the class frequencies.")
            return self
        self._net = self._built(readings)
        train(
            self._net,
            self._examples(readings, posts),
            settings=self.spec.joint.training,
            seed=self.seed,
            validation=self._held_out(validation),
            unlabelled=read_unlabelled(unlabelled, self._consistency, read=self._read_together),
            progress=progress,
        )
        return self

    def answer(self, posts: Sequence[Post]) -> Answer:
        """Answer for each post; see the protocol. Members have no answers of their own."""
        if self._net is None:
            return self._prior.alone(len(posts))
        readings = self._read(posts)
        seen = _seen(readings, len(posts))
        faults = {i: fault for found in readings.values() for i, fault in found.faults.items()}
        here = _anyone(seen)
        if not here.any():
            return replace(self._prior.alone(len(posts)), faults=faults)
        rows = answers(self._net, _side_by_side(readings, seen)).double().softmax(1).numpy()
        probabilities = np.tile(self._prior.frequencies, (len(posts), 1))
        probabilities[here] = self._prior.widen(rows, self._trained)
        modalities = [tower.modality for tower in self._towers.values()]
        used = [union_of([(each,) for each, is_seen in zip(modalities, row, strict=True) if is_seen]) for row in seen]
        return Answer(probabilities, used, faults=faults)

    def predict_proba(self, posts: Sequence[Post]) -> Probabilities:
        """Return the probabilities, (n, classes)."""
        return self.answer(posts).probabilities

    def features(self, posts: Sequence[Post]) -> dict[str, Features]:
        """Return what the towers' features are together, and each tower's own; see the protocol."""
        if self._net is None:
            return {}
        readings = self._read(posts)
        seen = _seen(readings, len(posts))
        if not seen.any():
            return {}
        together = answers(Asked(self._net, self._net.fused), _side_by_side(readings, seen)).numpy()
        found = {"": Features(together, _anyone(seen))}
        for tower, (name, own) in zip(self._net.towers, readings.items(), strict=True):
            if own.seen.any():
                found[name] = Features(answers(Asked(self._net, tower), own.inputs).numpy(), own.seen)
        return found

    def without(self, member: str) -> "JointClassifier":
        """Return the same classifier with a member that sees nothing; raises KeyError where it has no such member."""
        if member not in self.spec.members:
            raise KeyError(member)
        joint = copy(self)
        joint._silenced = self._silenced | {member}
        return joint

    def save(self, folder: Path) -> None:
        """Write the frequencies, what each tower's reading needs, and the net."""
        self._prior.save(folder, self.classes_)
        if self._net is None:
            return
        members = dict(zip(self._towers, (each.positions for each in self._net.widths), strict=True))
        write_text(folder / "joint.json", json.dumps({"trained": self._trained.tolist(), "members": members}))
        for layers, (name, tower) in zip(self._net.towers, self._towers.items(), strict=True):
            place = folder / "towers" / name
            place.mkdir(parents=True)
            tower.save(place, layers)
        save_module(folder / "joint.safetensors", self._net)

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote."""
        self._prior, self.classes_ = Prior.load(folder)
        self._net, self._towers, self._silenced = None, {}, frozenset()
        path = folder / "joint.json"
        if not path.exists():
            return self
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            self._trained = read_indices(facts["trained"], below=len(self.classes_))
            positions = {
                str(name): None if width is None else read_width(width) for name, width in facts["members"].items()
            }
            self._towers = {name: self._tower(name) for name in positions}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BundleError(f"{path} does not describe a joint net: {error}. Train or copy it again.") from None
        for name, tower in self._towers.items():
            tower.load(folder / "towers" / name)
        with torch.random.fork_rng():
            parts = {name: tower.rebuild() for name, tower in self._towers.items()}
            widths = [Widths(width, positions[name]) for name, (_, width) in parts.items()]
            self._net = JointNet([layers for layers, _ in parts.values()], widths, self.spec.joint, len(self._trained))
        load_module(folder / "joint.safetensors", self._net)
        return self

    def _tower(self, name: str) -> Tower:
        member = self.spec.members[name]
        if not isinstance(member, Linear | Encoder | Recurrent | Convnet):
            raise TypeError(f"the schema lets no {member.kind} into joint fusion")
        return build_tower(member, reduced=self.spec.joint.reduced)

    def _prepared(self, posts: Sequence[Post], unlabelled: Sequence[Post]) -> dict[str, Readings]:
        """Prepare the towers; return what they read of posts, but for those that read nothing, which are dropped."""
        towers = {name: self._tower(name) for name in self.spec.members}
        found = {}
        for name, tower in towers.items():
            tower.prepare([*posts, *unlabelled] if self._consistency else posts)
            found[name] = tower.read(posts)
        _warn(found)
        readings = {name: each for name, each in found.items() if each.seen.any()}
        self._towers = {name: towers[name] for name in readings}
        return readings

    def _built(self, readings: dict[str, Readings]) -> JointNet:
        """Return a net that is ready to learn."""
        layers, widths = [], []
        wants_positions = self.spec.joint.interaction == "cross_attention"
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            for name, tower in self._towers.items():
                lower, width = tower.build(readings[name])
                layers.append(lower)
                widths.append(Widths(width, position_width(lower, readings[name].inputs) if wants_positions else None))
            return JointNet(layers, widths, self.spec.joint, len(self._trained))

    def _read(self, posts: Sequence[Post]) -> dict[str, Readings]:
        found = {name: tower.read(posts) for name, tower in self._towers.items()}
        nothing = np.zeros(len(posts), dtype=np.bool_)
        return {
            name: replace(each, seen=nothing, faults={}) if name in self._silenced else each
            for name, each in found.items()
        }

    def _read_together(self, posts: Sequence[Post]) -> Readings:
        """Return what any member can read of posts."""
        readings = self._read(posts)
        seen = _seen(readings, len(posts))
        return Readings(_side_by_side(readings, seen), _anyone(seen), {})

    def _held_out(self, posts: Sequence[Post]) -> Examples | None:
        """Return the validation posts that can be read, of the classes that there are training posts of."""
        trained = {self.classes_[k] for k in self._trained}
        known = [post for post in posts if post.label in trained]
        readings = self._read(known)
        return self._examples(readings, known) if _seen(readings, len(known)).any() else None

    def _examples(self, readings: dict[str, Readings], posts: Sequence[Post]) -> Examples:
        names = [self.classes_[k] for k in self._trained]
        index = {name: column for column, name in enumerate(names)}
        seen = _seen(readings, len(posts))
        known = [posts[i] for i in np.flatnonzero(_anyone(seen)).tolist()]
        labels = torch.tensor([index[str(post.label)] for post in known], dtype=torch.int64)
        return Examples(_side_by_side(readings, seen), labels, [post.id for post in known], names)


def _seen(readings: dict[str, Readings], n_posts: int) -> NDArray[np.bool_]:
    """Return which member saw which post, (posts, members)."""
    return np.array([found.seen for found in readings.values()], dtype=np.bool_).reshape(len(readings), n_posts).T


def _anyone(seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.logical_or.reduce(seen, axis=1)
    return found


def _side_by_side(readings: dict[str, Readings], seen: NDArray[np.bool_]) -> SideBySide:
    """Return what was read of the posts that anyone saw."""
    return SideBySide([found.inputs for found in readings.values()], seen[_anyone(seen)])


def _warn(readings: dict[str, Readings]) -> None:
    for name, found in readings.items():
        if found.faults:
            first = found.faults[min(found.faults)]
            log.warning("%s: %d images cannot be read and count as missing: %s", name, len(found.faults), first)
