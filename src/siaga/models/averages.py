"""The moving average of a net's weights, which often answers better than the weights of any one step."""

import copy

import torch
from torch import nn


class Average:
    """An exponential moving average of weights and batch statistics (B. Polyak and A. Juditsky, 1992)."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(module).requires_grad_(requires_grad=False)
        self._decay = decay

    @torch.no_grad()
    def follow(self, module: nn.Module, *, step: int) -> None:
        """Move a little towards the net; far at the first steps, where there is nothing to keep yet."""
        share = 1 - min(self._decay, (1 + step) / (10 + step))
        for old, new in zip(self.module.state_dict().values(), module.state_dict().values(), strict=True):
            if old.is_floating_point():
                old.lerp_(new, share)
            else:
                old.copy_(new)
