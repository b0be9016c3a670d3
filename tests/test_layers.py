"""The layers that specs describe: their shapes, what they give at first, and the ordinal output."""

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from siaga.models.layers import Ordinal, build_layers, build_output, features_of, perceptron
from siaga.recipe import load_recipe
from siaga.schema import Block, Convnet, Encoder, Plain, Residual


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def parameters(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


def built(spec: Plain | Residual, *, channels: int = 1, side: int = 28, classes: int = 10) -> nn.Sequential:
    width = features_of(spec, channels=channels, side=side)
    return build_layers(spec, channels=channels, side=side, output=build_output(width, classes, ordinal=False))


def reference() -> Plain:
    model = load_recipe("digits", variant="reference").model
    assert isinstance(model, Convnet)
    assert isinstance(model.net, Plain)
    return model.net


def test_the_reference_of_digits_is_the_net_of_the_study_layer_by_layer() -> None:
    blocks = [[nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.Dropout]] * 3
    net = built(reference())
    layers = list(net.children())
    assert [[type(part) for part in layer.children()] for layer in layers[:3]] == blocks
    assert [type(layer) for layer in layers[3:]] == [nn.Flatten, nn.Sequential, nn.Linear]
    shapes = [tuple(each.shape) for each in net.parameters() if each.ndim > 1]
    assert shapes == [(32, 1, 5, 5), (32, 32, 3, 3), (64, 32, 3, 3), (256, 576), (10, 256)]
    assert [part.p for layer in layers[:3] for part in layer.children() if isinstance(part, nn.Dropout)] == [0.1] * 3
    convolutions, norms = 832 + 9_248 + 18_496, 64 + 64 + 128
    assert parameters(net) == convolutions + norms + 147_712 + 2_570 == 179_114


def test_the_reference_halves_the_side_with_every_block() -> None:
    pictures, sizes = torch.rand(2, 1, 28, 28, generator=seeded()), []
    for layer in built(reference()).children():
        pictures = layer(pictures)
        sizes.append(tuple(pictures.shape))
    assert sizes == [(2, 32, 14, 14), (2, 32, 7, 7), (2, 64, 3, 3), (2, 576), (2, 256), (2, 10)]


def test_without_blocks_there_is_a_dense_net() -> None:
    net = built(Plain(dense=(64, 32), dropout=0.25))
    assert parameters(net) == (28 * 28 * 64 + 64) + (64 * 32 + 32) + (32 * 10 + 10)
    drops = [part.p for part in net.modules() if isinstance(part, nn.Dropout)]
    assert drops == [0.25, 0.25]
    assert net(torch.rand(3, 1, 28, 28, generator=seeded())).shape == (3, 10)


def test_with_neither_blocks_nor_dense_layers_there_is_one_layer() -> None:
    assert parameters(built(Plain(dense=()))) == 28 * 28 * 10 + 10


def test_a_plain_net_is_as_its_settings_say() -> None:
    spec = Plain(blocks=(Block(channels=4, kernel=5, pool=False), Block(channels=6)), norm=False, activation="tanh")
    net = built(spec, side=9)
    kinds = {type(part) for part in net.modules()} - {nn.Sequential}
    assert kinds == {nn.Conv2d, nn.MaxPool2d, nn.Dropout, nn.Tanh, nn.Flatten, nn.Linear}
    assert parameters(net) == (4 * 25 + 4) + (6 * 4 * 9 + 6) + (6 * 16 * 256 + 256) + (256 * 10 + 10)


SPECS = [
    Plain(blocks=(Block(channels=4), Block(channels=6, kernel=5)), dense=()),
    Plain(blocks=(Block(channels=4, pool=False), Block(channels=6)), dense=()),
    Plain(blocks=(Block(channels=4), Block(channels=6), Block(channels=3)), dense=(5,)),
    Plain(dense=()),
    Residual(channels=(4, 6, 8)),
    Residual(channels=(4,), blocks=0),
]


@pytest.mark.parametrize("side", [8, 9, 13, 28, 31])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("spec", SPECS, ids=range(len(SPECS)))
def test_the_number_of_features_is_what_the_layers_give(spec: Plain | Residual, channels: int, side: int) -> None:
    layers = build_layers(spec, channels=channels, side=side, output=nn.Identity())
    given = layers(torch.rand(2, channels, side, side, generator=seeded()))
    assert given.shape == (2, features_of(spec, channels=channels, side=side))


def test_residual_blocks_add_nothing_at_first_and_learn_all_the_same() -> None:
    spec, pictures = Residual(channels=(6, 8), blocks=2), torch.rand(5, 3, 16, 16, generator=seeded())
    net = built(spec, channels=3, side=16, classes=2)
    for stage in list(net.children())[:2]:
        convolved = nn.Sequential(*list(stage.children())[:4])(pictures)
        torch.testing.assert_close(stage(pictures), convolved)  # Which the activation before has left above zero.
        pictures = convolved
    net(torch.rand(5, 3, 16, 16, generator=seeded(1))).square().sum().backward()
    last_norms = [each for name, each in net.named_parameters() if name.endswith("inner.4.weight")]
    assert len(last_norms) == 4
    assert all(each.grad is not None and float(each.grad.abs().max()) > 0 for each in last_norms)


def test_residual_stages_halve_the_side_and_end_in_a_mean() -> None:
    pictures, sizes = torch.rand(2, 3, 15, 15, generator=seeded()), []
    for layer in built(Residual(channels=(4, 6, 8)), channels=3, side=15).children():
        pictures = layer(pictures)
        sizes.append(tuple(pictures.shape))
    assert sizes == [(2, 4, 8, 8), (2, 6, 4, 4), (2, 8, 2, 2), (2, 8), (2, 10)]


def test_a_perceptron_has_an_activation_and_dropout_after_every_hidden_layer() -> None:
    net = perceptron(7, (5, 4), activation="gelu", dropout=0.3, output=nn.Linear(4, 2))
    kinds = [nn.Linear, nn.GELU, nn.Dropout, nn.Linear, nn.GELU, nn.Dropout, nn.Linear]
    assert [type(layer) for layer in net] == kinds
    assert parameters(net) == 7 * 5 + 5 + 5 * 4 + 4 + 4 * 2 + 2
    assert [type(layer) for layer in perceptron(7, (), activation="relu", dropout=0, output=nn.Linear(7, 2))] == [
        nn.Linear
    ]


def ordinal(classes: int, *, width: int = 1) -> Ordinal:
    """An ordinal layer whose score is the first feature."""
    layer = build_output(width, classes, ordinal=True)
    assert isinstance(layer, Ordinal)
    with torch.no_grad():
        layer.score.weight.copy_(torch.eye(1, width))
        layer.score.bias.zero_()
    return layer


def answers(layer: nn.Module, scores: list[float]) -> Tensor:
    with torch.no_grad():
        found: Tensor = layer(torch.tensor(scores)[:, None])
    return found


@pytest.mark.parametrize("classes", [2, 3, 5, 20])
def test_ordinal_answers_are_log_probabilities(classes: int) -> None:
    rows = answers(ordinal(classes), [-50.0, -3.0, 0.0, 0.5, 7.0, 50.0])
    assert rows.shape == (6, classes)
    assert rows.isfinite().all()
    torch.testing.assert_close(rows.exp().sum(1), torch.ones(6))


def test_ordinal_answers_are_those_of_a_cumulative_link() -> None:
    below = [[1 / (1 + math.exp(score - threshold)) for threshold in (-1.0, 0.0, 1.0)] for score in (-2.0, 0.3)]
    wanted = [[b0, b1 - b0, b2 - b1, 1 - b2] for b0, b1, b2 in below]
    torch.testing.assert_close(answers(ordinal(4), [-2.0, 0.3]).exp(), torch.tensor(wanted), atol=1e-4, rtol=0)


def test_a_higher_score_means_a_higher_class_and_the_others_fall_off_to_both_sides() -> None:
    layer = ordinal(5)
    with torch.no_grad():
        layer.gaps.fill_(3.0)
    rows = answers(layer, [score / 4 for score in range(-24, 50)])
    best = rows.argmax(1).tolist()
    assert best == sorted(best)
    assert set(best) == set(range(5))
    for row, peak in zip(rows, best, strict=True):
        assert (row[: peak + 1].diff() >= 0).all()
        assert (row[peak:].diff() <= 0).all()


def test_two_ordered_classes_are_logistic_regression() -> None:
    rows = answers(ordinal(2), [-2.0, 0.0, 1.5])
    torch.testing.assert_close(rows[:, 1].exp(), torch.tensor([-2.0, 0.0, 1.5]).sigmoid())


@pytest.mark.parametrize("score", [-1e4, -80.0, 80.0, 1e4])
@pytest.mark.parametrize("label", range(4))
def test_the_furthest_score_is_still_drawn_to_its_class(score: float, label: int) -> None:
    features = torch.tensor([[score]], requires_grad=True)
    loss = nn.functional.cross_entropy(ordinal(4)(features), torch.tensor([label]))
    torch.autograd.backward(loss)
    assert loss.isfinite()
    assert features.grad is not None
    slope = float(features.grad)
    is_beyond = (score < 0 and label == 0) or (score > 0 and label == 3)
    assert abs(slope) < 1e-6 if is_beyond else slope * score > 0.5 * abs(score)


def test_thresholds_stay_in_order_however_they_are_pulled() -> None:
    layer = ordinal(4)
    optimizer = torch.optim.SGD([layer.gaps], lr=100.0)
    for _ in range(20):  # No post is ever of the classes between.
        optimizer.zero_grad()
        rows = layer(torch.tensor([[-1.0], [1.0]]))
        torch.autograd.backward(nn.functional.cross_entropy(rows, torch.tensor([0, 3])))
        optimizer.step()
    rows = answers(layer, [0.0])
    assert rows.isfinite().all()
    assert (rows[0, 1:3].exp() < 1e-3).all()
    assert (nn.functional.softplus(layer.gaps) >= 0).all()


def test_an_ordered_problem_is_learned_with_small_errors() -> None:
    random = seeded()
    inputs = torch.randn(300, 3, generator=random)
    labels = torch.bucketize(inputs @ torch.tensor([1.0, -2.0, 0.5]), torch.tensor([-2.0, -0.5, 0.5, 2.0]))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = Ordinal(3, 5)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
    for _ in range(250):
        optimizer.zero_grad()
        torch.autograd.backward(nn.functional.cross_entropy(layer(inputs), labels))
        optimizer.step()
    error = (layer(inputs).argmax(1) - labels).abs().float().mean()
    middle = (labels.median() - labels).abs().float().mean()
    assert float(error) < 0.15 * float(middle)


def check(kind: Any, table: Mapping[str, object]) -> str:  # Any: a spec's class.
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(table)
    return str(caught.value)


def test_specs_that_cannot_be_are_refused_with_a_way_out() -> None:
    said = check(Block, {"channels": 4, "kernel": 4})
    assert "kernel = 4 is even, so it has no middle. Set 5" in said
    poolings = {"kind": "plain", "blocks": [{"channels": 2}] * 4}
    assert "4 poolings leave nothing of 8 pixels. Take fewer" in check(Convnet, {"image_size": 8, "net": poolings})
    assert Convnet(image_size=16, net=Plain.model_validate(poolings)).image_size == 16
    assert "greater than or equal to 8" in check(Convnet, {"image_size": 7})
    assert "at least 1 item" in check(Residual, {"channels": []})
    assert "less than 1" in check(Plain, {"dropout": 1.0})


def test_what_an_encoder_cannot_learn_so_is_refused_with_a_way_out() -> None:
    image = {"modality": "image", "weights": "w"}
    assert "training.augmentation changes pictures" in check(
        Encoder, {"modality": "text", "weights": "w", "training": {"augmentation": {"flip": True}}}
    )
    assert "frozen = false needs the training loop. Set head" in check(Encoder, {**image, "frozen": False})
    assert "ordinal = true needs the training loop. Set head" in check(Encoder, {**image, "ordinal": True})
    augmented = {**image, "head": "mlp", "training": {"augmentation": {"flip": True}}}
    assert "Remove it, or set frozen = false" in check(Encoder, augmented)
    assert not Encoder.model_validate({**augmented, "frozen": False}).frozen
