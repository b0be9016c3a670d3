"""A small convolutional net for small images, trained from scratch."""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from siaga.errors import ImageError
from siaga.features.images import pixels
from siaga.files import write_text
from siaga.models.classifier import Answer, Prior, Probabilities, Progress, class_indices, silent
from siaga.models.modules import load_module, save_module
from siaga.models.training import Examples, Schedule, logits, train
from siaga.post import Post
from siaga.schema import Convnet

log = logging.getLogger(__name__)


class ConvnetClassifier:
    """Reads the image of a post; a post whose image is missing or broken gets the class frequencies."""

    def __init__(self, spec: Convnet, *, seed: int = 0) -> None:
        self.spec = spec
        self.seed = seed
        self._net: _Net | None = None

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
        images, seen, faults = self._read(posts)
        if faults:
            log.warning("%d images cannot be read and are left out: %s", len(faults), faults[min(faults)])
        self._trained = np.unique(labels[seen])
        if len(self._trained) < 2:
            log.warning("Fewer than two classes have a readable image: all get the class frequencies.")
            return self
        examples = self._examples(images, [posts[i] for i in np.flatnonzero(seen).tolist()])
        held_out = self._held_out(validation)
        self._net = self._build()
        train(self._net, examples, schedule=self._schedule(), validation=held_out, progress=progress)
        return self

    def answer(self, posts: Sequence[Post]) -> Answer:
        """Answer for each post; see the protocol."""
        images, seen, faults = self._read(posts)
        if self._net is None or not seen.any():
            return replace(self._prior.alone(len(posts)), faults=faults)
        rows = logits(self._net, images).double().softmax(1).numpy()
        return self._prior.complete(rows, self._trained, seen=seen, modality="image", faults=faults)

    def predict_proba(self, posts: Sequence[Post]) -> Probabilities:
        """Return the probabilities, (n, classes)."""
        return self.answer(posts).probabilities

    def save(self, folder: Path) -> None:
        """Write the frequencies and the net."""
        self._prior.save(folder, self.classes_)
        if self._net is not None:
            write_text(folder / "net.json", json.dumps({"trained": self._trained.tolist()}))
            save_module(folder / "net.safetensors", self._net)

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote."""
        self._prior, self.classes_ = Prior.load(folder)
        self._net = None
        if (folder / "net.safetensors").exists():
            trained = json.loads((folder / "net.json").read_text(encoding="utf-8"))["trained"]
            self._trained = np.array(trained, dtype=np.int64)
            self._net = self._build()
            load_module(folder / "net.safetensors", self._net)
        return self

    def _build(self) -> "_Net":
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            return _Net(self.spec.channels, dropout=self.spec.dropout, n_classes=len(self._trained))

    def _schedule(self) -> Schedule:
        return Schedule(
            epochs=self.spec.epochs,
            batch_size=self.spec.batch_size,
            learning_rate=self.spec.learning_rate,
            weight_decay=self.spec.weight_decay,
            patience=self.spec.patience,
            seed=self.seed,
            augment=shift_and_flip,
        )

    def _held_out(self, posts: Sequence[Post]) -> Examples | None:
        """Return the validation posts whose image can be read, of the classes that have training images."""
        trained = {self.classes_[k] for k in self._trained}
        known = [post for post in posts if post.label in trained]
        images, seen, _ = self._read(known)
        kept = [post for post, is_seen in zip(known, seen.tolist(), strict=True) if is_seen]
        return self._examples(images, kept) if kept else None

    def _examples(self, images: Tensor, posts: Sequence[Post]) -> Examples:
        index = {self.classes_[k]: column for column, k in enumerate(self._trained)}
        labels = torch.tensor([index[str(post.label)] for post in posts], dtype=torch.int64)
        return Examples(images, labels, [post.id for post in posts])

    def _read(self, posts: Sequence[Post]) -> tuple[Tensor, NDArray[np.bool_], dict[int, str]]:
        """Return the images that can be read, (seen, 3, side, side) uint8, which those are, and what ails others."""
        side = self.spec.image_size
        read: list[NDArray[np.uint8]] = []
        seen = np.zeros(len(posts), dtype=np.bool_)
        faults: dict[int, str] = {}
        for i, post in enumerate(posts):
            if post.image is None:
                continue
            try:
                read.append(pixels(post.image, side))
                seen[i] = True
            except ImageError as error:
                faults[i] = str(error)
        stacked = np.stack(read) if read else np.zeros((0, side, side, 3), dtype=np.uint8)
        return torch.from_numpy(stacked).permute(0, 3, 1, 2), seen, faults


def shift_and_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return images (n, 3, side, side), half of them mirrored, each shifted by up to an eighth; edges are repeated."""
    n, _, _, side = images.shape
    reach = side // 8
    by = torch.randint(-reach, reach + 1, (2, n, 1), generator=generator)
    places = (torch.arange(side) + by).clamp(0, side - 1)  # (2, n, side): the row, and the column, that each takes.
    mirrored = torch.rand(n, 1, generator=generator) < 0.5
    rows, columns = places[0], torch.where(mirrored, places[1].flip(1), places[1])
    every = torch.arange(n)
    taken = images.permute(0, 2, 3, 1)[every[:, None, None], rows[:, :, None], columns[:, None, :]]
    return taken.permute(0, 3, 1, 2)


class _Net(nn.Module):
    """Blocks of convolution, pooling, batch normalisation and ReLU; the mean over positions; one linear layer.

    Takes uint8 pixels. Pooling comes before the two cheap steps, which then see a quarter of the positions.
    """

    def __init__(self, channels: Sequence[int], *, dropout: float, n_classes: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for before, after in zip((3, *channels), channels, strict=False):
            convolution = nn.Conv2d(before, after, 3, padding=1, bias=False)
            blocks += [convolution, nn.MaxPool2d(2, ceil_mode=True), nn.BatchNorm2d(after), nn.ReLU()]
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels[-1], n_classes)]
        self.layers = nn.Sequential(*blocks, *head)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # Which torch's own types lack.

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (n, classes) of images (n, 3, side, side)."""
        scaled = images.contiguous(memory_format=torch.channels_last).float().sub_(127.5).div_(64.0)
        found: Tensor = self.layers(scaled)
        return found
