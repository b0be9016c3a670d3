import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from siaga.evaluation.intervals import intervals, replicates, resample_weights
from siaga.evaluation.metrics import measure
from siaga.evaluation.outcomes import Outcomes
from siaga.models.noise import paired_difference
from tests.judged import outcomes_of, probabilities


def test_each_resample_draws_as_many_posts_as_there_are() -> None:
    weights = np.concatenate(list(resample_weights(70, resamples=2500, seed=1)))
    assert weights.shape == (2500, 70)
    assert (weights.sum(axis=1) == 70).all()
    np.testing.assert_allclose(weights.mean(axis=0), 1.0, atol=0.1)
    np.testing.assert_allclose(weights.var(axis=0), 1 - 1 / 70, atol=0.15)


def test_resamples_do_not_depend_on_the_size_of_the_chunks() -> None:
    whole, parts = (
        np.concatenate(list(resample_weights(50, resamples=40, seed=5, posts=posts))) for posts in (0, 20_000)
    )
    assert (whole == parts).all()


def test_replicates_are_the_metrics_of_the_resampled_posts() -> None:
    found = replace(outcomes_of(80, 7, ordered=True), superclasses=np.array([0, 0, 1, 1, 2, 2, 3]))
    drawn = replicates(found, resamples=6, seed=2)
    assert {"top_5_accuracy", "superclass_accuracy", "mae"} <= drawn.keys()
    (weights,) = resample_weights(80, resamples=6, seed=2)
    for row, each in enumerate(weights):
        again = measure(found.take(np.repeat(np.arange(80), each)))
        assert {name: pytest.approx(drawn[name][row]) for name in again} == again


def test_grouped_replicates_draw_whole_groups() -> None:
    groups = np.repeat(np.arange(20), 4)
    found = replace(outcomes_of(80, 2), groups=groups)
    drawn = replicates(found, resamples=5, seed=2)
    (weights,) = resample_weights(20, resamples=5, seed=2)
    for row, each in enumerate(weights):
        again = measure(found.take(np.repeat(np.arange(80), each[groups])))
        assert {name: pytest.approx(drawn[name][row]) for name in again} == again


def test_the_interval_of_accuracy_is_as_wide_as_theory_says() -> None:
    found = outcomes_of(1500, 2, seed=4)
    each = intervals(found, resamples=4000, seed=0)["accuracy"]
    value, low, high = each["value"], each["low"], each["high"]
    assert value is not None
    assert low is not None
    assert high is not None
    assert low < value < high
    assert high - low == pytest.approx(2 * 1.96 * (value * (1 - value) / 1500) ** 0.5, rel=0.06)


def test_four_copies_of_each_post_make_the_interval_no_narrower_when_they_are_grouped() -> None:
    one = outcomes_of(200, 2, seed=1)
    rows = np.repeat(np.arange(200), 4)
    copies = replace(one.take(rows), groups=rows)
    single, grouped, naive = (
        intervals(each, resamples=3000, seed=0)["macro_f1"] for each in (one, copies, replace(copies, groups=None))
    )
    assert _width(grouped) == pytest.approx(_width(single), rel=0.08)
    assert _width(naive) == pytest.approx(_width(single) / 2, rel=0.08)


def test_the_interval_of_ece_holds_the_value_of_a_calibrated_classifier() -> None:
    rng = np.random.default_rng(0)
    score = rng.random(400)
    rows = np.stack([1 - score, score], axis=1)
    labels = (rng.random(400) < score).astype(np.int64)
    _holds(intervals(Outcomes(["a", "b"], labels, rows.argmax(axis=1), rows), resamples=800, seed=0)["ece"])


def test_the_interval_of_average_precision_holds_its_value_when_classes_are_many() -> None:
    _holds(intervals(outcomes_of(3000, 100), resamples=300, seed=0)["average_precision"])


def test_a_part_of_grouped_posts_is_resampled_over_the_groups_it_has() -> None:
    found = replace(outcomes_of(80, 2), groups=np.repeat(np.arange(20), 4))
    part = found.take(np.arange(40, 60))
    assert not np.isnan(replicates(part, resamples=500, seed=0)["accuracy"]).any()


