"""The one training loop: it can be killed anywhere and resumed to the same weights.

Whatever is random in a step (order, augmentation, dropout) is drawn from the seed, the epoch and the step alone, so
that a checkpoint holds no random state; that of the process is neither read nor moved.
"""

import copy
import logging
import math
from collections.abc import Mapping
from typing import NoReturn

import torch
from torch import Tensor, nn

from siaga.errors import DataError
from siaga.features.augmentation import shown_batch
from siaga.models.averages import Average
from siaga.models.checkpoints import (
    State,
    Store,
    Tensors,
    fingerprint_of,
    named,
    optimizer_tensors,
    restore_optimizer,
    unnamed,
)
from siaga.models.classifier import Event, Progress, silent
from siaga.models.examples import Examples, score
from siaga.models.feed import Batch, Feed
from siaga.models.finder import find_learning_rate
from siaga.models.losses import Loss
from siaga.models.modules import Net, compiled, first_broken
from siaga.models.optimizers import Rates, build_optimizer, freeze, set_rate
from siaga.models.pace import Pace
from siaga.models.precision import autocast, choose_precision
from siaga.models.processes import Processes
from siaga.models.tally import Tally
from siaga.schema.training import Training

log = logging.getLogger(__name__)


def train(  # noqa: PLR0913 - the arguments of a fit, and the seed.
    module: nn.Module,
    examples: Examples,
    *,
    settings: Training,
    seed: int,
    validation: Examples | None = None,
    progress: Progress = silent,
) -> None:
    """Train `module`, which gives logits (n, classes), in place; it ends on the CPU, ready to answer.

    The same seed gives the same weights. Where `progress` has a folder for checkpoints, a fit that was killed goes on
    from the last one, and one that was finished is not repeated; both tell all their epochs again. Raises DataError
    naming the batch's posts when the loss is not finite.
    """
    processes = Processes()
    on_gpu = [processes.device] if processes.device.type == "cuda" else []
    with torch.random.fork_rng(devices=on_gpu):
        _Fit(module, examples, settings, seed=seed, progress=progress, processes=processes).run(validation)
    module.to("cpu").eval()


