"""The guard: what held-out labels say of a classifier that learned from unlabelled posts."""

import numpy as np
import pytest

from siaga.models.classifier import Classifier, build_model
from siaga.models.guard import Guard, Verdict
from siaga.post import Post
from siaga.schema import Linear

WORDS = Linear(characters=False, words=(1, 1), min_posts=1)


def posts(label: str, text: str, count: int) -> list[Post]:
    return [Post(f"{label}-{text}-{i}", text=text, label=label) for i in range(count)]


def knows(wet: str, dry: str) -> Classifier:
    return build_model(WORDS).fit([*posts("INFO", wet, 10), *posts("NO_INFO", dry, 10)])


GOOD, BAD = knows("banjir", "diskon"), knows("diskon", "banjir")
HELD_OUT = [*posts("INFO", "banjir", 20), *posts("NO_INFO", "diskon", 20)]


@pytest.mark.parametrize(
    ("kind", "kept"),
    [("no_loss", [True, False, True]), ("gain", [True, False, False]), ("off", [True, True, True])],
)
def test_a_gain_a_loss_and_no_change(kind: str, kept: list[bool]) -> None:
    guard = Guard(kind, seed=0)  # type: ignore[arg-type]  # One of the three.
    pairs = [(BAD, GOOD), (GOOD, BAD), (GOOD, GOOD)]
    assert [guard.judge(before, after, HELD_OUT).kept for before, after in pairs] == kept


def test_a_verdict_tells_the_change_with_its_interval() -> None:
    told = Guard("no_loss", seed=0).judge(BAD, GOOD, HELD_OUT).told()
    assert (told["kept"], told["difference"], told["low"], told["high"]) == (True, 1.0, 1.0, 1.0)
    assert str(told["reason"]).startswith("macro-F1 +1.0000 [+1.0000, +1.0000], log loss -")
    assert str(told["reason"]).endswith("on 40 held-out posts")
    assert Verdict(kept=False, reason="why").told() == {"kept": False, "reason": "why"}


def test_worse_probabilities_are_a_loss_though_every_label_is_right() -> None:
    sure = knows("banjir", "diskon")
    unsure = build_model(WORDS.model_copy(update={"C": 1e-3})).fit(
        [*posts("INFO", "banjir", 10), *posts("NO_INFO", "diskon", 10)]
    )
    np.testing.assert_array_equal(
        sure.predict_proba(HELD_OUT).argmax(axis=1), unsure.predict_proba(HELD_OUT).argmax(axis=1)
    )
    verdict = Guard("no_loss", seed=0).judge(sure, unsure, HELD_OUT)
    assert not verdict.kept
    assert verdict.change == (0.0, 0.0, 0.0)


def test_without_held_out_labels_only_a_guard_that_is_off_can_judge() -> None:
    assert [Guard(kind, seed=0).can_judge([]) for kind in ("no_loss", "gain", "off")] == [False, False, True]
    assert Guard("gain", seed=0).can_judge(HELD_OUT)
    assert Guard("off", seed=0).judge(GOOD, BAD, []) == Verdict(kept=True, reason="the guard is off")
