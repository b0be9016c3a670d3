import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from siaga.errors import DataError
from siaga.models.classifier import Progress
from siaga.models.training import Examples, Schedule, logits, score, train

SCHEDULE = Schedule(epochs=10, batch_size=16, learning_rate=0.02, weight_decay=0.01, patience=3, seed=4)


def moons(count: int, seed: int = 0) -> Examples:
    """Two classes that no straight line parts."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(count, 2)).astype(np.float32)
    labels = (rows[:, 0] * rows[:, 1] > 0).astype(np.int64)
    return Examples(torch.from_numpy(rows), torch.from_numpy(labels), [f"post-{i}" for i in range(count)])


def net(seed: int = 0, dropout: float = 0.0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 2))


def weights(module: nn.Module) -> list[Tensor]:
    return [tensor.clone() for tensor in module.state_dict().values()]


def equal(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_it_learns_what_no_line_can_part() -> None:
    module = net()
    train(module, moons(400), schedule=SCHEDULE)
    assert score(module, moons(200, seed=1))[1] > 0.9
    assert not module.training


def test_equal_seeds_give_equal_weights_and_other_seeds_others() -> None:
    trained = []
    for seed in (4, 4, 5):
        module = net(dropout=0.5)
        train(module, moons(100), schedule=Schedule(**{**vars(SCHEDULE), "seed": seed}))
        trained.append(weights(module))
        torch.rand(3)
    assert equal(trained[0], trained[1])
    assert not equal(trained[0], trained[2])


def test_the_random_state_of_the_process_is_neither_read_nor_moved() -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # type: ignore[index]  # numpy's type covers its older forms.
    train(net(dropout=0.5), moons(50), schedule=SCHEDULE)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # type: ignore[index]  # As above.


def test_the_weights_of_the_best_epoch_are_kept_and_waiting_ends() -> None:
    events: list[Mapping[str, object]] = []
    contrary = Examples(moons(80, seed=1).inputs, 1 - moons(80, seed=1).labels, moons(80).ids)
    module = net()
    train(module, moons(200), schedule=SCHEDULE, validation=contrary, progress=Progress(events.append))
    losses = [float(str(event["validation_loss"])) for event in events]
    assert len(events) == losses.index(min(losses)) + 1 + SCHEDULE.patience < SCHEDULE.epochs
    assert score(module, contrary)[0] == pytest.approx(min(losses), abs=1e-6)


def test_every_epoch_is_told() -> None:
    events: list[Mapping[str, object]] = []
    train(net(), moons(50), schedule=SCHEDULE, validation=moons(20, seed=2), progress=Progress(events.append))
    expected = ["step", "epoch", "epochs", "train_loss", "validation_loss", "validation_accuracy", "seconds"]
    assert list(events[0]) == expected
    assert [event["epoch"] for event in events] == list(range(1, len(events) + 1))
    assert {(event["step"], event["epochs"]) for event in events} == {("epoch", 10)}
    events.clear()
    train(net(), moons(50), schedule=SCHEDULE, progress=Progress(events.append))
    assert list(events[0]) == ["step", "epoch", "epochs", "train_loss", "seconds"]
    assert len(events) == 10


def test_a_loss_that_is_not_finite_names_the_posts_of_its_batch_and_changes_nothing() -> None:
    examples = moons(40)
    examples.inputs[7, 0] = math.nan
    module = net()
    with pytest.raises(DataError, match=r"not finite in epoch 1, in the batch of the posts .*and 8 more") as caught:
        train(module, examples, schedule=SCHEDULE)
    assert "Lower model.learning_rate" in str(caught.value)
    assert all(tensor.isfinite().all() for tensor in weights(module))
    alone = Schedule(**{**vars(SCHEDULE), "batch_size": 2})
    with pytest.raises(DataError, match=r"'post-7'"):
        train(net(), examples, schedule=alone)


def test_a_validation_loss_that_is_no_number_never_wins() -> None:
    broken = moons(20, seed=2)
    broken.inputs[3, 0] = math.nan
    events: list[Mapping[str, object]] = []
    module = net()
    train(module, moons(100), schedule=SCHEDULE, validation=broken, progress=Progress(events.append))
    assert len(events) == SCHEDULE.patience
    assert all(tensor.isfinite().all() for tensor in weights(module))


@pytest.mark.parametrize("count", [2, 16, 17, 33])
@pytest.mark.parametrize("epochs", [1, 2])
def test_an_epoch_sees_each_post_once_and_no_batch_is_of_one(count: int, epochs: int) -> None:
    seen: list[float] = []
    sizes: list[int] = []

    def note(inputs: Tensor, generator: torch.Generator) -> Tensor:
        seen.extend(inputs[:, 0].tolist())
        sizes.append(len(inputs))
        return inputs

    module = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    train(module, moons(count), schedule=Schedule(**{**vars(SCHEDULE), "epochs": epochs, "augment": note}))
    assert min(sizes) > 1
    assert sorted(seen) == sorted(moons(count).inputs[:, 0].tolist() * epochs)
    assert logits(module, moons(count).inputs).isfinite().all()


def test_class_weights_make_up_for_rare_classes() -> None:
    random = np.random.default_rng(0)
    labels = np.array([0] * 190 + [1] * 10)
    rows = (random.normal(size=(200, 2)) + labels[:, None]).astype(np.float32)
    examples = Examples(torch.from_numpy(rows), torch.from_numpy(labels), [str(i) for i in range(200)])
    rates = []
    for class_weights in (None, torch.tensor([0.53, 10.0])):
        module = net()
        train(module, examples, schedule=Schedule(**{**vars(SCHEDULE), "class_weights": class_weights}))
        rates.append(float((logits(module, examples.inputs).argmax(1) == 1).double().mean()))
    assert rates[0] < 0.1
    assert rates[1] > 0.2


def test_training_inputs_are_augmented_and_validation_inputs_are_not() -> None:
    def ruin(inputs: Tensor, generator: torch.Generator) -> Tensor:
        return torch.randn(inputs.shape, generator=generator)

    events: list[Mapping[str, object]] = []
    module = net()
    ruined = Schedule(**{**vars(SCHEDULE), "augment": ruin})
    train(module, moons(200), schedule=ruined, validation=moons(100, seed=1), progress=Progress(events.append))
    last = events[-1]
    assert 0.3 < float(str(last["validation_accuracy"])) < 0.7
