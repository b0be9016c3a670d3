"""Made news: seeded, drawn from topics that are known, and as dirty as real ones."""

import csv
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import nnls

from siaga.features.words import WordReader
from siaga.post import Post
from siaga.quarantine import Quarantine
from siaga.recipe import load_recipe
from siaga.schema import SyntheticSource, Words
from siaga.sources import read_source
from siaga.sources.news import DAYS, START, news_truth
from siaga.sources.news_words import NUMBERS, OUTLETS, STOP_WORDS, TOPICS, invented_names

SPEC = SyntheticSource(looks_like="news-topics", posts=2000)


def posts_of(part: str = "posts", **changed: float) -> list[Post]:
    spec = SyntheticSource.model_validate({"looks_like": "news-topics", **changed})
    return list(read_source(spec, quarantine=Quarantine())[part])


@pytest.fixture(scope="module")
def posts() -> list[Post]:
    return list(read_source(SPEC, quarantine=Quarantine())["posts"])


def digest() -> str:
    words, phi = news_truth(SPEC)
    return sha256(repr([posts_of(posts=600, noise=0.1, missing_text=0.1), words, phi.tolist()]).encode()).hexdigest()


def test_made_news_are_the_same_in_every_process_and_differ_by_seed() -> None:
    program = "from tests.test_news import digest; print(digest())"
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest()
    both = {post.text for post in posts_of(posts=30)} & {post.text for post in posts_of(posts=30, seed=8)}
    assert both == set()


def test_articles_are_made_when_they_are_asked_for() -> None:
    many = SyntheticSource(looks_like="news-topics", posts=200_000)
    assert len(list(islice(read_source(many, quarantine=Quarantine())["posts"], 3))) == 3


def test_the_truth_has_a_row_of_probabilities_a_topic() -> None:
    words, phi = news_truth(SPEC)
    assert phi.shape == (10, len(words)) == (10, len(set(words)))
    np.testing.assert_array_equal(phi.sum(axis=1), 1.0)
    np.testing.assert_array_equal(phi[:, words.index("year")] > 0, True)
    of = {
        word: [name for name, share in zip(TOPICS, phi[:, words.index(word)], strict=True) if share > 0.002]
        for word in words
    }
    assert of["court"] == ["sport", "courts"]
    assert of["prime_minister"] == ["elections"]
    assert not set(words) & {*STOP_WORDS.split(), "-", "gazette"}
    assert [words[i] for i in phi.argmax(axis=1)] == [own.split()[0] for own in TOPICS.values()]


def test_what_articles_say_is_a_mixture_of_the_true_topics(posts: list[Post]) -> None:
    words, phi = news_truth(SPEC)
    counts = counted(posts, words)
    weights, _ = nnls(phi.T, counts.sum(axis=0) / counts.sum())
    told = weights @ phi * counts.sum()
    frequent = told > 100
    assert frequent.sum() > 100
    assert np.mean(np.abs(counts.sum(axis=0) - told)[frequent] / np.sqrt(told[frequent]) < 3) > 0.95
    assert weights.min() > 0.04


def test_an_article_is_labelled_by_its_main_topic_and_has_others(posts: list[Post]) -> None:
    words, phi = news_truth(SPEC)
    counts = counted(posts, words)
    labels = np.array([list(TOPICS).index(post.label or "") for post in posts])
    shares = np.array([nnls(phi.T, row / max(row.sum(), 1))[0] for row in counts[:300]])
    assert np.mean(shares.argmax(axis=1) == labels[:300]) > 0.8
    assert 0.55 < np.median(shares.max(axis=1)) < 0.9
    assert min(Counter(labels.tolist()).values()) > 80


def test_texts_have_the_stop_words_numbers_and_dashes_of_any_text(posts: list[Post]) -> None:
    found = [token.rstrip(".,").lower() for post in posts for token in (post.text or "").split()]
    stop_words = set(STOP_WORDS.split())
    assert 0.42 < sum(token in stop_words for token in found) / len(found) < 0.46
    assert 0.02 < sum(token[:1].isdigit() for token in found) / len(found) < 0.04
    assert 0.015 < found.count("-") / len(found) < 0.03


def test_sentences_begin_with_a_capital_and_end_with_a_point(posts: list[Post]) -> None:
    text = next(post.text or "" for post in posts if len((post.text or "").split()) > 200)
    parts = text.removesuffix(f" ({posts[0].fields['publication']})").split(". ")
    assert len(parts) > 5
    assert all(part[0] == part[0].upper() for part in parts)


def test_outlets_name_themselves_and_each_has_topics_that_it_likes(posts: list[Post]) -> None:
    outlets = Counter(post.fields["publication"] for post in posts)
    assert set(outlets) == set(OUTLETS)
    named = sum((post.text or "").startswith(f"{post.fields['publication']} - ") for post in posts)
    assert 0.45 < named / len(posts) < 0.55
    assert (
        0.15 < sum((post.text or "").endswith(f" ({post.fields['publication']})") for post in posts) / len(posts) < 0.25
    )
    sport = Counter(post.fields["publication"] for post in posts if post.label == "sport")
    assert sport[OUTLETS[0]] > 2 * max(count for outlet, count in sport.items() if outlet != OUTLETS[0])