def test_the_same_seed_gives_the_same_intervals_and_another_seed_others() -> None:
    found = outcomes_of(100, 3)
    first = intervals(found, resamples=200, seed=1)
    assert first == intervals(found, resamples=200, seed=1)
    assert first != intervals(found, resamples=200, seed=2)


def test_an_undefined_metric_has_no_interval() -> None:
    rows = np.array([[0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    found = Outcomes(["a", "b"], np.array([1, 1, 1]), np.array([1, 0, 1]), rows)
    assert intervals(found, resamples=100, seed=0)["roc_auc"] == {"value": None, "low": None, "high": None}


def test_one_post_and_one_group_have_values_without_intervals() -> None:
    single = outcomes_of(1, 2)
    one_group = replace(outcomes_of(30, 2), groups=np.zeros(30, dtype=np.int64))
    for found in (single, one_group):
        each = intervals(found, resamples=100, seed=0)["accuracy"]
        assert each["value"] is not None
        assert (each["low"], each["high"]) == (None, None)


def test_few_groups_of_many_posts_stay_small_in_memory() -> None:
    found = replace(outcomes_of(20_000, 2), groups=np.arange(20_000) % 3)
    tracemalloc.start()
    replicates(found, resamples=400, seed=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40_000_000  # All 400 rows of 20,000 weights at once would be 64 MB, several times over.


def test_a_change_is_measured_on_pairs_and_not_on_two_samples() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 400)
    before = probabilities(labels, 3, 1.0, rng)
    after = before.copy()
    wrong = np.flatnonzero(before.argmax(axis=1) != labels)[:30]
    after[wrong] = np.eye(3)[labels[wrong]]
    value, low, high = paired_difference(labels, before, after, seed=0)
    assert 0.03 < low < value < high < 0.15
    assert paired_difference(labels, after, before, seed=0)[0] == pytest.approx(-value)


def test_the_paired_difference_agrees_with_resampling_the_posts_themselves() -> None:
    a, b = outcomes_of(150, 3, seed=1), outcomes_of(150, 3, seed=1, skill=1.0)
    b = a.answered(probabilities(a.labels, 3, 1.4, np.random.default_rng(9)), np.ones(3))
    drawn = [replicates(each, resamples=6000, seed=3)["macro_f1"] for each in (a, b)]
    low, high = np.quantile(drawn[1] - drawn[0], (0.025, 0.975))
    found = paired_difference(a.labels, a.probabilities, b.probabilities, seed=4, resamples=6000)
    assert found[0] == pytest.approx(measure(b)["macro_f1"] - measure(a)["macro_f1"])  # type: ignore[operator]  # Defined.
    assert found[1:] == pytest.approx((low, high), abs=0.01)


def test_no_change_is_no_difference_and_no_posts_say_nothing() -> None:
    rows = outcomes_of(50, 2)
    assert paired_difference(rows.labels, rows.probabilities, rows.probabilities, seed=0) == (0.0, 0.0, 0.0)
    nothing = np.zeros((0, 2))
    assert paired_difference(np.zeros(0, dtype=np.int64), nothing, nothing, seed=0) == (0.0, -1.0, 1.0)


def test_the_paired_difference_does_not_depend_on_the_order_of_the_posts() -> None:
    a, b = outcomes_of(90, 3, seed=1), outcomes_of(90, 3, seed=1, skill=2.0)
    turned = np.random.default_rng(0).permutation(90)
    straight = paired_difference(a.labels, a.probabilities, b.probabilities, seed=7)
    assert straight == paired_difference(a.labels[turned], a.probabilities[turned], b.probabilities[turned], seed=7)


def _holds(each: dict[str, float | None]) -> None:
    low, value, high = (each[key] for key in ("low", "value", "high"))
    assert low is not None
    assert value is not None
    assert high is not None
    assert low < value < high


def _width(each: dict[str, float | None]) -> float:
    assert each["low"] is not None
    assert each["high"] is not None
    return each["high"] - each["low"]
