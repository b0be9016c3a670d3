"""Unlabelled posts in the training loop: what they weigh, what a net learns from them, and when it is rolled back."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from siaga.errors import DataError
from siaga.models.calibrated import CalibratedClassifier
from siaga.models.classifier import Progress, build_model
from siaga.models.consistency import ConsistencyClassifier
from siaga.models.examples import Examples, score
from siaga.models.feed import Feed, single
from siaga.models.net import NetClassifier
from siaga.models.processes import Processes
from siaga.models.recurrent import RecurrentTower
from siaga.models.tokens import PADDING, Tokens
from siaga.models.towers import Readings
from siaga.models.training import train
from siaga.models.unlabelled import Unlabelled, UnlabelledLoss, read_unlabelled, repeats_of
from siaga.models.views import Views, with_others, without_words
from siaga.models.weighting import Weighting
from siaga.post import Pixels, Post
from siaga.schema import Augmentation, Consistency, Convnet, Encoder, Fusion, Plain, Recurrent, Residual, Training
from tests.made import made_posts, picture
from tests.test_checkpoints import Deadly, Killed, convnet
from tests.test_training import equal, strip, weights

CPU = torch.device("cpu")
HEAD = Encoder(modality="text", weights="any", head="mlp")
IMAGE = Convnet(image_size=8, net=Plain(dense=(8,)), training=Training(epochs=4, batch_size=8, learning_rate=0.02))
Event = Mapping[str, Any]  # Any: what events hold.


def settings(**changes: object) -> Consistency:
    return Consistency.model_validate({"model": HEAD, **changes})


def beside(examples: Examples, **changes: object) -> Unlabelled:
    return Unlabelled(examples.inputs, examples.ids, settings(**changes))


def clusters(count: int, seed: int) -> Examples:
    """Embeddings of three classes around centres that are always the same."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    centres = np.random.default_rng(9).normal(size=(3, 24))
    rows = (centres[labels] + 1.1 * random.normal(size=(count, 24))).astype(np.float32)
    return Examples(
        torch.from_numpy(rows), torch.from_numpy(labels), [f"{seed}-{i}" for i in range(count)], list("abc")
    )


