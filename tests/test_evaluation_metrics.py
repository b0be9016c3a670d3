import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from siaga.errors import DataError
from siaga.evaluation.metrics import additive, confusion, from_sums, measure, per_class, rank_metrics, rankings
from siaga.evaluation.outcomes import Outcomes, outcomes, superclass_indices, superclasses_of
from siaga.post import Post
from tests.judged import grouped, judged, outcomes_of, recipe

SHOWN: tuple[tuple[str | None, dict[str, str]], ...] = (
    ("a", {"group": "x"}),
    ("a", {}),
    ("b", {"group": "y"}),
    (None, {"group": "w"}),
    ("a", {"group": "x"}),
)


@st.composite
def any_outcomes(draw: st.DrawFn) -> Outcomes:
    """Few posts, two to four classes, scores with many ties, classes that may be missing, decisions of any kind."""
    n, k = draw(st.integers(1, 25)), draw(st.integers(2, 4))
    labels = draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n))
    said = draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n))
    scores = draw(st.lists(st.lists(st.integers(0, 4), min_size=k, max_size=k), min_size=n, max_size=n))
    rows = (np.array(scores) + 0.25) / (np.array(scores) + 0.25).sum(axis=1, keepdims=True)
    names = [str(c) for c in range(k)]
    return Outcomes(names, np.array(labels), np.array(said), rows, positive=draw(st.integers(0, k - 1)), ordered=True)


def quiet(metric: Callable[..., float], *given: object, **more: object) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of missing classes; ours defines them.
        return float(metric(*given, **more))


def one_against_rest(metric: Callable[..., float], found: Outcomes, weights: np.ndarray) -> float | None:
    """Return the mean of a scikit-learn metric over the classes that have posts on both sides."""
    k = len(found.classes)
    values = []
    for c in [found.positive] if k == 2 else range(k):
        is_class = found.labels == c
        if weights[is_class].sum() and weights[~is_class].sum():
            values.append(quiet(metric, is_class, found.probabilities[:, c], sample_weight=weights))
    return float(np.mean(values)) if values else None


@settings(max_examples=150, deadline=None)
@given(any_outcomes())
def test_metrics_are_those_of_scikit_learn(found: Outcomes) -> None:
    ours = measure(found)
    k, ones = len(found.classes), np.ones(len(found))
    present = sorted(set(found.labels.tolist()))
    assert ours["accuracy"] == pytest.approx(sk.accuracy_score(found.labels, found.predicted))
    recall = quiet(sk.recall_score, found.labels, found.predicted, labels=present, average="macro", zero_division=0)
    assert ours["balanced_accuracy"] == pytest.approx(recall)
    f1 = quiet(sk.f1_score, found.labels, found.predicted, average="macro", zero_division=0)
    assert ours["macro_f1"] == pytest.approx(f1)
    loss = quiet(sk.log_loss, found.labels, found.probabilities, labels=list(range(k)))
    assert ours["log_loss"] == pytest.approx(loss)
    assert ours["mae"] == pytest.approx(sk.mean_absolute_error(found.labels, found.predicted))
    assert ours["roc_auc"] == pytest.approx(one_against_rest(sk.roc_auc_score, found, ones))
    assert ours["average_precision"] == pytest.approx(one_against_rest(sk.average_precision_score, found, ones))
    assert confusion(found).tolist() == sk.confusion_matrix(found.labels, found.predicted, labels=range(k)).tolist()


@settings(max_examples=100, deadline=None)
@given(any_outcomes(), st.integers(0, 2**32 - 1))
def test_rank_metrics_of_weighted_posts_are_those_of_scikit_learn(found: Outcomes, seed: int) -> None:
    weights = np.random.default_rng(seed).integers(0, 4, (3, len(found)))
    ours = rank_metrics(rankings(found), weights)
    for row, each in enumerate(weights):
        for name, metric in (("roc_auc", sk.roc_auc_score), ("average_precision", sk.average_precision_score)):
            expected = one_against_rest(metric, found, each)
            assert ours[name][row] == pytest.approx(np.nan if expected is None else expected, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(any_outcomes())
def test_per_class_values_are_those_of_scikit_learn(found: Outcomes) -> None:
    k = len(found.classes)
    ours = per_class(additive(found).sum(axis=0, keepdims=True), k)
    expected = sk.precision_recall_fscore_support(found.labels, found.predicted, labels=range(k), zero_division=0)
    for name, values in zip(("precision", "recall", "f1"), expected, strict=False):
        np.testing.assert_allclose(ours[name][0], values)


@settings(max_examples=60, deadline=None)
@given(any_outcomes(), st.integers(0, 2**32 - 1))
def test_weighing_posts_is_the_same_as_repeating_them(found: Outcomes, seed: int) -> None:
    weights = np.random.default_rng(seed).multinomial(len(found), [1 / len(found)] * len(found), size=2)
    sums = from_sums(weights @ additive(found), found)
    ranked = rank_metrics(rankings(found), weights)
    for row, each in enumerate(weights):
        repeated = measure(found.take(np.repeat(np.arange(len(found)), each)))
        for name, value in repeated.items():
            ours = {**sums, **ranked}[name][row]
            assert ours == pytest.approx(np.nan if value is None else value, nan_ok=True)


def test_ece_is_the_gap_between_confidence_and_share_right_by_bin() -> None:
    rows = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.0, 1.0]])
    found = Outcomes(["a", "b"], np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]), rows)
    assert measure(found)["ece"] == pytest.approx((abs(1.8 - 1) + abs(0.6 - 1) + 0) / 4)


