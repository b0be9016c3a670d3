"""Document completion: every second word is hidden, and its probability is what an obvious loop finds."""

from math import exp, log

import numpy as np
import pytest

from siaga.evaluation.topics.intervals import perplexity_interval, ratio_interval
from siaga.features.documents import Documents
from siaga.models.topics.completion import FLOOR, halves, log_likelihoods, perplexity

PHI = np.array([[0.5, 0.25, 0.25, 0.0], [0.125, 0.125, 0.25, 0.5]], dtype=np.float32)


def rows(documents: Documents) -> list[list[int]]:
    return [documents.take([i]).tokens.tolist() for i in range(len(documents))]


def test_every_second_word_of_each_text_is_hidden() -> None:
    seen, hidden = halves(Documents.of([[5, 6, 7, 8, 9], [], [1], [2, 3]]))
    assert rows(seen) == [[5, 7, 9], [], [1], [2]]
    assert rows(hidden) == [[6, 8], [], [], [3]]
    assert seen.tokens.dtype == hidden.tokens.dtype == np.int32


def test_no_texts_have_two_empty_halves() -> None:
    seen, hidden = halves(Documents.of([]))
    assert len(seen) == len(hidden) == 0


def test_the_log_likelihood_is_that_of_every_word_as_often_as_it_stands_there() -> None:
    shares = np.array([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]])
    found = log_likelihoods(Documents.of([[0, 3, 0], [], [1]]), shares, PHI)
    np.testing.assert_allclose(found, [2 * log(0.3125) + log(0.25), 0.0, log(0.15625)], rtol=1e-12)


def test_it_equals_a_slow_loop_on_many_texts() -> None:
    rng = np.random.default_rng(0)
    phi = rng.dirichlet(np.full(50, 0.3), 7).astype(np.float32)
    texts = Documents.of([rng.integers(0, 50, n) for n in (1, 2, 30, 100)])
    shares = rng.dirichlet(np.ones(7), 4)
    expected = [
        sum(log(sum(float(share[k]) * float(phi[k, word]) for k in range(7))) for word in text)
        for share, text in zip(shares, rows(texts), strict=True)
    ]
    np.testing.assert_allclose(log_likelihoods(texts, shares, phi), expected, rtol=1e-10)


def test_a_word_that_no_topic_has_costs_the_floor() -> None:
    found = log_likelihoods(Documents.of([[3]]), np.array([[1.0, 0.0]]), PHI)
    assert found.tolist() == [pytest.approx(log(FLOOR))]
    assert FLOOR == 1e-12


def test_one_topic_for_all_is_the_unigram_baseline() -> None:
    phi = np.array([[0.5, 0.25, 0.125, 0.125]], dtype=np.float32)
    found = log_likelihoods(Documents.of([[0, 1], [2]]), np.ones((2, 1)), phi)
    np.testing.assert_allclose(found, [log(0.125), log(0.125)])


def test_perplexity_is_the_number_of_words_that_stand_to_choice() -> None:
    uniform = np.full((1, 4), 0.25, dtype=np.float32)
    hidden = Documents.of([[0, 1, 2], [], [3]])
    likelihoods = log_likelihoods(hidden, np.ones((3, 1)), uniform)
    assert perplexity(likelihoods, hidden.lengths()) == pytest.approx(4.0)


def test_long_texts_weigh_more_in_the_perplexity() -> None:
    found = perplexity(np.array([-3.0, -1.0]), np.array([3, 0]))
    assert found == pytest.approx(exp(4 / 3))


def test_the_perplexity_of_nothing_hidden_is_no_number() -> None:
    assert np.isnan(perplexity(np.zeros(2), np.zeros(2, dtype=np.int64)))


@pytest.mark.parametrize("shape", [(2, 2), (1, 3), (2, 1)])
def test_shares_of_another_shape_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"Give \(1, 2\)"):
        log_likelihoods(Documents.of([[0]]), np.ones(shape), PHI)


@pytest.mark.parametrize("word", [-1, 4])
def test_a_word_with_a_number_that_there_is_not_is_refused(word: int) -> None:
    with pytest.raises(ValueError, match="4 are known"):
        log_likelihoods(Documents.of([[word]]), np.ones((1, 2)), PHI)


def test_the_interval_of_the_perplexity_covers_it_and_narrows_with_more_texts() -> None:
    rng = np.random.default_rng(0)
    n_hidden = rng.integers(1, 40, 1600)
    likelihoods = -n_hidden * rng.normal(5.0, 0.5, 1600)
    few = perplexity_interval(likelihoods[:100], n_hidden[:100], resamples=500, seed=0)
    many = perplexity_interval(likelihoods, n_hidden, resamples=500, seed=0)
    assert few["value"] == pytest.approx(perplexity(likelihoods[:100], n_hidden[:100]))
    assert width(many) < 0.4 * width(few)  # A sixteenth of the texts: four times as wide.
    assert many == perplexity_interval(likelihoods, n_hidden, resamples=500, seed=0)


def test_the_interval_of_a_ratio_has_the_spread_that_theory_tells() -> None:
    rng = np.random.default_rng(1)
    wholes = np.full(400, 10)
    parts = rng.binomial(10, 0.3, 400)
    found = ratio_interval(parts, wholes, resamples=2000, seed=0)
    assert found["value"] == pytest.approx(parts.sum() / 4000)
    assert width(found) == pytest.approx(2 * 1.96 * parts.std() / 10 / 20, rel=0.06)


def test_nothing_to_divide_by_gives_no_figure() -> None:
    nothing = {"value": None, "low": None, "high": None}
    assert ratio_interval(np.zeros(3), np.zeros(3, dtype=np.int64), resamples=100, seed=0) == nothing
    assert perplexity_interval(np.zeros(0), np.zeros(0, dtype=np.int64), resamples=100, seed=0) == nothing


def test_a_single_text_has_a_perplexity_without_an_interval() -> None:
    found = perplexity_interval(np.array([-2.0]), np.array([2]), resamples=100, seed=0)
    assert found == {"value": pytest.approx(exp(1)), "low": None, "high": None}


def test_the_bounds_of_a_perplexity_are_in_order() -> None:
    found = perplexity_interval(np.array([-2.0, -9.0, -4.0]), np.array([2, 3, 4]), resamples=200, seed=0)
    assert width(found) > 0


def width(interval: dict[str, float | None]) -> float:
    low, value, high = interval["low"], interval["value"], interval["high"]
    assert low is not None
    assert high is not None
    assert value is not None
    assert low <= value <= high
    return high - low
