"""Examples that a net learns from or is asked about, and what it answers: how right that is."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from siaga.models.feed import Inputs, Rows, lengths_of, moved
from siaga.models.tally import Tally

_AT_ONCE, _VALUES = 256, 1 << 22  # Rows, and numbers in them, in one forward pass when nothing is learned.
_OF_A_TOKEN = 512  # Numbers that one token becomes, about.


@dataclass(frozen=True)
class Examples:
    """`inputs` are n rows in whatever form the module takes, `labels` (n,) int64, `ids` the posts' ids.

    `classes` are the classes' names; there may be more of them than labels that occur.
    """

    inputs: Inputs
    labels: Tensor
    ids: Sequence[str]
    classes: Sequence[str]

    def __len__(self) -> int:
        return len(self.labels)


@torch.inference_mode()
def answers(module: nn.Module, inputs: Inputs) -> Tensor:
    """Return what a module gives for each row, (n, …) on the CPU, in batches, without learning; n is at least 1."""
    module.eval()
    device = next((each.device for each in chain(module.parameters(), module.buffers())), torch.device("cpu"))
    lengths = lengths_of(inputs)
    order = torch.arange(len(inputs)) if lengths is None else torch.argsort(lengths, stable=True, descending=True)
    parts = torch.split(order, max(1, min(_AT_ONCE, _VALUES // max(1, _values(inputs[order[:1]])))))
    rows = torch.cat([module(moved(inputs[part], device)).float().cpu() for part in parts])
    return rows if lengths is None else rows[torch.argsort(order)]


def score(module: nn.Module, examples: Examples) -> dict[str, float]:
    """Return `validation_loss` (cross-entropy), `validation_accuracy` and `validation_macro_f1`; nothing is learned."""
    rows = answers(module, examples.inputs)
    tally = Tally.of(len(examples.classes))
    tally.add(rows, examples.labels, float(nn.functional.cross_entropy(rows, examples.labels)))
    return tally.figures("validation")


def _values(row: Rows) -> int:
    """Return how many numbers a net has to do with for one row, about; also where a part has none of this row."""
    parts = row if isinstance(row, tuple) else (row,)
    return sum(part.shape[1:].numel() * (_OF_A_TOKEN if part.dtype == torch.int64 else 1) for part in parts)
