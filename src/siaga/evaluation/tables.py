"""The tables of the page: a report's values as rows that the template only has to print."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from siaga.evaluation.metrics import LOWER_IS_BETTER, METRICS
from siaga.evaluation.pairing import verdict
from siaga.evaluation.plots import NAMES
from siaga.evaluation.report import Report

Table = dict[str, Any]  # Any: what the template prints.
BASELINES = {"tfidf": "TF-IDF", "pixels": "12 × 12 pixels"}
SHOWN_DATA = ("hash", "splits", "missing_classes", "duplicates", "changes", "notes", "quarantine")


def summary_cards(report: Report) -> list[Table]:
    """Return the summary: what is most asked first."""
    cards = [
        {"value": f"{report.n:,}", "label": "held-out posts", "note": f"{len(report.classes)} classes", "tone": ""}
    ]
    special: list[str] = [name for name in ("top_5_accuracy", "superclass_accuracy", "mae") if name in report.metrics]
    for name in ("accuracy", "macro_f1", *(special or ["roc_auc"])):
        each = report.metrics[name]
        note = (
            f"95\N{NO-BREAK SPACE}% interval {interval(each)}"
            if each["low"] is not None
            else "not defined for these posts"
        )
        cards.append({"value": number(each["value"]), "label": NAMES[name], "note": note, "tone": ""})
    for name in report.baselines:
        row = report.versus[name]["macro_f1"]
        said, tone = _said(row)
        value, note = number(row["difference"], sign=True), f"macro-F1 {interval(row, sign=True)}: {said}"
        cards.append(
            {"value": value, "label": f"over the {BASELINES.get(name, name)} baseline", "note": note, "tone": tone}
        )
    return cards


def named_rows(report: Report) -> dict[str, dict[str, Any]]:  # Any: intervals.
    """Return the metrics of model, members, alternatives and baselines under names that differ from each other."""
    members = {f"{name} (member)" if name == "model" else name: row for name, row in report.members.items()}
    baselines = {baseline_name(name): row for name, row in report.baselines.items()}
    alternatives = {_shown_name(name, report): row for name, row in report.alternatives.items()}
    return {"model": report.metrics, **members, **alternatives, **baselines}


def metric_rows(report: Report) -> list[Table]:
    """Return the rows of the main table; the best value of each metric is marked."""
    rows, best = named_rows(report), {}
    for metric in shown_metrics(report):
        values = [row[metric]["value"] for row in rows.values() if row[metric]["value"] is not None]
        best[metric] = (min if metric in LOWER_IS_BETTER else max)(values, default=None)
    return [
        {
            "name": name,
            "cells": [
                {**row[metric], "best": row[metric]["value"] is not None and row[metric]["value"] == best[metric]}
                for metric in best
            ],
        }
        for name, row in rows.items()
    ]


def versus_rows(report: Report) -> list[Table]:
    """Return the model minus each other row, in accuracy and macro-F1 and log loss, with what it means."""
    return [
        {
            "name": _shown_name(name, report),
            "cells": [
                {**row[metric], "said": said, "tone": tone}
                for metric in ("accuracy", "macro_f1", "log_loss")
                for said, tone in [_said(row[metric], metric)]
            ],
        }
        for name, row in report.versus.items()
    ]


def slice_tables(report: Report) -> list[Table]:
    """Return the metrics by modality, then by each column, where posts differ in it."""
    titles = {"by_modality": "What could be read", "language": "Language", "event": "Event"}
    tables = {"by_modality": report.by_modality, **report.slices}
    return [{"title": titles.get(name, name), "rows": rows} for name, rows in tables.items() if len(rows) > 1]


def class_rows(report: Report, *, sort: bool) -> list[Table]:
    """Return each class with its precision, recall and F1, their intervals, and its support; by F1 if to be sorted."""
    rows = [
        {"name": name, **row, "ends": report.per_class_intervals.get(name, {})}
        for name, row in report.per_class.items()
    ]
    return sorted(rows, key=lambda row: row["f1"]) if sort else rows


def confusion_by_superclass(report: Report) -> tuple[list[list[int]], list[str]]:
    """Return the confusion matrix and its classes, those of one superclass side by side."""
    names = list(dict.fromkeys(report.superclasses.values()))
    place = {name: names.index(superclass) for name, superclass in report.superclasses.items()}
    order = sorted(range(len(report.classes)), key=lambda i: place.get(report.classes[i], len(names)))
    return [[report.confusion[row][column] for column in order] for row in order], [report.classes[i] for i in order]


def confusion_grid(report: Report, cells: Sequence[Table]) -> list[Table]:
    """Return the confusion matrix as rows of cells: count, share of the true class, and whether posts open."""
    opened = {(cell["row"], cell["column"]) for cell in cells}
    rows = []
    for row, (label, counts) in enumerate(zip(report.classes, report.confusion, strict=True)):
        whole = max(1, sum(counts))
        cells_ = [
            {"n": n, "share": n / whole, "row": row, "column": column, "opens": (row, column) in opened}
            for column, n in enumerate(counts)
        ]
        rows.append({"label": label, "cells": cells_})
    return rows


def split_rows(data: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:  # Any: a value of report.json.
    """Return the names of the splits of a report's data, and a line for each thing that was counted in them."""
    splits = data.get("splits")
    if not isinstance(splits, dict):
        return [], []
    flat = {name: _flat(found) for name, found in splits.items()}
    things = list(dict.fromkeys(thing for found in flat.values() for thing in found))
    rows = [[thing, *(f"{found[thing]:,}" if thing in found else "–" for found in flat.values())] for thing in things]
    return list(splits), rows


