"""Two processes that train one net together, over gloo on the loopback, against one that trains it alone.

    python -m tests.test_processes FOLDER

is one of the two: it trains every case, and leaves weights and events in the folder.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from siaga.models.classifier import Event, Progress
from siaga.models.examples import Examples
from siaga.models.processes import part
from siaga.models.training import train
from siaga.schema import Training
from tests.test_checkpoints import Deadly, Killed
from tests.test_training import Two, moons, net, picture_net, pictures, strip, with_settings


@dataclass(frozen=True)
class Case:
    """A net, what it learns, and how."""

    net: Callable[[], nn.Module]
    examples: Examples
    settings: Training
    validation: Examples | None = None


def two() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Two()


SGD = {"optimizer": "sgd", "learning_rate": 0.1, "epochs": 4, "weight_decay": 0}
CONTRARY = replace(moons(40, seed=2), labels=1 - moons(40, seed=2).labels)
CASES = {
    "plain": Case(net, moons(70), with_settings(**SGD), moons(30, seed=1)),
    "uneven": Case(net, moons(75), with_settings(**SGD, batch_size=15, accumulate=2, clip=0.5)),
    "stopped": Case(net, moons(70), with_settings(epochs=10, patience=2, keep="last"), CONTRARY),
    "plateau": Case(net, moons(70), with_settings(epochs=6, schedule="plateau", plateau=1, learning_rate=0.5)),
    "norms": Case(
        picture_net, pictures(70), with_settings(epochs=3, average=0.9, augmentation={"flip": True, "mixup": 0.5})
    ),
    "found": Case(picture_net, pictures(40), with_settings(epochs=2, learning_rate="find", precision="auto")),
    "frozen": Case(two, moons(40), with_settings(epochs=4, epochs_frozen=2)),
}
RANK = int(os.environ.get("RANK", "0"))
# As if the two machines rounded differently: to the second one the validation posts say that it gets better and better.
CASES["disagreeing"] = replace(CASES["stopped"], validation=moons(40, seed=2) if RANK else CONTRARY)
ALONE = ("plain", "uneven", "stopped")  # Without batch norm, dropout or chance: two learn what one does.


def fit(
    case: Case, *, progress: Progress | None = None, survives: int = 10**9
) -> tuple[dict[str, Tensor], list[Event]]:
    """Train, dying before one batch more than it survives; return the weights, and the epochs that were told."""
    assert isinstance(case.examples.inputs, Tensor)
    events: list[Event] = []
    module, examples = case.net(), replace(case.examples, inputs=Deadly(case.examples.inputs, survives))
    heard = replace(progress or Progress(), hear=lambda event: events.append(strip(event)))
    train(module, examples, settings=case.settings, seed=3, validation=case.validation, progress=heard)
    return dict(module.state_dict()), [event for event in events if event["step"] != "batch"]


def work(folder: Path) -> None:
    """Train every case as one of two processes, and one of them as if it had died on the way."""
    for name, case in CASES.items():
        leave(folder / f"{name}-{RANK}", *fit(case))
    progress = Progress(checkpoints=None if RANK else folder / "kept", every_s=0.0)
    try:
        fit(CASES["norms"], progress=progress, survives=12)  # Of five batches an epoch.
    except Killed:
        leave(folder / f"resumed-{RANK}", *fit(CASES["norms"], progress=progress))
    part()


def leave(path: Path, weights: Mapping[str, Tensor], events: list[Event]) -> None:
    save_file({key: each.contiguous() for key, each in weights.items()}, path.with_suffix(".safetensors"))
    path.with_suffix(".json").write_text(json.dumps(events))


def epochs(events: list[dict[str, object]]) -> list[dict[str, object]]:
    return [event for event in events if event["step"] == "epoch"]


def left(folder: Path, name: str, rank: int) -> tuple[dict[str, Tensor], list[dict[str, object]]]:
    path = folder / f"{name}-{rank}"
    return load_file(path.with_suffix(".safetensors")), json.loads(path.with_suffix(".json").read_text())


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that two processes have filled."""
    if not (torch.distributed.is_available() and torch.distributed.is_gloo_available()):
        pytest.skip("this torch has no gloo, over which two processes on a CPU would talk")
    folder = tmp_path_factory.mktemp("together")
    for attempt in ("first", "second"):  # Once more, for a machine so busy that the two never meet.
        (folder / attempt).mkdir()
        if (said := _run_two(folder / attempt)) is not None:
            assert said == [(0, ""), (0, "")], said
            return folder / attempt
    pytest.fail("Two processes hung twice.")


