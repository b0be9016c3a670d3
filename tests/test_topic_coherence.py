"""Coherence: our counts are those of gensim, window by window, and every oddity of these is told."""

import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from siaga.evaluation.topics.intervals import GROUPS, coherence_interval
from siaga.features.documents import Documents
from siaga.models.topics.coherence import Cooccurrences, c_v, count_together, npmi

NEVER = 40  # A word that gensim's dictionary knows, and no text has.
TOPICS = np.array([[0, 1, 2, 3], [4, 5, 0, 30], [6, 7, 31, 32]])  # 30 to 32 stand in few texts, never with each other.

Texts = list[list[int]]
Values = NDArray[np.float64]


def made_texts() -> Texts:
    """Return texts shorter and longer than ten words and than 110, with many a word repeated; two are empty."""
    rng = np.random.default_rng(0)
    chances = 1.0 / np.arange(1, 31)
    lengths = [0, 1, 2, 9, 10, 11, 12, 25, 60, 109, 110, 111, 112, 150, 400, 0, 30, 7]
    texts = [rng.choice(30, n, p=chances / chances.sum()).tolist() for n in lengths]
    return [*texts, [30, 9, 0, 30, 30], [31, 6, 31], [8, 7, 32] * 5]


@cache
def gensim() -> Any:  # Any: gensim has no types.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of its imports.
        from gensim.corpora import Dictionary
        from gensim.models import CoherenceModel
    return Dictionary, CoherenceModel


def of_gensim(measure: str, topics: NDArray[np.int64], texts: Texts, window: int) -> Values:
    dictionary_of, model_of = gensim()
    written = [[str(word) for word in text] for text in texts]
    model = model_of(
        topics=[[str(word) for word in topic] for topic in topics.tolist()],
        texts=written,
        dictionary=dictionary_of([*written, [str(NEVER)]]),
        coherence=measure,
        window_size=window,
        topn=topics.shape[1],
        processes=1,
    )
    return np.array(model.get_coherence_per_topic(), dtype=np.float64)


@pytest.mark.parametrize("window", [1, 2, 10, 110, 1000])
def test_npmi_is_that_of_gensim(window: int) -> None:
    texts = made_texts()
    found = npmi(TOPICS, Documents.of(texts), window)
    np.testing.assert_allclose(found, of_gensim("c_npmi", TOPICS, texts, window), atol=1e-9)


@pytest.mark.parametrize("window", [2, 10, 110, 1000])
def test_c_v_is_that_of_gensim(window: int) -> None:
    texts = made_texts()
    found = c_v(TOPICS, Documents.of(texts), window)
    np.testing.assert_allclose(found, of_gensim("c_v", TOPICS, texts, window), atol=1e-9)


def test_windows_are_of_ten_words_for_npmi_and_of_110_for_c_v_unless_told() -> None:
    texts = made_texts()
    np.testing.assert_allclose(npmi(TOPICS, Documents.of(texts)), of_gensim("c_npmi", TOPICS, texts, 10), atol=1e-9)
    np.testing.assert_allclose(c_v(TOPICS, Documents.of(texts)), of_gensim("c_v", TOPICS, texts, 110), atol=1e-9)


def test_words_that_never_stand_together_speak_against_a_topic_as_with_gensim() -> None:
    texts = [[1, 5, 5], [2, 5], [5], [5]]
    topic = np.array([[1, 2]])
    found = npmi(topic, Documents.of(texts))
    np.testing.assert_allclose(found, [np.log(1e-12 / (0.25 * 0.25)) / -np.log(1e-12)])
    np.testing.assert_allclose(found, of_gensim("c_npmi", topic, texts, 10))
    np.testing.assert_allclose(c_v(topic, Documents.of(texts)), of_gensim("c_v", topic, texts, 110))


def test_a_word_that_never_occurs_says_nothing_where_gensim_has_no_number() -> None:
    texts = made_texts()
    topics = np.array([[0, 1, 2, NEVER]])
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isposinf(of_gensim("c_npmi", topics, texts, 10)).all()
        assert np.isnan(of_gensim("c_v", topics, texts, 110)).all()
    others = topics[:, :3]
    documents = Documents.of(texts)
    np.testing.assert_allclose(npmi(topics, documents), npmi(others, documents) * 3 / 6)  # Three of six pairs are 0.
    np.testing.assert_allclose(c_v(topics, documents), c_v(others, documents) * 3 / 4)  # One of four words is.


def test_a_word_that_left_the_window_is_gone_until_it_comes_in_again() -> None:
    texts = Documents.of([[7, 1, 7, 2, 1, 7]])
    counts = count_together(np.array([[7, 1, 2]]), texts, window=3)
    # Windows: 7 1 7 | 1 7 2 | 7 2 1 | 2 1 7. In the second the 7 that stands first is gone, and 7 with it.
    assert counts.windows.tolist() == [4]
    assert counts.together[0, 0].tolist() == [[2, 2, 1], [2, 4, 3], [1, 3, 3]]


