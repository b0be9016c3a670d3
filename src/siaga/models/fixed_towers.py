"""Towers that do not learn: the embeddings of a frozen encoder, and TF-IDF reduced to a few columns."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from siaga.errors import BundleError
from siaga.features.embeddings import Embeddings
from siaga.features.fields import FieldsTfIdf
from siaga.features.weights import copy_weights, find_weights
from siaga.files import write_text
from siaga.models.blocks import Block
from siaga.models.classifier import silent
from siaga.models.facts import read_width
from siaga.models.feed import single
from siaga.models.standardised import Standardised
from siaga.models.towers import Readings
from siaga.post import Modality, Post
from siaga.schema import Encoder, Linear


class EmbeddingTower:
    """Reads embeddings, from the cache where it has them; see `siaga.models.towers.Tower`."""

    def __init__(self, spec: Encoder) -> None:
        self.modality: Modality = spec.modality
        self._spec = spec
        self._embeddings: Embeddings | None = None
        self._width = 0

    def prepare(self, posts: Sequence[Post]) -> None:  # noqa: ARG002 - the encoder was trained on others.
        """Find the weights. Raises DataError where there are none."""
        self._embeddings = Embeddings(self._spec, find_weights(self._spec.weights, download=self._spec.download))

    def read(self, posts: Sequence[Post]) -> Readings:
        """Return the embeddings of the posts that can be read."""
        found = self._opened.embed(posts, progress=silent)
        return Readings(torch.from_numpy(found.rows), found.seen, dict(found.faults))

    def build(self, readings: Readings) -> tuple[nn.Module, int]:
        """Return a layer that standardises each column by these rows."""
        rows = single(readings.inputs[torch.arange(len(readings.inputs))])
        layers = Standardised(rows.shape[1])
        layers.learn_scale(rows)
        return layers, rows.shape[1]

    def rebuild(self) -> tuple[nn.Module, int]:
        """Return the same layer, whose numbers are still to be filled."""
        return Standardised(self._width), self._width

    def save(self, folder: Path, layers: nn.Module) -> None:
        """Write a copy of the encoder, so that the folder is complete elsewhere, and its width."""
        copy_weights(self._opened.folder, folder / "weights")
        write_text(folder / "width.json", json.dumps(len(layers.mean)))  # type: ignore[arg-type]  # Its buffer.

    def load(self, folder: Path) -> None:
        """Read what `save` wrote; the spec's own weights are not looked for."""
        path = folder / "width.json"
        try:
            self._width = read_width(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise BundleError(f"{path} does not tell a width: {error}. Train or copy it again.") from None
        self._embeddings = Embeddings(self._spec, find_weights(str(folder / "weights")))

    @property
    def _opened(self) -> Embeddings:
        if self._embeddings is None:
            raise RuntimeError("a tower reads after it was prepared or loaded")
        return self._embeddings


class TfIdfTower:
    """Reads TF-IDF of the fields of posts, reduced to `reduced` columns; see `siaga.models.towers.Tower`."""

    modality: Modality = "text"

    def __init__(self, spec: Linear, *, reduced: int) -> None:
        self._tfidf = FieldsTfIdf(spec)
        self._block = Block(reduced=reduced)

    def prepare(self, posts: Sequence[Post]) -> None:
        """Learn the vocabularies, and which directions to keep."""
        rows = self._tfidf.fit(posts).rows
        if rows.shape[0]:
            self._block.fit(rows)

    def read(self, posts: Sequence[Post]) -> Readings:
        """Return the reduced rows of the posts that have something to read, their values about one in size."""
        found = self._tfidf.read(posts)
        if not found.rows.shape[0]:
            return Readings(torch.zeros(0, 1), found.seen, {})
        rows = np.asarray(self._block.transform(found.rows), dtype=np.float32) * np.sqrt(self._block.width)
        return Readings(torch.from_numpy(rows.astype(np.float32)), found.seen, {})

    def build(self, readings: Readings) -> tuple[nn.Module, int]:  # noqa: ARG002 - nothing depends on them.
        """Return a layer that changes nothing."""
        return self.rebuild()

    def rebuild(self) -> tuple[nn.Module, int]:
        """Return a layer that changes nothing."""
        return Standardised(self._block.width), self._block.width

    def save(self, folder: Path, layers: nn.Module) -> None:  # noqa: ARG002 - part of the protocol.
        """Write the vocabularies and the directions."""
        self._tfidf.save(folder)
        self._block.save(folder / "block.npz")

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        self._tfidf.load(folder)
        self._block.load(folder / "block.npz")
