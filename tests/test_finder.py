"""The learning-rate finder: what it reads from a curve, and that it leaves everything as it was."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from siaga.models.classifier import Progress
from siaga.models.feed import Batch, Feed, single
from siaga.models.finder import DEFAULT, HIGHEST, LOWEST, STEPS, Finding, choose_rate, find_learning_rate
from siaga.models.training import train
from siaga.schema import Training
from tests.test_training import SETTINGS, equal, moons, net, weights, with_settings

RATES = [10 ** (-6 + 6 * i / 60) for i in range(61)]


def curve(loss: Callable[[float], float]) -> list[float]:
    """The losses over the rates, of the logarithm of each."""
    return [loss(math.log10(rate)) for rate in RATES]


def valley(log_rate: float) -> float:
    """Flat up to 1e-4, falls most steeply near 1e-3, lowest at 1e-1, and rises after that."""
    fall = 1 / (1 + math.exp(6 * (log_rate + 3)))
    return 0.2 + fall + 0.1 * max(0.0, -1 - log_rate) + 3 * max(0.0, log_rate + 1) ** 2


def test_the_rate_is_where_the_loss_falls_most_steeply() -> None:
    found = choose_rate(RATES, curve(valley))
    assert 0.7e-3 < found.learning_rate < 1.5e-3
    assert found.reason == "It is where the loss falls most steeply."
    assert (found.rates, found.losses) == (RATES, curve(valley))


def test_the_rate_is_well_below_the_one_of_the_lowest_loss() -> None:
    cliff = curve(lambda log_rate: 1.0 if log_rate < -2.05 else 0.1 if log_rate < -1.95 else 5.0)
    found = choose_rate(RATES, cliff)
    assert found.learning_rate == pytest.approx(1e-3)
    assert found.reason == "It is a tenth of the rate of the lowest loss."


@pytest.mark.parametrize("height", [0.0, 1e-9, 0.7, 50.0])
def test_a_flat_curve_gives_the_default_and_says_so(height: float) -> None:
    for losses in (curve(lambda _: height), curve(lambda log_rate: height * (1 - 0.001 * log_rate))):
        found = choose_rate(RATES, losses)
        assert found.learning_rate == DEFAULT
        assert found.reason == "The curve is flat: the default is taken."


def test_a_curve_that_only_rises_gives_the_default() -> None:
    assert choose_rate(RATES, curve(math.exp)).learning_rate == DEFAULT


@pytest.mark.parametrize("count", [0, 1, 5, 15])
def test_a_curve_that_ends_at_once_gives_the_default_and_says_so(count: int) -> None:
    found = choose_rate(RATES[:count], curve(valley)[:count])
    assert found.learning_rate == DEFAULT
    assert found.reason == "The losses break out at once: the default is taken."


@pytest.mark.parametrize("count", range(16, 62))
def test_a_curve_that_ends_anywhere_later_gives_a_rate(count: int) -> None:
    for losses in (curve(valley), curve(lambda log_rate: -log_rate)):
        found = choose_rate(RATES[:count], losses[:count])
        assert found.learning_rate == DEFAULT or found.learning_rate in [float(f"{rate:.2g}") for rate in found.rates]


def test_the_noise_of_small_batches_is_not_taken_for_a_fall() -> None:
    for seed in range(40):
        noise = torch.randn(61, generator=torch.Generator().manual_seed(seed)).tolist()
        smoothed, losses = 0.0, []
        for step, (loss, extra) in enumerate(zip(curve(valley), noise, strict=True), start=1):
            smoothed = 0.9 * smoothed + 0.1 * (loss + 0.15 * extra)
            losses.append(smoothed / (1 - 0.9**step))
        assert 1e-4 < choose_rate(RATES, losses).learning_rate < 1e-2, seed


def finding(module: nn.Module, *, inputs: Tensor | None = None, changes: dict[str, object] | None = None) -> Finding:
    """What the finder says of a net that learns the moons."""
    examples, settings = moons(200), with_settings(learning_rate="find", **(changes or {}))
    given = examples.inputs if inputs is None else inputs
    feed = Feed(given, examples.labels, settings, seed=1, device=torch.device("cpu"))
    return find_learning_rate(module, feed, settings, loss_of)


def loss_of(module: Callable[[Tensor], Tensor], batch: Batch) -> Tensor:
    return nn.functional.cross_entropy(module(single(batch.inputs)), batch.labels)


def test_the_rates_rise_by_the_same_factor_from_the_lowest_to_where_the_loss_breaks_out() -> None:
    found = finding(net(), changes={"optimizer": "sgd", "weight_decay": 0})
    factor = (HIGHEST / LOWEST) ** (1 / (STEPS - 1))
    assert found.rates[0] == LOWEST
    assert all(b / a == pytest.approx(factor) for a, b in pairwise(found.rates))
    assert len(found.losses) == len(found.rates) <= STEPS
    assert all(math.isfinite(loss) for loss in found.losses)
    assert found.rates[-1] == pytest.approx(HIGHEST) or found.losses[-1] > 4 * min(found.losses)


def test_the_first_loss_is_that_of_the_net_as_it_is() -> None:
    module = net()
    feed = Feed(moons(200).inputs, moons(200).labels, SETTINGS, seed=1, device=torch.device("cpu"))
    first = float(loss_of(module, next(feed.batches(-1))).detach())
    assert finding(module).losses[0] == pytest.approx(first, abs=1e-6)


def test_the_net_and_the_random_state_stay_as_they_were() -> None:
    module = net(dropout=0.5).eval()
    before = weights(module)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    finding(module)
    assert equal(weights(module), before)
    assert not module.training
    assert all(each.grad is None and each.requires_grad for each in module.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_the_random_state_is_restored_when_the_finder_fails() -> None:
    wrong = nn.Linear(5, 2)
    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="shape"):
        finding(wrong)
    assert torch.equal(torch.get_rng_state(), state)


class Constant(nn.Module):
    """Answers the same whatever it learned."""

    def __init__(self) -> None:
        super().__init__()
        self.idle = nn.Parameter(torch.ones(2))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs * 0 + self.idle * 0


def test_a_net_that_cannot_learn_gets_the_default() -> None:
    found = finding(Constant())
    assert found.learning_rate == DEFAULT
    assert "flat" in found.reason


def test_posts_that_are_no_numbers_give_the_default() -> None:
    found = finding(net(), inputs=torch.full((200, 2), math.nan))
    assert (found.learning_rate, found.rates, found.losses) == (DEFAULT, [], [])
    assert "break out" in found.reason


def told(module: nn.Module, settings: Training) -> list[dict[str, object]]:
    events: list[dict[str, object]] = []
    train(module, moons(200), settings=settings, seed=1, progress=Progress(lambda event: events.append(dict(event))))
    return events


def test_a_fit_tells_what_was_found_and_learns_as_if_it_had_been_given() -> None:
    module, other = net(dropout=0.2), net(dropout=0.2)
    events = told(module, with_settings(learning_rate="find", epochs=3, schedule="constant"))
    assert events[0].keys() == {"step", "rates", "losses", "learning_rate", "reason"}
    assert events[0]["step"] == "find"
    rate = events[0]["learning_rate"]
    assert isinstance(rate, float)
    assert 1e-4 < rate < 0.3
    assert {event["learning_rate"] for event in events if event["step"] == "epoch"} == {rate}
    told(other, with_settings(learning_rate=rate, epochs=3, schedule="constant"))
    assert equal(weights(module), weights(other))
