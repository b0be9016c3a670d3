"""The HTML page of a report: one self-contained file that opens offline, with every chart explained.

What the texts of posts hold is escaped; nothing is fetched. A page of 5,000 posts stays below 5 MB.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siaga.evaluation import plots
from siaga.evaluation.gallery import OPEN_CLASSES, confusion_cells, loss_cards
from siaga.evaluation.report import Report
from siaga.evaluation.tables import (
    confusion_grid,
    interval,
    metric_rows,
    named_rows,
    number,
    other_data,
    seconds,
    shown_metrics,
    slice_tables,
    split_rows,
    summary_cards,
    versus_rows,
)
from siaga.files import write_text
from siaga.pages import render
from siaga.post import Post, Prediction

if TYPE_CHECKING:
    from markupsafe import Markup

Table = dict[str, Any]  # Any: what the template prints.
ROWS_IN_PLOT = 14


def write_page(report: Report, path: Path, *, posts: Sequence[Post], predictions: Sequence[Prediction]) -> None:
    """Write the page of a report and the posts it was measured on, whole or not at all.

    Posts and predictions stand in the same order; texts, and images that can be read, appear in the page.
    """
    write_text(path, render_page(report, posts=posts, predictions=predictions))


def render_page(report: Report, *, posts: Sequence[Post], predictions: Sequence[Prediction]) -> str:
    """Return the page that `write_page` writes."""
    cells = confusion_cells(report, posts, predictions)
    return render(
        "report.html",
        report=report,
        names=plots.NAMES,
        cards=summary_cards(report),
        metrics=shown_metrics(report),
        table=metric_rows(report),
        versus=versus_rows(report),
        charts=_charts(report),
        cells=cells,
        grid=confusion_grid(report, cells) if len(report.classes) <= OPEN_CLASSES else None,
        losses=loss_cards(report, posts, predictions),
        slices=slice_tables(report),
        curves=_curves(report),
        splits=split_rows(report),
        other_data=other_data(report),
        seconds=seconds(report),
        number=number,
        interval=interval,
    )


def _charts(report: Report) -> dict[str, "Markup"]:
    """Return the charts by name, as inline SVG."""
    rows = dict(list(named_rows(report).items())[:ROWS_IN_PLOT])
    pairs = report.agreement.get("pairs", [report.agreement] if report.agreement else [])
    charts = {
        "intervals": plots.svg(
            lambda *axes: [
                plots.interval_plot(rows, metric=metric, ax=ax)
                for metric, ax in zip(("accuracy", "macro_f1"), axes, strict=True)
            ],
            width=10.4,
            height=0.9 + 0.36 * len(rows),
            panels=2,
        ),
        "calibration": plots.svg(lambda ax: plots.calibration_plot(report.calibration, ax=ax), width=4.4, height=4.0),
        "threshold": plots.svg(lambda ax: plots.threshold_plot(report.thresholds, ax=ax)),
        "cost": plots.svg(lambda ax: plots.cost_plot(report.thresholds, ax=ax)),
        **{
            f"agreement {number}": plots.svg(
                lambda ax, pair=pair: plots.agreement_plot(pair, ax=ax), width=7, height=1.8
            )
            for number, pair in enumerate(pairs)
        },
    }
    if len(report.classes) > OPEN_CLASSES:
        draw = plots.confusion_plot
        charts["confusion"] = plots.svg(lambda ax: draw(report.confusion, report.classes, ax=ax), width=8.5, height=8.5)
    return {name: _markup(chart) for name, chart in charts.items()}


def _curves(report: Report) -> list[Table]:
    """Return one chart of losses for each fit that told its epochs, in the order they were heard."""
    series: dict[str, list[Table]] = {}
    for event in report.training:
        if "epoch" in event:
            turn = f", round {event['round']}" if "round" in event else ""
            series.setdefault(f"{event.get('member') or 'model'}{turn}", []).append(event)
    return [
        {
            "name": name,
            "epochs": len(epochs),
            "validated": any(each.get("validation_loss") is not None for each in epochs),
            "chart": _markup(plots.svg(lambda ax, epochs=epochs: plots.loss_plot(epochs, ax=ax), height=2.8)),
        }
        for name, epochs in series.items()
    ]


def _markup(svg: str) -> "Markup":
    from markupsafe import Markup

    return Markup(svg)  # noqa: S704 - drawn by Matplotlib, which escapes the names in it.
