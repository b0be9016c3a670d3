"""Made digits, things and moods: seeded, lazy, as flawed as asked for, learnable, and nothing in them but pictures."""

import hashlib
import io
import os
import subprocess
import sys
from collections import Counter
from itertools import islice

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import RidgeClassifier

from siaga.dataset.pool import gather
from siaga.features.images import pixels
from siaga.post import Pixels, Post
from siaga.quarantine import Quarantine
from siaga.schema import SyntheticSource
from siaga.schema.sources import LooksLike
from siaga.sources import read_source
from siaga.sources.moods import CLASSES as MOODS

PICTURES: tuple[LooksLike, ...] = ("digits", "cifar100", "image-sentiment")


def posts_of(spec: SyntheticSource, part: str = "posts") -> list[Post]:
    return list(read_source(spec, quarantine=Quarantine())[part])


def digest(looks_like: LooksLike) -> str:
    """Return a hash of everything that some made posts hold."""
    spec = SyntheticSource(looks_like=looks_like, posts=30, unlabelled=10, noise=0.2, missing_image=0.1)
    posts = [*posts_of(spec), *posts_of(spec, "unlabelled")]
    return hashlib.sha256(repr(posts).encode()).hexdigest()


@pytest.mark.parametrize("looks_like", PICTURES)
def test_the_same_seed_gives_the_same_posts_and_another_seed_others(looks_like: LooksLike) -> None:
    spec = SyntheticSource(looks_like=looks_like, posts=30, noise=0.2)
    assert posts_of(spec) == posts_of(spec)
    other = posts_of(spec.model_copy(update={"seed": 8}))
    assert not {post.image for post in posts_of(spec)} & {post.image for post in other}


def test_the_posts_are_the_same_in_every_process() -> None:
    program = "from tests.test_made_pictures import PICTURES, digest; print(*map(digest, PICTURES))"
    here = [digest(looks_like) for looks_like in PICTURES]
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == here


@pytest.mark.parametrize("looks_like", PICTURES)
def test_posts_are_made_one_by_one_when_they_are_asked_for(looks_like: LooksLike) -> None:
    many = SyntheticSource(looks_like=looks_like, posts=20_000)
    assert len(list(islice(read_source(many, quarantine=Quarantine())["posts"], 3))) == 3


@pytest.mark.parametrize("looks_like", PICTURES)
def test_without_settings_there_are_no_flaws_and_no_unlabelled_posts(looks_like: LooksLike) -> None:
    spec = SyntheticSource(looks_like=looks_like, posts=40)
    assert list(read_source(spec, quarantine=Quarantine())) == ["posts"]
    assert all(post.modalities == ("image",) and post.label for post in posts_of(spec))
    assert (spec.unlabelled, spec.noise, spec.missing_image) == (0, 0.0, 0.0)
    assert SyntheticSource().noise == 0.2


@pytest.mark.parametrize("looks_like", PICTURES)
def test_noise_is_the_share_of_wrong_labels_and_changes_no_picture(looks_like: LooksLike) -> None:
    spec = SyntheticSource(looks_like=looks_like, posts=200)
    right, noisy = posts_of(spec), posts_of(spec.model_copy(update={"noise": 0.3}))
    assert [post.image for post in right] == [post.image for post in noisy]
    assert sum(a.label != b.label for a, b in zip(right, noisy, strict=True)) == 60


@pytest.mark.parametrize("looks_like", PICTURES)
def test_a_missing_image_leaves_nothing_and_the_post_is_set_aside(looks_like: LooksLike) -> None:
    posts = posts_of(SyntheticSource(looks_like=looks_like, posts=40, missing_image=0.25))
    assert sum(post.image is None for post in posts) == 10
    quarantine = Quarantine()
    assert len(gather({"posts": posts}, quarantine).posts) == 30
    assert len(quarantine) == 10


@pytest.mark.parametrize("looks_like", PICTURES)
def test_unlabelled_posts_say_nothing_of_their_class(looks_like: LooksLike) -> None:
    unlabelled = posts_of(SyntheticSource(looks_like=looks_like, posts=20, unlabelled=30), "unlabelled")
    assert len(unlabelled) == 30
    assert all(post.label is None and not post.fields and post.image is not None for post in unlabelled)


@pytest.mark.parametrize("looks_like", PICTURES)
def test_the_first_so_many_classes_are_made(looks_like: LooksLike) -> None:
    every = {post.label for post in posts_of(SyntheticSource(looks_like=looks_like, posts=300))}
    few = {post.label for post in posts_of(SyntheticSource(looks_like=looks_like, posts=60, classes=3))}
    assert len(every) == {"digits": 10, "cifar100": 100, "image-sentiment": 5}[looks_like]
    assert len(few) == 3
    assert few < every


def test_digits_are_28_by_28_grey_pixels_of_evenly_many_digits() -> None:
    posts = posts_of(SyntheticSource(looks_like="digits", posts=50))
    assert Counter(post.label for post in posts) == dict.fromkeys("0123456789", 5)
    for post in posts:
        assert isinstance(post.image, Pixels)
        assert (post.image.width, post.image.height, post.image.channels) == (28, 28, 1)
        assert max(post.image.data) > 200  # White ink on black.
        assert post.image.data[0] < 40


