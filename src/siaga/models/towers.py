"""Towers: what a net reads of a post, and the layers that make features of it; `build_tower` is the door."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, assert_never, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from siaga.models.feed import Inputs, Rows
from siaga.post import Modality, Post
from siaga.schema.nets import Convnet, Encoder, Recurrent
from siaga.schema.texts import Linear


@dataclass(frozen=True)
class Readings:
    """What can be read of n posts.

    `inputs` has a row for each post that was seen; `seen` is (n,); `faults[i]` says why post i, which has something to
    read, could not be read.
    """

    inputs: Inputs
    seen: NDArray[np.bool_]
    faults: dict[int, str]


class Tower(Protocol):
    """One modality of a net: how posts become inputs, and which layers make features (n, width) of them.

    It is prepared on training posts or loaded, then it reads; the layers are held by the net.
    """

    modality: Modality

    def prepare(self, posts: Sequence[Post]) -> None:
        """Find out what reading needs to know: a side, a vocabulary. Raises DataError for unusable weights."""
        ...

    def read(self, posts: Sequence[Post]) -> Readings:
        """Return what can be read of posts."""
        ...

    def build(self, readings: Readings) -> tuple[nn.Module, int]:
        """Return layers that are ready to learn, pretrained or of torch's random state, and the features they give."""
        ...

    def rebuild(self) -> tuple[nn.Module, int]:
        """Return the same layers, whose weights are still to be filled, and the features they give."""
        ...

    def save(self, folder: Path, layers: nn.Module) -> None:
        """Write what reading and rebuilding need, without the weights, into the existing `folder`."""
        ...

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        ...


@runtime_checkable
class Positioned(Protocol):
    """Layers that also give what stands at each position of a post: its tokens, or patches of its picture."""

    def with_positions(self, inputs: Rows) -> tuple[Tensor, Tensor, Tensor]:
        """Return features (n, width), those of each position (n, positions, another width), and which are there.

        The last is (n, positions), boolean.
        """
        ...


class Headed(nn.Module):
    """Layers that make features, and a head that makes logits of them."""

    def __init__(self, lower: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.lower = lower
        self.head = head

    def forward(self, inputs: Rows) -> Tensor:
        """Return logits (n, classes)."""
        found: Tensor = self.head(self.lower(inputs))
        return found

    def layers_upwards(self) -> list[nn.Module]:
        """Return the lower layers that have parameters, and the head."""
        lower = self.lower.layers_upwards()  # type: ignore[operator]  # Every tower's layers name their own.
        return [*lower, self.head]


def build_tower(spec: Convnet | Encoder | Linear | Recurrent, *, reduced: int = 0) -> Tower:
    """Return the tower of a net; what it needs is imported here, not before.

    That of a frozen encoder or of TF-IDF, which is `reduced` to so many columns, has nothing to learn by the loop.
    """
    match spec:
        case Linear():
            from siaga.models.fixed_towers import TfIdfTower

            return TfIdfTower(spec, reduced=reduced)
        case Encoder(frozen=True):
            from siaga.models.fixed_towers import EmbeddingTower

            return EmbeddingTower(spec)
        case Convnet():
            from siaga.models.convolutions import ConvolutionTower

            return ConvolutionTower(spec)
        case Encoder(modality="image"):
            from siaga.models.backbone import ImageTower

            return ImageTower(spec)
        case Encoder():
            from siaga.models.text_backbone import TextTower

            return TextTower(spec)
        case Recurrent():
            from siaga.models.recurrent import RecurrentTower

            return RecurrentTower(spec)
        case _:
            assert_never(spec)
