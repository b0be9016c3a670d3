import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from siaga.errors import DataError
from siaga.models.classifier import Progress, silent
from siaga.models.examples import Examples, answers, score
from siaga.models.training import train
from siaga.schema import Augmentation, Training

Event = Mapping[str, Any]  # Any: what events hold.

SETTINGS = Training(epochs=10, batch_size=16, learning_rate=0.02, patience=3)


def moons(count: int, seed: int = 0) -> Examples:
    """Two classes that no straight line parts."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(count, 2)).astype(np.float32)
    labels = (rows[:, 0] * rows[:, 1] > 0).astype(np.int64)
    return Examples(
        torch.from_numpy(rows), torch.from_numpy(labels), [f"post-{i}" for i in range(count)], ["no", "yes"]
    )


def pictures(count: int) -> Examples:
    """Pictures of two classes: bright at the top, or at the bottom."""
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 2
    inputs = torch.randint(0, 100, (count, 1, 8, 8), generator=random, dtype=torch.uint8)
    inputs[labels == 0, :, :4] += 100
    inputs[labels == 1, :, 4:] += 100
    return Examples(inputs, labels, [str(i) for i in range(count)], ["top", "bottom"])


class Floats(nn.Module):
    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.float()


def net(seed: int = 0, dropout: float = 0.0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 2))


def picture_net() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            Floats(), nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(144, 2)
        )


def with_settings(**changes: object) -> Training:
    return Training.model_validate({**SETTINGS.model_dump(), **changes})


def fit(module: nn.Module, examples: Examples, **changes: Any) -> list[dict[str, Any]]:  # Any: settings, and events.
    """Train, and return the epochs that were told."""
    events: list[dict[str, Any]] = []
    validation = changes.pop("validation", None)
    seed = changes.pop("seed", 4)
    listening = Progress(lambda event: events.append(dict(event)))
    train(module, examples, settings=with_settings(**changes), seed=seed, validation=validation, progress=listening)
    return [event for event in events if event["step"] == "epoch"]


def weights(module: nn.Module) -> list[Tensor]:
    return [tensor.clone() for tensor in module.state_dict().values()]


def equal(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_it_learns_what_no_line_can_part() -> None:
    module = net()
    fit(module, moons(400))
    assert score(module, moons(200, seed=1))["validation_accuracy"] > 0.9
    assert not module.training


@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", 0.3), ("adam", 0.02), ("adamw", 0.02), ("rmsprop", 0.005)])
@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "plateau", "constant"])
def test_every_optimizer_learns_under_every_schedule(optimizer: str, rate: float, schedule: str) -> None:
    module = net()
    chosen = {"optimizer": optimizer, "learning_rate": rate, "schedule": schedule, "epochs": 12}
    fit(module, moons(400), validation=moons(100, seed=2), **chosen)
    assert score(module, moons(200, seed=1))["validation_accuracy"] > 0.85


def test_equal_seeds_give_equal_weights_and_other_seeds_others() -> None:
    trained = []
    for seed in (4, 4, 5):
        module = net(dropout=0.5)
        fit(module, moons(100), seed=seed)
        trained.append(weights(module))
        torch.rand(3)
    assert equal(trained[0], trained[1])
    assert not equal(trained[0], trained[2])


def test_the_random_state_of_the_process_is_neither_read_nor_moved() -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # type: ignore[index]  # numpy's type covers its older forms.
    fit(net(dropout=0.5), moons(50), learning_rate="find")
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # type: ignore[index]  # As above.


def test_the_weights_of_the_best_epoch_are_kept_and_waiting_ends() -> None:
    contrary = replace(moons(80, seed=1), labels=1 - moons(80, seed=1).labels)
    module = net()
    epochs = fit(module, moons(200), validation=contrary)
    losses = [epoch["validation_loss"] for epoch in epochs]
    assert len(epochs) == losses.index(min(losses)) + 1 + 3 < 10
    assert score(module, contrary)["validation_loss"] == pytest.approx(min(losses), abs=1e-6)


def test_the_last_weights_are_kept_where_the_settings_say_so() -> None:
    contrary = replace(moons(80, seed=1), labels=1 - moons(80, seed=1).labels)
    module = net()
    epochs = fit(module, moons(200), validation=contrary, keep="last", patience=0)
    assert len(epochs) == 10
    assert score(module, contrary)["validation_loss"] == pytest.approx(epochs[-1]["validation_loss"], abs=1e-6)


def test_every_epoch_is_told() -> None:
    epochs = fit(net(), moons(50), validation=moons(20, seed=2))
    own = ["train_loss", "train_accuracy", "train_macro_f1"]
    held_out = ["validation_loss", "validation_accuracy", "validation_macro_f1"]
    pace = ["learning_rate", "posts_per_s", "data_wait", "seconds"]
    assert list(epochs[0]) == ["step", "epoch", "epochs", *own, *held_out, *pace]
    assert [epoch["epoch"] for epoch in epochs] == list(range(1, len(epochs) + 1))
    assert {epoch["epochs"] for epoch in epochs} == {10}
    assert all(0 <= epoch["data_wait"] < 1 and epoch["posts_per_s"] > 0 for epoch in epochs)
    epochs = fit(net(), moons(50))
    assert list(epochs[0]) == ["step", "epoch", "epochs", *own, *pace]
    assert len(epochs) == 10


def test_a_loss_that_is_not_finite_names_the_posts_of_its_batch_and_changes_nothing() -> None:
    examples = moons(40)
    assert isinstance(examples.inputs, Tensor)
    examples.inputs[7, 0] = math.nan
    module = net()
    with pytest.raises(DataError, match=r"not finite in epoch 1, in the batch of the posts .*and 8 more") as caught:
        fit(module, examples)
    assert "Lower model.training.learning_rate" in str(caught.value)
    assert all(tensor.isfinite().all() for tensor in weights(module))
    with pytest.raises(DataError, match=r"'post-7'"):
        fit(net(), examples, batch_size=2)


def test_weights_that_are_not_finite_are_refused() -> None:
    examples = moons(32)
    assert isinstance(examples.inputs, Tensor)
    steep = replace(examples, inputs=examples.inputs * 1000)
    with pytest.raises(DataError, match=r"weights are not finite.*Lower model\.training\.learning_rate"):
        fit(net(), steep, optimizer="sgd", learning_rate=1e38, schedule="constant", epochs=1, batch_size=32)


def test_a_validation_loss_that_is_no_number_never_wins() -> None:
    broken = moons(20, seed=2)
    assert isinstance(broken.inputs, Tensor)
    broken.inputs[3, 0] = math.nan
    module = net()
    epochs = fit(module, moons(100), validation=broken)
    assert len(epochs) == SETTINGS.patience
    assert all(tensor.isfinite().all() for tensor in weights(module))


class Noting(nn.Module):
    """Notes the first column of every batch that is learned from."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        self.batches: list[list[float]] = []

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training:
            self.batches.append(inputs[:, 0].tolist())
        found: Tensor = self.inner(inputs)
        return found


