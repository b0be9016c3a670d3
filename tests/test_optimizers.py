"""Which parameter learns how fast, and when."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from siaga.models.optimizers import Rates, build_optimizer, freeze, set_rate
from siaga.schema import Training


class Tower(nn.Module):
    """Three layers, and a parameter that hangs on the net itself."""

    def __init__(self) -> None:
        super().__init__()
        self.stray = nn.Parameter(torch.ones(3, 3))
        self.low = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        self.middle = nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)

    def layers_upwards(self) -> list[nn.Module]:
        return [self.low, self.middle, self.head]


def groups(module: nn.Module, **settings: object) -> dict[int, tuple[float, float]]:
    """Each parameter's share of the rate, and its decay."""
    optimizer = build_optimizer(module, Training.model_validate(settings))
    found = {}
    for group in optimizer.param_groups:
        for each in group["params"]:
            assert id(each) not in found
            found[id(each)] = group["share"], group["weight_decay"]
    return found


def test_every_parameter_is_in_one_group_and_those_of_no_layer_go_with_the_lowest() -> None:
    module = Tower()
    found = groups(module, layer_decay=0.5)
    assert set(found) == {id(each) for each in module.parameters()}
    shares = {
        name: found[id(each)][0] for name, each in module.named_parameters() if name.endswith(("weight", "stray"))
    }
    lower = {"stray": 0.25, "low.0.weight": 0.25, "low.1.weight": 0.25}
    assert shares == {**lower, "middle.weight": 0.5, "head.weight": 1.0}


def test_a_parameter_of_two_layers_learns_with_the_upper_one() -> None:
    module = Tower()
    module.middle.weight = module.low.weight = nn.Parameter(torch.ones(4, 4))
    assert groups(module, layer_decay=0.5)[id(module.middle.weight)][0] == 0.5


def test_only_what_has_two_dimensions_or_more_is_decayed() -> None:
    module = Tower()
    found = groups(module, weight_decay=0.3)
    decayed = {name for name, each in module.named_parameters() if found[id(each)][1]}
    assert decayed == {"stray", "low.0.weight", "middle.weight", "head.weight"}
    assert {found[id(each)][1] for each in module.parameters()} == {0.3, 0.0}


def test_a_net_that_names_no_layers_is_one_layer() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    assert {share for share, _ in groups(module, layer_decay=0.1).values()} == {1.0}
    freeze(module, below_head=True)
    assert all(each.requires_grad for each in module.parameters())


def test_freezing_spares_the_head_alone_and_is_undone() -> None:
    module = Tower().train()
    freeze(module, below_head=True)
    assert {name for name, each in module.named_parameters() if each.requires_grad} == {"head.weight", "head.bias"}
    assert not module.low[1].training
    assert module.head.training
    freeze(module, below_head=False)
    assert all(each.requires_grad for each in module.parameters())
    assert module.low[1].training


def test_a_rate_is_set_by_share() -> None:
    optimizer = build_optimizer(Tower(), Training(layer_decay=0.5))
    set_rate(optimizer, 0.8)
    assert sorted({group["lr"] for group in optimizer.param_groups}) == pytest.approx([0.2, 0.4, 0.8])


GIVEN = {"momentum": 0.8, "squared_momentum": 0.95, "eps": 1e-6, "weight_decay": 0.1, "learning_rate": 0.5}


def stepped(name: str, gradients: list[float], **settings: object) -> list[float]:
    """Where a weight of 1 is after each of these gradients, at a rate of 0.5."""
    weight = nn.Parameter(torch.ones(1, 1))
    module = nn.Module()
    module.weight = weight
    optimizer = build_optimizer(module, Training.model_validate({**GIVEN, "optimizer": name, **settings}))
    set_rate(optimizer, 0.5)
    places = []
    for gradient in gradients:
        weight.grad = torch.full((1, 1), gradient)
        optimizer.step()
        places.append(float(weight.detach()))
    return places


def test_sgd_steps_with_nesterov_momentum() -> None:
    first = 1 - 0.5 * (0.3 + 0.8 * 0.3)  # The gradient is 0.2, and the decay adds 0.1 of the weight.
    now = 0.4 + 0.1 * first
    second = first - 0.5 * (now + 0.8 * (0.8 * 0.3 + now))
    assert stepped("sgd", [0.2, 0.4]) == pytest.approx([first, second], rel=1e-5)
    assert stepped("sgd", [0.2, 0.4], momentum=0, weight_decay=0) == pytest.approx([0.9, 0.7])


