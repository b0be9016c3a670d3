"""A fit that dies anywhere goes on from its checkpoint to the very same end."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from siaga.errors import DataError
from siaga.models.checkpoints import State, Store, fingerprint_of, optimizer_tensors, restore_optimizer
from siaga.models.classifier import Progress
from siaga.models.convolutions import Scaled
from siaga.models.examples import Examples
from siaga.models.layers import build_layers, build_output, features_of
from siaga.models.optimizers import build_optimizer
from siaga.models.training import train
from siaga.schema import Block, Plain, Residual, Training
from tests.test_training import equal, moons, net, pictures, strip, weights, with_settings

NAME = "fit.safetensors"


class Killed(Exception):
    """The process ends here."""


@dataclass
class Deadly:
    """Inputs that are asked for, and kill whoever asks for them once too often."""

    inputs: Tensor
    survives: int = 10**9
    asked: int = field(default=0)

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        self.asked += 1
        if self.asked > self.survives:
            raise Killed
        return self.inputs[rows]


def convnet(spec: Plain | Residual) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        output = build_output(features_of(spec, channels=1, side=8), 2, ordinal=False)
        return Scaled(build_layers(spec, channels=1, side=8, output=output), channels=1)


RESIDUAL = Residual(channels=(4, 6), blocks=1, dropout=0.1)
PLAIN = Plain(blocks=(Block(channels=3, kernel=5, dropout=0.2), Block(channels=5)), dense=(7,), dropout=0.1)
KINDS: dict[str, tuple[Plain | Residual, dict[str, object]]] = {
    "adamw": (RESIDUAL, {"average": 0.9, "schedule": "one_cycle"}),
    "adam": (PLAIN, {"optimizer": "adam", "augmentation": {"rotate": 20, "mixup": 0.5, "cutmix": 0.4}}),
    "sgd": (RESIDUAL, {"optimizer": "sgd", "momentum": 0, "accumulate": 3, "clip": 0.5, "schedule": "cosine"}),
    "rmsprop": (RESIDUAL, {"optimizer": "rmsprop", "schedule": "plateau", "plateau": 1, "learning_rate": 1e-3}),
    "half": (RESIDUAL, {"precision": "float16", "epochs_frozen": 1, "layer_decay": 0.5, "loss": "focal"}),
    "found": (PLAIN, {"optimizer": "sgd", "learning_rate": "find", "precision": "bfloat16", "balanced": True}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_that_dies_before_any_batch_ends_as_one_that_lived(kind: str, tmp_path: Path) -> None:
    """Also where the last thing kept was the end of an epoch, or the start of all of them."""
    spec, changes = KINDS[kind]
    settings = with_settings(**{"epochs": 2, "batch_size": 8, "learning_rate": 0.02, **changes})
    examples, validation = pictures(26), pictures(12)
    assert isinstance(examples.inputs, Tensor)
    pixels = examples.inputs

    def run(folder: Path | None, survives: int = 10**9) -> tuple[list[Tensor], list[object], int]:
        events: list[object] = []
        module, deadly = convnet(spec), Deadly(pixels, survives)
        hear = Progress(lambda event: events.append(strip(event)), checkpoints=folder, every_s=0.0)
        train(module, replace(examples, inputs=deadly), settings=settings, seed=2, validation=validation, progress=hear)
        return weights(module), events, deadly.asked

    whole, events, asked = run(None)
    told = [event for event in events if isinstance(event, Mapping) and event["step"] != "batch"]
    first = 101 if kind == "found" else 0  # Before that the finder learns, which begins anew.
    for survives in range(first, asked):
        folder = tmp_path / str(survives)
        with pytest.raises(Killed):
            run(folder, survives)
        resumed, again, asked_again = run(folder)
        assert equal(resumed, whole), f"killed before batch {survives}"
        assert [event for event in again if isinstance(event, Mapping) and event["step"] != "batch"] == told
        if kind != "sgd":  # Which goes on from before the batches that it had accumulated.
            assert asked_again == asked - survives


def test_what_a_finished_fit_learned_is_not_learned_again(tmp_path: Path) -> None:
    settings, examples = with_settings(epochs=2), moons(40)
    assert isinstance(examples.inputs, Tensor)
    trained, asked = [], []
    for _ in range(2):
        module, deadly = net(), Deadly(examples.inputs)
        progress = Progress(checkpoints=tmp_path)
        train(module, replace(examples, inputs=deadly), settings=settings, seed=2, progress=progress)
        trained.append(weights(module))
        asked.append(deadly.asked)
    assert equal(*trained)
    assert asked == [6, 0]


def test_a_checkpoint_is_kept_no_oftener_than_asked_for(tmp_path: Path) -> None:
    examples = moons(64)
    assert isinstance(examples.inputs, Tensor)
    for every_s, is_kept in ((3600.0, False), (0.0, True)):
        folder = tmp_path / str(every_s)
        with pytest.raises(Killed):
            train(
                net(),
                replace(examples, inputs=Deadly(examples.inputs, survives=3)),
                settings=with_settings(epochs=1),
                seed=1,
                progress=Progress(checkpoints=folder, every_s=every_s),
            )
        assert (folder / NAME).exists() == is_kept


def test_an_optimizer_is_put_back_as_it_was_laid_out_in_memory() -> None:
    module = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # Which torch's types lack.
    optimizer = build_optimizer(module, Training())
    torch.autograd.backward(module(torch.rand(2, 3, 5, 5)).sum())
    optimizer.step()
    stored = {name: each.contiguous().clone() for name, each in optimizer_tensors(optimizer).items()}
    other = build_optimizer(module, Training())
    restore_optimizer(other, stored)
    before, after = optimizer.state[module.weight], other.state[module.weight]
    assert before.keys() == after.keys() == {"step", "exp_avg", "exp_avg_sq"}
    for key, value in before.items():
        assert torch.equal(value, after[key])
        assert value.stride() == after[key].stride()
    assert before["exp_avg"].stride() != stored["0/exp_avg"].stride()


def test_weights_that_are_not_finite_are_never_kept(tmp_path: Path) -> None:
    examples = moons(64)
    assert isinstance(examples.inputs, Tensor)
    given = {"optimizer": "sgd", "learning_rate": 1e38, "schedule": "constant", "batch_size": 32, "warmup": 0}
    steep = replace(examples, inputs=examples.inputs * 1000)
    progress = Progress(checkpoints=tmp_path, every_s=0.0)
    with pytest.raises(DataError, match="not finite"):
        train(net(), steep, settings=with_settings(**given), seed=1, progress=progress)
    assert list(tmp_path.iterdir()) == []


def test_a_metric_that_is_undefined_is_told_as_none() -> None:
    broken = moons(20, seed=2)
    assert isinstance(broken.inputs, Tensor)
    broken.inputs[3, 0] = math.nan
    epochs: list[Mapping[str, object]] = []
    hear = Progress(lambda event: epochs.append(event) if event["step"] == "epoch" else None)
    train(net(), moons(40), settings=with_settings(epochs=2), seed=1, validation=broken, progress=hear)
    assert [epoch["validation_loss"] for epoch in epochs] == [None, None]
    assert json.dumps(epochs, allow_nan=False)


def stored(folder: Path, state: State) -> Store:
    store = Store(Progress(checkpoints=folder, every_s=0.0), "mine")
    store.write(state, {"module/weight": torch.arange(6.0).view(2, 3).t()})
    return store


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    told = {"step": "epoch", "epoch": 1, "train_loss": 0.1 + 0.2, "validation_loss": None}
    state = State(epoch=3, step=7, learning_rate=1e-3, best_loss=0.25, told=[told], scaler={"scale": 65536.0})
    found = stored(tmp_path / "deep" / "in", state).read()
    assert found is not None
    assert found[0] == state
    assert torch.equal(found[1]["module/weight"], torch.arange(6.0).view(2, 3).t())


def test_a_store_without_a_folder_keeps_nothing() -> None:
    store = Store(Progress(every_s=0.0), "mine")
    assert not store.is_due
    store.write(State(), {})
    assert store.read() is None


def test_only_the_first_of_several_processes_writes(tmp_path: Path) -> None:
    store = Store(Progress(checkpoints=tmp_path, every_s=0.0), "mine", is_writer=False)
    assert not store.is_due
    store.write(State(), {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.99])
def test_a_checkpoint_that_was_cut_off_is_not_used(
    tmp_path: Path, share: float, caplog: pytest.LogCaptureFixture
) -> None:
    store = stored(tmp_path, State(epoch=1))
    content = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(content[: int(share * len(content))])
    assert store.read() is None
    assert "cannot be read" in caplog.text


@pytest.mark.parametrize("metadata", ["{", "[]", '{"fingerprint": "mine", "foreign": 1}', '{"epoch": 1}'])
def test_a_checkpoint_that_says_something_else_is_not_used(tmp_path: Path, metadata: str) -> None:
    from safetensors.torch import save_file

    save_file({"module/weight": torch.ones(1)}, tmp_path / NAME, metadata={"siaga": metadata})
    assert Store(Progress(checkpoints=tmp_path), "mine").read() is None


def test_what_a_killed_process_left_half_written_is_swept(tmp_path: Path) -> None:
    half = tmp_path / f".{NAME}.0123abcd.siaga-partial"
    half.write_bytes(b"half")
    Store(Progress(checkpoints=tmp_path), "mine", is_writer=False)
    assert half.exists()
    Store(Progress(checkpoints=tmp_path), "mine")
    assert not half.exists()


def test_a_checkpoint_holds_nothing_but_tensors_and_json(tmp_path: Path) -> None:
    train(net(), moons(40), settings=with_settings(epochs=1), seed=1, progress=Progress(checkpoints=tmp_path))
    with safe_open(tmp_path / NAME, framework="pt") as found:
        assert json.loads(found.metadata()["siaga"])["is_finished"]
        assert all(name.startswith("module/") for name in found.keys())  # noqa: SIM118 - not a dictionary.


def test_a_fingerprint_changes_with_whatever_a_fit_starts_from() -> None:
    def of(module: nn.Module, examples: Examples, settings: str = "s") -> str:
        return fingerprint_of(module, settings, examples.labels, list(examples.ids))

    examples = moons(20)
    rivals: list[Any] = [  # Any: arguments.
        (net(), examples),
        (net(1), examples),
        (net(), replace(examples, labels=1 - examples.labels)),
        (net(), replace(examples, ids=[*examples.ids[:-1], "other"])),
        (net(), examples, "t"),
    ]
    assert len({of(*rival) for rival in rivals}) == len(rivals)
    assert of(net(), moons(20)) == of(net(), examples)


@pytest.mark.filterwarnings("ignore")  # Torch's of itself.
def test_a_net_that_cannot_be_compiled_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import torch._inductor.config as inductor

    monkeypatch.setattr(inductor.cpp, "cxx", (None, "/no/such/compiler"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    with pytest.raises(DataError, match=r"cannot be compiled: .*C\+\+ compiler.*Set model\.training\.compile = false"):
        train(net(), moons(20), settings=with_settings(epochs=1, compile=True), seed=1)
