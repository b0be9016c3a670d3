"""Feature-level fusion: the members' features side by side, and a head that is not deceived by what they remember."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from siaga.errors import BundleError
from siaga.models.blocks import Block, Stack
from siaga.models.classifier import Features, Progress, build_model
from siaga.models.encoder import EncoderClassifier
from siaga.models.feature_fusion import FeatureFusionClassifier, learns_features
from siaga.models.linear import LinearClassifier
from siaga.post import Pixels, Post
from siaga.schema import (
    Convnet,
    Encoder,
    FeatureFusion,
    Fusion,
    Linear,
    ModelSpec,
    Plain,
    Recurrent,
    SelfTraining,
    Training,
)
from tests.made import made_posts
from tests.tiny_encoders import tiny_image_encoder

TEXT = Linear(min_posts=1, characters=False)


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIAGA_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return Encoder(modality="image", weights=str(tiny_image_encoder(tmp_path_factory.mktemp("weights") / "image")))


def fused(members: Mapping[str, ModelSpec], **choices: object) -> Fusion:
    return Fusion(members=dict(members), level="feature", feature=FeatureFusion.model_validate(choices))


def test_the_head_is_logistic_regression_on_scaled_features_side_by_side(image: Encoder) -> None:
    posts = [post for post in made_posts(80) if post.text and post.image]
    asked = [post for post in made_posts(40, seed=1) if post.text and post.image]
    text = LinearClassifier(TEXT).fit(posts)
    words, others = (csr_matrix(text.features(each)[""].rows) for each in (posts, asked))
    pictures, other_pictures = (EncoderClassifier(image).features(each)[""].rows for each in (posts, asked))
    assert isinstance(pictures, np.ndarray)
    mean, deviation = pictures.mean(0), np.where(pictures.std(0) > 1e-6, pictures.std(0), 1)
    long = np.sqrt(words.multiply(words).sum() / len(posts))

    def side_by_side(of_texts: csr_matrix, of_pictures: object) -> csr_matrix:
        scaled = (np.asarray(of_pictures) - mean) / deviation / np.sqrt(len(mean))
        return csr_matrix(np.hstack([of_texts.toarray() / long, scaled, np.ones((len(scaled), 2))]))

    labels = [post.label for post in posts]
    expected = LogisticRegression(C=2.0, max_iter=2000).fit(side_by_side(words, pictures), labels)
    model = build_model(fused({"text": TEXT, "image": image}, C=2.0)).fit(posts)
    found = expected.predict_proba(side_by_side(others, other_pictures))
    np.testing.assert_allclose(model.predict_proba(asked), found, atol=2e-3)
    assert found.std() > 0.1


def test_a_head_does_not_trust_what_a_net_remembers() -> None:
    # Pictures and texts are unique noise. The net knows its own training posts by heart; a head that learned from
    # what it makes of these would be sure of them as well.
    random = np.random.default_rng(3)
    posts = [
        Post(
            str(i),
            text=" ".join(map(str, random.integers(0, 50, 3))),
            image=Pixels(8, 8, 1, random.integers(0, 256, 64, dtype=np.uint8).tobytes()),
            label="ab"[random.integers(2)],
        )
        for i in range(120)
    ]
    training = Training(epochs=30, batch_size=16, learning_rate=1e-2)
    net = Convnet(image_size=8, grey=True, net=Plain(dense=(64,)), training=training)
    model = build_model(fused({"image": net, "text": TEXT}, C=0.1, held_out=0.5)).fit(posts)
    pictures = [Post(post.id, image=post.image) for post in posts]
    answer = model.answer(pictures)
    assert (np.abs(answer.members["image"][:, 0] - 0.5) > 0.4).mean() > 0.4  # Those that it was trained on.
    assert (np.abs(answer.probabilities[:, 0] - 0.5) < 0.3).mean() > 0.95


def test_posts_are_held_out_from_members_that_learn_their_features_alone() -> None:
    fits: list[object] = []
    posts = made_posts(60)
    net = Convnet(image_size=8, net=Plain(dense=(4,)), training=Training(epochs=1, batch_size=16))
    build_model(fused({"text": TEXT, "image": net})).fit(posts, progress=Progress(fits.append))
    told = {str(event["member"]): event for event in fits if isinstance(event, dict)}
    assert told["text"]["posts"] == sum(bool(post.text) for post in posts)
    model = FeatureFusionClassifier(fused({"text": TEXT, "image": net}, held_out=0.3))
    held_out = model._held_out(posts)
    assert 14 <= held_out.sum() <= 22  # Not exactly, as copies stay together.
    features = Features(np.ones((60, 1), dtype=np.float32), np.ones(60, dtype=np.bool_))
    np.testing.assert_array_equal(model._shown("image", features, held_out).seen, held_out)
    assert model._shown("text", features, held_out).seen.all()


def test_of_whatever_share_is_held_out_members_and_head_learn_from_posts_of_their_own() -> None:
    net = Convnet(image_size=8, net=Plain(dense=(4,)), training=Training(epochs=1))
    posts = made_posts(60)
    copies = [Post(f"c{i}", text=post.text).with_pseudo_label("INFO") for i, post in enumerate(posts) if post.text]
    for share in (0.01, 0.99):
        model = FeatureFusionClassifier(fused({"text": TEXT, "image": net}, held_out=share))
        held_out = model._held_out([*posts, *copies])
        assert 0 < held_out[:60].sum() < 60
        inside, outside = (
            {
                post.text
                for post, is_out in zip([*posts, *copies], held_out, strict=True)
                if post.text and is_out == side
            }
            for side in (False, True)
        )
        assert not inside & outside


@pytest.mark.parametrize(
    "arrays",
    [
        {"width": [2.0, 2.0]},
        {"width": np.inf},
        {"mean": [0.0, 0.0, 0.0]},
        {"scale": [[1.0, 1.0]]},
        {"directions": [[1.0], [1.0]]},
        {"mean": ["a", "b"]},
    ],
)
def test_columns_that_were_tampered_with_are_refused(arrays: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "block.npz"
    good = {"width": 2.0, "mean": [0.0, 0.0], "scale": [1.0, 1.0]}
    for changed in (good, {**good, **arrays}):
        plain = {name: np.array(each) for name, each in changed.items()}
        typed = {name: each if each.dtype.kind == "U" else each.astype(np.float32) for name, each in plain.items()}
        np.savez(path, allow_pickle=False, **typed)
        if changed is good:
            assert Block(reduced=None).load(path).width == 2
            continue
        with pytest.raises(BundleError, match="does not describe columns"):
            Block(reduced=None).load(path)
    path.write_bytes(path.read_bytes()[:-40])  # The zip's directory is torn off.
    with pytest.raises(BundleError, match="does not describe columns"):
        Block(reduced=None).load(path)


def test_it_is_known_whose_features_are_learned_from_labels() -> None:
    frozen = Encoder(modality="text", weights="x", head="mlp")
    tuned = frozen.model_copy(update={"frozen": False})
    nested = Fusion(members={"a": TEXT, "b": SelfTraining(model=Recurrent())})
    learned = [learns_features(spec) for spec in (TEXT, frozen, tuned, Recurrent(), Convnet(), nested)]
    assert learned == [False, False, True, True, True, True]
    assert not learns_features(Fusion(members={"a": TEXT, "b": frozen}))
    assert learns_features(Fusion(members={"a": TEXT, "b": frozen}, level="joint"))


def test_the_features_of_members_of_members_stand_side_by_side_too(image: Encoder) -> None:
    inner = Fusion(members={"words": TEXT, "picture": image}, folds=2)
    model = build_model(fused({"both": inner, "taught": SelfTraining(model=TEXT, threshold=0.9)})).fit(made_posts(40))
    asked = made_posts(12, seed=1)
    features = model.features(asked)
    assert list(features) == ["", "both.words", "both.picture", "taught"]
    assert features[""].rows.shape[1] == sum(found.rows.shape[1] + 1 for found in list(features.values())[1:])
    used = [tuple(name for name in ("text", "image") if getattr(post, name)) for post in asked]
    assert model.answer(asked).used == used


def test_without_a_member_is_without_its_part(image: Encoder) -> None:
    model = build_model(fused({"text": TEXT, "image": image}, head="linear")).fit(made_posts(48))
    asked = made_posts(12, seed=1)
    bare = [post.without_image() for post in asked]
    np.testing.assert_array_equal(model.without("image").predict_proba(asked), model.predict_proba(bare))  # type: ignore[attr-defined]  # of the fusions alone.
    assert not np.allclose(model.predict_proba(bare), model.predict_proba(asked))
    with pytest.raises(KeyError):
        model.without("nobody")  # type: ignore[attr-defined]  # as above.


def test_rows_of_a_block_are_about_one_long_dense_sparse_or_reduced() -> None:
    random = np.random.default_rng(0)
    dense = (random.normal(3, 5, (200, 7)) * np.arange(1, 8)).astype(np.float32)
    dense[:, 2] = 4.0
    sparse = csr_matrix(np.where(random.random((200, 40)) < 0.1, 9.0, 0.0))
    for block, rows in ((Block(reduced=5), dense), (Block(reduced=None), sparse), (Block(reduced=5), sparse)):
        found = block.fit(rows).transform(rows)
        plain = found.toarray() if isinstance(found, csr_matrix) else found
        assert plain.shape == (200, block.width)
        assert block.is_sparse == isinstance(found, csr_matrix) == (block.width == 40)
        np.testing.assert_allclose(np.sqrt(np.square(plain).sum(1).mean()), 1.0, atol=0.08)


def test_reduced_rows_keep_the_distances_of_texts_that_lie_in_few_directions() -> None:
    random = np.random.default_rng(0)
    rows = csr_matrix(random.random((60, 3)) @ random.random((3, 50)))
    found = Block(reduced=3).fit(rows).transform(rows)
    assert not isinstance(found, csr_matrix)
    long = np.sqrt(rows.multiply(rows).sum() / 60)
    np.testing.assert_allclose(found @ found.T, (rows @ rows.T).toarray() / long**2, atol=1e-4)


def test_what_a_block_lacks_is_zeros_and_told(tmp_path: Path) -> None:
    one = Features(np.array([[1.0], [3.0]], dtype=np.float32), np.array([True, False, True, False]))
    other = Features(csr_matrix([[2.0, 0.0]]), np.array([False, True, False, False]))
    stack = Stack(reduced=None).fit({"one": one, "other": other})
    found = stack.rows({"one": one, "other": other}, 4)
    expected = [[-1, 0, 0, 1, 0], [0, 1, 0, 0, 1], [1, 0, 0, 1, 0]]
    np.testing.assert_allclose(csr_matrix(found.rows).toarray(), expected)
    assert found.seen.tolist() == [True, True, True, False]
    stack.save(tmp_path)
    loaded = Stack(reduced=None).load(tmp_path)
    assert loaded.names == ["one", "other"]
    np.testing.assert_allclose(csr_matrix(loaded.rows({"one": one}, 4).rows).toarray(), [expected[0], expected[2]])
    (tmp_path / "block_0.npz").write_bytes(b"PK no more")
    with pytest.raises(BundleError, match=r"block_0\.npz does not describe columns"):
        Stack(reduced=None).load(tmp_path)
    (tmp_path / "blocks.json").write_text("{")
    with pytest.raises(BundleError, match=r"blocks\.json does not name the columns"):
        Stack(reduced=None).load(tmp_path)


def test_settings_that_no_head_could_use_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"this head learns on features\. Remove it"):
        FeatureFusion.model_validate({"training": {"augmentation": {"flip": True}}})
    with pytest.raises(ValidationError, match="Set head = 'linear' or 'mlp'"):
        FeatureFusion(ordinal=True)
