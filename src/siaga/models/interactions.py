"""Interactions: how the projected features of several towers meet, from one beside the other to attention."""

from collections.abc import Sequence
from itertools import combinations
from typing import assert_never

import torch
from torch import Tensor, nn

from siaga.schema.fusions import JointFusion

Places = Sequence[tuple[Tensor, Tensor]]


def build_interaction(spec: JointFusion, *, members: int) -> tuple[nn.Module, int]:
    """Return the interaction of so many members, and the width of what it gives.

    It takes vectors (n, members, width), one a tower whether it saw the post or not, and positions, a pair for each
    tower that has any: their vectors (n, positions, width), and which of them are there (n, positions).
    """
    width = spec.width
    pairs = members * (members - 1) // 2
    match spec.interaction:
        case "concatenate":
            return Concatenation(), width * members
        case "product":
            return Product(members), width * (members + 2 * pairs)
        case "low_rank":
            return LowRank(width, members, rank=spec.rank), width
        case "gated":
            return Gated(width, members), width
        case "cross_attention":
            return CrossAttention(width, heads=spec.heads), width * members
        case _:
            assert_never(spec.interaction)


class Concatenation(nn.Module):
    """One beside the other."""

    def forward(self, vectors: Tensor, places: Places) -> Tensor:  # noqa: ARG002 - every interaction takes them.
        """Return the vectors in a row."""
        return vectors.flatten(1)


class Product(nn.Module):
    """Beside them the element-wise product and absolute difference of every pair."""

    def __init__(self, members: int) -> None:
        super().__init__()
        self._pairs = list(combinations(range(members), 2))

    def forward(self, vectors: Tensor, places: Places) -> Tensor:  # noqa: ARG002 - every interaction takes them.
        """Return vectors, products and differences in a row."""
        met = [vectors.flatten(1)]
        for one, other in self._pairs:
            met += [vectors[:, one] * vectors[:, other], (vectors[:, one] - vectors[:, other]).abs()]
        return torch.cat(met, dim=1)


class LowRank(nn.Module):
    """The outer product of all vectors, each with a 1 appended, under weights of low rank.

    J.-H. Kim et al. (2017), section 3, for two modalities; Z. Liu et al. (2018), section 3.2, for any number.
    """

    def __init__(self, width: int, members: int, *, rank: int) -> None:
        super().__init__()
        self._rank = rank
        self.factors = nn.ModuleList(nn.Linear(width, rank * width) for _ in range(members))  # The 1 is their bias.
        self.weights = nn.Parameter(torch.full((rank, 1), rank**-0.5))
        self.norm = nn.LayerNorm(width)

    def forward(self, vectors: Tensor, places: Places) -> Tensor:  # noqa: ARG002 - every interaction takes them.
        """Return the product."""
        factors = [factor(vectors[:, i]) for i, factor in enumerate(self.factors)]
        terms = torch.stack(factors).prod(0).view(len(vectors), self._rank, -1)
        found: Tensor = self.norm((terms * self.weights).sum(1))
        return found


class Gated(nn.Module):
    """A sum of the vectors through gates, each of which looks at all of them.

    J. Arevalo et al. (2017), section 3.2; A. Kumar and J. Vepa (2020), section 2.3.
    """

    def __init__(self, width: int, members: int) -> None:
        super().__init__()
        self.contents = nn.ModuleList(nn.Linear(width, width) for _ in range(members))
        self.gates = nn.Linear(width * members, width * members)

    def forward(self, vectors: Tensor, places: Places) -> Tensor:  # noqa: ARG002 - every interaction takes them.
        """Return what the gates let through."""
        gates = self.gates(vectors.flatten(1)).sigmoid().view(vectors.shape)
        contents = torch.stack([content(vectors[:, i]).tanh() for i, content in enumerate(self.contents)], dim=1)
        found: Tensor = (gates * contents).sum(1)
        return found


class CrossAttention(nn.Module):
    """Each vector asks all positions of all towers, its own and those that have none (A. Vaswani et al. 2017)."""

    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm = nn.LayerNorm(width)

    def forward(self, vectors: Tensor, places: Places) -> Tensor:
        """Return the vectors and what each was answered, in a row."""
        keys = torch.cat([vectors, *(place for place, _ in places)], dim=1)
        always = torch.ones(vectors.shape[:2], dtype=torch.bool, device=vectors.device)
        there = torch.cat([always, *(mask for _, mask in places)], dim=1)
        asked, _ = self.attention(vectors, keys, keys, key_padding_mask=~there, need_weights=False)
        found: Tensor = self.norm(vectors + asked)
        return found.flatten(1)
