"""Joint fusion: what only both parts together tell is learned, and what is missing is nothing new."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor, nn

from siaga.errors import BundleError
from siaga.models.classifier import Classifier, Features, Progress, build_model
from siaga.models.encoder import EncoderClassifier
from siaga.models.joint_net import JointNet, SideBySide, Widths
from siaga.models.tokens import Tokens
from siaga.post import Post
from siaga.recipe import load_recipe
from siaga.schema import (
    Augmentation,
    Convnet,
    Encoder,
    Fusion,
    JointFusion,
    Linear,
    ModelSpec,
    Recurrent,
    Residual,
    SelfTraining,
    Training,
)
from tests.made import DRY, WET, made_posts, picture
from tests.tiny_encoders import tiny_image_encoder, tiny_text_encoder

TEXT, IMAGE = Linear(min_posts=1, characters=False), Convnet(image_size=8, net=Residual(channels=(8,), blocks=0))
BOTH: dict[str, ModelSpec] = {"text": TEXT, "image": IMAGE}
BRIEF = Training(epochs=3, batch_size=16)


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIAGA_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelSpec]:
    """Tuned encoders of both modalities."""
    root = tmp_path_factory.mktemp("weights")
    folders = {"text": tiny_text_encoder(root / "text"), "image": tiny_image_encoder(root / "image")}
    return {
        name: Encoder.model_validate({"modality": name, "weights": str(folder), "frozen": False, "head": "linear"})
        for name, folder in folders.items()
    }


def joint(members: Mapping[str, ModelSpec] = BOTH, **choices: object) -> Fusion:
    small = {"width": 16, "hidden": (), "dropout": 0.2, "modality_dropout": 0.1}
    settings = {**small, "training": BRIEF, **choices}
    return Fusion(members=dict(members), level="joint", joint=JointFusion.model_validate(settings))


def paired_posts(count: int, *, seed: int, agree: bool | None = None) -> list[Post]:
    """Posts of wet or dry words and a blue or brown picture: `a` where both are of a kind, else `b`.

    Where text and picture `agree`, they are always of one kind, and the label is that kind.
    """
    random = np.random.default_rng(seed)
    posts = []
    for i in range(count):
        wet, blue = i % 2 == 0, bool(i // 2 % 2 == 0)
        blue = wet if agree else blue
        text = " ".join(random.choice(WET if wet else DRY, 4))
        image = picture(blue, int(random.integers(10**6)))
        posts.append(Post(f"{seed}-{i}", text=text, image=image, label="a" if (wet if agree else wet == blue) else "b"))
    return posts


def dense(found: Features) -> NDArray[np.float32]:
    assert isinstance(found.rows, np.ndarray)
    return found.rows


def share_right(model: Classifier, posts: list[Post]) -> float:
    best = model.predict_proba(posts).argmax(1)
    return float(np.mean([model.classes_[k] == post.label for k, post in zip(best, posts, strict=True)]))


def test_a_product_learns_what_neither_part_tells_and_no_sum_can() -> None:
    learning = Training(epochs=30, batch_size=16, learning_rate=1e-2)
    train, asked = paired_posts(160, seed=0), paired_posts(80, seed=1)
    right = {
        name: share_right(build_model(joint(interaction=name, dropout=0.0, training=learning)).fit(train), asked)
        for name in ("concatenate", "product")
    }
    alone = [share_right(build_model(spec).fit(train), asked) for spec in (TEXT, IMAGE)]
    assert right["product"] > 0.95
    assert max(right["concatenate"], *alone) < 0.7


@pytest.mark.parametrize("interaction", ["low_rank", "gated", "cross_attention"])
def test_every_interaction_can_learn_what_neither_part_tells(interaction: str) -> None:
    learning = Training(epochs=40, batch_size=16, learning_rate=1e-2)
    words = Recurrent(min_posts=1, layers=1, embedding=8, hidden=8, dropout=0.0)
    spec = joint({"text": words, "image": IMAGE}, interaction=interaction, hidden=(16,), training=learning)
    assert share_right(build_model(spec).fit(paired_posts(160, seed=0)), paired_posts(80, seed=1)) > 0.9


def test_modality_dropout_teaches_to_do_with_what_is_there() -> None:
    train, asked = paired_posts(96, seed=0, agree=True), paired_posts(60, seed=1, agree=True)
    halves = [replace(post, text=None) for post in asked] + [post.without_image() for post in asked]
    learning = Training(epochs=12, batch_size=16, learning_rate=5e-3)
    losses = {}
    for share in (0.0, 0.4):
        model = build_model(joint(modality_dropout=share, training=learning)).fit(train)
        rows = model.predict_proba(halves)
        columns = [model.classes_.index(str(post.label)) for post in halves]
        losses[share] = -np.log(rows[np.arange(len(rows)), columns]).mean()
        assert share_right(model, asked) > 0.95
    assert losses[0.4] < losses[0.0] / 2


def test_what_stands_for_an_absent_part_is_learned() -> None:
    posts = [post.without_image() if i % 3 == 0 else post for i, post in enumerate(paired_posts(48, seed=0))]
    before, after = (
        build_model(joint(modality_dropout=0.0, training=Training(epochs=n, batch_size=16, schedule="constant")))
        .fit(posts)
        .predict_proba([Post("1", text="zzz"), Post("2", text="zzz", image=b"broken")])
        for n in (1, 6)
    )
    np.testing.assert_array_equal(before[0], before[1])
    assert not np.allclose(before[0], after[0])


class Recording(nn.Module):
    """A tower that remembers how many rows it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def forward(self, rows: Tensor) -> Tensor:
        self.asked.append(len(rows))
        return rows

    def layers_upwards(self) -> list[nn.Module]:
        return []


