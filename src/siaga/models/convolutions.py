"""The tower of a convnet: pictures of one side under layers that are trained from scratch."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from siaga.models.feed import single
from siaga.models.layers import build_layers, features_of
from siaga.models.pictures import read_pictures
from siaga.models.towers import Readings
from siaga.post import Modality, Post
from siaga.schema.nets import Convnet

_SCALED_BY, _AT_ONCE = 4096, 64  # Pictures that mean and deviation are taken from, and of these at once.


class ConvolutionTower:
    """Reads pictures; nothing needs to be known beforehand. See `siaga.models.towers.Tower`."""

    modality: Modality = "image"

    def __init__(self, spec: Convnet) -> None:
        self._spec = spec

    def prepare(self, posts: Sequence[Post]) -> None:
        """Do nothing: the spec says it all."""

    def read(self, posts: Sequence[Post]) -> Readings:
        """Return the pictures that can be read."""
        return read_pictures(posts, side=self._spec.image_size, grey=self._spec.grey)

    def build(self, readings: Readings) -> tuple[nn.Module, int]:
        """Return layers with random weights, which know the mean and deviation of the pictures."""
        layers, width = self.rebuild()
        layers.learn_scale(readings)
        return layers, width

    def rebuild(self) -> tuple["Scaled", int]:
        """Return layers with random weights."""
        spec, channels = self._spec, 1 if self._spec.grey else 3
        layers = build_layers(spec.net, channels=channels, side=spec.image_size, output=nn.Identity())
        return Scaled(layers, channels=channels), features_of(spec.net, channels=channels, side=spec.image_size)

    def save(self, folder: Path, layers: nn.Module) -> None:
        """Write nothing."""

    def load(self, folder: Path) -> None:
        """Read nothing."""


class Scaled(nn.Module):
    """Layers over pictures that are standardised by the mean and deviation of each channel."""

    def __init__(self, layers: nn.Sequential, *, channels: int) -> None:
        super().__init__()
        self.layers = layers
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("deviation", torch.ones(1, channels, 1, 1))

    def learn_scale(self, pictures: Readings) -> None:
        """Take mean and deviation from some of the pictures, evenly spread."""
        n = len(pictures.inputs)
        rows = torch.linspace(0, n - 1, min(n, _SCALED_BY), dtype=torch.float64).long()
        sums, squares, count = torch.zeros_like(self.mean).double(), torch.zeros_like(self.mean).double(), 0
        for part in torch.split(rows, _AT_ONCE):
            plain = single(pictures.inputs[part]).double() / 255
            sums += plain.sum(dim=(0, 2, 3), keepdim=True)
            squares += plain.square().sum(dim=(0, 2, 3), keepdim=True)
            count += plain.shape[0] * plain.shape[2] * plain.shape[3]
        mean = sums / count
        deviation = (squares / count - mean.square()).clamp(min=0).sqrt()
        self.mean, self.deviation = mean.float(), deviation.float().clamp(min=0.02)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return features (n, width) of pictures (n, channels, side, side), uint8 or float in 0…1."""
        plain = pictures.float() / 255 if pictures.dtype == torch.uint8 else pictures
        scaled = ((plain - self.mean) / self.deviation).contiguous(memory_format=torch.channels_last)
        found: Tensor = self.layers(scaled)
        return found

    def layers_upwards(self) -> list[nn.Module]:
        """Return the layers that have parameters, from the lowest up."""
        return [layer for layer in self.layers if any(True for _ in layer.parameters())]
