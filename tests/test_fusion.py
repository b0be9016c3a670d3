"""Fusion: honest evidence, silence of members that cannot see, and combiners that do better than either member."""

import numpy as np
import pytest

from siaga.models.classifier import Prior
from siaga.models.combiner import Combiner
from siaga.models.folds import NO_FOLD, fold_of_each, left_out
from siaga.models.fusion import FusionClassifier
from siaga.post import Pixels, Post
from siaga.schema import Fusion, Linear
from tests.made import made_posts

WORDS = Linear(characters=False, min_posts=1)
LETTERS = Linear(words=False, characters=(1, 2), min_posts=1)


def test_the_mean_of_evidence_is_the_mean_over_the_members_that_saw_the_post() -> None:
    prior = np.array([0.25, 0.75])
    odds = np.log(np.array([0.5, 0.5]) / prior)
    evidence = np.array([[odds, np.zeros(2)], [odds, odds], [np.zeros(2), np.zeros(2)]])
    seen = np.array([[True, False], [True, True], [False, False]])
    fused = Combiner("mean", seed=0).combine(evidence, seen, Prior(prior))
    np.testing.assert_allclose(fused, [[0.5, 0.5], [0.5, 0.5], [0.25, 0.75]])


@pytest.mark.parametrize("kind", ["mean", "logistic", "random_forest", "catboost"])
def test_a_combiner_trusts_the_member_that_knows(kind: str) -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 400)
    sure = np.where(labels[:, None] == np.array([0, 1]), 1.0, -1.0) + random.normal(0, 0.5, (400, 2))
    noise = random.normal(0, 2.0, (400, 2))
    evidence, seen = np.stack([sure, noise], axis=1), np.ones((400, 2), dtype=bool)
    combiner = Combiner(kind, seed=0).fit(evidence[:200], seen[:200], labels[:200])  # type: ignore[arg-type]  # the parameter is a plain string.
    rows = combiner.combine(evidence[200:], seen[200:], Prior(np.array([0.5, 0.5])))
    right = (rows.argmax(axis=1) == labels[200:]).mean()
    assert right > (0.7 if kind == "mean" else 0.9)


def test_the_combiner_learns_from_answers_on_posts_that_the_members_had_not_seen() -> None:
    # Texts are unique noise: a member remembers its own training posts but knows nothing of others. An honest
    # combiner finds its evidence worthless; one that learned from in-sample answers would trust it.
    random = np.random.default_rng(3)
    posts = [
        Post(str(i), text=" ".join(map(str, random.integers(0, 10**9, 4))), label="ab"[random.integers(2)])
        for i in range(120)
    ]
    spec = Fusion(members={"words": WORDS.model_copy(update={"C": 100.0}), "letters": LETTERS}, folds=4)
    model = FusionClassifier(spec).fit(posts)
    answer = model.answer(posts)
    assert (np.abs(answer.members["words"][:, 0] - 0.5) > 0.3).mean() > 0.9
    assert (np.abs(answer.probabilities[:, 0] - 0.5) < 0.3).mean() > 0.9


def test_copies_share_a_fold_and_classes_are_spread_over_all() -> None:
    copies = [Post(f"copy-{i}", text="Sama saja!", image=b"one" if i % 2 else None, label="INFO") for i in range(9)]
    posts = [*made_posts(90), *copies, Post("copy-9", text="Lain lagi.", image=b"one", label="INFO")]
    fold = fold_of_each(posts, folds=3, seed=0)
    assert len(set(fold[90:].tolist())) == 1
    counts = [
        sum(post.label == "NO_INFO" for post, number in zip(posts, fold, strict=True) if number == i) for i in range(3)
    ]
    assert counts == [15, 15, 15]
    shuffled = np.random.default_rng(0).permutation(100)
    np.testing.assert_array_equal(fold_of_each([posts[i] for i in shuffled], folds=3, seed=0), fold[shuffled])


def test_a_pseudo_labelled_post_trains_the_members_and_never_the_combiner() -> None:
    posts = made_posts(60)
    wrong = [Post(f"w{i}", text=f"banjir {i}").with_pseudo_label("NO_INFO") for i in range(30)]
    assert set(fold_of_each([*posts, *wrong], folds=3, seed=0)[60:].tolist()) == {NO_FOLD}
    spec = Fusion(members={"words": WORDS, "letters": LETTERS}, folds=3)
    asked = [Post("1", text="banjir")]
    before, after = (FusionClassifier(spec).fit(known).answer(asked) for known in (posts, [*posts, *wrong]))
    assert after.members["words"][0, 0] < before.members["words"][0, 0]


def test_a_pseudo_labelled_copy_does_not_train_where_its_post_is_asked() -> None:
    posts = made_posts(60)
    texts = [post.text for post in posts if post.text][:4]
    copies = [Post(f"c{i}", text=f" {text}!").with_pseudo_label("INFO") for i, text in enumerate(texts)]
    fold = fold_of_each([*copies, Post("c", text="lain").with_pseudo_label("INFO"), *posts], folds=3, seed=0)
    assert not any(left_out(fold, number)[4] for number in range(3))
    for i, text in enumerate(texts):
        [own] = {fold[5 + row] for row, post in enumerate(posts) if post.text == text}
        assert [bool(left_out(fold, number)[i]) for number in range(3)] == [number == own for number in range(3)]
        assert fold[i] < NO_FOLD


def test_posts_of_the_same_pixels_share_a_fold() -> None:
    images = [Pixels(2, 2, 1, bytes([i % 20] * 4)) for i in range(40)]
    posts = [Post(str(i), image=image, label="ab"[i % 2]) for i, image in enumerate(images)]
    fold = fold_of_each(posts, folds=4, seed=0)
    assert fold[:20].tolist() == fold[20:].tolist()
    assert set(fold.tolist()) == {0, 1, 2, 3}


def test_the_class_frequencies_are_smoothed_and_carry_no_evidence() -> None:
    prior = Prior.of(np.array([0, 0, 0]), 2)
    np.testing.assert_allclose(prior.frequencies, [0.8, 0.2])
    np.testing.assert_allclose(prior.alone(2).probabilities, [[0.8, 0.2]] * 2)
