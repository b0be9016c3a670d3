import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from siaga.errors import BundleError
from siaga.models.classifier import Progress
from siaga.models.net import NetClassifier
from siaga.post import Post
from siaga.schema import Augmentation, Convnet, Plain, Residual, Training
from tests.made import made_posts

SPEC = Convnet(image_size=16, net=Residual(channels=(8, 16)), training=Training(epochs=6, batch_size=32, patience=4))


def shape_post(number: int) -> Post:
    """A disc or a cross of any colour at any place, so that no mean colour tells the class."""
    random = np.random.default_rng(number)
    y, x = np.mgrid[:32, :32]
    cy, cx = random.integers(10, 22, 2)
    disc = (y - cy) ** 2 + (x - cx) ** 2 < 64
    cross = ((abs(y - cy) < 3) | (abs(x - cx) < 3)) & (abs(y - cy) + abs(x - cx) < 16)
    inside = (disc if number % 2 else cross)[..., None]
    pixels = np.where(inside, random.integers(0, 256, 3), random.integers(0, 256, 3)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return Post(str(number), image=stream.getvalue(), label=("cross", "disc")[number % 2])


def accuracy(model: NetClassifier, posts: list[Post]) -> float:
    named = [model.classes_[k] for k in model.predict_proba(posts).argmax(axis=1)]
    return float(np.mean([name == post.label for name, post in zip(named, posts, strict=True)]))


def test_it_learns_shapes_whatever_their_colour() -> None:
    spec = Convnet(
        image_size=16,
        net=Residual(channels=(16, 32), blocks=0),
        training=Training(epochs=20, learning_rate=5e-3, augmentation=Augmentation(flip=True, crop=0.125)),
    )
    model = NetClassifier(spec, seed=1).fit([shape_post(i) for i in range(400)])
    assert accuracy(model, [shape_post(i) for i in range(1000, 1200)]) > 0.85


def gradient_post(number: int, *, mirrored: bool = False) -> Post:
    """Light rises to the right (class a; to the left when mirrored) or downwards (class b)."""
    random = np.random.default_rng(number)
    ramp = np.linspace(0, 150, 32) + random.integers(0, 60)
    rising = np.tile(ramp[::-1] if mirrored else ramp, (32, 1))
    pixels = (rising if number % 2 else np.tile(ramp, (32, 1)).T) + random.integers(0, 40, (32, 32))
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(stream, "PNG")
    return Post(str(number), image=stream.getvalue(), label="ba"[number % 2])


def test_mirror_images_that_were_never_seen_are_known() -> None:
    spec = Convnet(
        image_size=16,
        net=Residual(channels=(8, 16), blocks=0),
        training=Training(epochs=10, augmentation=Augmentation(flip=True)),
    )
    model = NetClassifier(spec, seed=1).fit([gradient_post(i) for i in range(200)])
    assert accuracy(model, [gradient_post(i, mirrored=True) for i in range(1001, 1101, 2)]) > 0.9


def test_company_does_not_change_an_answer() -> None:
    model = NetClassifier(SPEC, seed=1).fit(made_posts(80))
    posts = [post for post in made_posts(300, seed=2) if post.image]
    together = model.predict_proba(posts)
    np.testing.assert_allclose(
        np.vstack([model.predict_proba([post]) for post in posts[:20]]), together[:20], atol=1e-6
    )
    np.testing.assert_allclose(model.predict_proba(posts[::-1])[::-1], together, atol=1e-6)


def test_posts_without_a_readable_image_teach_nothing(caplog: pytest.LogCaptureFixture) -> None:
    posts = made_posts(60)
    readable = [post for post in posts if post.image]
    others = [replace(post, id=f"x{post.id}", image=image) for post in readable for image in (None, b"broken")]
    with_others = NetClassifier(SPEC, seed=1).fit([*readable, *others])
    without = NetClassifier(SPEC, seed=1).fit(readable)
    np.testing.assert_array_equal(with_others.predict_proba(readable), without.predict_proba(readable))
    assert f"{len(readable)} images cannot be read" in caplog.text
    answer = with_others.answer(others[:2])
    assert answer.used == [(), ()]
    assert list(answer.faults) == [1]
    assert "not a JPEG" in answer.faults[1]


def test_without_any_image_the_answer_is_the_class_frequencies(caplog: pytest.LogCaptureFixture) -> None:
    model = NetClassifier(SPEC).fit([post.without_image() for post in made_posts(20)])
    answer = model.answer(made_posts(5, seed=1))
    np.testing.assert_allclose(answer.probabilities, 0.5)
    assert answer.used == [()] * 5
    assert "Fewer than two classes" in caplog.text


def test_a_class_without_an_image_keeps_its_frequency(tmp_path: Path) -> None:
    classes = ["INFO", "MAYBE", "NO_INFO"]
    model = NetClassifier(SPEC).fit([*made_posts(59), Post("x", text="x", label="MAYBE")], classes=classes)
    posts = [post for post in made_posts(30, seed=1) if post.image]
    rows = model.predict_proba(posts)
    np.testing.assert_allclose(rows[:, 1], 2 / 63)
    assert accuracy(model, posts) > 0.5
    model.save(tmp_path)
    np.testing.assert_allclose(NetClassifier(SPEC).load(tmp_path).predict_proba(posts), rows, atol=1e-9)


@pytest.mark.parametrize(("side", "channels"), [(8, (4, 4, 4, 4, 4)), (9, (4,)), (33, (4, 8))])
def test_any_side_goes_with_any_number_of_blocks(side: int, channels: tuple[int, ...]) -> None:
    spec = Convnet(image_size=side, net=Residual(channels=channels), training=Training(epochs=1, batch_size=4))
    rows = NetClassifier(spec).fit(made_posts(21)).predict_proba(made_posts(4, seed=1))
    assert np.isfinite(rows).all()


def test_early_stopping_listens_to_validation_posts_of_known_classes() -> None:
    events: list[object] = []
    strange = [post.with_label("STRANGE") for post in made_posts(10, seed=2)]
    model = NetClassifier(SPEC, seed=1)
    model.fit(made_posts(60), validation=[*made_posts(30, seed=1), *strange], progress=Progress(events.append))
    epochs = [event for event in events if isinstance(event, dict) and event["step"] == "epoch"]
    assert epochs
    assert all("validation_loss" in event for event in epochs)
    assert model.classes_ == ["INFO", "NO_INFO"]


def test_a_changed_net_is_refused(tmp_path: Path) -> None:
    model = NetClassifier(SPEC).fit(made_posts(30))
    model.save(tmp_path)
    with pytest.raises(BundleError, match=r"net\.safetensors does not hold the weights"):
        NetClassifier(Convnet(image_size=16, net=Residual(channels=(8, 8)))).load(tmp_path)
    (tmp_path / "net.safetensors").write_bytes(b"nothing")
    with pytest.raises(BundleError, match="does not hold the weights"):
        NetClassifier(SPEC).load(tmp_path)


def test_a_net_without_layers_below_its_head_has_the_pixels_as_features() -> None:
    posts = [shape_post(number) for number in range(8)]
    model = NetClassifier(Convnet(image_size=8, net=Plain(dense=()), training=Training(epochs=1))).fit(posts)
    assert model.features(posts)[""].rows.shape == (8, 3 * 8 * 8)