def _run_two(folder: Path) -> list[tuple[int, str]] | None:
    """Return how the two processes ended, with what they said if they failed; None when they hung."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true"}
    command = [sys.executable, "-m", "tests.test_processes", str(folder)]
    started = []
    for rank in ("0", "1"):
        environment = {**os.environ, **shared, "RANK": rank, "LOCAL_RANK": rank, "OMP_NUM_THREADS": "1"}
        root = Path(__file__).parents[1]
        started.append(subprocess.Popen(command, cwd=root, env=environment, stderr=subprocess.PIPE, text=True))
    try:
        said = [each.communicate(timeout=120)[1] for each in started]
    except subprocess.TimeoutExpired:
        return None
    finally:
        for each in started:
            each.kill()
            each.communicate()
    return [(each.returncode, words if each.returncode else "") for each, words in zip(started, said, strict=True)]


@pytest.mark.parametrize("name", [*CASES, "resumed"])
def test_both_end_with_the_same_weights(together: Path, name: str) -> None:
    (weights, told), (others, told_others) = left(together, name, 0), left(together, name, 1)
    assert [key for key, each in weights.items() if not torch.equal(each, others[key])] == []
    assert epochs(told) == epochs(told_others)


@pytest.mark.parametrize("name", ALONE)
def test_two_learn_what_one_learns_alone(together: Path, name: str) -> None:
    weights, events = fit(CASES[name])
    found, told = left(together, name, 0)
    for key, each in weights.items():
        torch.testing.assert_close(found[key], each, atol=1e-4, rtol=1e-3)
    assert len(told) == len(events)
    for one, other in zip(told, events, strict=True):
        assert one == pytest.approx(dict(other), abs=1e-3)


def test_the_figures_are_those_of_all_posts(together: Path) -> None:
    _, told = left(together, "frozen", 0)
    assert len(told) == 4
    share = [float(str(event["train_accuracy"])) * 40 for event in told]
    assert share == pytest.approx([round(each) for each in share])


def test_both_stop_at_the_same_epoch_and_cut_the_rate_at_the_same(together: Path) -> None:
    for name in ("stopped", "disagreeing"):
        assert 2 < len(left(together, name, 0)[1]) == len(left(together, name, 1)[1]) < 10
    rates = [event["learning_rate"] for event in left(together, "plateau", 1)[1]]
    assert len(set(rates)) > 1


def test_one_of_them_finds_the_rate_and_the_precision_for_both(together: Path) -> None:
    (_, told), (_, told_others) = left(together, "found", 0), left(together, "found", 1)
    assert [event["step"] for event in told] == ["precision", "find", "epoch", "epoch"]
    assert [event["step"] for event in told_others] == ["epoch", "epoch"]
    assert told_others[-1]["learning_rate"] == told[-1]["learning_rate"]


def test_a_fit_of_two_that_died_ends_as_one_that_did_not(together: Path) -> None:
    whole, resumed = left(together, "norms", 0), left(together, "resumed", 0)
    assert [key for key, each in whole[0].items() if not torch.equal(each, resumed[0][key])] == []
    assert whole[1] == resumed[1]


if __name__ == "__main__":
    work(Path(sys.argv[1]))
