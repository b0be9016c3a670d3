"""Trackers: what TensorBoard and MLflow are given, when, and what happens when they cannot be written."""

import importlib.util
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from siaga.errors import DataError, MissingExtra, RecipeError
from siaga.tracking import together, tracking
from tests.judged import judged, recipe
from tests.test_cli import siaga
from tests.test_evaluation_report import report_of

MLFLOW = all(importlib.util.find_spec(name) for name in ("mlflow", "sqlalchemy", "alembic"))
needs_mlflow = pytest.mark.skipif(not MLFLOW, reason="MLflow is not installed: pip install 'siaga[mlflow]'")


def epoch(number: int, loss: float | None = 0.5, **scope: object) -> dict[str, object]:
    figures = {"train_loss": 1.0 / number, "validation_loss": loss, "learning_rate": 0.1, "note": "no figure"}
    return {"step": "epoch", "epoch": number, "epochs": 3, **figures, **scope}


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return what TensorBoard reads in a folder: step and value by name."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    read = EventAccumulator(str(folder))
    read.Reload()
    found = {}
    for name in read.Tags()["tensors"]:
        assert read.SummaryMetadata(name).plugin_data.plugin_name == "scalars"
        found[name] = [(each.step, round(float(make_ndarray(each.tensor_proto)), 4)) for each in read.Tensors(name)]
    return found


def test_an_epoch_can_be_seen_in_tensorboard_before_the_next_one_begins(tmp_path: Path) -> None:
    with tracking(recipe(), run="first", tensorboard=tmp_path) as tracked:
        tracked.hear(epoch(1))
        assert scalars(tmp_path / "first")["model/train_loss"] == [(1, 1.0)]
        tracked.hear(epoch(2, None))
        assert scalars(tmp_path / "first") == {
            "model/train_loss": [(1, 1.0), (2, 0.5)],
            "model/validation_loss": [(1, 0.5)],
            "model/learning_rate": [(1, 0.1), (2, 0.1)],
        }


def test_every_fit_has_names_of_its_own_and_the_report_ends_them(tmp_path: Path) -> None:
    report = report_of(*judged(20))
    with tracking(recipe(), run="run", tensorboard=tmp_path) as tracked:
        for scope in ({"member": "image", "fold": 2}, {"member": "image"}, {"member": "image", "round": 1}):
            tracked.hear(epoch(1, **scope))
        tracked.finish(report)
    names = scalars(tmp_path / "run")
    assert {f"image{part}/train_loss" for part in ("", "/fold 2", "/round 1")} < names.keys()
    assert names["test/accuracy"] == [(0, round(float(report.metrics["accuracy"]["value"] or 0.0), 4))]


