"""Examples that a net learns from or is asked about, and what it answers: logits, and how right they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from siaga.models.feed import Inputs
from siaga.models.tally import Tally

_AT_ONCE, _VALUES = 256, 1 << 22  # Rows, and numbers in them, in one forward pass when nothing is learned.


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
def logits(module: nn.Module, inputs: Inputs) -> Tensor:
    """Return (n, classes) logits on the CPU, in batches, without learning; needs at least one row."""
    module.eval()
    device = next(module.parameters()).device
    at_once = max(1, min(_AT_ONCE, _VALUES // max(1, inputs[torch.arange(1)].numel())))
    parts = torch.split(torch.arange(len(inputs)), at_once)
    return torch.cat([module(inputs[part].to(device)).float().cpu() for part in parts])


def score(module: nn.Module, examples: Examples) -> dict[str, float]:
    """Return `validation_loss` (cross-entropy), `validation_accuracy` and `validation_macro_f1`; nothing is learned."""
    rows = logits(module, examples.inputs)
    tally = Tally.of(len(examples.classes))
    tally.add(rows, examples.labels, float(nn.functional.cross_entropy(rows, examples.labels)))
    return tally.figures("validation")