def test_things_are_32_by_32_colour_pixels_in_twenty_superclasses_of_five() -> None:
    posts = posts_of(SyntheticSource(looks_like="cifar100", posts=200, noise=0.1))
    pairs = {(post.label, post.fields["coarse_label"]) for post in posts}
    assert len(pairs) == 100
    assert set(Counter(coarse for _, coarse in pairs).values()) == {5}
    images = [post.image for post in posts if isinstance(post.image, Pixels)]
    assert {(image.width, image.height, image.channels) for image in images} == {(32, 32, 3)}
    assert len(images) == 200


def test_moods_are_jpegs_with_a_url_and_a_confidence_and_not_evenly_many() -> None:
    posts = posts_of(SyntheticSource(looks_like="image-sentiment", posts=200))
    assert Counter(post.label for post in posts) == dict(zip(MOODS, (20, 34, 48, 58, 40), strict=True))
    assert len({post.fields["url"] for post in posts}) == 200
    confidences = [float(post.fields["confidence"]) for post in posts]
    assert min(confidences) >= 0.2
    assert max(confidences) <= 1.0
    for post in posts[:20]:
        assert isinstance(post.image, bytes)
        with Image.open(io.BytesIO(post.image)) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (96, 96))


def test_wrong_moods_were_mostly_given_with_little_confidence() -> None:
    spec = SyntheticSource(looks_like="image-sentiment", posts=400, noise=0.2)
    truth = [post.label for post in posts_of(spec.model_copy(update={"noise": 0.0}))]
    sure: dict[bool, list[float]] = {True: [], False: []}
    for post, label in zip(posts_of(spec), truth, strict=True):
        sure[post.label == label].append(float(post.fields["confidence"]))
    assert np.mean(sure[True]) > np.mean(sure[False]) + 0.2
    assert 0.02 < np.mean(np.array(sure[False]) > 0.6) < 0.3


@pytest.mark.parametrize(("noise", "low", "high"), [(0.0, 0.75, 0.95), (0.9, 0.0, 0.19)], ids=["right", "shuffled"])
def test_a_linear_model_learns_most_digits_and_none_from_shuffled_labels(noise: float, low: float, high: float) -> None:
    images, labels, _ = _arrays(SyntheticSource(looks_like="digits", posts=900, noise=noise), side=28)
    right = _ridge(images[..., 0].reshape(900, -1), labels, cut=600) == labels[600:]
    assert low <= right.mean() <= high


@pytest.mark.parametrize(("noise", "low", "high"), [(0.0, 0.5, 0.85), (0.9, 0.0, 0.19)], ids=["right", "shuffled"])
def test_trees_learn_things_and_their_superclasses(noise: float, low: float, high: float) -> None:
    spec = SyntheticSource(looks_like="cifar100", posts=900, noise=noise, classes=10)
    images, labels, posts = _arrays(spec, side=32)
    cells = images[:, 4:28, 4:28].reshape(900, 6, 4, 6, 4, 3)
    looks = np.concatenate([cells.mean((2, 4)).reshape(900, -1), cells.std((2, 4)).reshape(900, -1)], axis=1)
    coarse = np.array([post.fields["coarse_label"] for post in posts])
    trees = ExtraTreesClassifier(100, random_state=0)
    scores = [trees.fit(looks[:600], y[:600]).score(looks[600:], y[600:]) for y in (labels, coarse)]
    assert low <= scores[0] <= high
    assert (scores[1] > 0.75) == (noise == 0)


@pytest.mark.parametrize(("noise", "low", "high"), [(0.0, 0.45, 0.8), (0.8, 0.0, 0.3)], ids=["right", "shuffled"])
def test_neighbouring_moods_are_confused_more_than_distant_ones(noise: float, low: float, high: float) -> None:
    images, labels, _ = _arrays(SyntheticSource(looks_like="image-sentiment", posts=900, noise=noise), side=24)
    away = np.abs(_ridge(images.reshape(900, -1), labels, cut=600) - labels[600:])
    assert low <= (away == 0).mean() <= high
    assert ((away > 1).mean() < 0.1) == (noise == 0)


def test_moods_of_high_confidence_are_easier() -> None:
    images, labels, posts = _arrays(SyntheticSource(looks_like="image-sentiment", posts=1200), side=24)
    right = _ridge(images.reshape(1200, -1), labels, cut=700) == labels[700:]
    sure = np.array([float(post.fields["confidence"]) for post in posts[700:]])
    assert right[sure > np.median(sure)].mean() > right[sure <= np.median(sure)].mean() + 0.1


def _arrays(spec: SyntheticSource, *, side: int) -> tuple[NDArray[np.float64], NDArray[np.int64], list[Post]]:
    """Return the pictures, (n, side, side, 3) from 0 to 1, the numbers of their labels, and the posts."""
    posts = posts_of(spec)
    classes = MOODS if spec.looks_like == "image-sentiment" else sorted({str(post.label) for post in posts})
    images = np.stack([pixels(post.image, side) for post in posts if post.image is not None]) / 255
    return images, np.array([classes.index(str(post.label)) for post in posts]), posts


def _ridge(features: NDArray[np.float64], labels: NDArray[np.int64], *, cut: int) -> NDArray[np.int64]:
    answers: NDArray[np.int64] = RidgeClassifier(30).fit(features[:cut], labels[:cut]).predict(features[cut:])
    return answers
