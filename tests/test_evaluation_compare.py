import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from siaga.errors import DataError
from siaga.evaluation.compare import compare
from siaga.evaluation.intervals import replicates
from siaga.evaluation.pairing import differences, mcnemar, paired_difference
from siaga.evaluation.predictions import read_predictions, write_predictions
from siaga.post import Post, Prediction
from tests.judged import judged, outcomes_of
from tests.test_evaluation_report import report_of


def run_of(folder: Path, posts: list[Post], predictions: list[Prediction]) -> Path:
    write_predictions(folder / "predictions.parquet", posts, predictions)
    return folder


def test_predictions_read_back_as_they_were_written(tmp_path: Path) -> None:
    posts, predictions = judged(5, ("a", "b", "ü \u0000 used"), members=("text", "member_x_probability_a"))
    posts[0] = posts[0].with_label(None)
    posts[1] = replace(posts[1], fields={"user": "u"})
    predictions[2] = replace(predictions[2], error="The image is damaged.", used=("text", "image"))
    predictions[3] = replace(predictions[3], members={}, used=())
    write_predictions(tmp_path / "p.parquet", posts, predictions, group="user")
    table = read_predictions(tmp_path / "p.parquet")
    assert table.predictions == predictions
    assert table.labels == [post.label for post in posts]
    assert table.groups == [None, "u", None, None, None]
    assert table.classes == ["a", "b", "ü \u0000 used"]


def test_predictions_are_a_plain_table_to_any_tool(tmp_path: Path) -> None:
    posts, predictions = judged(3, members=("text",))
    write_predictions(tmp_path / "p.parquet", posts, predictions)
    table = pq.read_table(tmp_path / "p.parquet")
    assert table.column_names == [
        *("id", "label", "predicted", "confidence", "probability_NO_INFO", "probability_INFO"),
        *("member_text_probability_NO_INFO", "member_text_probability_INFO", "used", "error", "model"),
    ]
    assert table["probability_INFO"].to_pylist() == [each.probabilities["INFO"] for each in predictions]


