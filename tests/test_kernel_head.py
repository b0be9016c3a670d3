"""The kernel head: what a linear one cannot tell apart, and rows that are awkward."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from siaga.errors import BundleError, RecipeError
from siaga.models.heads import Head, Labelled, LogisticHead
from siaga.models.kernel_head import FILE, KernelHead
from siaga.recipe import check_recipe


def corners(count: int, *, seed: int = 0, classes: int = 2) -> Labelled:
    """Rows around the corners of a square; opposite corners share a class, or each has its own."""
    random = np.random.default_rng(seed)
    corner = random.integers(0, 4, count)
    places = np.array([[-1, -1], [1, 1], [-1, 1], [1, -1]])[corner]
    rows = np.hstack([places + random.normal(0, 0.3, (count, 2)), np.full((count, 1), 7.0)]).astype(np.float32)
    return Labelled(rows, (corner // 2 if classes == 2 else corner).astype(np.int64), [str(i) for i in range(count)])


def accuracy(head: Head, examples: Labelled) -> float:
    return float((head.classes_[head.predict_proba(examples.rows).argmax(1)] == examples.labels).mean())


def kernel(*, C: float = 8.0, standardised: bool = True) -> KernelHead:
    return KernelHead(C=C, balanced=False, seed=1, standardised=standardised)


@pytest.mark.parametrize("standardised", [True, False])
@pytest.mark.parametrize("classes", [2, 4])
def test_it_tells_opposite_corners_from_the_others(classes: int, standardised: bool) -> None:
    train, test = corners(300, classes=classes), corners(200, seed=1, classes=classes)
    assert accuracy(kernel(standardised=standardised).fit(train), test) > 0.97
    if classes == 2:
        assert accuracy(LogisticHead(C=8.0, balanced=False).fit(train), test) < 0.7


def test_rows_are_probabilities_and_each_has_its_own_whatever_stands_beside_it() -> None:
    head, test = kernel().fit(corners(100, classes=4)), corners(1500, seed=1, classes=4)
    rows = head.predict_proba(test.rows)
    np.testing.assert_allclose(rows.sum(1), 1.0, atol=1e-12)
    np.testing.assert_allclose(head.predict_proba(test.rows[1200:1203]), rows[1200:1203], atol=1e-9)


def test_a_row_that_is_like_nothing_learned_gets_what_the_intercept_says() -> None:
    head = kernel().fit(corners(100))
    far = np.full((2, 3), 1e6, dtype=np.float32) * np.array([[1], [-1]], dtype=np.float32)
    rows = head.predict_proba(far)
    np.testing.assert_allclose(rows[0], rows[1])
    assert (rows > 0.05).all()


def test_of_many_rows_some_are_landmarks_and_it_learns_all_the_same() -> None:
    head = kernel().fit(corners(2600))
    assert head._learned["landmarks"].shape == (2000, 3)
    assert accuracy(head, corners(200, seed=1)) > 0.97


def test_rows_that_are_all_equal_or_repeated_are_no_trouble() -> None:
    train = corners(40)
    again = Labelled(np.tile(np.asarray(train.rows), (5, 1)), np.tile(train.labels, 5), list(train.ids) * 5)
    assert accuracy(kernel().fit(again), corners(200, seed=1)) > 0.9
    same: NDArray[np.float32] = np.ones((10, 3), dtype=np.float32)
    rows = kernel().fit(Labelled(same, np.arange(10) % 2, train.ids[:10])).predict_proba(same)
    np.testing.assert_allclose(rows, 0.5, atol=1e-6)


@pytest.mark.parametrize("classes", [2, 4])
def test_what_is_loaded_answers_the_same_and_what_was_changed_is_refused(classes: int, tmp_path: Path) -> None:
    train = corners(80, classes=classes)
    head = kernel().fit(train)
    head.save(tmp_path)
    np.testing.assert_array_equal(kernel().load(tmp_path).predict_proba(train.rows), head.predict_proba(train.rows))
    with np.load(tmp_path / FILE) as found:
        arrays = dict(found)
    for name, wrong in (("weights", arrays["weights"][:-1]), ("bias", arrays["bias"].astype(np.float32))):
        np.savez(tmp_path / FILE, allow_pickle=False, **{**arrays, name: wrong})
        with pytest.raises(BundleError, match="its arrays do not fit"):
            kernel().load(tmp_path)
    (tmp_path / FILE).write_bytes(b"PK")
    with pytest.raises(BundleError, match="does not hold a head"):
        kernel().load(tmp_path)


def test_settings_of_the_training_loop_are_refused_beside_it() -> None:
    encoder = {"kind": "encoder", "modality": "image", "weights": "x", "head": "kernel"}
    for change, said in (({"frozen": False}, "frozen = false needs"), ({"ordinal": True}, "ordinal = true needs")):
        with pytest.raises(RecipeError, match=said):
            check_recipe({"name": "x", "source": {"kind": "synthetic"}, "model": {**encoder, **change}}, where="it")
