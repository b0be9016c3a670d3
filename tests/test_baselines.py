from dataclasses import replace

import numpy as np

from siaga.models.baselines import baseline_answers
from siaga.post import Post
from siaga.schema import SyntheticSource
from siaga.sources.synthetic import make_posts
from tests.made import made_posts


def made_digits(count: int, seed: int = 0) -> list[Post]:
    spec = SyntheticSource(looks_like="digits", posts=count, seed=seed, unlabelled=0)
    return list(make_posts(spec)["posts"])


CLASSES = [str(k) for k in range(10)]


def test_pixels_are_a_baseline_where_there_are_pictures_alone() -> None:
    test = made_digits(200, seed=1)
    answers = baseline_answers(made_digits(600), test, classes=CLASSES, seed=0)
    assert set(answers) == {"majority", "pixels"}
    right = [CLASSES[k] == post.label for k, post in zip(answers["pixels"].argmax(1), test, strict=True)]
    assert np.mean(right) > 0.6
    np.testing.assert_allclose(answers["pixels"].sum(1), 1)


def test_texts_have_tf_idf_instead() -> None:
    posts = made_posts(100)
    assert set(baseline_answers(posts, posts[:5], classes=["INFO", "NO_INFO"], seed=0)) == {"majority", "tfidf"}


def test_a_picture_that_is_missing_or_broken_gets_the_class_frequencies() -> None:
    train, test = made_digits(200), made_digits(20, seed=1)[:3]
    gaps = [test[0], replace(test[1], image=None), replace(test[2], image=b"broken")]
    answers = baseline_answers(train, gaps, classes=CLASSES, seed=0)
    np.testing.assert_allclose(answers["pixels"][1:], answers["majority"][1:])
    assert not np.allclose(answers["pixels"][0], answers["majority"][0])


def test_a_class_without_a_picture_keeps_its_frequency() -> None:
    train = [post if post.label != "3" else post.without_image() for post in made_digits(200)]
    answers = baseline_answers(train, made_digits(20, seed=1), classes=CLASSES, seed=0)
    np.testing.assert_allclose(answers["pixels"][:, 3], answers["majority"][:, 3])


def test_one_class_with_pictures_is_no_baseline() -> None:
    train = [post if post.label == "3" else post.without_image() for post in made_digits(100)]
    assert set(baseline_answers(train, train[:3], classes=CLASSES, seed=0)) == {"majority"}