def test_no_predictions_make_an_empty_table(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.parquet", [], [])
    assert read_predictions(tmp_path / "p.parquet").predictions == []


def test_a_failed_write_leaves_no_file(tmp_path: Path) -> None:
    posts, predictions = judged(3)
    with pytest.raises(ValueError, match="same order"):
        write_predictions(tmp_path / "p.parquet", posts, predictions[:2])
    assert list(tmp_path.iterdir()) == []


def test_what_holds_no_predictions_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no predictions at"):
        read_predictions(tmp_path / "predictions.parquet")
    (tmp_path / "text.parquet").write_text("id,label")
    with pytest.raises(DataError, match="not a Parquet file"):
        read_predictions(tmp_path / "text.parquet")
    pq.write_table(pa.table({"id": ["1"]}), tmp_path / "other.parquet")
    with pytest.raises(DataError, match="does not hold predictions"):
        read_predictions(tmp_path / "other.parquet")


def test_a_run_compared_with_itself_differs_in_nothing(tmp_path: Path) -> None:
    run = run_of(tmp_path / "a", *judged(60))
    found = compare(run, run, resamples=200)
    for row in found.metrics.values():
        assert (row["difference"], row["low"], row["high"], row["p"]) == (0.0, 0.0, 0.0, 1.0)
        assert row["verdict"] == "no difference beyond noise"


def test_the_better_run_is_named_also_where_lower_is_better(tmp_path: Path) -> None:
    posts, poor = judged(400, skill=0.5, seed=2)
    _, good = judged(400, skill=2.5, seed=2)
    a, b = run_of(tmp_path / "a", posts, poor), run_of(tmp_path / "b", posts, good)
    found = compare(a, b, resamples=300)
    assert {found.metrics[name]["verdict"] for name in ("accuracy", "macro_f1", "roc_auc", "log_loss")} == {
        "b is better"
    }
    assert found.metrics["log_loss"]["difference"] > 0  # type: ignore[operator]  # A number here.
    back = compare(b, a, resamples=300)
    assert back.metrics["macro_f1"]["verdict"] == "a is better"
    assert back.metrics["macro_f1"]["low"] == pytest.approx(-found.metrics["macro_f1"]["high"], abs=1e-9)  # type: ignore[operator]  # A number here.


def test_runs_are_compared_by_the_superclasses_and_the_order_that_the_report_tells(tmp_path: Path) -> None:
    names = [f"{i}" for i in range(7)]
    posts, predictions = judged(120, names)
    posts = [replace(post, fields={"group": "low" if str(post.label) < "4" else "high"}) for post in posts]
    made = {"evaluation": {"resamples": 100, "superclass": "group"}, "ordered": True}
    for name in ("a", "b"):
        run_of(tmp_path / name, posts, predictions)
        report_of(posts, predictions, **made).write(tmp_path / name / "report.json")  # type: ignore[arg-type]  # Settings.
    metrics = compare(tmp_path / "a", tmp_path / "b", resamples=100).metrics
    assert {"top_5_accuracy", "superclass_accuracy", "mae"} <= metrics.keys()
    assert metrics["superclass_accuracy"]["a"] > metrics["accuracy"]["a"]  # type: ignore[operator]  # Numbers here.


def test_runs_are_joined_by_id_whatever_their_order_and_the_rest_is_counted(tmp_path: Path) -> None:
    posts, predictions = judged(30)
    a = run_of(tmp_path / "a", posts[:20], predictions[:20])
    b = run_of(tmp_path / "b", posts[:4:-1], predictions[:4:-1])
    found = compare(a, b, resamples=100)
    assert (found.n, found.only_in_a, found.only_in_b) == (15, 5, 10)
    assert found.right["only_a"] == found.right["only_b"] == 0


def test_classes_that_only_one_run_knows_count_as_never_predicted_by_the_other(tmp_path: Path) -> None:
    posts, predictions = judged(40, ("a", "b", "c"))
    blind = [replace(each, label="a", confidence=0.6, probabilities={"a": 0.6, "b": 0.4}) for each in predictions]
    a, b = run_of(tmp_path / "a", posts, predictions), run_of(tmp_path / "b", posts, blind)
    assert compare(a, b, resamples=100).metrics["accuracy"]["b"] == sum(p.label == "a" for p in posts) / 40


def test_runs_that_cannot_be_paired_are_refused(tmp_path: Path) -> None:
    posts, predictions = judged(10)
    a = run_of(tmp_path / "a", posts, predictions)
    other = run_of(tmp_path / "b", [posts[0].with_label("NO_INFO"), posts[1].with_label("INFO")], predictions[:2])
    with pytest.raises(DataError, match="the same labels"):
        compare(a, other)
    foreign = run_of(tmp_path / "c", [replace(posts[0], id="x")], [replace(predictions[0], id="x")])
    with pytest.raises(DataError, match="share no labelled post"):
        compare(a, foreign)
    twice = run_of(tmp_path / "d", [posts[0], posts[0]], [predictions[0], predictions[0]])
    with pytest.raises(DataError, match="stands twice"):
        compare(a, twice)
    with pytest.raises(DataError, match="no predictions at"):
        compare(a, tmp_path / "nowhere")


def test_groups_in_the_predictions_widen_the_interval(tmp_path: Path) -> None:
    posts, first = judged(15, seed=1)
    _, second = judged(15, seed=1, skill=0.5)
    names = [(post, i) for post in range(15) for i in range(6)]
    copies = [replace(posts[k], id=f"{k}-{i}", fields={"user": str(k)}) for k, i in names]
    runs = {}
    for name, answers in (("a", first), ("b", second)):
        rows = [replace(answers[k], id=f"{k}-{i}") for k, i in names]
        run_of(tmp_path / name, copies, rows)
        write_predictions(tmp_path / "grouped" / name / "predictions.parquet", copies, rows, group="user")
        runs[name] = tmp_path / "grouped" / name
    alone = compare(tmp_path / "a", tmp_path / "b", resamples=500).metrics["log_loss"]
    whole = compare(runs["a"], runs["b"], resamples=500).metrics["log_loss"]
    assert whole["high"] - whole["low"] > 1.8 * (alone["high"] - alone["low"])  # type: ignore[operator]  # Numbers here.


def test_the_p_value_of_accuracy_does_not_take_copies_in_a_group_for_evidence() -> None:
    a, b = outcomes_of(60, 2, skill=2.0, seed=5), outcomes_of(60, 2, skill=1.0, seed=5)
    rows = np.repeat(np.arange(60), 10)
    p = {}
    for name, groups in (("alone", None), ("grouped", rows)):
        sides = [replace(each.take(rows), groups=groups) for each in (a, b)]
        measured = [(each, replicates(each, resamples=1000, seed=0)) for each in sides]
        p[name] = differences(measured[0], measured[1])["accuracy"]["p"]
    assert p["alone"] is not None
    assert p["grouped"] is not None
    assert p["grouped"] > 100 * p["alone"]


def test_a_comparison_is_json_and_a_table(tmp_path: Path) -> None:
    posts, predictions = judged(20)
    run = run_of(tmp_path / "a", posts, predictions)
    found = compare(run, run, resamples=100)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False)) == found.to_dict()
    lines = found.text().splitlines()
    assert lines[2] == "20 posts in both"
    assert any(line.startswith("macro_f1") and line.endswith("no difference beyond noise") for line in lines)


def test_mcnemar_is_the_exact_binomial_test_of_the_posts_that_differ() -> None:
    a = np.array([True] * 9 + [False] * 1 + [True] * 5)
    b = np.array([False] * 9 + [True] * 1 + [True] * 5)
    assert mcnemar(a, b) == pytest.approx(2 * (1 + 10) / 2**10)
    assert mcnemar(a, a) == 1.0


def test_a_paired_difference_can_be_had_of_bare_arrays_in_any_metric() -> None:
    a, b = outcomes_of(300, 3, skill=2.0), outcomes_of(300, 3, skill=0.5)
    for metric, sign in (("macro_f1", 1), ("accuracy", 1), ("log_loss", -1), ("mae", -1)):
        value, low, high = paired_difference(a.labels, a.probabilities, b.probabilities, metric=metric)
        assert value is not None
        assert low is not None
        assert high is not None
        assert sign * low > 0
        assert low < value < high
