"""The processes that train one net together, usually one: each learns from its shard, all take the same steps."""

import gc
from typing import TypeVar

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.utils import broadcast, broadcast_object_list, reduce
from torch import nn

from siaga.models.tally import Tally

T = TypeVar("T")


class Processes:
    """This process among all: its `device`, its `rank` from 0, and what they exchange; all must call alike."""

    def __init__(self) -> None:
        # A frozen layer, or a part of a pretrained encoder that is not asked, gets no gradient.
        self._accelerator = Accelerator(kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)])
        self.device: torch.device = self._accelerator.device
        self.rank, self.count = int(self._accelerator.process_index), int(self._accelerator.num_processes)

    @property
    def are_several(self) -> bool:
        """Whether there is any other."""
        return self.count > 1

    def joined(self, module: nn.Module) -> nn.Module:
        """Return a net whose gradients are the mean over all processes."""
        found: nn.Module = self._accelerator.prepare_model(module) if self.are_several else module
        return found

    def agreed(self, value: T) -> T:
        """Return what the first process has."""
        found: T = broadcast_object_list([value])[0] if self.are_several else value
        return found

    def follow_first(self, module: nn.Module) -> None:
        """Take the first process's weights and batch statistics."""
        if self.are_several:
            module.load_state_dict(broadcast(module.state_dict()))

    def total(self, tally: Tally) -> Tally:
        """Return what all processes counted."""
        if not self.are_several:
            return tally
        confusion = reduce(tally.confusion.to(self.device), "sum")
        loss = reduce(torch.tensor(tally.loss, dtype=torch.float64, device=self.device), "sum")
        return Tally(confusion.cpu(), float(loss))


def part() -> None:
    """Take leave of the other processes, if there are any: the last thing that a program does with them."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        gc.collect()  # Nets that were joined are held by cycles, and must not outlive their connections.
        torch.distributed.destroy_process_group()
