"""The HTML page of a report: one self-contained file that opens offline, with every chart explained.

What the texts of posts hold is escaped; nothing is fetched. A page of 5,000 posts stays below 5 MB.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siaga.evaluation import plots
from siaga.evaluation.fits import best_epoch, duration, epochs_by_fit, fit_name
from siaga.evaluation.gallery import OPEN_CLASSES, confusion_cells, example_cards, loss_cards
from siaga.evaluation.map_charts import feature_maps
from siaga.evaluation.report import Report
from siaga.evaluation.tables import (
    class_rows,
    confusion_by_superclass,
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
    from matplotlib.axes import Axes

Table = dict[str, Any]  # Any: what the template prints.
ROWS_IN_PLOT = 14
CURVES = ("loss", "accuracy", "macro_f1")


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
        classes=class_rows(report, sort=len(report.classes) > OPEN_CLASSES),
        charts=_charts(report),
        cells=cells,
        grid=confusion_grid(report, cells) if len(report.classes) <= OPEN_CLASSES else None,
        losses=loss_cards(report, posts, predictions),
        slices=slice_tables(report),
        maps=feature_maps(report, posts=posts, predictions=predictions),
        fits=_fits(report),
        examples=example_cards(report, posts, predictions),
        splits=split_rows(report.data),
        other_data=other_data(report.data),
        seconds=seconds(report.seconds),
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
        **{
            f"agreement {number}": plots.svg(
                lambda ax, pair=pair: plots.agreement_plot(pair, ax=ax), width=7, height=1.8
            )
            for number, pair in enumerate(pairs)
        },
    }
    if report.thresholds:
        charts["threshold"] = plots.svg(lambda ax: plots.threshold_plot(report.thresholds, ax=ax))
        charts["cost"] = plots.svg(lambda ax: plots.cost_plot(report.thresholds, ax=ax))
    if len(report.classes) > OPEN_CLASSES:
        counts, classes = confusion_by_superclass(report)
        charts["confusion"] = plots.svg(lambda ax: plots.confusion_plot(counts, classes, ax=ax), width=8.5, height=8.5)
    return {name: _markup(chart) for name, chart in charts.items()}


def _fits(report: Report) -> list[Table]:
    """Return what there is to show of each fit, in the order in which they were heard."""
    epochs = epochs_by_fit(report.training)
    finders, precisions = ({fit_name(each): each for each in told} for told in (report.finder, report.precision))
    return [
        {
            "name": name,
            "epochs": len(epochs.get(name, ())),
            "seconds": duration(sum(each.get("seconds") or 0.0 for each in epochs.get(name, ()))),
            "best": best_epoch(epochs.get(name, ())),
            "curves": _curves_chart(epochs[name]) if name in epochs else "",
            "finder": finders.get(name),
            "finder_chart": _finder_chart(finders[name]) if name in finders else "",
            "precision": precisions.get(name),
        }
        for name in dict.fromkeys([*finders, *precisions, *epochs])
    ]


def _finder_chart(finding: Mapping[str, Any]) -> "Markup":  # Any: values of report.json, here and below.
    return _markup(plots.svg(lambda ax: plots.finder_plot(finding, ax=ax), height=2.6))


def _curves_chart(epochs: Sequence[Mapping[str, Any]]) -> "Markup":
    """Return a fit's loss, accuracy, macro-F1 and learning rate by epoch, side by side, as far as they were told."""
    told = {key for each in epochs for key, value in each.items() if value is not None}
    metrics = [name for name in CURVES if {f"train_{name}", f"validation_{name}"} & told]
    best = best_epoch(epochs)
    number = best["epoch"] if best else None
    panels: list[Callable[..., object]] = [
        partial(plots.curve_plot, epochs, metric=metric, best=number) for metric in metrics
    ]
    panels += [partial(plots.rate_plot, epochs)] if "learning_rate" in told else []

    def draw(*axes: "Axes") -> None:
        for panel, ax in zip(panels, axes, strict=True):
            panel(ax=ax)
        if metrics:
            axes[0].legend(frameon=False)

    return _markup(plots.svg(draw, width=2.6 * len(panels), height=2.5, panels=len(panels)) if panels else "")


def _markup(svg: str) -> "Markup":
    from markupsafe import Markup

    return Markup(svg)  # noqa: S704 - drawn by Matplotlib, which escapes the names in it.
