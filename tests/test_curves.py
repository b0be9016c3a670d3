"""The learning curves of several runs: what is read, what is compared, what is refused, and the page."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from siaga.errors import DataError
from siaga.evaluation.curves import curve_rows, is_mixed, read_curves, render_curves, write_curves
from tests.test_cli import siaga
from tests.test_evaluation_page import Elements

Events = Sequence[Mapping[str, object]]


def run_of(folder: Path, events: Events, *, data: str = "") -> Path:
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    if data:
        (folder / "report.json").write_text(json.dumps({"data": {"hash": data}}))
    return folder


def epochs(losses: Sequence[float | None], *, seconds: float = 2.0, **scope: object) -> list[dict[str, object]]:
    return [
        {
            "step": "epoch",
            "epoch": number,
            "train_loss": 0.1,
            "seconds": seconds,
            "validation_loss": loss,
            "validation_accuracy": number / 10,
            "validation_macro_f1": 0.5,
            **scope,
        }
        for number, loss in enumerate(losses, start=1)
    ]


def test_a_row_tells_the_best_epoch_the_best_values_and_the_seconds(tmp_path: Path) -> None:
    other: Events = [{"step": "start", "what": "fit"}, {"step": "cross-fit", "fold": 1, "of": 2}]
    run = run_of(tmp_path / "run", [*other, *epochs([0.9, 0.4, 0.6], seconds=1.5)])
    assert curve_rows(read_curves([run])) == [
        {
            "run": "run",
            "fit": "model",
            "epochs": 3,
            "best_epoch": 2,
            "loss": 0.4,
            "loss_epoch": 2,
            "accuracy": 0.3,
            "accuracy_epoch": 3,
            "macro_f1": 0.5,
            "macro_f1_epoch": 1,
            "seconds": 4.5,
        }
    ]


def test_members_and_rounds_are_fits_of_their_own_and_folds_are_left_out(tmp_path: Path) -> None:
    told = [*epochs([0.5], member="a"), *epochs([0.4, 0.3], member="a", round=1), *epochs([0.1], member="a", fold=2)]
    curves = read_curves([run_of(tmp_path / "run", told)])
    assert [(curve.name, len(curve.epochs)) for curve in curves] == [("run: a", 1), ("run: a, round 1", 2)]


def test_an_epoch_that_was_told_twice_counts_once_as_it_was_told_last(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", [*epochs([0.9, 0.8]), *epochs([0.7, 0.6])])
    [curve] = read_curves([run])
    assert [epoch["validation_loss"] for epoch in curve.epochs] == [0.7, 0.6]
    assert curve.seconds == [2.0, 4.0]


def test_a_loss_that_is_not_finite_is_never_the_best(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", epochs([float("nan"), 0.6, None, float("-inf")]))
    [row] = curve_rows(read_curves([run]))
    assert (row["best_epoch"], row["loss"]) == (2, 0.6)


def test_runs_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    runs = [run_of(tmp_path / name / "run", epochs([0.5])) for name in ("a", "b")]
    assert [curve.run for curve in read_curves(runs)] == [str(run) for run in runs]


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (None, "There is no run at .*run: it has no metrics.jsonl"),
        ([{"step": "start", "what": "fit"}], "run has no epochs: nothing in it learned epoch by epoch"),
        (epochs([0.5], fold=1), "has no epochs"),
        ([{"step": "epoch", "epoch": 1, "train_loss": 1.0}], "measured on no validation posts"),
    ],
)
def test_a_run_without_curves_is_refused_by_name(tmp_path: Path, events: Events | None, said: str) -> None:
    good = run_of(tmp_path / "good", epochs([0.5]))
    if events is not None:
        run_of(tmp_path / "run", events)
    with pytest.raises(DataError, match=said):
        read_curves([good, tmp_path / "run"])


def test_a_run_given_twice_and_a_broken_line_are_refused(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", epochs([0.5]))
    with pytest.raises(DataError, match="given twice"):
        read_curves([run, tmp_path / "." / "run"])
    (run / "metrics.jsonl").write_text('{"step": "epoch", "epoch": 1}\n{"step"\n')
    with pytest.raises(DataError, match=r"metrics.jsonl, line 2, is not JSON"):
        read_curves([run])


def test_the_page_has_a_colour_a_run_a_line_a_fit_and_both_scales(tmp_path: Path) -> None:
    told = [*epochs([0.5, 0.4], member="a"), *epochs([0.6, 0.3], member="b")]
    runs = [run_of(tmp_path / "<one>", told), run_of(tmp_path / "two", epochs([0.7]))]
    page = render_curves(read_curves(runs))
    keys = [str(each["style"]) for each in Elements(page).named("span") if each.get("class") == "key"]
    first, second, third = (dict(re.findall(r"border-top-(\w+):([^;]+)", style)) for style in keys[:3])
    assert first["color"] == second["color"] != third["color"]
    assert first["style"] != second["style"]
    assert "&lt;one&gt;: a" in page
    assert "<one>" not in page
    assert page.count(">validation loss</text>") == 2
    assert page.count(">epoch</text>") == page.count(">seconds</text>") == 3
    assert "<b>0.3000</b>" in page


def test_a_figure_that_no_run_tells_has_no_panel(tmp_path: Path) -> None:
    told = [{"step": "epoch", "epoch": 1, "validation_loss": 0.5}]
    page = render_curves(read_curves([run_of(tmp_path / "run", told)]))
    assert page.count(">validation loss</text>") == 2
    assert ">validation accuracy</text>" not in page


def test_runs_on_different_data_are_said_to_be_so(tmp_path: Path) -> None:
    one, two = (run_of(tmp_path / name, epochs([0.5]), data=name) for name in ("one", "two"))
    unknown = run_of(tmp_path / "unknown", epochs([0.5]))
    assert is_mixed(read_curves([one, two]))
    assert not is_mixed(read_curves([one, unknown]))
    assert "different data" in render_curves(read_curves([one, two]))


def test_many_runs_keep_apart(tmp_path: Path) -> None:
    page = render_curves(read_curves([run_of(tmp_path / f"run {i}", epochs([0.5])) for i in range(12)]))
    keys = [str(each["style"]) for each in Elements(page).named("span") if each.get("class") == "key"]
    assert len(set(keys)) == 12


def test_the_same_runs_give_the_same_page(tmp_path: Path) -> None:
    curves = read_curves([run_of(tmp_path / "run", epochs([0.5, 0.3]))])
    write_curves(curves, tmp_path / "curves.html")
    assert (tmp_path / "curves.html").read_text() == render_curves(curves)


def test_the_command_compares_any_number_of_runs(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        run_of(tmp_path / name, epochs([0.5, 0.25]))
    done = siaga("compare", "--curves", "a", "b", "c", "-o", "deep/page.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["run", "a", "b", "c", "See"]
    assert "<svg" in (tmp_path / "deep" / "page.html").read_text()
    rows = json.loads(siaga("compare", "--curves", "a", "--json", cwd=tmp_path).stdout)
    assert [row["loss"] for row in rows] == [0.25]
    assert (tmp_path / "curves.html").is_file()
    for wrong in (("a",), ("a", "b", "c"), ("a", "b", "-o", "x.html")):
        assert siaga("compare", *wrong, cwd=tmp_path).returncode == 2
    done = siaga("compare", "--curves", "a", "nowhere", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
