"""The one training loop: it can be killed anywhere and resumed to the same weights.

Whatever is random in a step (order, augmentation, dropout) is drawn from the seed, the epoch and the step alone, so
that a checkpoint holds no random state; that of the process is neither read nor moved.
"""

import copy
import logging
import math
from collections.abc import Mapping

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
from siaga.models.feed import Batch, Feed, Rows
from siaga.models.finder import find_learning_rate
from siaga.models.losses import Loss, refuse_loss
from siaga.models.modules import Net, compiled, first_broken
from siaga.models.optimizers import Rates, build_optimizer, freeze, set_rate
from siaga.models.pace import Pace
from siaga.models.precision import autocast, choose_precision
from siaga.models.processes import Processes
from siaga.models.stopping import is_over, judge
from siaga.models.tally import Tally
from siaga.models.unlabelled import Unlabelled, UnlabelledLoss, repeats_of
from siaga.schema.training import Training

log = logging.getLogger(__name__)


def train(  # noqa: PLR0913 - the arguments of a fit, and the seed.
    module: nn.Module,
    examples: Examples,
    *,
    settings: Training,
    seed: int,
    validation: Examples | None = None,
    unlabelled: Unlabelled | None = None,
    progress: Progress = silent,
) -> None:
    """Train `module`, which gives logits (n, classes), in place; it ends on the CPU, ready to answer.

    With `unlabelled` posts every batch of labelled ones has one of theirs beside it, and an epoch goes over both.

    The same seed gives the same weights. Where `progress` has a folder for checkpoints, a fit that was killed goes on
    from the last one, and one that was finished is not repeated; both tell all their epochs again. Raises DataError
    naming the batch's posts when the loss is not finite, and where several processes were given unlabelled posts.
    """
    processes = Processes()
    if unlabelled is not None and processes.are_several:
        what = f"Unlabelled posts are learned from in one process, and {processes.count} train together"
        raise DataError(f"{what}. Train without torchrun, or without kind = 'consistency'.")
    on_gpu = [processes.device] if processes.device.type == "cuda" else []
    with torch.random.fork_rng(devices=on_gpu):
        fit = _Fit(module, examples, settings, seed=seed, progress=progress, processes=processes, unlabelled=unlabelled)
        fit.run(validation)
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
        unlabelled: Unlabelled | None,
    ) -> None:
        self._module, self._examples, self._settings = module, examples, settings
        self._progress, self._processes, device = progress, processes, processes.device
        ids = [*examples.ids, *(unlabelled.marks() if unlabelled else ())]
        fingerprint = fingerprint_of(module, f"{settings!r} {seed}", examples.labels, ids)
        self._store = Store(progress, fingerprint, is_writer=processes.rank == 0)
        module.to(device)
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # Which torch's types lack.
        posts, repeats = (examples.inputs, examples.labels), repeats_of(unlabelled, len(examples))
        self._feed = Feed(*posts, settings, seed=seed, device=device, world=processes.count, repeats=repeats)
        self._loss = Loss(settings, examples.labels, len(examples.classes), device=device)
        self._average = Average(module, settings.average) if settings.average else None
        self._optimizer = build_optimizer(module, settings)
        self._rates = Rates(settings, steps=math.ceil(len(self._feed) / settings.accumulate))
        self._pace = Pace(progress, epochs=settings.epochs, posts=len(examples) * repeats)
        self._scaler = torch.amp.GradScaler(device.type, enabled=False)
        self._state = State()
        self._tally = Tally.of(len(examples.classes))
        self._best: Mapping[str, Tensor] = {}
        self._beside: UnlabelledLoss | None = None
        if unlabelled is not None:
            steps = settings.epochs * len(self._feed)
            self._beside = UnlabelledLoss(
                module, unlabelled, settings, n_classes=len(examples.classes), steps=steps, seed=seed, device=device
            )

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
        while not is_over(self._state, self._settings):
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
            if self._beside is not None:
                self._beside.restore(unnamed("beside", tensors))
            if self._average is not None:
                self._average.module.load_state_dict(unnamed("answering", tensors))
            self._set_scaler()
            log.info("resumed in epoch %d, at batch %d of %d", state.epoch + 1, state.step, len(self._feed))
        for event in state.told:
            self._progress(event)

    def _epoch(self, net: Net, validation: Examples | None) -> None:
        """Learn from every example once; measure, and tell of it."""
        state, feed = self._state, self._feed
        self._module.train()
        freeze(self._module, below_head=state.epoch < self._settings.epochs_frozen)
        self._pace.begin(state, waited_s=self._waited_s)
        shard = self._processes.rank if self._processes.are_several else None
        group: list[Batch] = []
        for batch in feed.batches(state.epoch + 1, start=state.step, shard=shard):
            group.append(batch)
            if len(group) == self._settings.accumulate or state.step + len(group) == len(feed):
                self._step(net, group)
                state.step += len(group)
                self._pace.go_on(state, waited_s=self._waited_s, done=self._tally.rows * self._processes.count)
                if not self._processes.are_several:  # Else each has counted its own, and batch statistics of its own.
                    self._offer()
                group = []
        self._tell(self._end_of_epoch(validation))
        self._offer()

    def _step(self, net: Net, group: list[Batch]) -> None:
        """Take one step of the optimizer on one batch, or on several that are accumulated."""
        state = self._state
        first = group[0].inputs
        if not state.step and not state.epoch and self._feed.augments and isinstance(first, Tensor):
            self._tell(shown_batch(first, group[0].mix, group[0].labels, self._examples.classes))
        number = state.epoch * self._rates.steps + state.step // self._settings.accumulate
        set_rate(self._optimizer, self._rate(number))
        self._optimizer.zero_grad()
        for place, batch in enumerate(group):
            loss = self._learn(net, batch) * (batch.weight / len(group))
            if self._beside is not None:
                loss = loss + self._beside_loss(net, self._beside, place) / len(group)
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
        rows = self._rows(net, batch.inputs)
        loss = self._loss(rows, batch.labels, batch.mix)
        if not math.isfinite(value := float(loss.detach())):
            refuse_loss(batch.rows, self._examples.ids, epoch=self._state.epoch + 1)
        self._tally.add(rows.detach(), batch.labels, value)
        return loss

    def _beside_loss(self, net: Net, beside: UnlabelledLoss, place: int) -> Tensor:
        """Return the loss of the unlabelled posts beside a batch of the group."""
        step = self._state.epoch * len(self._feed) + self._state.step + place
        loss, rows = beside(lambda inputs: self._rows(net, inputs), step)
        if not math.isfinite(float(loss.detach())):
            refuse_loss(rows, beside.ids, epoch=self._state.epoch + 1)
        return loss

    def _rows(self, net: Net, inputs: Rows) -> Tensor:
        with autocast(self._state.precision, self._processes.device):
            return net(inputs).float()

    def _loss_of(self, net: Net, batch: Batch) -> Tensor:
        return self._loss(self._rows(net, batch.inputs), batch.labels, batch.mix)

    def _end_of_epoch(self, validation: Examples | None) -> dict[str, object]:
        """Close an epoch; return its event."""
        state, tally = self._state, self._processes.total(self._tally)
        self._processes.follow_first(self._module)
        if self._average is not None:
            self._processes.follow_first(self._average.module)
        figures = tally.figures("train") | (score(self._answering, validation) if validation else {})
        figures = self._processes.agreed(figures)  # Or they might not stop at the same epoch.
        rate = self._rate((state.epoch + 1) * self._rates.steps - 1)
        figures |= self._beside.figures() if self._beside else {}
        loss = figures["validation_loss" if validation else "train_loss"]
        if judge(state, self._settings, loss, is_held_out=bool(validation)):
            self._best = copy.deepcopy(self._answering.state_dict())
        state.epoch, state.step = state.epoch + 1, 0
        self._tally = Tally.of(len(self._examples.classes))
        event = {"step": "epoch", "epoch": state.epoch, "epochs": self._settings.epochs}
        told = {name: value if math.isfinite(value) else None for name, value in figures.items()}
        return {**event, **told, "learning_rate": rate, **self._pace.end(state, done=tally.rows)}

    @property
    def _waited_s(self) -> float:
        return self._feed.waited_s + (self._beside.waited_s if self._beside else 0.0)

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
            **(named("beside", self._beside.tensors()) if self._beside else {}),
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
