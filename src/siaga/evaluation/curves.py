"""The curves of several runs on one page: loss, accuracy and macro-F1 on validation, by epoch and by seconds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siaga.errors import DataError
from siaga.evaluation import plots
from siaga.evaluation.fits import Event, best_epoch, duration, epochs_by_fit
from siaga.files import write_text
from siaga.pages import render

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METRICS = ("loss", "accuracy", "macro_f1")
COLOURS = (plots.BLUE, plots.ORANGE, plots.GREEN, plots.RED, plots.PURPLE, plots.SKY, plots.SOFT)
LINES = {"-": "solid", "--": "dashed", ":": "dotted", "-.": "double"}
Row = dict[str, Any]  # Any: JSON, and what the template prints.


@dataclass(frozen=True)
class Curve:
    """The epochs of one fit of a run, in order, and when each ended, in seconds of learning; `data` is its hash."""

    run: str
    fit: str
    epochs: list[Event]
    seconds: list[float]
    data: str | None = None

    @property
    def name(self) -> str:
        """The run, and the fit where it has a name."""
        return self.run if self.fit == "model" else f"{self.run}: {self.fit}"


def read_curves(runs: Sequence[str | Path]) -> list[Curve]:
    """Return the curves of run folders, from their `metrics.jsonl`; cross-fitting is left out.

    Raises DataError for what is no run, a run without epochs or without validation figures, and a run given twice.
    """
    folders = [Path(run) for run in runs]
    named = [folder.resolve().name for folder in folders]
    curves = []
    for number, folder in enumerate(folders):
        if folder.resolve() in [other.resolve() for other in folders[:number]]:
            raise DataError(f"{folder} is given twice. Give each run once.")
        name = named[number] if named.count(named[number]) == 1 else str(folder)
        fits = epochs_by_fit(event for event in _events(folder) if "fold" not in event)
        if not fits:
            what = f"{folder} has no epochs: nothing in it learned epoch by epoch"
            raise DataError(f"{what}. Compare two such runs by their posts: siaga compare A B.")
        if not any(best_epoch(epochs) for epochs in fits.values()):
            what = f"{folder} has epochs, but was measured on no validation posts, so its curves compare with none"
            raise DataError(f"{what}. Set split.validation and train it again.")
        data = _data_hash(folder)
        for fit, epochs in fits.items():
            ends = list(accumulate(float(epoch.get("seconds") or 0.0) for epoch in epochs))
            curves.append(Curve(name, fit, epochs, ends, data))
    return curves


def curve_rows(curves: Sequence[Curve]) -> list[Row]:
    """Return a row for each curve, as JSON: its best epoch by loss, its best figures with their epochs, its seconds."""
    rows = []
    for curve in curves:
        best = best_epoch(curve.epochs)
        row: Row = {"run": curve.run, "fit": curve.fit, "epochs": len(curve.epochs)}
        row["best_epoch"] = best["epoch"] if best else None
        for metric in METRICS:
            found = best_epoch(curve.epochs, f"validation_{metric}", is_loss=metric == "loss")
            row[metric] = found[f"validation_{metric}"] if found else None
            row[f"{metric}_epoch"] = found["epoch"] if found else None
        rows.append({**row, "seconds": curve.seconds[-1]})
    return rows


def write_curves(curves: Sequence[Curve], path: Path) -> None:
    """Write the page, one self-contained file, whole or not at all."""
    write_text(path, render_curves(curves))


def render_curves(curves: Sequence[Curve]) -> str:
    """Return the page that `write_curves` writes."""
    from markupsafe import Markup

    looks = _looks(curves)
    charts = {
        by: Markup(_chart(curves, by, looks))  # noqa: S704 - drawn by Matplotlib, which escapes the names in it.
        for by in ("epoch", "seconds")
    }
    rows = [
        {**row, "colour": colour, "line": LINES[line], "name": curve.name, "took": duration(row["seconds"])}
        for curve, row, (colour, line) in zip(curves, curve_rows(curves), looks, strict=True)
    ]
    best = {
        metric: (min if metric == "loss" else max)(values)
        for metric in METRICS
        if (values := [row[metric] for row in rows if row[metric] is not None])
    }
    return render("curves.html", rows=rows, charts=charts, best=best, names=plots.NAMES, is_mixed=is_mixed(curves))


def is_mixed(curves: Sequence[Curve]) -> bool:
    """Return whether the runs are known to have learned from different data."""
    return len({curve.data for curve in curves} - {None}) > 1


def _looks(curves: Sequence[Curve]) -> list[tuple[str, str]]:
    """Return the colour and the line of each curve: a colour a run, a line a fit of it."""
    runs = list(dict.fromkeys(curve.run for curve in curves))
    looks = []
    for number, curve in enumerate(curves):
        run = runs.index(curve.run)
        fit = sum(other.run == curve.run for other in curves[:number])
        looks.append((COLOURS[run % len(COLOURS)], list(LINES)[(fit + run // len(COLOURS)) % len(LINES)]))
    return looks


def _chart(curves: Sequence[Curve], by: str, looks: Sequence[tuple[str, str]]) -> str:
    told = [metric for metric in METRICS if any(_points(curve, metric, by)[0] for curve in curves)]

    def draw(*axes: "Axes") -> None:
        for metric, ax in zip(told, axes, strict=True):
            lines = [(*_points(curve, metric, by), *look) for curve, look in zip(curves, looks, strict=True)]
            plots.runs_plot(lines, metric=metric, by=by, ax=ax)

    return plots.svg(draw, width=3.5 * len(told), height=3.1, panels=len(told))


def _points(curve: Curve, metric: str, by: str) -> tuple[list[float], list[float]]:
    key = f"validation_{metric}"
    pairs = [
        (epoch["epoch"] if by == "epoch" else end, epoch[key])
        for epoch, end in zip(curve.epochs, curve.seconds, strict=True)
        if epoch.get(key) is not None
    ]
    return [x for x, _ in pairs], [y for _, y in pairs]


def _events(folder: Path) -> list[Event]:
    path = folder / "metrics.jsonl"
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        raise DataError(f"There is no run at {folder}: it has no metrics.jsonl. Give the folder of a run.") from None
    events: list[Event] = []
    for number, line in enumerate(lines, start=1):
        try:
            event = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}, line {number}, is not JSON: {error}. Train the run again.") from None
        if isinstance(event, Mapping) and event.get("step") == "epoch":
            events.append({key: _finite(value) for key, value in event.items()})
    return events


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not isfinite(value) else value


def _data_hash(folder: Path) -> str | None:
    try:
        found = json.loads((folder / "report.json").read_bytes())["data"]["hash"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return str(found)
