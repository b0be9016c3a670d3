"""Nets over pictures, trained by the one loop: a convnet from scratch, or a pretrained encoder that is fine-tuned."""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self, assert_never

import numpy as np
import torch
from torch import Tensor, nn

from siaga.features.encoders import image_side
from siaga.features.weights import find_weights
from siaga.files import write_text
from siaga.models.backbone import Tuned, load_backbone, rebuild_backbone, save_backbone
from siaga.models.classifier import Answer, Prior, Probabilities, Progress, class_indices, silent
from siaga.models.examples import Examples, logits
from siaga.models.layers import build_layers, build_output, features_of, perceptron
from siaga.models.modules import load_module, save_module
from siaga.models.pictures import Pictures, read_pictures
from siaga.models.training import train
from siaga.post import Post
from siaga.schema.nets import Convnet, Encoder

log = logging.getLogger(__name__)

_USUAL_SIDE = 224
_SCALED_BY, _AT_ONCE = 4096, 64  # Pictures that mean and deviation are taken from, and of these at once.


class NetClassifier:
    """Reads the image of a post; a post whose image is missing or broken gets the class frequencies."""

    def __init__(self, spec: Convnet | Encoder, *, seed: int = 0) -> None:
        self.spec = spec
        self.seed = seed
        self._net: nn.Module | None = None
        self._side = spec.image_size or _USUAL_SIDE  # An encoder may have a side of its own, known once it is found.

    def fit(
        self,
        posts: Sequence[Post],
        *,
        validation: Sequence[Post] = (),
        unlabelled: Sequence[Post] = (),  # noqa: ARG002 - part of the protocol.
        classes: Sequence[str] | None = None,
        progress: Progress = silent,
    ) -> Self:
        """Learn from the posts whose image can be read; stops early where there are validation posts."""
        self.classes_, labels = class_indices(posts, classes)
        self._prior = Prior.of(labels, len(self.classes_))
        self._net = None
        self._find_side()
        pictures = self._read(posts)
        if pictures.faults:
            first = pictures.faults[min(pictures.faults)]
            log.warning("%d images cannot be read and are left out: %s", len(pictures.faults), first)
        self._trained = np.unique(labels[pictures.seen])
        if len(self._trained) < 2:
            log.warning("Fewer than two classes have a readable image: all get the class frequencies.")
            return self
        self._net = self._build(pictures)
        train(
            self._net,
            self._examples(pictures, posts),
            settings=self.spec.training,
            seed=self.seed,
            validation=self._held_out(validation),
            progress=progress,
        )
        return self

    def answer(self, posts: Sequence[Post]) -> Answer:
        """Answer for each post; see the protocol."""
        pictures = self._read(posts)
        if self._net is None or not pictures.seen.any():
            return replace(self._prior.alone(len(posts)), faults=pictures.faults)
        rows = logits(self._net, pictures.inputs).double().softmax(1).numpy()
        return self._prior.complete(rows, self._trained, seen=pictures.seen, modality="image", faults=pictures.faults)

    def predict_proba(self, posts: Sequence[Post]) -> Probabilities:
        """Return the probabilities, (n, classes)."""
        return self.answer(posts).probabilities

    def save(self, folder: Path) -> None:
        """Write the frequencies and the net."""
        self._prior.save(folder, self.classes_)
        if self._net is None:
            return
        write_text(folder / "net.json", json.dumps({"trained": self._trained.tolist(), "side": self._side}))
        if isinstance(self._net, Tuned):
            save_backbone(self._net.backbone, folder / "backbone")
        save_module(folder / "net.safetensors", self._net)

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote."""
        self._prior, self.classes_ = Prior.load(folder)
        self._net = None
        if (folder / "net.safetensors").exists():
            facts = json.loads((folder / "net.json").read_text(encoding="utf-8"))
            self._trained, self._side = np.array(facts["trained"], dtype=np.int64), int(facts["side"])
            self._net = self._rebuild(folder / "backbone")
            load_module(folder / "net.safetensors", self._net)
        return self

    def _find_side(self) -> None:
        if isinstance(self.spec, Encoder):
            folder = find_weights(self.spec.weights, download=self.spec.download)
            self._side = image_side(folder, self.spec.image_size)

    def _build(self, pictures: Pictures) -> nn.Module:
        """Return the net as it is before it learns: of random weights, or pretrained with a random head."""
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            match self.spec:
                case Convnet():
                    net = _convnet(self.spec, len(self._trained))
                    net.learn_scale(pictures)
                    return net
                case Encoder():
                    folder = find_weights(self.spec.weights, download=self.spec.download)
                    backbone = load_backbone(folder)
                    return Tuned(backbone, _head(self.spec, backbone.width(self._side), len(self._trained)))
                case _:
                    assert_never(self.spec)

    def _rebuild(self, folder: Path) -> nn.Module:
        match self.spec:
            case Convnet():
                return _convnet(self.spec, len(self._trained))
            case Encoder():
                backbone = rebuild_backbone(folder)
                return Tuned(backbone, _head(self.spec, backbone.width(self._side), len(self._trained)))
            case _:
                assert_never(self.spec)

    def _held_out(self, posts: Sequence[Post]) -> Examples | None:
        """Return the validation posts whose image can be read, of the classes that have training images."""
        trained = {self.classes_[k] for k in self._trained}
        known = [post for post in posts if post.label in trained]
        pictures = self._read(known)
        return self._examples(pictures, known) if pictures.seen.any() else None

    def _examples(self, pictures: Pictures, posts: Sequence[Post]) -> Examples:
        names = [self.classes_[k] for k in self._trained]
        index = {name: column for column, name in enumerate(names)}
        seen = [posts[i] for i in np.flatnonzero(pictures.seen).tolist()]
        labels = torch.tensor([index[str(post.label)] for post in seen], dtype=torch.int64)
        return Examples(pictures.inputs, labels, [post.id for post in seen], names)

    def _read(self, posts: Sequence[Post]) -> Pictures:
        return read_pictures(posts, side=self._side, grey=self.spec.grey)


class Scaled(nn.Module):
    """Layers over pictures that are standardised by the mean and deviation of each channel."""

    def __init__(self, layers: nn.Sequential, *, channels: int) -> None:
        super().__init__()
        self.layers = layers
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("deviation", torch.ones(1, channels, 1, 1))

    def learn_scale(self, pictures: Pictures) -> None:
        """Take mean and deviation from some of the pictures, evenly spread."""
        n = len(pictures.inputs)
        rows = torch.linspace(0, n - 1, min(n, _SCALED_BY), dtype=torch.float64).long()
        sums, squares, count = torch.zeros_like(self.mean).double(), torch.zeros_like(self.mean).double(), 0
        for part in torch.split(rows, _AT_ONCE):
            plain = pictures.inputs[part].double() / 255
            sums += plain.sum(dim=(0, 2, 3), keepdim=True)
            squares += plain.square().sum(dim=(0, 2, 3), keepdim=True)
            count += plain.shape[0] * plain.shape[2] * plain.shape[3]
        mean = sums / count
        deviation = (squares / count - mean.square()).clamp(min=0).sqrt()
        self.mean, self.deviation = mean.float(), deviation.float().clamp(min=0.02)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits (n, classes) of pictures (n, channels, side, side), uint8 or float in 0…1."""
        plain = pictures.float() / 255 if pictures.dtype == torch.uint8 else pictures
        scaled = ((plain - self.mean) / self.deviation).contiguous(memory_format=torch.channels_last)
        found: Tensor = self.layers(scaled)
        return found

    def layers_upwards(self) -> list[nn.Module]:
        """Return the layers that have parameters, from the lowest to the head."""
        return [layer for layer in self.layers if any(True for _ in layer.parameters())]


def _convnet(spec: Convnet, n_classes: int) -> Scaled:
    channels = 1 if spec.grey else 3
    width = features_of(spec.net, channels=channels, side=spec.image_size)
    output = build_output(width, n_classes, ordinal=spec.ordinal)
    return Scaled(build_layers(spec.net, channels=channels, side=spec.image_size, output=output), channels=channels)


def _head(spec: Encoder, width: int, n_classes: int) -> nn.Module:
    hidden = spec.hidden if spec.head == "mlp" else ()
    output = build_output(hidden[-1] if hidden else width, n_classes, ordinal=spec.ordinal)
    return perceptron(width, hidden, activation=spec.activation, dropout=spec.dropout, output=output)