def baseline_name(name: str) -> str:
    """Return a baseline's name as the page shows it, which no member shares."""
    return f"{BASELINES.get(name, name)} (baseline)"


def _shown_name(name: str, report: Report) -> str:
    if name in report.baselines:
        return baseline_name(name)
    return f"{name} (alternative)" if name in report.alternatives else name


def other_data(data: Mapping[str, Any]) -> str:  # Any: a value of report.json.
    """Return what the page has no table for, as JSON to read."""
    rest = {name: value for name, value in data.items() if name not in SHOWN_DATA}
    return json.dumps(rest, indent=1, ensure_ascii=False) if rest else ""


def seconds(taken: float | Mapping[str, float] | None) -> str:
    """Return how long the run took, in all and by step where the steps are known."""
    match taken:
        case None:
            return ""
        case Mapping():
            steps = ", ".join(f"{name} {value:,.1f}" for name, value in taken.items())
            return f"{sum(taken.values()):,.1f} ({steps})"
        case _:
            return f"{taken:,.1f}"


def number(value: float | None, *, sign: bool = False) -> str:
    """Return three decimals, with the sign if asked; a dash where there is no value."""
    return "–" if value is None else format(value, "+.3f" if sign else ".3f")


def interval(row: Mapping[str, float | None], *, sign: bool = False) -> str:
    """Return the 95 % interval in brackets, or nothing where there is none."""
    return (
        f"[{number(row['low'], sign=sign)},\N{NO-BREAK SPACE}{number(row['high'], sign=sign)}]"
        if row["low"] is not None
        else ""
    )


def _said(row: Mapping[str, Any], metric: str = "macro_f1") -> tuple[str, str]:  # Any: values of report.json.
    """Return what a paired difference (model minus other) means, and its tone."""
    return {
        "a is better": ("better beyond noise", "good"),
        "b is better": ("worse beyond noise", "bad"),
        "no difference beyond noise": ("no difference beyond noise", "warn"),
    }.get(verdict(metric, row), ("not defined", "soft"))


def shown_metrics(report: Report) -> list[str]:
    """Return the names of the report's metrics in their order."""
    return [name for name in METRICS if name in report.metrics]


def _flat(found: object) -> dict[str, float]:
    """Return the counts of one split by what they count: posts, each class, each modality."""
    if not isinstance(found, dict):
        return {"posts": found} if isinstance(found, int | float) else {}
    counts: dict[str, float] = {}
    for thing, value in found.items():
        form = "with {}" if thing == "modalities" else "{}"
        inner = {form.format(key): each for key, each in value.items()} if isinstance(value, dict) else {thing: value}
        counts |= {"with both" if key == "both" else key: each for key, each in inner.items()}
    return {key: each for key, each in counts.items() if isinstance(each, int | float)}
