"""Trackers: each epoch's figures, written while a training goes on, for TensorBoard and for MLflow.

Both write to this machine alone: TensorBoard's files into a folder, MLflow's records into a SQLite file. A URI of a
server is refused, and MLflow's own telemetry is off.
"""

import json
import logging
import os
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from siaga.errors import DataError
from siaga.evaluation.reports import AnyReport
from siaga.extras import require
from siaga.files import make_folder
from siaga.models.classifier import Event, Hear
from siaga.recipe import to_table
from siaga.schema import Recipe

log = logging.getLogger(__name__)

FIGURES = (
    *(f"{part}_{metric}" for part in ("train", "validation") for metric in ("loss", "accuracy", "macro_f1")),
    *("learning_rate", "posts_per_s", "data_wait", "seconds"),
)
LONGEST_VALUE = 6000
AT_ONCE = 100  # Settings that MLflow takes in one call.
_SQLITE = "sqlite:///"


class Tracker(Protocol):
    """What writes figures somewhere."""

    def open(self) -> None:
        """Make ready for the first figures. Raises DataError where they cannot be written."""
        ...

    def write(self, figures: Mapping[str, float], *, step: int) -> None:
        """Write figures by name, so that they can be seen at once."""
        ...

    def close(self, *, state: str) -> None:
        """Write what is left; `state` is FINISHED, FAILED or KILLED."""
        ...


class Tracking:
    """Hears a training, and has its figures written by the trackers, which open with the first event.

    An epoch's figures are named after their fit: `image/round 1/train_loss`. A tracker that fails is left out with a
    warning, since a training is worth more than its curves.
    """

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self._trackers = list(trackers)
        self._is_open = False

    def hear(self, event: Event) -> None:
        """Write what an epoch tells; every other event only says that there is something going on."""
        if not self._is_open:
            self._is_open = True
            for tracker in self._trackers:
                tracker.open()
        if event.get("step") == "epoch":
            fit = _fit_path(event)
            told = {f"{fit}/{name}": value for name in FIGURES if isinstance(value := event.get(name), int | float)}
            self._each(lambda tracker: tracker.write(told, step=int(str(event["epoch"]))))

    def finish(self, report: AnyReport) -> None:
        """Write the report's metrics, measured on the test posts: `test/accuracy`."""
        values = {f"test/{name}": row["value"] for name, row in report.metrics.items()}
        known = {name: value for name, value in values.items() if value is not None}
        if self._is_open:
            self._each(lambda tracker: tracker.write(known, step=0))

    def close(self, state: str) -> None:
        """Close the trackers, if they were opened."""
        if self._is_open:
            self._each(lambda tracker: tracker.close(state=state))

    def _each(self, work: Callable[[Tracker], None]) -> None:
        for tracker in list(self._trackers):
            try:
                work(tracker)
            except Exception as error:  # noqa: BLE001 - whatever another library's storage may raise.
                self._trackers.remove(tracker)
                name = type(tracker).__name__
                log.warning(
                    "%s takes no more figures (%s: %s); the training goes on.", name, type(error).__name__, error
                )


@contextmanager
def tracking(
    recipe: Recipe, *, run: str, tensorboard: Path | None = None, mlflow: str | None = None
) -> Iterator[Tracking]:
    """Give what hears a training of `recipe` and writes its figures, under the name `run`, while the block runs.

    `tensorboard` is a folder for all runs, `mlflow` a URI `sqlite:///FILE`. Raises MissingExtra where a library is
    not installed, and DataError for a URI of another kind.
    """
    trackers: list[Tracker] = []
    if tensorboard is not None:
        trackers.append(TensorBoard(tensorboard, run=run))
    if mlflow is not None:
        trackers.append(Mlflow(mlflow, recipe=recipe, run=run))
    tracked = Tracking(trackers)
    state = "FAILED"
    try:
        yield tracked
        state = "FINISHED"
    except KeyboardInterrupt:
        state = "KILLED"
        raise
    finally:
        tracked.close(state)


def together(*hearers: Hear) -> Hear:
    """Return what passes every event on to each of these."""

    def hear(event: Event) -> None:
        for each in hearers:
            each(event)

    return hear


