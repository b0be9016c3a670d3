"""The net of joint fusion: towers that run where their part of a post is there, and a head in which they meet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from siaga.models.feed import Inputs, Rows, lengths_of, single
from siaga.models.interactions import Places, build_interaction
from siaga.models.layers import build_output, perceptron
from siaga.models.towers import Positioned
from siaga.schema.fusions import JointFusion


class SideBySide:
    """What m towers read of n posts; a post has a row in the parts of those that saw it, and of no other.

    `seen` is (n, m), boolean. Where any part has lengths, `lengths` (n,) are their sums.
    """

    def __init__(self, parts: Sequence[Inputs], seen: NDArray) -> None:  # type: ignore[type-arg]  # Of booleans.
        self._parts = parts
        self._seen = torch.from_numpy(seen)
        self._places = self._seen.long().cumsum(0) - 1
        self.lengths = self._summed()

    def __len__(self) -> int:
        return len(self._seen)

    def __getitem__(self, rows: Tensor, /) -> tuple[Tensor, ...]:
        """Return who saw these posts, (rows, m), and of each part the rows of the posts that were seen."""
        seen, places = self._seen[rows], self._places[rows]
        return (seen, *(single(part[places[seen[:, i], i]]) for i, part in enumerate(self._parts)))

    def _summed(self) -> Tensor | None:
        lengths = [lengths_of(part) for part in self._parts]
        if all(each is None for each in lengths):
            return None
        total = torch.zeros(len(self._seen), dtype=torch.int64)
        for i, each in enumerate(lengths):
            if each is not None:
                total[self._seen[:, i]] += each[self._places[self._seen[:, i], i]]
        return total


@dataclass(frozen=True)
class Widths:
    """The width of a tower's features, and of its positions where it has any that are wanted."""

    features: int
    positions: int | None


class JointNet(nn.Module):
    """Takes what `SideBySide` gives; gives logits (n, classes).

    While it learns, a part of a post may be taken away (modality dropout: N. Neverova et al. 2016), so that a post of
    which something is missing is nothing new. What is missing is a vector that is learned, one a tower.
    """

    def __init__(
        self, towers: Sequence[nn.Module], widths: Sequence[Widths], spec: JointFusion, n_classes: int
    ) -> None:
        super().__init__()
        self.towers = nn.ModuleList(towers)
        self.widths = widths
        self.head = JointHead(widths, spec, n_classes)
        self._dropout = spec.modality_dropout
        self._need_two = [any(_has_batch_statistics(each) for each in tower.modules()) for tower in towers]

    def forward(self, inputs: Rows) -> Tensor:
        """Return logits (n, classes)."""
        found: Tensor = self.head.decide(self.fused(inputs))
        return found

    def fused(self, inputs: Rows) -> Tensor:
        """Return what the towers' features are together, (n, width)."""
        present, *parts = inputs
        kept = self._kept(present)
        vectors: list[Tensor] = []
        places: list[tuple[Tensor, Tensor]] = []
        for i, (tower, rows) in enumerate(zip(self.towers, parts, strict=True)):
            here = self._enough(i, kept[:, i])
            vector, place = self._look(i, tower, rows[here[present[:, i]]], here)
            vectors.append(vector)
            places += place
        found: Tensor = self.head.interaction(torch.stack(vectors, dim=1), places)
        return found

    def layers_upwards(self) -> list[nn.Module]:
        """Return the towers' layers that are equally far from the head together, from the lowest up, and the head."""
        columns = [tower.layers_upwards() for tower in self.towers]  # type: ignore[operator]  # Every tower's layers name their own.
        depths = range(max(map(len, columns), default=0), 0, -1)
        levels = [[column[-depth] for column in columns if len(column) >= depth] for depth in depths]
        return [*(nn.ModuleList(level) for level in levels), self.head]

    def _kept(self, present: Tensor) -> Tensor:
        """Return which parts are looked at, (n, m); of a post that has any, one at least."""
        if not self.training or not self._dropout:
            return present
        kept = present & (torch.rand(present.shape, device=present.device) >= self._dropout)
        return torch.where(kept.any(1, keepdim=True), kept, present)

    def _enough(self, i: int, here: Tensor) -> Tensor:
        """Return whom tower i looks at: nobody where it learns batch statistics and there is but one."""
        return here & (here.sum() > 1) if self.training and self._need_two[i] else here

    def _look(self, i: int, tower: nn.Module, rows: Tensor, here: Tensor) -> tuple[Tensor, Places]:
        """Return tower i's vector of every post, (n, width), and its positions, if these are wanted."""
        absent = self.head.absent[i].expand(len(here), -1)
        if not len(rows):
            return absent, []
        if self.widths[i].positions is None or not isinstance(tower, Positioned):
            return _placed(self.head.vectors[i](tower(rows)), here, absent), []
        features, positions, mask = tower.with_positions(rows)
        found = self.head.positions[i](positions)
        place = _placed(found, here, found.new_zeros(len(here), *found.shape[1:]))
        there = _placed(mask, here, mask.new_zeros(len(here), mask.shape[1]))
        return _placed(self.head.vectors[i](features), here, absent), [(place, there)]


class Asked(nn.Module):
    """A joint net that is asked for something else than its answer, by a method or a part of its own."""

    def __init__(self, net: JointNet, question: Callable[[Rows], Tensor]) -> None:
        super().__init__()
        self.net = net
        self._question = (question,)  # In a tuple, so that a part is not taken for a part of this.

    def forward(self, inputs: Rows) -> Tensor:
        """Return what was asked for."""
        return self._question[0](inputs)


class JointHead(nn.Module):
    """All that is above the towers: projections to one width, what stands for absent parts, interaction, layers."""

    def __init__(self, widths: Sequence[Widths], spec: JointFusion, n_classes: int) -> None:
        super().__init__()
        self.vectors = nn.ModuleList(_projection(each.features, spec) for each in widths)
        self.positions = nn.ModuleList(
            nn.Identity() if each.positions is None else _projection(each.positions, spec) for each in widths
        )
        self.absent = nn.Parameter(torch.randn(len(widths), spec.width) * 0.02)
        self.interaction, width = build_interaction(spec, members=len(widths))
        output = build_output(spec.hidden[-1] if spec.hidden else width, n_classes, ordinal=spec.ordinal)
        layers = perceptron(width, spec.hidden, activation=spec.activation, dropout=spec.dropout, output=output)
        self.decide = nn.Sequential(nn.Dropout(spec.dropout), *layers)


@torch.inference_mode()
def position_width(layers: nn.Module, inputs: Inputs) -> int | None:
    """Return the width of the positions that a tower's layers give, or None where they give none."""
    if not isinstance(layers, Positioned):
        return None
    _, positions, _ = layers.eval().with_positions(inputs[torch.arange(1)])
    return int(positions.shape[-1])


def _projection(width: int, spec: JointFusion) -> nn.Module:
    return nn.Sequential(nn.Dropout(spec.dropout), nn.Linear(width, spec.width), nn.LayerNorm(spec.width))


def _placed(rows: Tensor, here: Tensor, others: Tensor) -> Tensor:
    """Return `others`, (n, …), with these rows where `here`, (n,), is true."""
    whole = others.to(rows.dtype).clone()
    whole[here] = rows
    return whole


def _has_batch_statistics(layer: nn.Module) -> bool:
    return isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d)
