"""A layer without anything to learn by gradient: columns, standardised."""

import torch
from torch import Tensor, nn


class Standardised(nn.Module):
    """Columns less their mean and over their deviation, which are 0 and 1 until they are learned."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def learn_scale(self, rows: Tensor, *, keep_small: bool = False) -> None:
        """Standardise by these rows, (n, width); a column that is constant in them is only centred.

        Columns that vary less than most do are made no larger than these where `keep_small` says so: the last
        directions of a reduced matrix are noise.
        """
        scale, mean = torch.std_mean(rows.double(), dim=0, correction=0)
        self.mean = mean.float()
        known = torch.where(scale > 1e-8 * (1 + mean.abs()), scale, 1.0)
        usual = scale.square().mean().sqrt()
        self.scale = (known.clamp(min=float(usual)) if keep_small else known).float()

    def forward(self, rows: Tensor) -> Tensor:
        """Return the columns, (n, width)."""
        return (rows - self.mean) / self.scale

    def layers_upwards(self) -> list[nn.Module]:
        """Return no layer: nothing here has parameters."""
        return []
