"""The look-alikes are seeded, have the asked-for flaws, and need both modalities."""

import io
from collections import Counter
from itertools import chain, islice

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from siaga.features.text import normalised
from siaga.post import Post
from siaga.quarantine import Quarantine
from siaga.schema import SyntheticSource
from siaga.sources import read_source
from siaga.sources.drawings import draw_picture
from siaga.sources.grammar import _NUMBERS, _PHRASES, _SLOT, _TAGS, _TEMPLATES, CITIES, write_text


def posts_of(spec: SyntheticSource, part: str = "posts") -> list[Post]:
    return list(read_source(spec, quarantine=Quarantine())[part])


@pytest.fixture(scope="module")
def posts() -> list[Post]:
    return posts_of(SyntheticSource())


def test_the_same_seed_gives_the_same_posts_and_another_seed_others() -> None:
    spec = SyntheticSource(posts=80, unlabelled=20)
    assert posts_of(spec) == posts_of(spec)
    assert posts_of(spec, "unlabelled") == posts_of(spec, "unlabelled")
    other = posts_of(spec.model_copy(update={"seed": 8}))
    assert not {post.text for post in posts_of(spec)} & {post.text for post in other} - {None}


def test_shares_are_as_asked_for_and_no_post_is_empty(posts: list[Post]) -> None:
    assert Counter(post.label for post in posts) == {"NO_INFO": 1400, "INFO": 600}
    assert Counter(post.modalities for post in posts)[("image",)] == 100
    assert sum(post.image is None for post in posts) == pytest.approx(200, abs=5)
    assert all(post.modalities for post in posts)
    extreme = posts_of(SyntheticSource(posts=50, missing_text=0.7, missing_image=0.9))
    assert all(post.modalities for post in extreme)


def test_a_post_has_all_that_a_real_one_can_have(posts: list[Post]) -> None:
    assert len({post.id for post in posts}) == len(posts)
    assert {post.language for post in posts} == {"id"}
    assert {post.event for post in posts} == set(CITIES)
    months = Counter(post.time.month for post in posts if post.time)
    assert len(months) >= 3
    assert 0 < sum(post.place is not None for post in posts) < 400


def test_unlabelled_posts_have_no_label_and_come_only_when_asked_for() -> None:
    assert {post.label for post in posts_of(SyntheticSource(posts=20, unlabelled=30), "unlabelled")} == {None}
    assert list(read_source(SyntheticSource(posts=20, unlabelled=0), quarantine=Quarantine())) == ["posts"]


def test_posts_are_made_one_by_one_when_they_are_asked_for() -> None:
    many = SyntheticSource(posts=200_000, unlabelled=0)
    assert len(list(islice(read_source(many, quarantine=Quarantine())["posts"], 3))) == 3


def test_exact_duplicates_are_few_and_some_contradict_each_other(posts: list[Post]) -> None:
    labels: dict[str, list[str | None]] = {}
    for post in posts:
        if post.text is not None:
            labels.setdefault(normalised(post.text), []).append(post.label)
    repeated = [found for found in labels.values() if len(found) > 1]
    assert 10 <= len(repeated) <= 60
    assert sum(len(set(found)) > 1 for found in repeated) >= 2
    assert any(post.text.startswith("RT @") for post in posts if post.text)


def test_pictures_are_small_rgb_pngs(posts: list[Post]) -> None:
    for post in posts[:50]:
        if isinstance(post.image, bytes):
            with Image.open(io.BytesIO(post.image)) as image:
                assert (image.format, image.mode, image.size) == ("PNG", "RGB", (64, 48))


def test_no_slot_of_the_grammar_is_left_open() -> None:
    rng = np.random.default_rng(0)
    texts = [write_text(kind, "bandung", rng) for kind in _TEMPLATES for _ in range(400)]
    assert not [text for text in texts if "{" in text or "}" in text]
    used = set(_SLOT.findall(" ".join(chain(*_TEMPLATES.values(), *_PHRASES.values(), _TAGS))))
    assert used == {*_PHRASES, *_NUMBERS, "place", "phone", "handle", "city"}


def test_each_modality_alone_is_imperfect_and_both_together_are_clearly_better(posts: list[Post]) -> None:
    cut = 1000
    labels = np.array([post.label == "INFO" for post in posts])
    text, picture = _text_log_odds(posts, labels, cut), _picture_log_odds(posts, labels, cut)
    prior = np.log(0.3 / 0.7)
    accuracy = [float(((odds > 0) == labels[cut:]).mean()) for odds in (text, picture, text + picture - prior)]
    assert 0.82 <= accuracy[0] <= 0.91
    assert 0.72 <= accuracy[1] <= 0.87
    assert accuracy[2] >= max(accuracy[:2]) + 0.015


def _text_log_odds(posts: list[Post], labels: NDArray[np.bool_], cut: int) -> NDArray[np.float64]:
    seen = np.array([post.text is not None for post in posts])
    matrix = TfidfVectorizer(sublinear_tf=True, min_df=2).fit_transform([post.text or "" for post in posts])
    return _log_odds(matrix, labels, seen, cut)


def _picture_log_odds(posts: list[Post], labels: NDArray[np.bool_], cut: int) -> NDArray[np.float64]:
    seen = np.array([post.image is not None for post in posts])
    features = np.array([_look(post) for post in posts])
    return _log_odds(features, labels, seen, cut)


def _look(post: Post) -> NDArray[np.float64]:
    """Return what a small net would find first: each row's colour and how much it changes across and down."""
    if not isinstance(post.image, bytes):
        return np.zeros(48 * 5)
    with Image.open(io.BytesIO(post.image)) as image:
        pixels = np.asarray(image, dtype=float) / 255
    across = np.abs(np.diff(pixels, axis=1)).mean(axis=(1, 2))
    down = np.abs(np.diff(pixels, axis=0, append=pixels[-1:])).mean(axis=(1, 2))
    return np.concatenate([pixels.mean(axis=1).ravel(), 5 * across, 5 * down])


def _log_odds(
    features: NDArray[np.float64], labels: NDArray[np.bool_], seen: NDArray[np.bool_], cut: int
) -> NDArray[np.float64]:
    train = np.flatnonzero(seen[:cut])
    model = LogisticRegression(C=3, max_iter=2000).fit(features[train], labels[train])
    odds = model.decision_function(features[cut:])
    answer: NDArray[np.float64] = np.where(seen[cut:], odds, np.log(0.3 / 0.7))
    return answer


def test_drawing_takes_its_chance_from_the_generator_alone() -> None:
    first, second = (draw_picture("flood", np.random.default_rng(3)) for _ in range(2))
    assert first == second
