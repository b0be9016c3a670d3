"""Optimizers and their learning rates: which parameter learns how fast, and when."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, assert_never, runtime_checkable

import torch
from torch import nn

from siaga.schema.training import Training

_FLOOR = 0.04  # Where a warm-up begins, as a share of the highest learning rate.


@runtime_checkable
class Layered(Protocol):
    """A net that names its layers, from the lowest to the head, for freezing and for rates by layer."""

    def layers_upwards(self) -> Sequence[nn.Module]:
        """Return all modules with parameters, each once; the last one is the head."""
        ...


def build_optimizer(module: nn.Module, settings: Training) -> torch.optim.Optimizer:
    """Return the optimizer; each of its groups has a `share` of the learning rate.

    A layer's share is `layer_decay` times that of the layer above it (J. Howard and S. Ruder, 2018); parameters that
    stand in no layer go with the lowest. Biases, norms and other vectors are not decayed. The steps are fused: a large
    table of embeddings is read and written once in a step, not five times.
    """
    groups = _groups(module, settings)
    rate, betas = 1.0, (settings.momentum, settings.squared_momentum)  # The rate is set before every step.
    match settings.optimizer:
        case "sgd":
            return torch.optim.SGD(
                groups, lr=rate, momentum=settings.momentum, nesterov=settings.momentum > 0, fused=True
            )
        case "adam":
            return torch.optim.Adam(groups, lr=rate, betas=betas, eps=settings.eps, fused=True)
        case "adamw":
            return torch.optim.AdamW(groups, lr=rate, betas=betas, eps=settings.eps, fused=True)
        case "rmsprop":
            smoothing = settings.squared_momentum
            return torch.optim.RMSprop(groups, lr=rate, alpha=smoothing, eps=settings.eps, momentum=settings.momentum)
        case _:
            assert_never(settings.optimizer)


def freeze(module: nn.Module, *, below_head: bool) -> None:
    """Let all layers learn, or only the head; a frozen layer keeps its batch statistics as well."""
    for layer in _layers(module)[:-1]:
        layer.train(mode=not below_head)
    for parameters in _parameters_downwards(module)[1:]:
        for each in parameters:
            each.requires_grad_(not below_head)


@dataclass(frozen=True)
class Rates:
    """The share of the highest learning rate at each step of the optimizer, of `steps` in an epoch."""

    settings: Training
    steps: int

    def share(self, step: int) -> float:
        """Return the share at a step, from 0; the frozen epochs have a schedule of their own before the others."""
        frozen = self.settings.epochs_frozen * self.steps
        whole = self.settings.epochs * self.steps
        return self._share(step, frozen) if step < frozen else self._share(step - frozen, whole - frozen)

    def _share(self, step: int, steps: int) -> float:
        rise = max(1, round(self.settings.warmup * steps))
        fall = (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise))) / 2
        match self.settings.schedule:
            case "one_cycle":  # L. Smith (2018), with the cosine annealing that became usual.
                return fall if step >= rise else _FLOOR + (1 - _FLOOR) * (1 - math.cos(math.pi * (step + 1) / rise)) / 2
            case "cosine":  # I. Loshchilov and F. Hutter (2017), after a straight warm-up.
                return fall if step >= rise else (step + 1) / rise
            case "plateau" | "constant":
                return 1.0
            case _:
                assert_never(self.settings.schedule)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of the top layer; those below take their share."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]


def _layers(module: nn.Module) -> Sequence[nn.Module]:
    return module.layers_upwards() if isinstance(module, Layered) else [module]


def _parameters_downwards(module: nn.Module) -> list[list[nn.Parameter]]:
    """Return all parameters of a net, each once, by layer from the head down."""
    taken: set[nn.Parameter] = set()
    found: list[list[nn.Parameter]] = []
    for layer in reversed(_layers(module)):
        found.append([each for each in layer.parameters() if each not in taken])
        taken.update(found[-1])
    found[-1] += [each for each in module.parameters() if each not in taken]
    return found


def _groups(module: nn.Module, settings: Training) -> list[dict[str, object]]:
    groups: list[dict[str, object]] = []
    for depth, parameters in enumerate(_parameters_downwards(module)):
        matrices = [each for each in parameters if each.ndim > 1]
        vectors = [each for each in parameters if each.ndim <= 1]
        for chosen, decay in ((matrices, settings.weight_decay), (vectors, 0.0)):
            if chosen:
                groups.append({"params": chosen, "weight_decay": decay, "share": settings.layer_decay**depth})
    return groups
