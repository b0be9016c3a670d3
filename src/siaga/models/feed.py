"""The batches of an epoch: in an order that seed and epoch decide, fetched before they are needed."""

import hashlib
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Protocol

import torch
from torch import Tensor

from siaga.errors import DataError
from siaga.features.augmentation import Mix, build_augmentation
from siaga.models.losses import inverse_frequencies
from siaga.schema.training import Training

_AHEAD = 2  # Batches that are fetched while one is learned from.
_POOL = 50  # Batches whose posts are sorted by length among themselves.

Rows = Tensor | tuple[Tensor, ...]  # The inputs of some posts; a net that reads several things takes several tensors.


class Inputs(Protocol):
    """What a net reads of n posts: a tensor (n, …), or something that makes the rows when they are asked for.

    Texts have `lengths` (n,) as well, so that texts of like length can share a batch.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Tensor, /) -> Rows:
        """Return the inputs (m, …) of these rows, (m,) int64."""
        ...


def lengths_of(inputs: Inputs) -> Tensor | None:
    """Return the length of each row's text, (n,), where the inputs have lengths."""
    found: Tensor | None = getattr(inputs, "lengths", None)
    return found


def single(rows: Rows) -> Tensor:
    """Return the rows of inputs that are one tensor."""
    if isinstance(rows, tuple):
        raise TypeError("these inputs are several tensors")
    return rows


def moved(rows: Rows, device: torch.device) -> Rows:
    """Return rows on a device, pictures laid out as convolutions like them."""
    if isinstance(rows, tuple):
        return tuple(_moved(part, device) for part in rows)
    return _moved(rows, device)


def _moved(rows: Tensor, device: torch.device) -> Tensor:
    return laid_out(rows.to(device, non_blocking=True))


def laid_out(rows: Tensor) -> Tensor:
    """Return rows as they are, but pictures as convolutions like them."""
    return rows.contiguous(memory_format=torch.channels_last) if rows.ndim == 4 else rows


@dataclass(frozen=True)
class Batch:
    """What one step learns from: `rows` (m,) of the examples, their inputs and labels on the device.

    Of several processes each has a shard of the batch; `weight` is the size of this one's by the mean size.
    """

    rows: Tensor
    inputs: Rows
    labels: Tensor
    mix: Mix | None = None
    weight: float = 1.0


class Feed:
    """Batches for `world` processes; `waited_s` is the time that learning waited for them.

    An epoch goes over the posts `repeats` times. Raises DataError where a batch would leave a process with fewer than
    two posts.
    """

    def __init__(  # noqa: PLR0913 - what there is to feed, and to whom.
        self,
        inputs: Inputs,
        labels: Tensor,
        settings: Training,
        *,
        seed: int,
        device: torch.device,
        world: int = 1,
        repeats: int = 1,
    ) -> None:
        self._inputs, self._labels, self._settings = inputs, labels, settings
        self._seed, self._device, self._world, self._repeats = seed, device, world, repeats
        self._augment = build_augmentation(settings.augmentation)
        self._count = len(self._batches(torch.arange(len(labels) * repeats)))
        self.waited_s = 0.0
        if world > 1 and (most := min(len(labels) * repeats, settings.batch_size)) < 2 * world:
            what = f"Batches of {most} posts are too few for {world} processes, which need two each"
            raise DataError(f"{what}. Train in fewer processes, or raise model.training.batch_size.")

    @property
    def augments(self) -> bool:
        """Whether pictures are changed."""
        return self._augment is not None

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return self._count

    def batches(self, epoch: int, *, start: int = 0, shard: int | None = None) -> Iterator[Batch]:
        """Yield the batches of an epoch from number `start`, whole or one process's shard of each.

        Torch's random state is set anew for each of them.
        """
        wanted = self._wanted(epoch)[start:]
        own = wanted if shard is None else [rows[shard :: self._world] for rows in wanted]
        fetched = self._fetched(own)
        for number, whole in enumerate(wanted, start):
            began = time.perf_counter()
            rows, inputs = next(fetched)
            labels = self._labels[rows].to(self._device)
            torch.manual_seed(draw(self._seed, epoch, number, shard or 0))
            inputs, mix = self._changed(moved(inputs, self._device))
            self.waited_s += time.perf_counter() - began
            weight = 1.0 if shard is None else len(rows) * self._world / len(whole)
            yield Batch(rows, inputs, labels, mix, weight)

    def stream(self, *, start: int) -> Iterator[Batch]:
        """Yield batches without end, one epoch after another, from number `start` of them all."""
        first, number = divmod(start, len(self))
        yield from self.batches(first + 1, start=number)
        for epoch in count(first + 2):
            yield from self.batches(epoch)

    def _changed(self, inputs: Rows) -> tuple[Rows, Mix | None]:
        """Return inputs whose pictures are augmented, and how they were mixed, if they were."""
        if self._augment is None:
            return inputs, None
        if isinstance(inputs, tuple):
            parts = (self._augment(part)[0] if part.ndim == 4 and len(part) else part for part in inputs)
            return tuple(map(laid_out, parts)), None
        changed, mix = self._augment(inputs)
        return laid_out(changed), mix

    def _fetched(self, wanted: list[Tensor]) -> Iterator[tuple[Tensor, Rows]]:
        """Yield rows and their inputs; those that take work are made in a thread, a little ahead."""
        if isinstance(self._inputs, Tensor):
            yield from ((rows, self._inputs[rows]) for rows in wanted)
            return
        with ThreadPoolExecutor(1) as worker:
            ahead = deque(worker.submit(self._inputs.__getitem__, rows) for rows in wanted[:_AHEAD])
            for number, rows in enumerate(wanted):
                if number + _AHEAD < len(wanted):
                    ahead.append(worker.submit(self._inputs.__getitem__, wanted[number + _AHEAD]))
                yield rows, ahead.popleft().result()

    def _wanted(self, epoch: int) -> list[Tensor]:
        """Return the rows of each batch of an epoch; texts of like length share one, and batches come in any order."""
        generator = torch.Generator().manual_seed(draw(self._seed, epoch))
        order, lengths = self._order(generator), lengths_of(self._inputs)
        if lengths is None:
            return self._batches(order)
        # A pool holds no post twice, or copies of a few posts would make up a batch.
        pools = torch.split(order, min(self._settings.batch_size * _POOL, len(self._labels)))
        batches = self._batches(torch.cat([pool[torch.argsort(lengths[pool], stable=True)] for pool in pools]))
        return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]

    def _batches(self, order: Tensor) -> list[Tensor]:
        """Return the order in batches; a last one with fewer than two posts a process joins the one before it.

        Batch statistics need two.
        """
        batches = list(torch.split(order, self._settings.batch_size))
        if len(batches) > 1 and len(batches[-1]) < 2 * self._world:
            batches[-2:] = [torch.cat(batches[-2:])]
        return batches

    def _order(self, generator: torch.Generator) -> Tensor:
        n = len(self._labels)
        if not self._settings.balanced:
            return torch.cat([torch.randperm(n, generator=generator) for _ in range(self._repeats)])
        chances = inverse_frequencies(self._labels, int(self._labels.max()) + 1)[self._labels]
        return torch.multinomial(chances, n * self._repeats, replacement=True, generator=generator)


def draw(*numbers: int) -> int:
    """Return a seed that these numbers decide."""
    digest = hashlib.blake2b(repr(numbers).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