@pytest.mark.parametrize("count", [2, 16, 17, 33])
@pytest.mark.parametrize("epochs", [1, 2])
def test_an_epoch_sees_each_post_once_and_no_batch_is_of_one(count: int, epochs: int) -> None:
    module, examples = Noting(), moons(count)
    assert isinstance(examples.inputs, Tensor)
    fit(module, examples, epochs=epochs)
    assert min(map(len, module.batches)) > 1
    assert sorted(chain.from_iterable(module.batches)) == sorted(examples.inputs[:, 0].tolist() * epochs)
    assert answers(module, examples.inputs).isfinite().all()


def rare() -> Examples:
    random = np.random.default_rng(0)
    labels = np.array([0] * 190 + [1] * 10)
    rows = (random.normal(size=(200, 2)) + labels[:, None]).astype(np.float32)
    return Examples(torch.from_numpy(rows), torch.from_numpy(labels), [str(i) for i in range(200)], ["often", "rare"])


@pytest.mark.parametrize("remedy", ["class_weights", "balanced"])
def test_class_weights_and_balanced_batches_make_up_for_rare_classes(remedy: str) -> None:
    rates = []
    for is_on in (False, True):
        module = net()
        fit(module, rare(), **{remedy: is_on})
        rates.append(float((answers(module, rare().inputs).argmax(1) == 1).double().mean()))
    assert rates[0] < 0.1
    assert rates[1] > 0.2


