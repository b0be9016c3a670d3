"""The page of a selection: the candidates with their intervals, and how far each is from the best."""

from pathlib import Path
from typing import TYPE_CHECKING

from siaga.evaluation import plots
from siaga.evaluation.metrics import LOWER_IS_BETTER
from siaga.evaluation.tables import interval, number
from siaga.files import write_text
from siaga.model_selection.standings import BASELINE, LEVEL, WORSE, Standings
from siaga.pages import render

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes

MOST_ROWS = 40
TONES = {LEVEL: "warn", WORSE: "bad"}


def write_page(standings: Standings, path: Path, *, command: str) -> None:
    """Write the page, one self-contained file, whole or not at all; `command` trains the best candidate."""
    write_text(path, render_page(standings, command=command))


def render_page(standings: Standings, *, command: str) -> str:
    """Return the page that `write_page` writes."""
    return render(
        "selection.html",
        standings=standings,
        command=command,
        chart=_chart(standings),
        trials=_trials_chart(standings) if any(trial.value is not None for trial in standings.trials) else "",
        names=plots.NAMES,
        shown=standings.shown(),
        best=_best_values(standings),
        tones=TONES,
        number=number,
        interval=interval,
    )


def _best_values(standings: Standings) -> dict[str, float]:
    """Return the best value of each metric."""
    best = {}
    for metric in standings.shown():
        values = [value for row in standings.rows if (value := row.metrics[metric]["value"]) is not None]
        if values:
            best[metric] = (min if metric in LOWER_IS_BETTER else max)(values)
    return best


def _chart(standings: Standings) -> "Markup":
    metric, rows = standings.metric, [row for row in standings.rows if row.said != BASELINE][:MOST_ROWS]
    here = {metric: {"value": 0.0, "low": None, "high": None}}
    metrics = {row.name: row.metrics for row in rows}
    apart = {
        row.name: {metric: {**row.versus_best[metric], "value": row.versus_best[metric]["difference"]}}
        if row.versus_best
        else here
        for row in rows
    }

    def draw(left: "Axes", right: "Axes") -> None:
        plots.interval_plot(metrics, metric=metric, ax=left)
        plots.interval_plot(apart, metric=metric, ax=right)
        right.axvline(0.0, color=plots.SOFT, linewidth=1, linestyle="--")
        right.set_xlabel(f"{plots.NAMES[metric]}, minus that of the best", color=plots.SOFT)
        right.set_yticklabels([])
        for ax in (left, right):
            ax.locator_params(axis="x", nbins=6)

    return _markup(plots.svg(draw, width=10.4, height=1.0 + 0.34 * len(rows), panels=2))


def _trials_chart(standings: Standings) -> "Markup":
    def draw(ax: "Axes") -> None:
        plots.trials_plot([(trial.number, trial.value) for trial in standings.trials], metric=standings.metric, ax=ax)

    return _markup(plots.svg(draw, width=8.0, height=2.8))


def _markup(svg: str) -> "Markup":
    from markupsafe import Markup

    return Markup(svg)  # noqa: S704 - drawn by Matplotlib, which escapes the names in it.
