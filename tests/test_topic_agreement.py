"""Topics beside topics and beside labels: matched, counted, and measured as scikit-learn measures."""

import tracemalloc
from itertools import permutations
from math import log

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

from siaga.evaluation.topics.intervals import nmi_and_purity
from siaga.models.topics.agreement import (
    contingency,
    diversity,
    matched,
    matched_cosine,
    nmi,
    purity,
    top_words,
)


def test_top_words_are_the_most_probable_ones_first_and_ties_by_number() -> None:
    phi = np.array([[0.1, 0.2, 0.4, 0.2, 0.1], [0.0, 0.5, 0.0, 0.0, 0.5]], dtype=np.float32)
    assert top_words(phi, 3).tolist() == [[2, 1, 3], [1, 4, 0]]


def test_top_words_are_those_of_a_stable_sort_of_all() -> None:
    phi = np.random.default_rng(0).integers(0, 9, (6, 200)).astype(np.float32)  # Many ties.
    for n in (1, 10, 199, 200):
        np.testing.assert_array_equal(top_words(phi, n), np.argsort(-phi, axis=1, kind="stable")[:, :n])


def test_of_fewer_words_than_asked_for_there_are_all() -> None:
    assert top_words(np.array([[0.3, 0.7]], dtype=np.float32), 10).tolist() == [[1, 0]]


def test_diversity_is_the_share_of_different_top_words() -> None:
    phi = np.array([[5, 4, 3, 0, 0], [5, 4, 0, 3, 0], [0, 0, 3, 4, 5]], dtype=np.float32)
    assert diversity(phi, 2) == pytest.approx(4 / 6)  # 0 1 | 0 1 | 4 3.
    assert diversity(phi[:1]) == 1.0  # Twenty-five of five words are all five.


def test_topics_are_matched_so_that_the_whole_agrees_most() -> None:
    a = [{"oil", "gas", "barrel"}, {"oil", "gas", "wheat"}]
    b = [{"oil", "gas", "wheat"}, {"wheat", "corn", "rice"}]
    # Topic 2 and topic 1 are equal: greedy by the first row would give .5 + .2 instead of 1 + 0.
    pairs, jaccards = matched(a, b)
    assert pairs.tolist() == [[0, 1], [1, 0]]
    assert jaccards.tolist() == [0.0, 1.0]


def test_the_match_is_the_best_of_all_there_are() -> None:
    rng = np.random.default_rng(0)
    a, b = ([set(rng.choice(12, 5, replace=False).tolist()) for _ in range(5)] for _ in range(2))
    values = [[len(x & y) / len(x | y) for y in b] for x in a]
    best = max(sum(values[i][j] for i, j in enumerate(order)) for order in permutations(range(5)))
    pairs, jaccards = matched(a, b)
    assert jaccards.sum() == pytest.approx(best)
    assert [values[i][j] for i, j in pairs.tolist()] == jaccards.tolist()


def test_of_different_numbers_of_topics_the_fewer_are_matched() -> None:
    pairs, jaccards = matched([{1, 2}, {3, 4}, {5, 6}], [{5, 6}, {1, 2}])
    assert pairs.tolist() == [[0, 1], [2, 0]]
    assert jaccards.tolist() == [1.0, 1.0]


def test_no_topics_match_nothing() -> None:
    pairs, jaccards = matched([], [{1}])
    assert pairs.shape == (0, 2)
    assert jaccards.shape == (0,)


def test_cosines_are_between_directions_and_not_sizes() -> None:
    a = np.array([[1.0, 0.0, 0.0], [0.0, 0.6, 0.8]], dtype=np.float32)
    pairs, cosines = matched_cosine(a, np.array([[0.0, 3.0, 4.0], [0.5, 0.5, 0.0]], dtype=np.float32))
    assert pairs.tolist() == [[0, 1], [1, 0]]
    np.testing.assert_allclose(cosines, [0.5**0.5, 1.0], atol=1e-6)


def test_a_topic_without_words_is_like_none() -> None:
    _, cosines = matched_cosine(np.eye(2, dtype=np.float32), np.array([[0, 0], [0, 1]], dtype=np.float32))
    np.testing.assert_allclose(cosines, [0.0, 1.0])


