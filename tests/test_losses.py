"""What training makes small, in numbers that are written out; and the tally of how it goes."""

import math

import pytest
import torch
from sklearn.metrics import f1_score
from torch import Tensor, nn

from siaga.features.augmentation import Mix
from siaga.models.averages import Average
from siaga.models.losses import Loss, inverse_frequencies
from siaga.models.tally import Tally
from siaga.schema import Training

LABELS = torch.tensor([0, 0, 0, 1, 2, 2])
ROWS = torch.tensor([[2.0, 0.5, -1.0], [0.0, 1.0, 0.5], [1.0, 1.0, 1.0], [0.2, 0.1, 0.9]])
ASKED = torch.tensor([0, 1, 2, 1])
SURE = ROWS.softmax(1)


def loss(rows: Tensor = ROWS, labels: Tensor = ASKED, mix: Mix | None = None, **settings: object) -> float:
    made = Loss(Training.model_validate(settings), LABELS, rows.shape[1], device=torch.device("cpu"))
    return float(made(rows, labels, mix))


def of_each(labels: Tensor = ASKED) -> list[float]:
    return [-math.log(float(SURE[i, label])) for i, label in enumerate(labels.tolist())]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_cross_entropy_is_the_mean_surprise() -> None:
    assert loss() == pytest.approx(mean(of_each()))


def test_smoothed_labels_spread_a_share_over_all_classes() -> None:
    spread = [-float(row.log().mean()) for row in SURE]
    wanted = mean([0.7 * own + 0.3 * all_ for own, all_ in zip(of_each(), spread, strict=True)])
    assert loss(label_smoothing=0.3) == pytest.approx(wanted)


def test_class_weights_are_inverse_frequencies_of_mean_one_over_the_posts() -> None:
    weights = inverse_frequencies(LABELS, 3)
    assert weights.tolist() == pytest.approx([6 / 9, 6 / 3, 6 / 6])
    assert float(weights[LABELS].mean()) == pytest.approx(1.0)
    own = weights[ASKED].tolist()
    wanted = sum(w * each for w, each in zip(own, of_each(), strict=True)) / sum(own)
    assert loss(class_weights=True) == pytest.approx(wanted)


def test_a_class_without_a_post_has_no_weight() -> None:
    assert inverse_frequencies(torch.tensor([0, 0, 2]), 4).tolist() == pytest.approx([0.75, 0.0, 1.5, 0.0])


def test_focal_loss_spares_what_is_easy() -> None:
    wanted = mean([each * (1 - math.exp(-each)) ** 3 for each in of_each()])
    assert loss(loss="focal", focal_gamma=3) == pytest.approx(wanted)
    assert loss(loss="focal", focal_gamma=0) == pytest.approx(loss())


def test_a_mixed_row_is_as_much_its_partner_as_it_says() -> None:
    mix = Mix(torch.tensor([2, 3, 0, 1]), torch.tensor([0.25, 1.0, 0.5, 0.0]))
    partners = of_each(ASKED[mix.partner])
    shares = mix.share.tolist()
    wanted = [s * a + (1 - s) * b for s, a, b in zip(shares, of_each(), partners, strict=True)]
    assert loss(mix=mix) == pytest.approx(mean(wanted))
    focal = [(1 - math.exp(-each)) ** 2 * each for each in of_each()]
    others = [(1 - math.exp(-each)) ** 2 * each for each in partners]
    wanted = [s * a + (1 - s) * b for s, a, b in zip(shares, focal, others, strict=True)]
    assert loss(mix=mix, loss="focal") == pytest.approx(mean(wanted))


def test_a_row_that_is_mixed_with_itself_is_not_mixed() -> None:
    mix = Mix(torch.arange(4), torch.tensor([0.1, 0.5, 0.9, 1.0]))
    assert loss(mix=mix) == pytest.approx(loss())


def tally(answers: list[int], labels: list[int], *, classes: int = 4) -> Tally:
    found = Tally.of(classes)
    for start in range(0, len(labels), 3):
        part = torch.tensor(labels[start : start + 3])
        rows = nn.functional.one_hot(torch.tensor(answers[start : start + 3]), classes).float()
        found.add(rows, part, 0.5 + start)
    return found


def test_a_tally_of_batches_is_that_of_all_rows() -> None:
    answers, labels = [0, 1, 1, 2, 0, 2, 2], [0, 1, 2, 2, 1, 2, 0]
    found = tally(answers, labels)
    figures = found.figures("train")
    assert found.rows == 7
    assert found.confusion[1].tolist() == [1, 1, 0, 0]
    assert figures["train_loss"] == pytest.approx((3 * 0.5 + 3 * 3.5 + 6.5) / 7)
    assert figures["train_accuracy"] == pytest.approx(4 / 7)
    assert figures["train_macro_f1"] == pytest.approx(f1_score(labels, answers, average="macro"))


def test_a_class_that_is_answered_and_never_true_counts_as_wrong() -> None:
    answers, labels = [0, 3, 1], [0, 0, 1]
    wanted = f1_score(labels, answers, average="macro", zero_division=0)
    assert tally(answers, labels).figures("x")["x_macro_f1"] == pytest.approx(wanted)


def test_an_average_follows_quickly_at_first_and_slowly_later() -> None:
    module = nn.BatchNorm1d(1)
    average = Average(module, 0.9)

    def follow(value: float, step: int) -> float:
        with torch.no_grad():
            module.weight.fill_(value)
        average.follow(module, step=step)
        return float(average.module.state_dict()["weight"])

    assert follow(0.0, 0) == pytest.approx(0.1)  # Of the 1 that it began with a tenth is left.
    assert follow(1.0, 10_000) == pytest.approx(0.9 * 0.1 + 0.1)
    module(torch.rand(4, 1))
    average.follow(module, step=1)
    assert int(average.module.state_dict()["num_batches_tracked"]) == 1
    assert not any(each.requires_grad for each in average.module.parameters())