def test_focal_loss_and_smoothed_labels_make_answers_less_sure() -> None:
    sureness = {}
    rivals: dict[str, dict[str, object]] = {"plain": {}, "focal": {"loss": "focal"}, "smooth": {"label_smoothing": 0.2}}
    for name, changes in rivals.items():
        module = net()
        fit(module, moons(300), patience=0, epochs=20, **changes)
        sureness[name] = float(answers(module, moons(200, seed=1).inputs).softmax(1).amax(1).mean())
    assert sureness["plain"] > sureness["focal"] + 0.02
    assert sureness["plain"] > sureness["smooth"] + 0.02


def test_accumulated_batches_are_the_same_as_one_large_batch() -> None:
    trained = []
    for changes in ({"batch_size": 32}, {"batch_size": 8, "accumulate": 4}):
        module = net()
        fit(module, moons(64), patience=0, optimizer="sgd", learning_rate=0.1, **changes)
        trained.append(answers(module, moons(20, seed=1).inputs))
    torch.testing.assert_close(trained[0], trained[1], atol=1e-4, rtol=1e-4)


def test_clipped_gradients_bound_a_step() -> None:
    def moved(clip: float) -> float:
        module = net()
        before = weights(module)
        plain = {"optimizer": "sgd", "momentum": 0, "weight_decay": 0, "schedule": "constant", "learning_rate": 1.0}
        fit(module, moons(16), epochs=1, clip=clip, **plain)
        return math.sqrt(sum(float((a - b).square().sum()) for a, b in zip(weights(module), before, strict=True)))

    assert moved(0.001) == pytest.approx(0.001, rel=0.02)
    assert moved(0.0) > 0.01