def test_a_table_counts_labels_by_topics_that_occur() -> None:
    table = contingency(["oil", "corn", "oil", "oil"], np.array([7, 2, 2, 7]))
    assert table.tolist() == [[1, 0], [1, 2]]  # Corn, oil; topics 2 and 7.


def test_nmi_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    topics = rng.integers(0, 6, 300)
    labels = np.where(rng.random(300) < 0.5, topics // 2, rng.integers(0, 3, 300))
    found = nmi(contingency([str(label) for label in labels], topics))
    assert float(found) == pytest.approx(normalized_mutual_info_score(labels, topics))


def test_nmi_is_one_for_labels_that_are_topics_and_zero_for_those_that_tell_nothing() -> None:
    assert float(nmi(np.array([[0, 5], [7, 0]]))) == pytest.approx(1.0)
    assert float(nmi(np.array([[4, 6], [2, 3]]))) == pytest.approx(0.0, abs=1e-12)
    assert float(nmi(np.array([[4, 6]]))) == 0.0
    assert float(nmi(np.array([[4], [6]]))) == 0.0


def test_nmi_is_divided_by_the_mean_of_both_entropies() -> None:
    # Four topics, two labels: a topic tells the label, ln 2 of ln 4 and ln 2.
    assert float(nmi(np.array([[1, 1, 0, 0], [0, 0, 1, 1]]))) == pytest.approx(log(2) / ((log(4) + log(2)) / 2))


def test_purity_is_the_share_of_the_commonest_label_of_each_topic() -> None:
    assert float(purity(np.array([[3, 0, 1], [1, 4, 1]]))) == pytest.approx(8 / 10)


def test_tables_may_be_many() -> None:
    tables = np.random.default_rng(0).integers(1, 9, (4, 3, 5))
    np.testing.assert_allclose(nmi(tables), [float(nmi(table)) for table in tables])
    np.testing.assert_allclose(purity(tables), [float(purity(table)) for table in tables])


def test_intervals_stand_around_the_values_and_repeat() -> None:
    rng = np.random.default_rng(0)
    topics = rng.integers(0, 8, 80)  # So few that repeated posts add a lot: both ends would lie above the value.
    labels = [str(topic if rng.random() < 0.4 else rng.integers(0, 8)) for topic in topics]
    found = nmi_and_purity(labels, topics, resamples=450, seed=3)
    table = contingency(labels, topics)
    for name, measure in (("nmi", nmi), ("purity", purity)):
        low, value, high = found[name]["low"], found[name]["value"], found[name]["high"]
        assert low is not None
        assert high is not None
        assert value == float(measure(table))
        assert low < value < high
        assert abs((low + high) / 2 - value) < 0.1 * (high - low)
    assert found == nmi_and_purity(labels, topics, resamples=450, seed=3)
    assert found != nmi_and_purity(labels, topics, resamples=450, seed=4)


def test_tables_of_many_labels_do_not_stand_in_memory_all_at_once() -> None:
    topics = np.arange(1000) % 200
    tracemalloc.start()
    nmi_and_purity([str(i % 399) for i in range(1000)], topics, resamples=100, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 << 20  # All hundred tables of 399 × 200 are 61 MB, and the measures make several of each.


def test_no_bound_is_below_zero() -> None:
    topics = np.arange(40) % 4
    labels = [str(i // 4 % 2) for i in range(40)]  # Either label as often with each topic.
    found = nmi_and_purity(labels, topics, resamples=300, seed=0)
    assert found["nmi"]["value"] == pytest.approx(0.0, abs=1e-12)
    assert found["nmi"]["low"] == 0.0


def test_the_interval_of_the_purity_is_as_wide_as_theory_tells() -> None:
    labels = ["a"] * 80 + ["b"] * 20
    found = nmi_and_purity(labels, np.zeros(100, dtype=np.int64), resamples=4000, seed=0)["purity"]
    assert found["low"] is not None
    assert found["high"] is not None
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * (0.8 * 0.2 / 100) ** 0.5, rel=0.1)


def test_without_posts_there_are_no_figures() -> None:
    nothing = {"value": None, "low": None, "high": None}
    found = nmi_and_purity([], np.array([], dtype=np.int64), resamples=100, seed=0)
    assert found == {"nmi": nothing, "purity": nothing}