def test_a_tower_runs_on_the_rows_of_posts_that_have_its_part_and_else_not_at_all() -> None:
    torch.manual_seed(0)
    towers, spec = [Recording(), Recording()], JointFusion(width=4, hidden=())
    net = JointNet(towers, [Widths(3, None), Widths(2, None)], spec, 2).eval()
    seen = np.array([[True, False], [True, True], [True, False], [False, True]])
    inputs = SideBySide([torch.randn(3, 3), torch.randn(2, 2)], seen)
    whole = net(inputs[torch.arange(4)])
    assert [tower.asked for tower in towers] == [[3], [2]]
    swapped = net(inputs[torch.tensor([3, 0])])
    torch.testing.assert_close(swapped, whole[[3, 0]])
    net(inputs[torch.tensor([0, 2])])
    assert [tower.asked for tower in towers] == [[3, 1, 2], [2, 1]]
    net.train()(inputs[torch.tensor([0, 2])]).sum().backward()
    absent = net.head.absent.grad
    assert absent is not None
    assert absent[0].eq(0).all()
    assert absent[1].ne(0).any()


def test_modality_dropout_takes_no_post_its_last_part() -> None:
    torch.manual_seed(0)
    spec = JointFusion(width=4, hidden=(), modality_dropout=0.9)
    towers = [Recording(), Recording()]
    net = JointNet(towers, [Widths(1, None), Widths(1, None)], spec, 2)
    seen = np.array([[True, False]] * 50 + [[True, True]] * 50)
    net(SideBySide([torch.randn(100, 1), torch.randn(50, 1)], seen)[torch.arange(100)])
    assert towers[0].asked[0] >= 50 + 30
    assert 30 <= towers[1].asked[0] < 50


def test_texts_side_by_side_with_other_parts_tell_their_lengths() -> None:
    seen = np.array([[True, True], [False, True], [True, False]])
    inputs = SideBySide([Tokens([[1, 2, 3], [4]]), torch.randn(2, 5)], seen)
    assert inputs.lengths is not None
    assert inputs.lengths.tolist() == [3, 0, 1]
    present, words, rows = inputs[torch.tensor([1, 2])]
    assert present.tolist() == [[False, True], [True, False]]
    assert words.tolist() == [[4]]
    assert rows.shape == (1, 5)
    assert SideBySide([torch.randn(2, 5)], seen[:2, 1:]).lengths is None


def test_a_part_that_few_posts_have_stops_nothing() -> None:
    posts = [post if i in (3, 9, 20) else post.without_image() for i, post in enumerate(paired_posts(40, seed=0))]
    training = Training(epochs=2, batch_size=4)
    model = build_model(joint(training=training)).fit(posts)
    assert model.answer(posts).used[3] == ("text", "image")
    bare = build_model(joint(training=training)).fit([post.without_image() for post in posts])
    answer = bare.answer(posts)
    assert answer.used == [("text",)] * 40
    np.testing.assert_array_equal(answer.probabilities, bare.predict_proba([post.without_image() for post in posts]))


def test_without_a_member_is_without_its_part() -> None:
    model = build_model(joint()).fit(made_posts(48))
    asked = made_posts(12, seed=1)
    bare = [post.without_image() for post in asked]
    np.testing.assert_array_equal(model.without("image").predict_proba(asked), model.predict_proba(bare))  # type: ignore[attr-defined]  # of the fusions alone.
    assert not np.allclose(model.predict_proba(bare), model.predict_proba(asked))
    with pytest.raises(KeyError):
        model.without("nobody")  # type: ignore[attr-defined]  # as above.


class Killed(Exception):
    """The process ends here."""