def stripes(count: int, seed: int) -> Examples:
    """Noisy pictures of lying or standing stripes, wherever they begin."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    pictures = torch.randint(0, 130, (count, 1, 8, 8), generator=generator)
    for i, begin in enumerate(torch.randint(0, 4, (count,), generator=generator).tolist()):
        bright = (torch.arange(8) + begin) // 2 % 2 * 90
        pictures[i, 0] += bright[:, None] if labels[i] else bright[None, :]
    return Examples(pictures.to(torch.uint8), labels, [f"{seed}-{i}" for i in range(count)], ["standing", "lying"])


class Light(nn.Module):
    def forward(self, pictures: Tensor) -> Tensor:
        return (pictures.float() / 255 if pictures.dtype == torch.uint8 else pictures) - 0.5


def head(seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(24, 32), nn.ReLU(), nn.Linear(32, 3))


def eye(seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        convolutions = (nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU())
        return nn.Sequential(Light(), *convolutions, nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(32, 2))


def learned(
    module: nn.Module, examples: Examples, asked: Examples, unlabelled: Unlabelled | None, *, seed: int, **changes: Any
) -> float:  # Any: settings.
    """Train, and return the accuracy on other posts."""
    chosen = Training.model_validate({"batch_size": 16, "learning_rate": 0.01, "keep": "last", **changes})
    train(module, examples, settings=chosen, seed=seed, unlabelled=unlabelled)
    return score(module, asked)["validation_accuracy"]


@pytest.mark.parametrize("method", ["fixmatch", "softmatch"])
def test_a_head_gains_from_unlabelled_posts_over_one_that_took_as_many_steps(method: str) -> None:
    for seed in (0, 1, 2):
        labelled, unlabelled, asked = clusters(12, seed), clusters(300, seed + 100), clusters(400, seed + 200)
        repeats = repeats_of(beside(unlabelled), len(labelled))
        before = learned(head(seed), labelled, asked, None, seed=seed, epochs=15 * repeats)
        after = learned(head(seed), labelled, asked, beside(unlabelled, method=method), seed=seed, epochs=15)
        assert after > before + 0.01


@pytest.mark.parametrize("method", ["fixmatch", "softmatch"])
def test_a_convnet_gains_from_unlabelled_pictures(method: str) -> None:
    strong = {"light": 0.4, "cutout": 0.3, "shift": 0.1}
    gains = []
    for seed in (0, 1, 3):
        labelled, unlabelled, asked = stripes(8, seed), stripes(160, seed + 100), stripes(200, seed + 200)
        before = learned(eye(seed), labelled, asked, None, seed=seed, epochs=20)
        more = beside(unlabelled, method=method, strong=strong)
        gains.append(learned(eye(seed), labelled, asked, more, seed=seed, epochs=20) - before)
    assert np.mean(gains) > 0.03


def test_fixmatch_counts_from_the_threshold_on() -> None:
    weigh = Weighting(settings(method="fixmatch", threshold=0.8), 2, device=CPU)
    rows = torch.tensor([[0.8, 0.2], [0.79, 0.21], [0.1, 0.9], [0.5, 0.5]])
    assert weigh(rows, step=0).tolist() == [1.0, 0.0, 1.0, 0.0]


def test_softmatch_weighs_by_a_gaussian_of_the_aligned_confidences() -> None:
    weigh = Weighting(settings(momentum=0.2), 2, device=CPU)
    rows = torch.tensor([[0.99, 0.01], [0.95, 0.05], [0.62, 0.38], [0.04, 0.96]])
    found = weigh(rows, step=1000)  # By then the momentum is as it was set.
    classes = [0.2 * 0.5 + 0.8 * 0.65, 0.2 * 0.5 + 0.8 * 0.35]
    aligned = [(a / classes[0], b / classes[1]) for a, b in rows.tolist()]
    confidence = [max(pair) / sum(pair) for pair in aligned]
    mean = 0.2 / 2 + 0.8 * float(np.mean(confidence))
    variance = 0.2 * 1.0 + 0.8 * float(np.var(confidence, ddof=1))
    expected = [math.exp(-(min(each - mean, 0) ** 2) / (2 * variance / 4)) for each in confidence]
    assert found.tolist() == pytest.approx(expected, abs=1e-6)
    assert max(expected) == 1.0
    assert min(expected) < 0.9
    assert weigh.skew == pytest.approx(0.12, abs=1e-6)


def test_alignment_favours_the_class_that_is_answered_seldom() -> None:
    weigh = Weighting(settings(momentum=0.0), 2, device=CPU)
    found = weigh(torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.3, 0.7]]), step=1000)
    assert found[3] == 1.0
    assert float(found[0]) < 0.7


def test_at_first_the_running_figures_follow_at_once() -> None:
    weigh = Weighting(settings(momentum=0.999), 2, device=CPU)
    weigh(torch.tensor([[1.0, 0.0]]), step=0)
    assert weigh.tensors()["classes"].tolist() == pytest.approx([0.95, 0.05])
    restored = Weighting(settings(), 2, device=CPU)
    restored.restore({name: each.clone() for name, each in weigh.tensors().items()})
    assert restored.skew == weigh.skew == pytest.approx(0.45)


def loss_of(net: Callable[[Any], Tensor], *, step: int, **changes: object) -> tuple[float, dict[str, float]]:
    """The loss of four posts whose inputs are their logits, and what is told of it."""
    logits = torch.tensor([[4.0, 0.0], [0.0, 4.0], [0.1, 0.0], [0.0, 0.2]])
    unlabelled = Unlabelled(logits, list("abcd"), settings(method="fixmatch", feature_dropout=0, **changes))
    found = UnlabelledLoss(head(0), unlabelled, Training(batch_size=2), n_classes=2, steps=8, seed=1, device=CPU)
    value, _ = found(net, step)
    return float(value), found.figures()


def test_posts_below_the_threshold_teach_nothing_and_the_weight_rises() -> None:
    """Of four posts two are sure by 0.982; the loss is the mean over all four."""
    sure = math.log(1 + math.exp(-4))
    value, told = loss_of(lambda rows: rows, step=100, weight=3.0)
    assert value == pytest.approx(3.0 * 2 * sure / 4, rel=1e-5)
    assert (told["unlabelled_weight"], told["unlabelled_used"]) == (0.5, 0.5)
    assert told["unlabelled_loss"] == pytest.approx(2 * sure / 4, rel=1e-5)
    assert loss_of(lambda rows: rows, step=0, warmup=0.5)[0] == pytest.approx(0.25 * 2 * sure / 4, rel=1e-5)
    assert loss_of(lambda rows: rows, step=100, threshold=0.99)[0] == 0.0


def test_only_the_strong_view_is_learned_from() -> None:
    graded: list[bool] = []

    def net(rows: Tensor) -> Tensor:
        graded.append(torch.is_grad_enabled())
        return rows

    loss_of(net, step=0)
    assert graded == [False, True]


def test_posts_that_count_for_nothing_change_nothing() -> None:
    """Neither the weights, nor the statistics of batch norms, nor what is random for the labelled ones."""
    examples, trained = stripes(8, 0), []
    none = beside(stripes(40, 1), method="fixmatch", threshold=1.0, ratio=100)
    for unlabelled in (None, none):
        module = convnet(Residual(channels=(4,), dropout=0.2))
        train(module, examples, settings=Training(epochs=3, batch_size=8), seed=1, unlabelled=unlabelled)
        trained.append(weights(module))
    assert equal(*trained)


def test_a_strong_view_of_a_text_lacks_words_and_never_all_nor_the_first_or_last() -> None:
    torch.manual_seed(0)
    words = torch.tensor([[7, 8, 9, 10, 11, 12], [5, PADDING, PADDING, PADDING, PADDING, PADDING]])
    found = [without_words(words, 0.5) for _ in range(50)]
    assert all(each[0, 0] == 7 and 12 in each[0] and each[1, 0] == 5 for each in found)
    kept = [[word for word in each[0].tolist() if word != PADDING] for each in found]
    assert all(row == sorted(row) for row in kept)  # In their order, with no gaps before or between.
    assert all(each[0, : len(row)].tolist() == row for each, row in zip(found, kept, strict=True))
    assert 3.5 < np.mean([len(row) for row in kept]) < 4.5
    assert all(each.shape[1] == len(row) for each, row in zip(found, kept, strict=True))
    assert torch.equal(without_words(words, 0.0), words)


def test_a_strong_view_of_an_embedding_has_numbers_of_the_same_column() -> None:
    torch.manual_seed(0)
    rows = torch.arange(40.0).view(10, 4)
    found = with_others(rows, 0.5)
    assert torch.equal(found % 4, rows % 4)
    assert 0.2 < float((found != rows).float().mean()) < 0.6
    assert torch.equal(with_others(rows, 0.0), rows)


def test_views_change_pictures_and_leave_what_they_do_not_know() -> None:
    torch.manual_seed(0)
    views = Views(settings(strong={"cutout": 0.5}), Augmentation(flip=True, mixup=1.0))
    pictures, seen = stripes(6, 0).inputs, torch.ones(6, 2, dtype=torch.bool)
    assert isinstance(pictures, Tensor)
    for view in (views.weak, views.strong):
        found = view((seen, pictures))
        assert isinstance(found, tuple)
        assert found[0] is seen
        assert not torch.equal(found[1], pictures.float() / 255)
    plain = pictures.float() / 255
    weak = single(views.weak(pictures))
    assert all(torch.equal(each, own) or torch.equal(each, own.flip(-1)) for each, own in zip(weak, plain, strict=True))


def test_an_epoch_goes_over_the_unlabelled_posts_about_once() -> None:
    examples, unlabelled = clusters(12, 0), clusters(330, 1)
    assert repeats_of(beside(unlabelled), 12) == 7
    assert repeats_of(beside(unlabelled, ratio=100), 12) == 1
    assert repeats_of(None, 12) == 1
    feed = Feed(examples.inputs, examples.labels, Training(batch_size=12), seed=1, device=CPU, repeats=7)
    assert [sorted(batch.rows.tolist()) for batch in feed.batches(1)] == [list(range(12))] * 7


def test_few_texts_that_come_often_share_no_batch_with_themselves() -> None:
    texts = Tokens([[i] * (i + 1) for i in range(8)])
    feed = Feed(texts, torch.zeros(8, dtype=torch.int64), Training(batch_size=8), seed=1, device=CPU, repeats=20)
    assert [sorted(batch.rows.tolist()) for batch in feed.batches(1)] == [list(range(8))] * 20


def test_a_stream_is_the_epochs_in_a_row_from_anywhere() -> None:
    examples = clusters(20, 0)
    feed = Feed(examples.inputs, examples.labels, Training(batch_size=8), seed=1, device=CPU)
    whole = [batch.rows.tolist() for epoch in (1, 2, 3) for batch in feed.batches(epoch)]
    for start in (0, 2, 4):
        coming = feed.stream(start=start)
        assert [next(coming).rows.tolist() for _ in range(len(whole) - start)] == whole[start:]


CHANGES: dict[str, dict[str, object]] = {
    "softmatch": {"average": 0.9, "schedule": "one_cycle"},
    "fixmatch": {"accumulate": 2, "optimizer": "sgd", "augmentation": {"rotate": 20, "mixup": 0.5}},
}


@pytest.mark.parametrize("method", CHANGES)
def test_a_fit_that_dies_anywhere_ends_as_one_that_lived(method: str, tmp_path: Path) -> None:
    """Whether it dies for want of a labelled batch, or of an unlabelled one."""
    chosen = Training.model_validate({"epochs": 2, "batch_size": 4, "learning_rate": 0.02, **CHANGES[method]})
    labelled, unlabelled = stripes(10, 0), stripes(37, 1)
    how = settings(method=method, threshold=0.5, ratio=2, strong={"light": 0.3})
    assert isinstance(labelled.inputs, Tensor)
    assert isinstance(unlabelled.inputs, Tensor)

    def run(folder: Path | None, labelled_lives: int = 10**9, other_lives: int = 10**9) -> tuple[Any, Any, int, int]:
        events: list[Any] = []
        module, first = convnet(Residual(channels=(4, 6), dropout=0.1)), Deadly(labelled.inputs, labelled_lives)  # type: ignore[arg-type]  # Tensors, as said above.
        second = Deadly(unlabelled.inputs, other_lives)  # type: ignore[arg-type]  # As above.
        hear = Progress(lambda event: events.append(strip(event)), checkpoints=folder, every_s=0.0)
        more = Unlabelled(second, unlabelled.ids, how)
        train(module, replace(labelled, inputs=first), settings=chosen, seed=2, unlabelled=more, progress=hear)
        told = [event for event in events if isinstance(event, Mapping) and event["step"] == "epoch"]
        return weights(module), told, first.asked, second.asked

    whole, events, asked, asked_unlabelled = run(None)
    assert all(0 < event["unlabelled_weight"] <= 1 for event in events)
    deaths = [(i, 10**9) for i in range(0, asked, 3)] + [(10**9, i) for i in range(1, asked_unlabelled, 3)]
    for lives in deaths:
        folder = tmp_path / str(lives)
        with pytest.raises(Killed):
            run(folder, *lives)
        resumed, again, _, _ = run(folder)
        assert equal(resumed, whole), lives
        assert again == events


def test_other_unlabelled_posts_are_another_fit(tmp_path: Path) -> None:
    examples = clusters(12, 0)
    told: list[Event] = []
    for ids in ("mine", "mine", "yours"):
        more = replace(beside(clusters(40, 1)), ids=[f"{ids}-{i}" for i in range(40)])
        module = head(0)
        train(
            module,
            examples,
            settings=Training(epochs=1),
            seed=1,
            unlabelled=more,
            progress=Progress(told.append, checkpoints=tmp_path),
        )
    seconds = [event["seconds"] for event in told if event["step"] == "epoch"]
    assert seconds[0] == seconds[1] != seconds[2]


def test_equal_seeds_give_equal_weights_and_unlabelled_posts_matter() -> None:
    trained = []
    for seed, unlabelled in ((1, clusters(40, 1)), (1, clusters(40, 1)), (2, clusters(40, 1)), (1, clusters(40, 2))):
        module = head(0)
        train(module, clusters(12, 0), settings=Training(epochs=3), seed=seed, unlabelled=beside(unlabelled))
        trained.append(weights(module))
        torch.rand(3)
    assert equal(trained[0], trained[1])
    assert not equal(trained[0], trained[2])
    assert not equal(trained[0], trained[3])


def test_an_unlabelled_post_that_breaks_the_loss_is_named() -> None:
    unlabelled = clusters(8, 1)
    assert isinstance(unlabelled.inputs, Tensor)
    unlabelled.inputs[:] = math.nan
    with pytest.raises(DataError, match=r"not finite in epoch 1, in the batch of the posts .*'1-\d'"):
        train(head(0), clusters(12, 0), settings=Training(), seed=1, unlabelled=beside(unlabelled))


def test_several_processes_learn_from_no_unlabelled_posts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Processes, "are_several", property(lambda _: True))
    with pytest.raises(DataError, match="Unlabelled posts are learned from in one process"):
        train(head(0), clusters(12, 0), settings=Training(), seed=1, unlabelled=beside(clusters(8, 1)))


def with_pictures(count: int, *, seed: int, labelled: bool = True) -> list[Post]:
    return [
        Post(
            f"{seed}-{i}",
            image=picture(bool(i % 2), 1000 * seed + i),
            label=("INFO" if i % 2 else "NO_INFO") if labelled else None,
        )
        for i in range(count)
    ]


def fit(
    spec: Consistency, *, validation: list[Post], unlabelled: list[Post], posts: list[Post] | None = None
) -> tuple[ConsistencyClassifier, list[Event]]:
    events: list[Event] = []
    model = ConsistencyClassifier(spec, seed=1)
    model.fit(
        posts or with_pictures(16, seed=0),
        validation=validation,
        unlabelled=unlabelled,
        progress=Progress(events.append),
    )
    return model, events


def decided(events: list[Event]) -> Event:
    (found,) = [event for event in events if event["step"] == "round"]
    return found


def striped(count: int, *, seed: int, labelled: bool = True) -> list[Post]:
    made = stripes(count, seed)
    names = [made.classes[label] if labelled else None for label in made.labels.tolist()]
    return [Post(made.ids[i], image=grey(made.inputs[torch.tensor([i])]), label=name) for i, name in enumerate(names)]


def grey(picture: Any) -> Pixels:  # Any: a tensor or an array.
    return Pixels(8, 8, 1, np.asarray(picture, dtype=np.uint8).tobytes())


FEW, STRIPED = striped(8, seed=0), striped(60, seed=50)
NET = Convnet(
    image_size=8,
    grey=True,
    net=Residual(channels=(8,)),
    training=Training(epochs=20, batch_size=16, learning_rate=0.01, keep="last"),
)
EYE = Consistency(model=NET, strong=Augmentation(light=0.4, cutout=0.3, shift=0.1))


def test_what_the_guard_lets_stay_answers_and_is_told_with_what_the_unlabelled_posts_did() -> None:
    unlabelled = striped(160, seed=3, labelled=False)
    more = [*unlabelled, Post("none"), Post("bad", image=b"no image")]
    model, events = fit(EYE, validation=STRIPED, unlabelled=more, posts=FEW)
    event = decided(events)
    assert (event["method"], event["kept"], event["added"], event["round"]) == ("softmatch", True, 160, 1)
    epochs = [each for each in events if each["step"] == "epoch" and each.get("round") == 1]
    assert (event["weight"], event["used"]) == (epochs[-1]["unlabelled_weight"], epochs[-1]["unlabelled_used"])
    assert 0.8 < event["agreement"] <= 1
    inside = CalibratedClassifier(NetClassifier(NET, seed=1, consistency=EYE))
    inside.fit(FEW, validation=STRIPED, unlabelled=unlabelled)
    np.testing.assert_array_equal(model.predict_proba(STRIPED), inside.predict_proba(STRIPED))


def test_posts_of_a_foreign_kind_are_rolled_back() -> None:
    random = np.random.default_rng(0)
    noise = [Post(f"u-{i}", image=grey(random.integers(0, 255, (8, 8)))) for i in range(80)]
    loud = EYE.model_copy(update={"weight": 10.0})
    kept = {}
    for guard in ("no_loss", "gain", "off"):
        model, events = fit(loud.model_copy(update={"guard": guard}), validation=STRIPED, unlabelled=noise, posts=FEW)
        kept[guard] = decided(events)["kept"]
        assert decided(events)["difference"] < -0.1
    assert kept == {"no_loss": False, "gain": False, "off": True}
    model, _ = fit(loud, validation=STRIPED, unlabelled=noise, posts=FEW)
    plain, _ = fit(loud, validation=STRIPED, unlabelled=[], posts=FEW)
    np.testing.assert_array_equal(model.predict_proba(STRIPED), plain.predict_proba(STRIPED))


def test_without_unlabelled_or_held_out_posts_the_labelled_ones_are_all_and_the_reason_is_said() -> None:
    validation, unlabelled = with_pictures(10, seed=1), with_pictures(10, seed=2, labelled=False)
    spec = Consistency(model=IMAGE)
    for held_out, more, reason in (
        (validation, [], "not two unlabelled posts that can be read"),
        (validation, [Post("text", text="banjir"), *unlabelled[:1]], "not two unlabelled posts that can be read"),
        ([], unlabelled, "no held-out labels"),
    ):
        model, events = fit(spec, validation=held_out, unlabelled=more)
        assert reason in decided(events)["reason"]
        assert (decided(events)["kept"], decided(events)["added"]) == (False, 0)
        alone, _ = fit(spec, validation=held_out, unlabelled=[])
        np.testing.assert_array_equal(model.predict_proba(validation), alone.predict_proba(validation))
    _, events = fit(spec.model_copy(update={"guard": "off"}), validation=[], unlabelled=unlabelled)
    assert (decided(events)["kept"], decided(events)["reason"]) == (True, "the guard is off")


def test_a_recurrent_net_knows_the_words_of_unlabelled_posts() -> None:
    spec = Recurrent(min_posts=1, embedding=4, hidden=4, training=Training(epochs=1))
    posts = [post for post in made_posts(20) if post.text]
    more = [Post(f"u-{i}", text="tenggelam banjir") for i in range(8)]
    counts = []
    for consistency in (None, Consistency(model=spec)):
        net = NetClassifier(spec, seed=1, consistency=consistency).fit(posts, unlabelled=more)
        assert isinstance(net._tower, RecurrentTower)
        counts.append(len(net._tower._words))
    assert counts[1] == counts[0] + 1


def test_only_what_can_be_read_is_learned_from() -> None:
    def read(posts: list[Post]) -> Readings:  # The first post alone.
        return Readings(torch.zeros(1, 2), np.array([True] + [False] * (len(posts) - 1)), {})

    posts = [Post("a"), Post("b")]
    found = read_unlabelled(posts, settings(), read=read)  # type: ignore[arg-type]  # A list will do.
    assert found is not None
    assert list(found.ids) == ["a"]
    assert read_unlabelled(posts, None, read=read) is None  # type: ignore[arg-type]  # As above.
    assert read_unlabelled([], settings(), read=read) is None  # type: ignore[arg-type]  # As above.


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strong": {"mixup": 0.5}}, "nothing may be mixed into it"),
        ({"strong": {"cutmix": 0.5}}, "nothing may be mixed into it"),
        ({"model": {"kind": "encoder", "modality": "text", "weights": "x"}}, "Set head = 'linear' or 'mlp'"),
        (
            {"model": Fusion(members={"a": IMAGE, "b": IMAGE}, combiner="mean")},
            r"level = 'decision' is no single net\. Set level = 'joint'",
        ),
        ({"model": {"kind": "linear"}}, "does not match any of the expected tags"),
    ],
)
def test_what_cannot_learn_so_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(**changes)


def test_a_joint_fusion_learns_from_unlabelled_posts_of_which_parts_are_missing() -> None:
    text = Recurrent(min_posts=1, embedding=8, hidden=8, training=Training(epochs=1))
    joint = {"level": "joint", "joint": {"training": {"epochs": 2, "batch_size": 8}}}
    fusion = Fusion.model_validate({"members": {"text": text, "image": IMAGE}, **joint})
    events: list[Event] = []
    model = ConsistencyClassifier(Consistency(model=fusion, guard="off"), seed=1)
    more = [*made_posts(30, seed=2, labelled=False), Post("nothing")]
    model.fit(made_posts(20), unlabelled=more, progress=Progress(events.append))
    assert (decided(events)["kept"], decided(events)["added"]) == (True, 30)
    assert model.predict_proba(made_posts(5, seed=3)).shape == (5, 2)
    assert [event["unlabelled_weight"] > 0 for event in events if "unlabelled_weight" in event] == [True, True]


def test_a_fusion_passes_the_unlabelled_posts_on() -> None:
    events: list[Event] = []
    member = Consistency(model=IMAGE, guard="off")
    fusion = Fusion(members={"a": member, "b": IMAGE}, combiner="mean")
    more = with_pictures(20, seed=2, labelled=False)
    build_model(fusion, seed=1).fit(with_pictures(16, seed=0), unlabelled=more, progress=Progress(events.append))
    assert (decided(events)["member"], decided(events)["added"]) == ("a", 20)