def test_titles_are_made_of_the_words_of_the_article_s_topics(posts: list[Post]) -> None:
    words, phi = news_truth(SPEC)
    own = dict(zip(words, phi[list(TOPICS).index("oil")] > 0, strict=True))
    titles = [post.fields["title"].lower().split() for post in posts if post.label == "oil"]
    assert all(6 <= len(title) <= 12 for title in titles)
    assert np.mean([own.get(word, False) for title in titles for word in title]) > 0.6
    assert not {word for title in titles for word in title} & set(STOP_WORDS.split())


def test_times_run_over_months_with_a_gap_and_topics_come_and_go(posts: list[Post]) -> None:
    times = [post.time for post in posts if post.time is not None]
    assert len(times) == len(posts)
    assert times == sorted(times)
    assert times[0] == START
    assert START + timedelta(days=DAYS - 1) < times[-1] < START + timedelta(days=DAYS)
    gaps = sorted(later - earlier for earlier, later in pairwise(times))
    assert gaps[-1] > timedelta(days=14) > timedelta(days=1) > gaps[-2]
    months = [Counter(post.label for post in posts[start : start + 200])["health"] for start in range(0, 2000, 200)]
    assert max(months) > 3 * (min(months) + 1)


def test_one_article_in_a_hundred_says_next_to_nothing_and_one_in_eighty_is_a_copy(posts: list[Post]) -> None:
    short = [post.text for post in posts if len(post.text or "") < 20]
    assert len(short) == 20
    assert len(set(short)) == 5
    texts = Counter(post.text for post in posts if post.text not in short)
    assert sum(count - 1 for count in texts.values()) == 25


def test_noise_and_missing_text_are_the_shares_that_were_asked_for() -> None:
    pairs = list(zip(posts_of(posts=200), posts_of(posts=200, noise=0.3, missing_text=0.1), strict=True))
    assert sum(right.label != other.label for right, other in pairs) == 60
    assert sum(other.text is None for _, other in pairs) == 20
    assert all(other.fields["title"] for _, other in pairs)


def test_articles_are_as_long_as_was_asked_for_and_of_as_many_topics() -> None:
    found = posts_of(posts=400, length=300, classes=3)
    assert np.mean([len((post.text or "").split()) for post in found]) == pytest.approx(300, rel=0.05)
    assert {post.label for post in found} == {"sport", "oil", "harvest"}
    assert news_truth(SyntheticSource(looks_like="news-topics", classes=3))[1].shape[0] == 3


def test_unlabelled_articles_keep_their_title_and_outlet() -> None:
    found = posts_of("unlabelled", posts=20, unlabelled=30)
    assert {post.label for post in found} == {None}
    assert {tuple(post.fields) for post in found} == {("title", "publication")}


def test_the_words_of_topics_are_those_that_the_recipe_reads() -> None:
    read = WordReader(Words())
    for word in news_truth(SPEC)[0]:
        assert read.words(word.replace("_", " ")) == word.split("_")
    assert read.words(f"{STOP_WORDS} {NUMBERS} -") == []


def test_invented_names_are_new_words_and_no_two_are_equal() -> None:
    names = invented_names(3400)
    assert len(set(names)) == 3400
    assert not set(names) & set(" ".join([*TOPICS.values(), STOP_WORDS]).split())
    assert invented_names(10) == names[:10]


def test_a_csv_of_articles_is_read_as_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = posts_of(posts=20)[:2]
    with (tmp_path / "articles.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "title", "publication", "author", "date", "content"])
        for post in (first, second):
            writer.writerow([post.id, *post.fields.values(), "A. Writer", post.time, post.text])
        writer.writerow(["3", "Broken"])
    monkeypatch.chdir(tmp_path)
    quarantine = Quarantine()
    found = read_source(load_recipe("news-topics", variant="csv").source, quarantine=quarantine)
    assert list(found["posts"]) == [replace(post, label=None, language=None) for post in (first, second)]
    assert [row.line for row in quarantine.rows] == [4]


def counted(posts: list[Post], words: tuple[str, ...]) -> NDArray[np.float64]:
    """Return (posts, words) counts of the known words; phrases count as one."""
    number = {word: i for i, word in enumerate(words)}
    phrases = [word.replace("_", " ") for word in words if "_" in word]
    counts = np.zeros((len(posts), len(words)))
    for row, post in enumerate(posts):
        text = " ".join(token.rstrip(".,") for token in (post.text or "").lower().split())
        for phrase in phrases:
            text = text.replace(phrase, phrase.replace(" ", "_"))
        for word in text.split():
            if word in number:
                counts[row, number[word]] += 1
    return counts