class _Fit:
    """One fit while it goes on: what is remembered from one step to the next."""

    def __init__(  # noqa: PLR0913 - the arguments of `train`.
        self,
        module: nn.Module,
        examples: Examples,
        settings: Training,
        *,
        seed: int,
        progress: Progress,
        processes: Processes,
    ) -> None:
        self._module, self._examples, self._settings = module, examples, settings
        self._progress, self._processes, device = progress, processes, processes.device
        fingerprint = fingerprint_of(module, f"{settings!r} {seed}", examples.labels, list(examples.ids))
        self._store = Store(progress, fingerprint, is_writer=processes.rank == 0)
        module.to(device)
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # Which torch's types lack.
        self._feed = Feed(examples.inputs, examples.labels, settings, seed=seed, device=device, world=processes.count)
        self._loss = Loss(settings, examples.labels, len(examples.classes), device=device)
        self._average = Average(module, settings.average) if settings.average else None
        self._optimizer = build_optimizer(module, settings)
        self._rates = Rates(settings, steps=math.ceil(len(self._feed) / settings.accumulate))
        self._pace = Pace(progress, epochs=settings.epochs, posts=len(examples))
        self._scaler = torch.amp.GradScaler(device.type, enabled=False)
        self._state = State()
        self._tally = Tally.of(len(examples.classes))
        self._best: Mapping[str, Tensor] = {}

    def run(self, validation: Examples | None) -> None:
        """Go from the last checkpoint, or the start, to the end."""
        saved = self._processes.agreed(self._store.read())
        if saved is not None:
            self._go_on(*saved)
        else:
            if self._processes.rank == 0:
                self._begin()
            self._state = self._processes.agreed(self._state)
            self._set_scaler()
        joined = self._processes.joined(self._module)
        net = compiled(joined) if self._settings.compile else joined
        while not self._is_over():
            self._epoch(net, validation)
        if not self._state.is_finished:
            self._finish()

    def _begin(self) -> None:
        state, settings = self._state, self._settings
        state.precision = settings.precision
        if settings.precision == "auto":
            choice = choose_precision(self._processes.device)
            state.precision = choice.precision
            self._tell({"step": "precision", **vars(choice)})
        if settings.learning_rate == "find":
            finding = find_learning_rate(self._module, self._feed, settings, self._loss_of)
            state.learning_rate = finding.learning_rate
            self._tell(finding.event())
        else:
            state.learning_rate = settings.learning_rate

    def _go_on(self, state: State, tensors: Tensors) -> None:
        """Take up a checkpoint, and tell again what was told before it."""
        self._state = state
        self._module.load_state_dict(unnamed("module", tensors))
        if not state.is_finished:
            restore_optimizer(self._optimizer, unnamed("optimizer", tensors))
            self._tally = Tally(tensors["confusion"], state.train_loss)
            self._best = unnamed("best", tensors)
            if self._average is not None:
                self._average.module.load_state_dict(unnamed("answering", tensors))
            self._set_scaler()
            log.info("resumed in epoch %d, at batch %d of %d", state.epoch + 1, state.step, len(self._feed))
        for event in state.told:
            self._progress(event)

    def _is_over(self) -> bool:
        state, settings = self._state, self._settings
        is_stale = bool(settings.patience) and state.waited >= settings.patience
        return state.is_finished or state.epoch >= settings.epochs or is_stale

    def _epoch(self, net: Net, validation: Examples | None) -> None:
        """Learn from every example once; measure, and tell of it."""
        state, feed = self._state, self._feed
        self._module.train()
        freeze(self._module, below_head=state.epoch < self._settings.epochs_frozen)
        self._pace.begin(state, waited_s=feed.waited_s)
        shard = self._processes.rank if self._processes.are_several else None
        group: list[Batch] = []
        for batch in feed.batches(state.epoch + 1, start=state.step, shard=shard):
            group.append(batch)
            if len(group) == self._settings.accumulate or state.step + len(group) == len(feed):
                self._step(net, group)
                state.step += len(group)
                self._pace.go_on(state, waited_s=feed.waited_s, done=self._tally.rows * self._processes.count)
                if not self._processes.are_several:  # Else each has counted its own, and batch statistics of its own.
                    self._offer()
                group = []
        self._tell(self._end_of_epoch(validation))
        self._offer()

    def _step(self, net: Net, group: list[Batch]) -> None:
        """Take one step of the optimizer on one batch, or on several that are accumulated."""
        state = self._state
        if not state.step and not state.epoch and self._feed.augments:
            self._tell(shown_batch(group[0].inputs, group[0].mix, group[0].labels, self._examples.classes))
        number = state.epoch * self._rates.steps + state.step // self._settings.accumulate
        set_rate(self._optimizer, self._rate(number))
        self._optimizer.zero_grad()
        for batch in group:
            loss = self._learn(net, batch) * (batch.weight / len(group))
            torch.autograd.backward(self._scaler.scale(loss))
        if self._settings.clip:
            self._scaler.unscale_(self._optimizer)
            nn.utils.clip_grad_norm_(self._module.parameters(), self._settings.clip)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        if self._average is not None:
            self._average.follow(self._module, step=number)

    def _rate(self, number: int) -> float:
        return self._state.learning_rate * self._rates.share(number) * self._state.cut

    def _learn(self, net: Net, batch: Batch) -> Tensor:
        """Return the loss of a batch, counted; raises DataError when it is not finite."""
        rows = self._rows(net, batch)
        loss = self._loss(rows, batch.labels, batch.mix)
        if not math.isfinite(value := float(loss.detach())):
            self._refuse(batch)
        self._tally.add(rows.detach(), batch.labels, value)
        return loss

    def _rows(self, net: Net, batch: Batch) -> Tensor:
        with autocast(self._state.precision, self._processes.device):
            return net(batch.inputs).float()

    def _loss_of(self, net: Net, batch: Batch) -> Tensor:
        return self._loss(self._rows(net, batch), batch.labels, batch.mix)

    def _end_of_epoch(self, validation: Examples | None) -> dict[str, object]:
        """Close an epoch; return its event."""
        state, tally = self._state, self._processes.total(self._tally)
        self._processes.follow_first(self._module)
        if self._average is not None:
            self._processes.follow_first(self._average.module)
        figures = tally.figures("train") | (score(self._answering, validation) if validation else {})
        figures = self._processes.agreed(figures)  # Or they might not stop at the same epoch.
        rate = self._rate((state.epoch + 1) * self._rates.steps - 1)
        self._judge(figures["validation_loss" if validation else "train_loss"], is_held_out=bool(validation))
        state.epoch, state.step = state.epoch + 1, 0
        self._tally = Tally.of(len(self._examples.classes))
        event = {"step": "epoch", "epoch": state.epoch, "epochs": self._settings.epochs}
        told = {name: value if math.isfinite(value) else None for name, value in figures.items()}
        return {**event, **told, "learning_rate": rate, **self._pace.end(state, done=tally.rows)}

    def _judge(self, loss: float, *, is_held_out: bool) -> None:
        """Take note of an epoch's loss: for the best weights, for stopping early, and for the plateau."""
        state, settings = self._state, self._settings
        is_better = math.isfinite(loss) and (state.best_loss is None or loss < state.best_loss)
        state.waited, state.stalled = (0, 0) if is_better else (state.waited + 1, state.stalled + 1)
        if is_better:
            state.best_loss = loss
            if is_held_out and settings.keep == "best":
                self._best = copy.deepcopy(self._answering.state_dict())
        if settings.schedule == "plateau" and state.stalled >= settings.plateau:
            state.cut, state.stalled = state.cut * settings.plateau_factor, 0
        if not is_held_out:
            state.waited = 0

    @property
    def _answering(self) -> nn.Module:
        """The net that answers: the moving average, where there is one."""
        return self._average.module if self._average else self._module

    def _finish(self) -> None:
        if self._settings.keep == "best" and self._best:
            self._module.load_state_dict(self._best)
        elif self._average is not None:
            self._module.load_state_dict(self._average.module.state_dict())
        if broken := first_broken(self._module):
            raise DataError(f"The weights are not finite ({broken}). Lower model.training.learning_rate.")
        self._state.is_finished = True
        self._store.write(self._state, named("module", self._module.state_dict()))

    def _offer(self) -> None:
        """Keep a checkpoint if it is time to, and never one that is broken."""
        if self._store.is_due and not first_broken(self._module):
            self._state.scaler, self._state.train_loss = self._scaler.state_dict(), self._tally.loss
            self._store.write(self._state, self._tensors())

    def _tensors(self) -> Tensors:
        """Return all that the next step depends on, besides the state."""
        return {
            **named("module", self._module.state_dict()),
            **named("optimizer", optimizer_tensors(self._optimizer)),
            **(named("answering", self._answering.state_dict()) if self._average else {}),
            **named("best", self._best),
            "confusion": self._tally.confusion,
        }

    def _set_scaler(self) -> None:
        """Float16 alone needs its gradients scaled up, not to vanish."""
        self._scaler = torch.amp.GradScaler(self._processes.device.type, enabled=self._state.precision == "float16")
        if self._state.scaler:
            self._scaler.load_state_dict(self._state.scaler)

    def _tell(self, event: Event) -> None:
        self._state.told.append(event)
        self._progress(event)

    def _refuse(self, batch: Batch) -> NoReturn:
        ids = [repr(self._examples.ids[i]) for i in batch.rows.tolist()]
        listed = ", ".join(ids[:8]) + (f" and {len(ids) - 8} more" if len(ids) > 8 else "")
        where = f"in epoch {self._state.epoch + 1}, in the batch of the posts {listed}"
        raise DataError(
            f"The training loss is not finite {where}. Lower model.training.learning_rate, or look at these posts."
        )