def test_ece_has_fifteen_bins() -> None:
    rows = np.array([[0.39, 0.61], [0.31, 0.69]])  # One bin of ten, two of fifteen.
    found = Outcomes(["a", "b"], np.array([1, 0]), np.array([1, 1]), rows)
    assert measure(found)["ece"] == pytest.approx((0.39 + 0.69) / 2)


def test_ece_judges_the_class_that_was_decided_and_not_the_most_probable_one() -> None:
    found = Outcomes(["a", "b"], np.array([1]), np.array([1]), np.array([[0.8, 0.2]]))
    assert measure(found)["ece"] == pytest.approx(0.8)


def test_one_class_among_the_labels_leaves_the_rank_metrics_undefined_and_nothing_else() -> None:
    found = Outcomes(["a", "b"], np.array([1, 1]), np.array([1, 0]), np.array([[0.2, 0.8], [0.6, 0.4]]))
    values = measure(found)
    assert values["roc_auc"] is None
    assert values["average_precision"] is None
    assert all(value is not None for name, value in values.items() if name not in ("roc_auc", "average_precision"))


def test_a_class_missing_from_the_labels_does_not_lower_the_means() -> None:
    two = outcomes_of(40, 2, seed=1)
    rows = np.concatenate([two.probabilities, np.zeros((40, 1))], axis=1)
    three = Outcomes(["0", "1", "2"], two.labels, two.predicted, rows)
    assert measure(three)["macro_f1"] == measure(two)["macro_f1"]
    assert measure(three)["balanced_accuracy"] == measure(two)["balanced_accuracy"]


def test_the_ordinal_error_is_told_only_of_ordered_classes() -> None:
    assert "mae" not in measure(outcomes_of(10, 3))
    assert "mae" in measure(outcomes_of(10, 3, ordered=True))


def test_top_five_accuracy_is_that_of_scikit_learn_and_is_told_only_of_more_than_five_classes() -> None:
    found = outcomes_of(300, 9, skill=0.5)
    expected = sk.top_k_accuracy_score(found.labels, found.probabilities, k=5, labels=range(9))
    assert measure(found)["top_5_accuracy"] == pytest.approx(expected)
    assert 0.5 < expected < 1.0
    assert "top_5_accuracy" not in measure(outcomes_of(10, 5))


def test_an_answer_that_prefers_no_class_is_in_the_top_five_as_often_as_chance_would_have_it() -> None:
    rows = np.array([[0.4, *[0.1] * 6], [0.0, *[0.1] * 6], [1 / 7] * 7])
    found = Outcomes([str(i) for i in range(7)], np.array([3, 0, 6]), np.array([0, 1, 0]), rows)
    assert found.share_in_top(5).tolist() == pytest.approx([4 / 6, 0.0, 5 / 7])


def test_a_prediction_of_another_class_of_the_same_superclass_is_right_by_superclass() -> None:
    rows = np.eye(4)[[0, 1, 2, 3, 0]]
    found = Outcomes(list("abcd"), np.array([0, 0, 3, 3, 3]), np.array([0, 1, 2, 3, 0]), rows)
    near = superclass_indices({"a": "x", "b": "x", "d": "c"}, list("abcd"))  # The class c is a superclass of its own.
    assert measure(replace(found, superclasses=near))["superclass_accuracy"] == pytest.approx(3 / 5)
    assert "superclass_accuracy" not in measure(found)


def test_superclasses_are_those_that_labelled_posts_show() -> None:
    posts = [Post(str(i), label=label, fields=fields) for i, (label, fields) in enumerate(SHOWN)]
    assert superclasses_of(posts, "group", known={"c": "z"}) == {"a": "x", "b": "y", "c": "z"}
    with pytest.raises(
        DataError, match=r"'a' is seen with two superclasses in the field 'group': 'x', and in post '9'"
    ):
        superclasses_of([*posts, Post("9", label="a", fields={"group": "y"})], "group")
    with pytest.raises(DataError, match=r"No labelled post has the field 'groop', .* Did you mean 'group'"):
        superclasses_of(posts, "groop")


def test_the_positive_class_is_the_recipes_or_else_the_last() -> None:
    posts, predictions = judged(10)
    assert outcomes(posts, predictions, recipe=recipe()).positive == 1
    assert outcomes(posts, predictions, recipe=recipe(positive="NO_INFO")).positive == 0


def test_posts_without_the_group_column_are_groups_alone() -> None:
    posts, predictions = judged(5)
    users = ["a", "a", None, "b", None]
    posts = [replace(post, fields={"user": user} if user else {}) for post, user in zip(posts, users, strict=True)]
    groups = outcomes(posts, predictions, recipe=recipe(split=grouped("user"))).groups
    assert groups is not None
    assert groups.tolist() == [0, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("label", "said"),
    [(None, "has no label"), ("INFOO", "Did you mean 'INFO'")],
)
def test_a_label_that_cannot_be_judged_is_a_fault_of_the_data(label: str | None, said: str) -> None:
    posts, predictions = judged(3)
    with pytest.raises(DataError, match=said):
        outcomes([posts[0].with_label(label), *posts[1:]], predictions, recipe=recipe())


def test_no_posts_are_a_fault_of_the_data() -> None:
    with pytest.raises(DataError, match="no labelled post"):
        outcomes([], [], recipe=recipe())


def test_predictions_in_another_order_are_a_bug_and_not_measured() -> None:
    posts, predictions = judged(3)
    with pytest.raises(ValueError, match="same order"):
        outcomes(posts, predictions[::-1], recipe=recipe())