def test_adamw_decays_apart_from_the_gradient_and_adam_through_it() -> None:
    def adam(gradients: list[float], *, weight: float, decoupled: bool) -> list[float]:
        mean = square = 0.0
        places = []
        for step, given in enumerate(gradients, start=1):
            gradient = given if decoupled else given + 0.1 * weight
            weight -= 0.5 * 0.1 * weight if decoupled else 0
            mean, square = 0.8 * mean + 0.2 * gradient, 0.95 * square + 0.05 * gradient**2
            weight -= 0.5 * (mean / (1 - 0.8**step)) / (math.sqrt(square / (1 - 0.95**step)) + 1e-6)
            places.append(weight)
        return places

    gradients = [0.2, -0.4, 0.1]
    assert stepped("adamw", gradients) == pytest.approx(adam(gradients, weight=1, decoupled=True), rel=1e-4)
    assert stepped("adam", gradients) == pytest.approx(adam(gradients, weight=1, decoupled=False), rel=1e-4)


def test_rmsprop_smooths_the_squares_by_the_second_momentum() -> None:
    plain = {"momentum": 0, "weight_decay": 0}
    first = 1 - 0.5 * 0.2 / (math.sqrt(0.05 * 0.2**2) + 1e-6)
    second = first - 0.5 * 0.4 / (math.sqrt(0.95 * 0.05 * 0.2**2 + 0.05 * 0.4**2) + 1e-6)
    assert stepped("rmsprop", [0.2, 0.4], **plain) == pytest.approx([first, second], rel=1e-4)
    assert stepped("rmsprop", [0.2, 0.4], weight_decay=0)[1] < second


def rates(epochs: int, steps: int, **settings: object) -> list[float]:
    chosen = Rates(Training.model_validate({"epochs": epochs, **settings}), steps)
    return [chosen.share(step) for step in range(epochs * steps)]


def test_one_cycle_rises_for_its_warm_up_and_falls_to_almost_nothing() -> None:
    shares = rates(2, 5, schedule="one_cycle", warmup=0.4)
    rise = [0.04 + 0.96 * (1 - math.cos(math.pi * step / 4)) / 2 for step in (1, 2, 3, 4)]
    fall = [(1 + math.cos(math.pi * step / 6)) / 2 for step in range(6)]
    assert shares == pytest.approx([*rise, *fall])
    assert max(shares) == 1.0
    assert 0 < shares[-1] < 0.07


def test_cosine_rises_in_a_straight_line_and_falls_along_half_a_wave() -> None:
    shares = rates(2, 4, schedule="cosine", warmup=0.5)
    assert shares == pytest.approx(
        [0.25, 0.5, 0.75, 1.0, 1.0, *((1 + math.cos(math.pi * k / 4)) / 2 for k in (1, 2, 3))]
    )


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine"])
def test_without_a_warm_up_the_rate_only_falls(schedule: str) -> None:
    shares = rates(3, 4, schedule=schedule, warmup=0)
    assert shares[0] == 1.0
    assert all(a >= b for a, b in pairwise(shares))


@pytest.mark.parametrize("schedule", ["plateau", "constant"])
def test_a_constant_rate_stays_as_it_is(schedule: str) -> None:
    assert set(rates(3, 4, schedule=schedule)) == {1.0}


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine"])
def test_frozen_epochs_have_a_schedule_of_their_own(schedule: str) -> None:
    chosen = {"schedule": schedule, "warmup": 0.25}
    shares = rates(5, 4, epochs_frozen=2, **chosen)
    assert shares == pytest.approx([*rates(2, 4, **chosen), *rates(3, 4, **chosen)])
    assert rates(2, 4, epochs_frozen=2, **chosen) == pytest.approx(rates(2, 4, **chosen))


def test_one_step_is_enough_for_any_schedule() -> None:
    for schedule in ("one_cycle", "cosine", "plateau", "constant"):
        assert rates(1, 1, schedule=schedule) == [1.0]


def test_an_empty_parameter_learns_nothing_and_hurts_nothing() -> None:
    def loss(module: nn.Module) -> Tensor:
        return torch.stack([each.sum() for each in module.parameters()]).sum()

    module = nn.Module()
    module.weight, module.none = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.zeros(0))
    optimizer = build_optimizer(module, Training())
    torch.autograd.backward(loss(module))
    optimizer.step()
    assert not torch.equal(module.weight, torch.ones(2, 2))