class TensorBoard:
    """Scalars in a folder of the run's name, or of the name and a number where an earlier run has it."""

    def __init__(self, folder: Path, *, run: str) -> None:
        self._folder, self._run = folder, run
        self._summary = require("tensorboard.summary", extra="tensorboard")
        self._writer: Any = None  # Any: TensorBoard has no types.

    def open(self) -> None:
        """Choose the folder, and begin its file."""
        names = [self._run, *(f"{self._run}-{number}" for number in range(2, 10_000))]
        folder = next(self._folder / name for name in names if not (self._folder / name).exists())
        make_folder(folder)
        self._writer = self._summary.Writer(str(folder))

    def write(self, figures: Mapping[str, float], *, step: int) -> None:
        """Write figures, and have them on disk."""
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self, *, state: str) -> None:  # noqa: ARG002 - a file of scalars knows no state.
        """Close the file."""
        self._writer.close()


class Mlflow:
    """A run in a SQLite file: the recipe's settings as params, the figures as metrics; its name is the experiment."""

    def __init__(self, uri: str, *, recipe: Recipe, run: str) -> None:
        self._file = _sqlite_file(uri)
        self._uri, self._recipe, self._run = uri, recipe, run
        self._client: Any = None  # Any: MLflow is imported only here.
        self._id = ""
        for module in ("sqlalchemy", "alembic"):
            require(module, extra="mlflow")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # Else it tells its makers, over the network.
        with _quiet():
            self._mlflow = require("mlflow.tracking", extra="mlflow")
            self._entities = require("mlflow.entities", extra="mlflow")
        logging.getLogger("mlflow").setLevel(logging.WARNING)

    def open(self) -> None:
        """Begin a run in the experiment of the recipe's name, with the recipe's settings."""
        make_folder(self._file.parent)
        try:
            with _quiet():
                self._client = self._mlflow.MlflowClient(tracking_uri=self._uri)
                found = self._client.get_experiment_by_name(self._recipe.name)
                number = found.experiment_id if found else self._client.create_experiment(self._recipe.name)
                self._id = self._client.create_run(number, run_name=self._run).info.run_id
        except Exception as error:
            what = f"{self._file} cannot be opened as MLflow's records: {error}"
            raise DataError(f"{what} Give --mlflow another file, or remove this one.") from error
        params = [self._entities.Param(name, value[:LONGEST_VALUE]) for name, value in _settings(self._recipe).items()]
        for start in range(0, len(params), AT_ONCE):
            self._client.log_batch(self._id, params=params[start : start + AT_ONCE])

    def write(self, figures: Mapping[str, float], *, step: int) -> None:
        """Write figures; they are committed when this returns."""
        now = int(1000 * time.time())
        metrics = [self._entities.Metric(name, value, now, step) for name, value in figures.items()]
        self._client.log_batch(self._id, metrics=metrics)

    def close(self, *, state: str) -> None:
        """End the run."""
        self._client.set_terminated(self._id, status=state)


def _fit_path(event: Event) -> str:
    parts = [str(event.get("member") or "model")]
    return "/".join([*parts, *(f"{scope} {event[scope]}" for scope in ("round", "fold") if scope in event)])


def _settings(recipe: Recipe) -> dict[str, str]:
    """Return a recipe's settings by dotted key; a table with keys that MLflow does not take stays whole, as JSON."""
    found: dict[str, str] = {}

    def flatten(table: Mapping[str, Any], prefix: str) -> None:  # Any: TOML values.
        for key, value in table.items():
            if isinstance(value, dict) and value and all(re.fullmatch(r"[\w-]+", name) for name in value):
                flatten(value, f"{prefix}{key}.")
            else:
                found[prefix + key] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    flatten(to_table(recipe), "")
    return found


def _sqlite_file(uri: str) -> Path:
    if not uri.startswith(_SQLITE) or len(uri) == len(_SQLITE):
        what = f"--mlflow {uri!r} is not a SQLite file on this machine, and nothing is sent to another"
        raise DataError(f"{what}. Write for example --mlflow {_SQLITE}mlflow.db.")
    return Path(uri.removeprefix(_SQLITE))


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide the warnings that MLflow's parts have for each other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
