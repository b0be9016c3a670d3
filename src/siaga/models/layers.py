"""The layers of nets: what specs describe, as torch modules that give logits."""

import itertools
from collections.abc import Sequence
from typing import assert_never

import torch
from torch import Tensor, nn

from siaga.schema.nets import Activation, Block, Plain, Residual

_TINY = 1e-6  # The least distance of two thresholds.


def build_layers(spec: Plain | Residual, *, channels: int, side: int, output: nn.Module) -> nn.Sequential:
    """Return the layers over pictures (n, channels, side, side); `output` is made for as many features as they give.

    The first layers are the lowest; the last one is the head.
    """
    match spec:
        case Plain():
            return nn.Sequential(*_plain(spec, channels, side), output)
        case Residual():
            return nn.Sequential(*_residual(spec, channels), output)
        case _:
            assert_never(spec)


def features_of(spec: Plain | Residual, *, channels: int, side: int) -> int:
    """Return how many features the layers give to the last one."""
    if isinstance(spec, Residual):
        return spec.channels[-1]
    if spec.dense:
        return spec.dense[-1]
    for block in spec.blocks:
        channels, side = block.channels, side // 2 if block.pool else side
    return channels * side * side


def build_output(width: int, n_classes: int, *, ordinal: bool) -> nn.Module:
    """Return the last layer: from features (n, width) to logits (n, classes)."""
    return Ordinal(width, n_classes) if ordinal else nn.Linear(width, n_classes)


def perceptron(
    width: int, hidden: Sequence[int], *, activation: Activation, dropout: float, output: nn.Module
) -> nn.Sequential:
    """Return dense layers with an activation and dropout each, and `output` after them."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise((width, *hidden)):
        layers += [nn.Linear(before, after), build_activation(activation), nn.Dropout(dropout)]
    return nn.Sequential(*layers, output)


def build_activation(name: Activation) -> nn.Module:
    """Return an activation by its name."""
    match name:
        case "relu":
            return nn.ReLU()
        case "gelu":
            return nn.GELU()
        case "silu":
            return nn.SiLU()
        case "tanh":
            return nn.Tanh()
        case _:
            assert_never(name)


class Ordinal(nn.Module):
    """The cumulative link model (P. McCullagh, 1980): one score, and a threshold between each class and the next.

    P(class ≤ k) = σ(threshold k - score), so a post is never likely at both ends and unlikely between them. Gives log
    probabilities, (n, classes), which are logits that sum to one already.
    """

    def __init__(self, width: int, n_classes: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)
        self.lowest = nn.Parameter(torch.tensor(-(n_classes - 2) / 2))
        self.gaps = nn.Parameter(torch.full((max(0, n_classes - 2),), 0.5413))  # Softplus of it is 1.

    def forward(self, features: Tensor) -> Tensor:
        """Return log probabilities."""
        score, gaps = self.score(features).float(), nn.functional.softplus(self.gaps) + _TINY
        thresholds = torch.cat([self.lowest[None], gaps]).cumsum(0)
        # σ(b) - σ(a) = σ(b) σ(-a) (1 - exp(a - b)), whose logarithm is exact and has a gradient however far the score.
        not_above = nn.functional.logsigmoid(nn.functional.pad(thresholds - score, (0, 1), value=torch.inf))
        not_below = nn.functional.logsigmoid(nn.functional.pad(score - thresholds, (1, 0), value=torch.inf))
        between = nn.functional.pad(torch.log(-torch.expm1(-gaps)), (1, 1))
        return not_above + not_below + between


class Shortcut(nn.Module):
    """Two convolutions around which their input goes as well (K. He et al., 2016); at first they add nothing."""

    def __init__(self, channels: int, activation: Activation) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            *_convolution(channels, channels, activation), *_convolution(channels, channels, activation)[:-1]
        )
        self.activation = build_activation(activation)
        nn.init.zeros_(self.inner[-1].weight)  # type: ignore[arg-type]  # The weight of the last norm.

    def forward(self, inputs: Tensor) -> Tensor:
        """Return inputs and what the convolutions add."""
        found: Tensor = self.activation(inputs + self.inner(inputs))
        return found


def _plain(spec: Plain, channels: int, side: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for block in spec.blocks:
        layers.append(nn.Sequential(*_block(block, channels, spec)))
        channels, side = block.channels, side // 2 if block.pool else side
    layers.append(nn.Flatten())
    for before, after in itertools.pairwise((channels * side * side, *spec.dense)):
        dense = [nn.Linear(before, after), build_activation(spec.activation), nn.Dropout(spec.dropout)]
        layers.append(nn.Sequential(*dense))
    return layers


def _block(block: Block, channels: int, spec: Plain) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Conv2d(channels, block.channels, block.kernel, padding=block.kernel // 2)]
    layers += [nn.BatchNorm2d(block.channels)] if spec.norm else []
    layers.append(build_activation(spec.activation))
    layers += [nn.MaxPool2d(2)] if block.pool else []
    return [*layers, nn.Dropout(block.dropout)]


def _residual(spec: Residual, channels: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise((channels, *spec.channels)):
        convolution, norm, activation = _convolution(before, after, spec.activation)
        # Pooling comes before the two cheap steps, which then see a quarter of the positions.
        stage = [convolution, nn.MaxPool2d(2, ceil_mode=True), norm, activation]
        layers.append(nn.Sequential(*stage, *(Shortcut(after, spec.activation) for _ in range(spec.blocks))))
    layers.append(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(spec.dropout)))
    return layers


def _convolution(before: int, after: int, activation: Activation) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, 3, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(after), build_activation(activation)]
