"""The one training loop: AdamW, one cycle, early stopping on validation loss, seeds that leak nowhere."""

import copy
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from siaga.errors import DataError
from siaga.models.classifier import Progress, silent

log = logging.getLogger(__name__)

Augment = Callable[[Tensor, torch.Generator], Tensor]
_AT_ONCE = 256  # Rows in one forward pass when nothing is learned.


@dataclass(frozen=True)
class Examples:
    """`inputs` is (n, …) in whatever form the module takes, `labels` (n,) int64, `ids` the posts' ids."""

    inputs: Tensor
    labels: Tensor
    ids: Sequence[str]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn. `class_weights` is (classes,); `augment` changes a training batch."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    patience: int
    seed: int
    class_weights: Tensor | None = None
    augment: Augment | None = None


def train(
    module: nn.Module,
    examples: Examples,
    *,
    schedule: Schedule,
    validation: Examples | None = None,
    progress: Progress = silent,
) -> None:
    """Train `module`, which gives logits (n, classes), in place; it ends on the CPU, ready to answer.

    With validation examples, it ends with the weights of the epoch of the lowest validation loss, and stops after
    `patience` epochs without a better one. The same seed gives the same weights, and neither reads nor moves the
    process's own random state. Raises DataError naming the batch's posts when the loss is not finite.
    """
    accelerator = Accelerator()
    on_gpu = [accelerator.device] if accelerator.device.type == "cuda" else []
    with torch.random.fork_rng(devices=on_gpu):
        torch.manual_seed(schedule.seed)
        run = _Run(module, examples, schedule, accelerator)
        best = _Best(patience=schedule.patience)
        for epoch in range(1, schedule.epochs + 1):
            event = run.epoch(epoch, validation)
            best.offer(event.get("validation_loss"), module)
            progress(event)
            if best.is_stale:
                log.info("stopped after epoch %d of %d: the validation loss falls no more", epoch, schedule.epochs)
                break
        best.restore(module)
    module.to("cpu").eval()


@torch.inference_mode()
def logits(module: nn.Module, inputs: Tensor) -> Tensor:
    """Return (n, classes) logits on the CPU, in batches, without learning; needs at least one row."""
    module.eval()
    device = next(module.parameters()).device
    return torch.cat([module(batch.to(device)).float().cpu() for batch in torch.split(inputs, _AT_ONCE)])


def score(module: nn.Module, examples: Examples, *, class_weights: Tensor | None = None) -> tuple[float, float]:
    """Return the mean cross-entropy and the accuracy of a module that is not learning."""
    rows = logits(module, examples.inputs)
    loss = nn.functional.cross_entropy(rows, examples.labels, weight=class_weights)
    return float(loss), float((rows.argmax(1) == examples.labels).double().mean())


class _Run:
    """What is remembered from one step to the next."""

    def __init__(self, module: nn.Module, examples: Examples, schedule: Schedule, accelerator: Accelerator) -> None:
        self._examples, self._schedule, self._accelerator = examples, schedule, accelerator
        self._module = module.to(accelerator.device)
        self._generator = torch.Generator().manual_seed(schedule.seed)
        weights = schedule.class_weights
        self._loss = nn.CrossEntropyLoss(weight=None if weights is None else weights.to(accelerator.device))
        self._optimizer = torch.optim.AdamW(
            module.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay
        )
        steps = schedule.epochs * len(_batches(torch.arange(len(examples)), schedule.batch_size))
        self._cycle = torch.optim.lr_scheduler.LambdaLR(self._optimizer, lambda step: _one_cycle(step, steps))

    def epoch(self, number: int, validation: Examples | None) -> dict[str, object]:
        """Learn from every example once; return what there is to tell of it."""
        began = time.monotonic()
        event: dict[str, object] = {"step": "epoch", "epoch": number, "epochs": self._schedule.epochs}
        event["train_loss"] = self._learn(number)
        if validation:
            loss, accuracy = score(self._module, validation, class_weights=self._schedule.class_weights)
            event |= {"validation_loss": loss, "validation_accuracy": accuracy}
        return {**event, "seconds": time.monotonic() - began}

    def _learn(self, epoch: int) -> float:
        self._module.train()
        order = torch.randperm(len(self._examples), generator=self._generator)
        total = 0.0
        for batch in _batches(order, self._schedule.batch_size):
            loss = self._step(batch)
            if not math.isfinite(loss):
                self._refuse(batch, epoch)
            total += loss * len(batch)
        return total / len(order)

    def _step(self, batch: Tensor) -> float:
        device = self._accelerator.device
        inputs = self._examples.inputs[batch].to(device)
        if self._schedule.augment is not None:
            inputs = self._schedule.augment(inputs, self._generator)
        loss = self._loss(self._module(inputs), self._examples.labels[batch].to(device))
        self._optimizer.zero_grad()
        self._accelerator.backward(loss)
        if math.isfinite(value := float(loss.detach())):
            self._optimizer.step()
            self._cycle.step()
        return value

    def _refuse(self, batch: Tensor, epoch: int) -> None:
        ids = [repr(self._examples.ids[i]) for i in batch.tolist()]
        named = ", ".join(ids[:8]) + (f" and {len(ids) - 8} more" if len(ids) > 8 else "")
        what = f"The training loss is not finite in epoch {epoch}, in the batch of the posts {named}."
        raise DataError(f"{what} Lower model.learning_rate, or look at these posts.")


class _Best:
    """The weights of the lowest validation loss so far; a loss that is not a number never wins."""

    def __init__(self, *, patience: int) -> None:
        self._patience = patience
        self._loss = math.inf
        self._waited = 0
        self._weights: dict[str, Tensor] | None = None

    def offer(self, loss: object, module: nn.Module) -> None:
        """Take note of an epoch's validation loss, if it has one."""
        if not isinstance(loss, float):
            return
        self._waited += 1
        if loss < self._loss:
            self._loss, self._waited = loss, 0
            self._weights = copy.deepcopy(module.state_dict())

    @property
    def is_stale(self) -> bool:
        return self._waited >= self._patience

    def restore(self, module: nn.Module) -> None:
        if self._weights is not None:
            module.load_state_dict(self._weights)


def _batches(order: Tensor, batch_size: int) -> list[Tensor]:
    """Return the order in batches; a last batch of one joins the one before it, as batch statistics need two."""
    batches = list(torch.split(order, batch_size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _one_cycle(step: int, steps: int) -> float:
    """Return the share of the highest learning rate (L. Smith, 2018): up for 30 % of the steps, then down to 0."""
    rise = max(1, round(0.3 * steps))
    if step < rise:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * (step + 1) / rise)) / 2
    return (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise))) / 2
