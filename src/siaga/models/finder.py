"""The learning-rate finder (L. Smith 2017): the rate rises from step to step, and the loss says how far is too far."""

import copy
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import chain, count

import torch
from torch import Tensor, nn

from siaga.models.feed import Batch, Feed
from siaga.models.optimizers import build_optimizer, set_rate
from siaga.schema.training import Training

DEFAULT = 1e-3
LOWEST, HIGHEST, STEPS = 1e-6, 1.0, 100
_SMOOTHING, _TOO_FAR, _FLAT = 0.9, 4.0, 0.02
_SETTLED, _SPAN = 10, 5  # Steps until the smoothed loss is steady, and steps over which its fall is measured.
_BELOW_LOWEST = 10.0  # The rate of the lowest loss is on the brink: so many times less is safe.


@dataclass(frozen=True)
class Finding:
    """The curve of smoothed losses by rate, the rate that was chosen, and why."""

    rates: list[float]
    losses: list[float]
    learning_rate: float
    reason: str

    def event(self) -> dict[str, object]:
        """Return what there is to tell."""
        return {"step": "find", **asdict(self)}


def find_learning_rate(
    module: nn.Module, feed: Feed, settings: Training, loss_of: Callable[[nn.Module, Batch], Tensor]
) -> Finding:
    """Return a rate for `module`, which stays as it is, as does torch's random state; a copy of it learns.

    The rate is where the smoothed loss falls most steeply, and never above a tenth of that of the lowest loss. Where
    the curve is flat, or ends at once, there is nothing to be read, and the default is taken.
    """
    state = torch.get_rng_state()
    try:
        rates, losses = _curve(copy.deepcopy(module).train(), feed, settings, loss_of)
    finally:
        torch.set_rng_state(state)
    return choose_rate(rates, losses)


def choose_rate(rates: list[float], losses: list[float]) -> Finding:
    """Return what a curve says; `losses` are smoothed."""
    if len(losses) <= _SETTLED + _SPAN:
        return Finding(rates, losses, DEFAULT, "The losses break out at once: the default is taken.")
    lowest = min(range(_SETTLED, len(losses)), key=losses.__getitem__)
    if losses[_SETTLED] - losses[lowest] <= _FLAT * abs(losses[_SETTLED]):
        return Finding(rates, losses, DEFAULT, "The curve is flat: the default is taken.")
    begins = range(_SETTLED, max(_SETTLED, lowest - _SPAN) + 1)
    steepest = rates[min(begins, key=lambda i: losses[i + _SPAN] - losses[i]) + _SPAN // 2]
    rate = min(steepest, rates[lowest] / _BELOW_LOWEST)
    why = "a tenth of the rate of the lowest loss" if rate < steepest else "where the loss falls most steeply"
    return Finding(rates, losses, float(f"{rate:.2g}"), f"It is {why}.")


def _curve(
    module: nn.Module, feed: Feed, settings: Training, loss_of: Callable[[nn.Module, Batch], Tensor]
) -> tuple[list[float], list[float]]:
    optimizer = build_optimizer(module, settings)
    batches = chain.from_iterable(feed.batches(-epoch) for epoch in count(1))
    rates: list[float] = []
    losses: list[float] = []
    smoothed = 0.0
    for step, batch in zip(range(STEPS), batches, strict=False):
        rate = LOWEST * (HIGHEST / LOWEST) ** (step / (STEPS - 1))
        set_rate(optimizer, rate)
        loss = loss_of(module, batch)
        if not math.isfinite(value := float(loss.detach())):
            break
        smoothed = _SMOOTHING * smoothed + (1 - _SMOOTHING) * value
        rates.append(rate)
        losses.append(smoothed / (1 - _SMOOTHING ** (step + 1)))
        if losses[-1] > _TOO_FAR * min(losses):
            break
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return rates, losses
