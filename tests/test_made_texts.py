"""Made tweets and memes: seeded, lazy, as flawed as real ones, and as hard: memes need text and picture together."""

import hashlib
import io
import os
import re
import subprocess
import sys
from collections import Counter
from itertools import chain, islice

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from siaga.features.duplicates import duplicate_facts, find_duplicates, fingerprints
from siaga.features.images import pixels
from siaga.post import Post
from siaga.quarantine import Quarantine
from siaga.schema import SyntheticSource
from siaga.schema.sources import LooksLike
from siaga.sources import alerts, memes, read_source
from siaga.sources.templates import fill

BOTH: tuple[LooksLike, ...] = ("disaster-tweets", "hateful-memes")


def posts_of(looks_like: LooksLike, posts: int, part: str = "posts", **changed: float) -> list[Post]:
    spec = SyntheticSource.model_validate({"looks_like": looks_like, "posts": posts, **changed})
    return list(read_source(spec, quarantine=Quarantine())[part])


def digest(looks_like: LooksLike) -> str:
    """Return a hash of everything that some made posts hold."""
    posts = posts_of(looks_like, 40, noise=0.2, missing_text=0.1, missing_image=0.1)
    return hashlib.sha256(repr(posts).encode()).hexdigest()


@pytest.mark.parametrize("looks_like", BOTH)
def test_the_same_seed_gives_the_same_posts_and_another_seed_others(looks_like: LooksLike) -> None:
    assert posts_of(looks_like, 60) == posts_of(looks_like, 60)
    first, second = ({post.image or post.text for post in posts_of(looks_like, 60, seed=seed)} for seed in (7, 8))
    assert len(first & second) < 10


def test_the_posts_are_the_same_in_every_process() -> None:
    program = "from tests.test_made_texts import BOTH, digest; print(*map(digest, BOTH))"
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [digest(looks_like) for looks_like in BOTH]


@pytest.mark.parametrize("looks_like", BOTH)
def test_posts_are_made_one_by_one_when_they_are_asked_for(looks_like: LooksLike) -> None:
    many = SyntheticSource(looks_like=looks_like, posts=50_000)
    assert len(list(islice(read_source(many, quarantine=Quarantine())["posts"], 3))) == 3


@pytest.mark.parametrize("looks_like", BOTH)
def test_without_settings_nothing_is_missing_and_no_post_is_unlabelled(looks_like: LooksLike) -> None:
    spec = SyntheticSource(looks_like=looks_like)
    assert (spec.unlabelled, spec.noise, spec.missing_text, spec.missing_image) == (0, 0.0, 0.0, 0.0)
    assert {post.modalities for post in posts_of(looks_like, 40)} == {
        ("text",) if looks_like == "disaster-tweets" else ("text", "image")
    }


@pytest.mark.parametrize(
    ("grammar", "given"), [(alerts, {"keyword", "number"}), (memes, {"number"})], ids=["tweets", "memes"]
)
def test_every_slot_of_a_grammar_is_filled_and_every_phrase_is_used(grammar: object, given: set[str]) -> None:
    templates, phrases = vars(grammar)["_TEMPLATES"], vars(grammar)["_PHRASES"]
    written = chain(*templates.values(), *phrases.values(), ("{tag}{home}",) if grammar is alerts else ())
    assert set(re.findall(r"\{(\w+)\}", " ".join(written))) == {*phrases, *given}


def test_a_template_is_filled_by_its_phrases_and_a_slot_without_any_is_an_error() -> None:
    rng = np.random.default_rng(0)
    assert fill("a {b}", {"b": ("{c}!",), "c": ("d",)}, rng) == "a d!"
    assert {len(fill("{number}", {}, rng)) for _ in range(99)} == {1, 2}
    with pytest.raises(KeyError):
        fill("{e}", {}, rng)


def test_tweets_have_the_fields_of_the_real_file_with_their_gaps() -> None:
    posts = posts_of("disaster-tweets", 600)
    assert Counter(post.label for post in posts) == {"1": 258, "0": 342}
    keywords = [post.fields.get("keyword") for post in posts]
    assert 10 <= keywords.count(None) <= 60
    assert "forest%20fire" in keywords
    assert not [keyword for keyword in keywords if keyword and " " in keyword]
    assert 0.25 < np.mean(["location" not in post.fields for post in posts]) < 0.42
    texts = " ".join(post.text or "" for post in posts)
    assert all(sign in texts for sign in ("#", "@", "http://t.co/"))