def test_a_text_no_longer_than_the_window_is_one_window_even_if_empty() -> None:
    counts = count_together(np.array([[0, 1]]), Documents.of([[0, 1, 0], [], [1], [0, 0, 0, 1]]), window=3)
    assert counts.windows.tolist() == [1 + 1 + 1 + 2]
    assert counts.together[0, 0].tolist() == [[2, 1], [1, 3]]


def test_a_word_of_two_topics_counts_in_both() -> None:
    counts = count_together(np.array([[0, 1], [2, 0]]), Documents.of([[0, 1], [0, 2], [0]]), window=10)
    assert counts.together[0].tolist() == [[[3, 1], [1, 1]], [[1, 1], [1, 3]]]


def test_groups_hold_all_windows_once_and_are_the_same_each_time() -> None:
    documents = Documents.of(made_texts())
    whole, parts = (count_together(TOPICS, documents, window=10, groups=groups) for groups in (1, 4))
    assert parts.windows.shape == (4,)
    assert parts.windows.sum() == whole.windows.sum()
    np.testing.assert_array_equal(parts.together.sum(axis=0), whole.together[0])
    np.testing.assert_array_equal(parts.npmi(), whole.npmi())
    again = count_together(TOPICS, documents, window=10, groups=4)
    np.testing.assert_array_equal(again.together, parts.together)


def test_groups_are_of_equal_size() -> None:
    counts = count_together(TOPICS, Documents.of([[0], [1], [2]] * 8), window=10, groups=6)
    assert counts.windows.tolist() == [4] * 6


def test_without_a_group_only_the_others_count() -> None:
    counts = Cooccurrences(np.array([4, 6]), np.array([[[[2, 1], [1, 2]]], [[[3, 0], [0, 3]]]]))
    left = counts.without(1)
    assert left.windows.tolist() == [4]
    np.testing.assert_allclose(left.npmi(), [0.0], atol=1e-11)  # A quarter is one half times one half.


def test_without_texts_every_topic_is_zero() -> None:
    nothing = Documents.of([])
    assert npmi(TOPICS, nothing).tolist() == c_v(TOPICS, nothing).tolist() == [0.0, 0.0, 0.0]


def test_a_topic_of_one_word_has_no_pairs() -> None:
    assert npmi(np.array([[0], [1]]), Documents.of([[0, 1]])).tolist() == [0.0, 0.0]


def test_numbers_below_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="from 0 up"):
        npmi(TOPICS, Documents.of([[0, -1]]))
    with pytest.raises(ValueError, match="from 0 up"):
        npmi(np.array([[0, -1]]), Documents.of([[0]]))


def test_the_interval_of_a_coherence_is_a_jackknife_over_groups() -> None:
    counts = Cooccurrences(
        np.array([10, 10, 10]),
        np.array([[[[5, 3], [3, 5]]], [[[5, 2], [2, 6]]], [[[4, 3], [3, 5]]]]),
    )
    left = [counts.without(g).npmi().mean() for g in range(3)]
    value = counts.npmi().mean()
    half = 4.302652729911275 * (2 / 3 * sum((each - value) ** 2 for each in left)) ** 0.5  # Student's t, two degrees.
    expected = {"value": value, "low": value - half, "high": value + half}
    assert coherence_interval(counts, Cooccurrences.npmi) == pytest.approx(expected)


def test_groups_without_texts_are_no_groups() -> None:
    documents = Documents.of(made_texts()[:3])
    few = coherence_interval(count_together(TOPICS, documents, window=10, groups=3), Cooccurrences.c_v)
    many = coherence_interval(count_together(TOPICS, documents, window=10, groups=GROUPS), Cooccurrences.c_v)
    assert few == pytest.approx(many)


def test_an_interval_of_few_groups_ends_where_the_measure_does() -> None:
    counts = Cooccurrences(np.array([10, 10]), np.array([[[[5, 5], [5, 5]]], [[[9, 1], [1, 2]]]]))
    found = coherence_interval(counts, Cooccurrences.npmi)
    assert (found["low"], found["high"]) == (-1.0, 1.0)


def test_a_single_group_has_no_interval() -> None:
    found = coherence_interval(count_together(TOPICS, Documents.of([[0, 1]]), window=10), Cooccurrences.npmi)
    assert found["value"] is not None
    assert found["low"] is found["high"] is None


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    truth = coherence_of_pairs(np.random.default_rng(99), 200_000)["value"]
    assert truth is not None
    hits = 0
    for seed in range(100):
        found = coherence_of_pairs(np.random.default_rng(seed), 300)
        assert found["low"] is not None
        assert found["high"] is not None
        hits += found["low"] <= truth <= found["high"]
    assert 88 <= hits <= 99


def coherence_of_pairs(rng: np.random.Generator, n: int) -> dict[str, float | None]:
    """Return the interval of NPMI for texts of three words, of which two go together."""
    first = rng.integers(0, 2, n)
    second = np.where(rng.random(n) < 0.8, first + 2, 3 - first)
    tokens = np.stack([first, second, np.full(n, 9)], axis=1).astype(np.int32).ravel()
    documents = Documents(tokens, np.arange(0, 3 * n + 1, 3))
    counts = count_together(np.array([[0, 2], [1, 3]]), documents, window=10, groups=GROUPS)
    return coherence_interval(counts, Cooccurrences.npmi)
