"""A net of one modality, trained by the one loop: a tower, from scratch or pretrained, and a head."""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import nn

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
from siaga.models.facts import read_indices
from siaga.models.layers import build_output, perceptron
from siaga.models.modules import load_module, save_module
from siaga.models.towers import Headed, Readings, build_tower
from siaga.models.training import train
from siaga.models.unlabelled import read_unlabelled
from siaga.post import Post
from siaga.schema import Consistency
from siaga.schema.nets import Convnet, Encoder, Recurrent

log = logging.getLogger(__name__)


class NetClassifier:
    """Reads the text or the image of a post; a post whose part is missing or broken gets the class frequencies."""

    def __init__(
        self, spec: Convnet | Encoder | Recurrent, *, seed: int = 0, consistency: Consistency | None = None
    ) -> None:
        self.spec = spec
        self.seed = seed
        self._consistency = consistency
        self._tower = build_tower(spec)
        self._net: Headed | None = None
        self._can_read = False

    def fit(
        self,
        posts: Sequence[Post],
        *,
        validation: Sequence[Post] = (),
        unlabelled: Sequence[Post] = (),
        classes: Sequence[str] | None = None,
        progress: Progress = silent,
    ) -> Self:
        """Learn from the posts that can be read; stops early where there are validation posts.

        The unlabelled ones are learned from where the classifier was told how.
        """
        self.classes_, labels = class_indices(posts, classes)
        self._prior = Prior.of(labels, len(self.classes_))
        self._net = None
        self._tower.prepare([*posts, *unlabelled] if self._consistency else posts)
        readings = self._tower.read(posts)
        if readings.faults:
            first = readings.faults[min(readings.faults)]
            log.warning("%d images cannot be read and are left out: %s", len(readings.faults), first)
        self._trained = np.unique(labels[readings.seen])
        if len(self._trained) < 2:
            what = self._tower.modality
            log.warning("Fewer than two classes have a readable %s: all get the class frequencies.", what)
            return self
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self._net = self._headed(*self._tower.build(readings))
        train(
            self._net,
            self._examples(readings, posts),
            settings=self.spec.training,
            seed=self.seed,
            validation=self._held_out(validation),
            unlabelled=read_unlabelled(unlabelled, self._consistency, read=self._tower.read),
            progress=progress,
        )
        return self

    def answer(self, posts: Sequence[Post]) -> Answer:
        """Answer for each post; see the protocol."""
        if self._net is None:
            return self._prior.alone(len(posts))
        readings, modality = self._tower.read(posts), self._tower.modality
        if not readings.seen.any():
            return replace(self._prior.alone(len(posts)), faults=readings.faults)
        rows = answers(self._net, readings.inputs).double().softmax(1).numpy()
        seen, faults = readings.seen, readings.faults
        return self._prior.complete(rows, self._trained, seen=seen, modality=modality, faults=faults)

    def predict_proba(self, posts: Sequence[Post]) -> Probabilities:
        """Return the probabilities, (n, classes)."""
        return self.answer(posts).probabilities

    def features(self, posts: Sequence[Post]) -> dict[str, Features]:
        """Return what the head is given; see the protocol."""
        if self._net is None:
            return {}
        readings = self._tower.read(posts)
        if not readings.seen.any():
            return {}
        return {"": Features(answers(self._net.lower, readings.inputs).numpy(), readings.seen)}

    def save(self, folder: Path) -> None:
        """Write the frequencies, what reading needs, and the net."""
        self._prior.save(folder, self.classes_)
        if self._net is None:
            return
        write_text(folder / "net.json", json.dumps({"trained": self._trained.tolist()}))
        (folder / "tower").mkdir()
        self._tower.save(folder / "tower", self._net.lower)
        save_module(folder / "net.safetensors", self._net)

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote."""
        self._prior, self.classes_ = Prior.load(folder)
        self._net = None
        path = folder / "net.json"
        if path.exists():
            try:
                facts = json.loads(path.read_text(encoding="utf-8"))
                self._trained = read_indices(facts["trained"], below=len(self.classes_))
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise BundleError(f"{path} does not describe a net: {error}. Train or copy it again.") from None
            self._tower.load(folder / "tower")
            with torch.random.fork_rng():
                self._net = self._headed(*self._tower.rebuild())
            load_module(folder / "net.safetensors", self._net)
        return self

    def _headed(self, lower: nn.Module, width: int) -> Headed:
        spec, n_classes = self.spec, len(self._trained)
        if not isinstance(spec, Encoder):
            return Headed(lower, build_output(width, n_classes, ordinal=spec.ordinal))
        hidden = spec.hidden if spec.head == "mlp" else ()
        output = build_output(hidden[-1] if hidden else width, n_classes, ordinal=spec.ordinal)
        return Headed(lower, perceptron(width, hidden, activation=spec.activation, dropout=spec.dropout, output=output))

    def _held_out(self, posts: Sequence[Post]) -> Examples | None:
        """Return the validation posts that can be read, of the classes that there are training posts of."""
        trained = {self.classes_[k] for k in self._trained}
        known = [post for post in posts if post.label in trained]
        readings = self._tower.read(known)
        return self._examples(readings, known) if readings.seen.any() else None

    def _examples(self, readings: Readings, posts: Sequence[Post]) -> Examples:
        names = [self.classes_[k] for k in self._trained]
        index = {name: column for column, name in enumerate(names)}
        seen = [posts[i] for i in np.flatnonzero(readings.seen).tolist()]
        labels = torch.tensor([index[str(post.label)] for post in seen], dtype=torch.int64)
        return Examples(readings.inputs, labels, [post.id for post in seen], names)