def test_a_second_run_of_one_name_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    for _ in range(3):
        with tracking(recipe(), run="run", tensorboard=tmp_path) as tracked:
            tracked.hear(epoch(1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run-2", "run-3"]
    assert scalars(tmp_path / "run-3")["model/train_loss"] == [(1, 1.0)]


def test_a_training_that_tells_nothing_leaves_nothing(tmp_path: Path) -> None:
    with tracking(recipe(), run="run", tensorboard=tmp_path / "logs") as tracked:
        tracked.finish(report_of(*judged(20)))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_said_before_anything_is_learned(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(DataError, match="cannot be written"),
        tracking(recipe(), run="run", tensorboard=tmp_path / "file") as tracked,
    ):
        tracked.hear({"step": "start", "what": "prepare"})


def test_a_tracker_that_fails_later_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorboard.summary import Writer

    def fail(*_: object) -> None:
        raise OSError("No space left on device")

    with tracking(recipe(), run="run", tensorboard=tmp_path) as tracked:
        tracked.hear(epoch(1))
        with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
            patch.setattr(Writer, "add_scalar", fail)
            tracked.hear(epoch(2))
            tracked.hear(epoch(3))
    [record] = caplog.records
    assert "TensorBoard takes no more figures (OSError: No space left on device)" in record.getMessage()


@pytest.mark.parametrize(
    "uri",
    ["http://localhost:5000", "https://mlflow.example", "postgresql://u@h/db", "databricks", "runs", "sqlite:///", ""],
)
def test_a_server_or_anything_but_a_sqlite_file_is_refused(uri: str) -> None:
    with (
        pytest.raises(DataError, match=r"nothing is sent to another.* Write for example --mlflow sqlite:///mlflow.db"),
        tracking(recipe(), run="run", mlflow=uri),
    ):
        pass


def test_a_library_that_is_missing_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, extra, wanted in (
        ("tensorboard.summary", "tensorboard", {"tensorboard": Path("x")}),
        ("sqlalchemy", "mlflow", {"mlflow": "sqlite:///x.db"}),
    ):
        monkeypatch.setitem(__import__("sys").modules, module, None)
        with (
            pytest.raises(MissingExtra, match=rf"pip install 'siaga\[{extra}\]'"),
            tracking(recipe(), run="run", **wanted),
        ):
            pass


def test_hearing_together_passes_every_event_on_in_order() -> None:
    heard: list[tuple[str, Any]] = []  # Any: an event.

    def named(name: str) -> Any:  # Any: as above.
        def hear(event: Mapping[str, object]) -> None:
            heard.append((name, event["step"]))

        return hear

    hear = together(named("a"), named("b"))
    for step in ("start", "epoch"):
        hear({"step": step})
    assert heard == [("a", "start"), ("b", "start"), ("a", "epoch"), ("b", "epoch")]


@needs_mlflow
def test_mlflow_gets_the_settings_the_epochs_and_the_final_metrics(tmp_path: Path) -> None:
    uri, report = f"sqlite:///{tmp_path}/deep/mlflow.db", report_of(*judged(20))
    made = recipe(decision={"costs": {"INFO": 3.0}})
    for _ in range(2):
        with tracking(made, run="first", mlflow=uri) as tracked:
            tracked.hear(epoch(1, member="image", round=1))
            assert runs_of(uri)[0].info.status == "RUNNING"
            tracked.hear(epoch(2, None, member="image", round=1))
            tracked.finish(report)
    [run, _] = runs_of(uri)
    assert (run.info.run_name, run.info.status) == ("first", "FINISHED")
    assert run.data.params["decision.costs.INFO"] == "3.0"
    assert run.data.params["model.kind"] == "linear"
    assert run.data.metrics["image/round 1/train_loss"] == 0.5
    assert run.data.metrics["image/round 1/validation_loss"] == 0.5
    assert run.data.metrics["test/accuracy"] == report.metrics["accuracy"]["value"]


@needs_mlflow
@pytest.mark.parametrize(("fault", "state"), [(RecipeError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_mlflow_is_told_how_a_training_ended(tmp_path: Path, fault: type[BaseException], state: str) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"

    def train() -> None:
        with tracking(recipe(), run="run", mlflow=uri) as tracked:
            tracked.hear(epoch(1))
            raise fault

    with pytest.raises(fault):
        train()
    assert [run.info.status for run in runs_of(uri)] == [state]


@needs_mlflow
def test_a_file_that_is_no_database_is_said_by_name(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("not a database " * 100)
    with (
        pytest.raises(DataError, match=r"mlflow.db cannot be opened as MLflow's records"),
        tracking(recipe(), run="run", mlflow=f"sqlite:///{tmp_path}/mlflow.db") as tracked,
    ):
        tracked.hear(epoch(1))


@needs_mlflow
def test_raw_labels_of_any_kind_do_not_stop_mlflow(tmp_path: Path) -> None:
    from siaga.schema import TableSource

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    source = TableSource(path=tmp_path / "posts.csv", labels={"*": "INFO", "a,b%=$": "NO_INFO"})
    with tracking(recipe(source=source), run="run", mlflow=uri) as tracked:
        tracked.hear(epoch(1))
    [run] = runs_of(uri)
    assert run.data.params["source.labels"] == '{"*": "INFO", "a,b%=$": "NO_INFO"}'


def test_a_training_from_the_command_line_is_tracked(tmp_path: Path) -> None:
    """One option, a whole training of a small net: TensorBoard shows its epochs and what the report measured."""
    small = ("--set", "source.posts=40", "--set", "source.unlabelled=0", "--set", "evaluation.resamples=100")
    net = ("--set", 'model={kind = "convnet", image_size = 8, training = {epochs = 2}}')
    done = siaga("train", "flood-triage", *net, *small, "--out", "net", "--tensorboard", "logs", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = scalars(tmp_path / "logs" / "net")
    assert [step for step, _ in found["model/train_loss"]] == [1, 2]
    assert found["test/macro_f1"][0][0] == 0


def test_each_event_in_turn_is_no_one_training_to_track(tmp_path: Path) -> None:
    options = ("--set", "split.kind=event", "--tensorboard", "logs")
    done = siaga("train", "flood-triage", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert "split.held_out" in done.stderr
    assert list(tmp_path.iterdir()) == []


def runs_of(uri: str) -> list[Any]:  # Any: MLflow's runs.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=uri)
        return list(client.search_runs([client.get_experiment_by_name("made").experiment_id]))