def test_a_fit_that_was_interrupted_ends_with_the_same_weights(encoders: dict[str, ModelSpec], tmp_path: Path) -> None:
    training = Training(epochs=4, batch_size=16, epochs_frozen=1, average=0.9)
    spec, posts = joint(encoders, interaction="cross_attention", training=training), made_posts(40)

    def hear(event: Mapping[str, object]) -> None:
        if event["step"] == "epoch" and event["epoch"] == 2:
            raise Killed

    def weights(progress: Progress, name: str) -> bytes:
        (tmp_path / name).mkdir()
        build_model(spec, seed=3).fit(posts, progress=progress).save(tmp_path / name)
        return (tmp_path / name / "joint.safetensors").read_bytes()

    whole = weights(Progress(), "whole")
    checkpoints = tmp_path / "checkpoints"
    with pytest.raises(Killed):
        weights(Progress(hear, checkpoints, every_s=0.0), "killed")
    assert weights(Progress(lambda _: None, checkpoints, every_s=0.0), "resumed") == whole


def test_towers_stay_as_they_were_pretrained_while_the_head_learns_alone(encoders: dict[str, ModelSpec]) -> None:
    posts = made_posts(40)
    asked = [post for post in made_posts(20, seed=1) if post.text]
    features = [
        build_model(joint(encoders, training=Training(epochs=2, epochs_frozen=n, batch_size=16)))
        .fit(posts)
        .features(asked)["text"]
        for n in (1, 2)
    ]
    text = encoders["text"]
    assert isinstance(text, Encoder)
    pretrained = EncoderClassifier(text.model_copy(update={"frozen": True})).features(asked)[""]
    np.testing.assert_allclose(dense(features[1]), dense(pretrained), atol=1e-5)
    assert not np.allclose(dense(features[0]), dense(pretrained), atol=1e-3)


def test_a_joint_net_of_encoders_answers_where_their_weights_are_not(
    encoders: dict[str, ModelSpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen, asked = {}, made_posts(12, seed=1)
    for name, spec in encoders.items():
        assert isinstance(spec, Encoder)
        shutil.copytree(spec.weights, tmp_path / name)
        frozen[name] = spec.model_copy(update={"weights": str(tmp_path / name), "frozen": True, "head": "logistic"})
    model = build_model(joint(frozen)).fit(made_posts(40))
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    for name in frozen:
        shutil.rmtree(tmp_path / name)
    monkeypatch.setenv("SIAGA_CACHE", str(tmp_path / "elsewhere"))
    loaded = build_model(joint(frozen)).load(tmp_path / "saved")
    np.testing.assert_allclose(loaded.predict_proba(asked), model.predict_proba(asked), atol=1e-6)


def test_a_joint_net_that_was_tampered_with_is_refused(encoders: dict[str, ModelSpec], tmp_path: Path) -> None:
    frozen = {name: spec.model_copy(update={"frozen": True, "head": "logistic"}) for name, spec in encoders.items()}
    build_model(joint(frozen)).fit(made_posts(20)).save(tmp_path)
    for place in ("joint.json", "towers/text/width.json"):
        path = tmp_path / place
        whole = path.read_text()
        for good, bad in (
            ("[0, 1]", "[0, 7]"),
            ("[0, 1]", "[[0], [1]]"),
            ("[0, 1]", "[0, Infinity]"),
            ('"text"', '"../text"'),
            ("32", "Infinity"),
            ("32", "1e99"),
            ("32", "-1"),
        ):
            if good in whole:
                path.write_text(whole.replace(good, bad))
                with pytest.raises(BundleError, match=path.name):
                    build_model(joint(frozen)).load(tmp_path)
        path.write_text(whole)
    build_model(joint(frozen)).load(tmp_path)


def test_what_cannot_learn_jointly_is_refused_with_what_to_do() -> None:
    mixing = {"training": {"augmentation": {"cutmix": 0.5}}}
    with pytest.raises(ValidationError, match="Remove cutmix and mixup"):
        JointFusion.model_validate(mixing)
    with pytest.raises(ValidationError, match=r"members\.text is a self_training.*Put its inner model there"):
        joint({"text": SelfTraining(model=TEXT), "image": IMAGE})
    with pytest.raises(ValidationError, match="no member learns from pictures as they are"):
        joint({"a": TEXT, "b": TEXT}, training=Training(augmentation=Augmentation(flip=True)))
    with pytest.raises(ValidationError, match="cannot be shared by 4 heads"):
        JointFusion(interaction="cross_attention", width=18)


def test_the_level_is_one_setting_over_the_same_members() -> None:
    for level in ("decision", "feature", "joint"):
        recipe = load_recipe("hateful-memes", overrides=[f"model.level={level}"])
        assert isinstance(recipe.model, Fusion)
        assert recipe.model.level == level