def test_averaged_weights_answer_and_lie_between_those_of_the_steps() -> None:
    averaged, last = net(), net()
    epochs = fit(averaged, moons(200), average=0.99, keep="last", patience=0, validation=moons(50, seed=2))
    fit(last, moons(200), keep="last", patience=0)
    assert not equal(weights(averaged), weights(last))
    assert score(averaged, moons(50, seed=2))["validation_loss"] == pytest.approx(epochs[-1]["validation_loss"])


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU()), nn.Linear(8, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        found: Tensor = self.head(self.body(inputs))
        return found

    def layers_upwards(self) -> list[nn.Module]:
        return [self.body, self.head]


def test_frozen_epochs_train_the_head_alone_and_later_ones_everything() -> None:
    module = Two()
    body, head = weights(module.body), weights(module.head)
    fit(module, moons(64), epochs=2, epochs_frozen=2)
    assert equal(weights(module.body), body)
    assert not equal(weights(module.head), head)
    fit(module, moons(64), epochs=2, epochs_frozen=1)
    assert not equal(weights(module.body), body)
    assert all(each.requires_grad for each in module.parameters())


def test_lower_layers_learn_more_slowly_where_rates_decay() -> None:
    def moved(decay: float) -> float:
        module = Two()
        with torch.no_grad():
            for each in module.parameters():
                each.fill_(0.1)
        before = weights(module.body)[0]
        fit(module, moons(64), epochs=1, optimizer="sgd", layer_decay=decay, weight_decay=0)
        return float((weights(module.body)[0] - before).norm())

    assert moved(0.1) < 0.2 * moved(1.0)


def test_plateau_cuts_the_rate_where_the_loss_stalls() -> None:
    contrary = replace(moons(80, seed=1), labels=1 - moons(80, seed=1).labels)
    chosen = {"schedule": "plateau", "plateau": 2, "plateau_factor": 0.1, "patience": 0}
    rates = [epoch["learning_rate"] for epoch in fit(net(), moons(200), validation=contrary, **chosen)]
    assert rates[0] == pytest.approx(0.02)
    assert rates[-1] <= 0.02 * 0.1**2 * 1.01


def test_training_pictures_are_changed_and_validation_pictures_are_not() -> None:
    events: list[Event] = []
    changed = with_settings(augmentation=Augmentation(cutout=0.5, rotate=90), epochs=2)
    train(
        picture_net(), pictures(64), settings=changed, seed=1, validation=pictures(32), progress=Progress(events.append)
    )
    shown = next(event for event in events if event["step"] == "augmented")
    assert len(shown["images"]) == len(shown["labels"]) == 16
    assert set(shown["labels"]) == {"top", "bottom"}
    last = [event for event in events if event["step"] == "epoch"][-1]
    assert last["validation_accuracy"] > last["train_accuracy"]


@pytest.mark.parametrize("precision", ["bfloat16", "float16", "auto"])
def test_half_precision_learns_and_leaves_float32_weights(precision: str) -> None:
    module = picture_net()
    fit(module, pictures(64), precision=precision, patience=0)
    assert score(module, pictures(64))["validation_accuracy"] > 0.9
    assert {tensor.dtype for tensor in module.parameters()} == {torch.float32}


class Lazy:
    """Inputs that are made when they are asked for."""

    def __init__(self, inputs: Tensor) -> None:
        self._inputs = inputs
        self.asked = 0

    def __len__(self) -> int:
        return len(self._inputs)

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        self.asked += len(rows)
        return self._inputs[rows]


def test_inputs_that_are_made_when_asked_for_give_the_same_weights() -> None:
    examples = moons(50)
    assert isinstance(examples.inputs, Tensor)
    lazy = Lazy(examples.inputs)
    trained = []
    for inputs in (examples.inputs, lazy):
        module = net(dropout=0.3)
        fit(module, replace(examples, inputs=inputs))
        trained.append(weights(module))
    assert equal(*trained)
    assert lazy.asked == 10 * 50


class Killed(Exception):
    """The process ends here."""


@pytest.mark.parametrize(
    "changes",
    [
        {"average": 0.9, "patience": 0},
        {"schedule": "plateau", "plateau": 1, "patience": 4, "optimizer": "rmsprop"},
        {"accumulate": 2, "clip": 1.0, "learning_rate": "find", "optimizer": "sgd"},
        {"precision": "bfloat16", "augmentation": {"flip": True, "mixup": 0.5}, "optimizer": "adam"},
    ],
    ids=["average", "plateau", "accumulate", "mixed"],
)
@pytest.mark.parametrize("survives", [1, 9, 30])
def test_a_fit_that_was_killed_and_resumed_ends_as_one_that_was_not(
    tmp_path: Path, changes: dict[str, object], survives: int
) -> None:
    settings = with_settings(epochs=6, **changes)

    def run(folder: Path | None, hear: Any = lambda _: None) -> tuple[list[Tensor], list[Event]]:  # Any: a listener.
        events: list[Event] = []

        def note(event: Event) -> None:
            events.append(event)
            hear(event)

        module, progress = picture_net(), Progress(note, checkpoints=folder, every_s=0.0)
        train(module, pictures(70), settings=settings, seed=2, validation=pictures(20), progress=progress)
        return weights(module), [strip(event) for event in events if event["step"] != "batch"]

    whole = run(None)
    heard = 0

    def kill(_: Event) -> None:
        nonlocal heard
        heard += 1
        if heard > survives:
            raise Killed

    resumed: tuple[list[Tensor], list[Event]] | None = None
    for _ in range(40):
        heard = 0
        try:
            resumed = run(tmp_path, kill)
            break
        except Killed:
            survives += 1
    assert resumed is not None
    assert equal(resumed[0], whole[0])
    assert resumed[1] == whole[1]
    assert run(tmp_path)[1] == whole[1]  # A finished fit tells its epochs again, and learns nothing.


def strip(event: Event) -> Event:
    return {key: value for key, value in event.items() if key not in ("seconds", "posts_per_s", "data_wait")}


def test_a_checkpoint_of_another_fit_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    progress = Progress(checkpoints=tmp_path, every_s=0.0)
    train(net(), moons(50), settings=SETTINGS, seed=1, progress=progress)
    module, alone = net(), net()
    train(module, moons(50), settings=SETTINGS, seed=2, progress=progress)
    train(alone, moons(50), settings=SETTINGS, seed=2, progress=silent)
    assert "of another fit" in caplog.text
    assert equal(weights(module), weights(alone))


def test_a_broken_checkpoint_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "fit.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{nothing")
    module, alone = net(), net()
    train(module, moons(50), settings=SETTINGS, seed=1, progress=Progress(checkpoints=tmp_path))
    train(alone, moons(50), settings=SETTINGS, seed=1)
    assert "cannot be read" in caplog.text
    assert equal(weights(module), weights(alone))
