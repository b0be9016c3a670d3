"""Two classifiers on the same posts: exact McNemar for accuracy, paired bootstrap for everything else."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from siaga.errors import DataError
from siaga.evaluation.intervals import replicates
from siaga.evaluation.metrics import measure
from siaga.evaluation.outcomes import Outcomes, probability_rows, superclass_indices
from siaga.evaluation.pairing import differences, verdict
from siaga.evaluation.predictions import PredictionTable, read_predictions
from siaga.evaluation.report import Report
from siaga.evaluation.reports import is_of_topics


@dataclass(frozen=True)
class Comparison:
    """Run A against run B on the posts that both answered.

    `metrics` holds, by name, the values `a` and `b`, the `difference` a − b with its 95 % interval `low`, `high`, the
    p-value `p`, and a `verdict`. `right` counts the posts that both, only A, only B or neither got right.
    """

    a: str
    b: str
    n: int
    only_in_a: int
    only_in_b: int
    metrics: dict[str, dict[str, float | str | None]]
    right: dict[str, int]

    def to_dict(self) -> dict[str, object]:
        """Return the comparison as JSON holds it."""
        return asdict(self)

    def text(self) -> str:
        """Return the comparison as a table of plain text."""
        head = ["metric", "a", "b", "a - b", "95 % interval", "p", "verdict"]
        rows = [head, *(_cells(name, row) for name, row in self.metrics.items())]
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        left_out = f" ({self.only_in_a} only in a and {self.only_in_b} only in b are left out)"
        counts = f"{self.n} posts in both{left_out if self.only_in_a or self.only_in_b else ''}"
        right = "right: " + ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in self.right.items())
        return "\n".join([f"a = {self.a}", f"b = {self.b}", counts, right, "", *table])


def compare(run_a: str | Path, run_b: str | Path, *, resamples: int = 2000, seed: int = 0) -> Comparison:
    """Compare the `predictions.parquet` of two run folders on the labelled posts whose ids are in both.

    Raises DataError when a run has none, an id stands twice, the runs share no labelled post, or they give one post
    different labels.
    """
    run_a, run_b = Path(run_a), Path(run_b)
    table_a, table_b = (read_predictions(folder / "predictions.parquet") for folder in (run_a, run_b))
    rows_a, rows_b = _rows_by_id(table_a, run_a), _rows_by_id(table_b, run_b)
    both = sorted(rows_a.keys() & rows_b.keys())
    if not both:
        raise DataError(f"{run_a} and {run_b} share no labelled post, so they cannot be paired. Use one test split.")
    for post in both:
        label_a, label_b = table_a.labels[rows_a[post]], table_b.labels[rows_b[post]]
        if label_a != label_b:
            what = f"Post {post!r} is {label_a!r} in {run_a} and {label_b!r} in {run_b}."
            raise DataError(f"{what} Two runs can be compared only on the same labels.")
    classes = list(dict.fromkeys([*table_a.classes, *table_b.classes]))
    scale = _scale(run_a, classes)
    a = _outcomes(table_a, [rows_a[post] for post in both], classes, scale)
    b = _outcomes(table_b, [rows_b[post] for post in both], classes, scale)
    only = len(rows_a) - len(both), len(rows_b) - len(both)
    return Comparison(str(run_a), str(run_b), len(both), *only, _metrics(a, b, resamples, seed), _right(a, b))


def _metrics(a: Outcomes, b: Outcomes, resamples: int, seed: int) -> dict[str, dict[str, float | str | None]]:
    measured = [(each, replicates(each, resamples=resamples, seed=seed)) for each in (a, b)]
    values_a, values_b = measure(a), measure(b)
    return {
        name: {"a": values_a[name], "b": values_b[name], **row, "verdict": verdict(name, row)}
        for name, row in differences(*measured).items()
    }


def _rows_by_id(table: PredictionTable, folder: Path) -> dict[str, int]:
    """Return the row of each labelled post."""
    rows = {}
    for i, (prediction, label) in enumerate(zip(table.predictions, table.labels, strict=True)):
        if label is None:
            continue
        if prediction.id in rows:
            raise DataError(f"The id {prediction.id!r} stands twice in {folder}. Give every post an id of its own.")
        rows[prediction.id] = i
    return rows


def _outcomes(table: PredictionTable, rows: Sequence[int], classes: Sequence[str], scale: "_Scale") -> Outcomes:
    index = {name: i for i, name in enumerate(classes)}
    predictions = [table.predictions[i] for i in rows]
    if foreign := sorted({str(table.labels[i]) for i in rows} - set(index)):
        raise DataError(
            f"The label {foreign[0]!r} is in neither run's classes, {', '.join(classes)}. Check the labels."
        )
    # A post without a group is alone in one, so its id stands in.
    names = [(prediction.id, table.groups[i]) for i, prediction in zip(rows, predictions, strict=True)]
    numbers: dict[tuple[str | None, ...], int] = {}
    groups = [numbers.setdefault((name,) if group is None else ("group", group), len(numbers)) for name, group in names]
    return Outcomes(
        list(classes),
        labels=np.array([index[str(table.labels[i])] for i in rows], dtype=np.int64),
        predicted=np.array([index[prediction.label] for prediction in predictions], dtype=np.int64),
        probabilities=probability_rows([prediction.probabilities for prediction in predictions], classes),
        positive=scale.positive,
        ordered=scale.ordered,
        superclasses=superclass_indices(scale.superclasses, classes) if scale.superclasses else None,
        groups=np.array(groups, dtype=np.int64) if len(numbers) < len(rows) else None,
    )


@dataclass(frozen=True)
class _Scale:
    """What a run's report says of the classes: which is of interest, whether they are ordered, their superclasses."""

    positive: int
    ordered: bool
    superclasses: Mapping[str, str]


def _scale(run: Path, classes: Sequence[str]) -> _Scale:
    if not (run / "report.json").is_file():
        return _Scale(len(classes) - 1, ordered=False, superclasses={})
    if is_of_topics(run / "report.json"):
        what = f"{run} holds topics, whose answers are neither right nor wrong, so no test can pair them"
        raise DataError(f"{what}. See the figures with their intervals in {run / 'report.html'}.")
    report = Report.read(run / "report.json")
    positive = classes.index(report.positive) if report.positive in classes else len(classes) - 1
    return _Scale(positive, ordered="mae" in report.metrics, superclasses=report.superclasses)


def _right(a: Outcomes, b: Outcomes) -> dict[str, int]:
    right_a, right_b = a.predicted == a.labels, b.predicted == b.labels
    both, neither = right_a & right_b, ~right_a & ~right_b
    counts = {"both": both, "only_a": right_a & ~right_b, "only_b": right_b & ~right_a, "neither": neither}
    return {name: int(rows.sum()) for name, rows in counts.items()}


def _cells(name: str, row: Mapping[str, float | str | None]) -> list[str]:
    """Return a metric's line of the table as text."""

    def number(key: str, form: str = ".3f") -> str:
        value = row[key]
        return format(value, form) if isinstance(value, float) else "-"

    interval = f"[{number('low', '+.3f')}, {number('high', '+.3f')}]" if row["low"] is not None else "-"
    values = [number("a"), number("b"), number("difference", "+.3f"), interval, number("p", ".2g")]
    return [name, *values, str(row["verdict"])]