def test_unlabelled_tweets_keep_their_fields() -> None:
    posts = posts_of("disaster-tweets", 20, "unlabelled", unlabelled=30)
    assert {post.label for post in posts} == {None}
    assert any("keyword" in post.fields for post in posts)


def test_tweets_hold_the_traps_of_the_real_file_in_small_measure() -> None:
    posts = posts_of("disaster-tweets", 1200)
    facts = duplicate_facts(posts, ["posts"] * len(posts), find_duplicates(fingerprints(posts)))
    repeated = len(posts) - len({post.text for post in posts})
    assert 12 <= repeated <= 40
    assert 8 <= facts["contradictory"]["groups"] <= 40


@pytest.mark.parametrize(("noise", "low", "high"), [(0.0, 0.83, 0.95), (0.5, 0.4, 0.6)], ids=["right", "shuffled"])
def test_a_linear_model_learns_tweets_but_not_all_and_none_from_shuffled_labels(
    noise: float, low: float, high: float
) -> None:
    assert low <= _accuracy_on_texts(posts_of("disaster-tweets", 1500, noise=noise), (1, 2)) <= high


def test_the_order_of_words_tells_something_of_tweets() -> None:
    posts = posts_of("disaster-tweets", 1500)
    assert _accuracy_on_texts(posts, (1, 3)) > _accuracy_on_texts(posts, (1, 1)) + 0.01


def test_memes_lack_what_was_asked_for_and_no_post_lacks_both() -> None:
    posts = posts_of("hateful-memes", 200, missing_text=0.1, missing_image=0.2)
    assert Counter(post.modalities for post in posts) == {("text", "image"): 140, ("image",): 20, ("text",): 40}
    assert Counter(post.label for post in posts) == {"harmful": 86, "harmless": 114}
    assert all(post.modalities for post in posts_of("hateful-memes", 20, missing_text=0.7, missing_image=0.9))


def test_the_noise_of_memes_is_the_share_of_wrong_labels() -> None:
    pairs = zip(posts_of("hateful-memes", 100), posts_of("hateful-memes", 100, noise=0.3), strict=True)
    changed = [(right.label, wrong.label) for right, wrong in pairs if right.label != wrong.label]
    assert len(changed) == 30
    assert set(changed) == {("harmless", "harmful"), ("harmful", "harmless")}


def test_memes_are_small_jpegs() -> None:
    for post in posts_of("hateful-memes", 20):
        assert isinstance(post.image, bytes)
        with Image.open(io.BytesIO(post.image)) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (96, 96))


def test_memes_are_told_by_text_and_picture_together_and_by_neither_alone() -> None:
    posts = posts_of("hateful-memes", 1200)
    labels = np.array([post.label == "harmful" for post in posts])
    texts = TfidfVectorizer(min_df=2).fit_transform([post.text or "" for post in posts]).toarray()
    looks = np.stack([pixels(post.image, 6) for post in posts if post.image is not None]).reshape(len(posts), -1)
    scene = np.linalg.svd((looks - looks.mean(0)) / looks.std(0), full_matrices=False)[0][:, :6] * 30
    pairs = (texts[:, :, None] * scene[:, None]).reshape(len(posts), -1)
    beside = np.concatenate([texts, scene], axis=1)
    alone = [_accuracy(features, labels, cut=800) for features in (texts, scene, beside)]
    assert max(alone) < 0.7
    assert alone[0] > 0.55  # Some texts tell by themselves.
    assert _accuracy(np.concatenate([beside, pairs], axis=1), labels, cut=800) > max(alone) + 0.15


def _accuracy_on_texts(posts: list[Post], words: tuple[int, int]) -> float:
    features = TfidfVectorizer(ngram_range=words, min_df=2).fit_transform([post.text or "" for post in posts])
    return _accuracy(features.toarray(), np.array([post.label == "1" for post in posts]), cut=1000)


def _accuracy(features: NDArray[np.float64], labels: NDArray[np.bool_], *, cut: int) -> float:
    model = LogisticRegression(C=3, max_iter=2000).fit(features[:cut], labels[:cut])
    return float(model.score(features[cut:], labels[cut:]))
