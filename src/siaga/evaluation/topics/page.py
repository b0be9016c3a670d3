"""The page of a report on topics: one self-contained file that opens offline, with a script of ours for the explorer.

What posts say is escaped, in the page and in the data that its script reads; nothing is fetched. Without the script
every topic can be read all the same. A page of fifty topics stays below 3 MB.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siaga.evaluation.plots import BLUE, GRID, ORANGE, dressed, svg
from siaga.evaluation.tables import interval, number, other_data, seconds, split_rows
from siaga.evaluation.topics.circles import FRAME, circles
from siaga.evaluation.topics.clouds import FRAME as CLOUD_FRAME
from siaga.evaluation.topics.lines import Course, course, spread
from siaga.evaluation.topics.projection import RELEVANCE
from siaga.evaluation.topics.report import TopicReport
from siaga.evaluation.topics.tables import (
    BASELINES,
    label_table,
    metric_rows,
    summary_cards,
    topic_rows,
    vocabulary_rows,
    word_data,
)
from siaga.files import write_text
from siaga.pages import render

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes

Row = Mapping[str, Any]  # Any: a value of report.json.
MOST_DOTS = 40


def write_topics_page(report: TopicReport, path: Path) -> None:
    """Write the page of a report on topics, whole or not at all."""
    write_text(path, render_topics_page(report))


def render_topics_page(report: TopicReport) -> str:
    """Return the page that `write_topics_page` writes."""
    topics = topic_rows(report)
    largest = sorted(topics, key=lambda topic: (-topic["share"], topic["number"]))
    shares = [topic["share"] for topic in topics]
    time = course(report.prevalence)
    return render(
        "topics.html",
        report=report,
        topics=topics,
        largest=largest,
        most=max(shares, default=1.0) or 1.0,
        cards=summary_cards(report),
        table=metric_rows(report),
        baselines=[BASELINES.get(name, name) for name in report.baselines],
        circles=circles(report.map, shares, [topic["first"] for topic in topics]),
        frame=FRAME,
        cloud_frame=CLOUD_FRAME,
        relevance=RELEVANCE,
        words=word_data(report),
        time=time,
        ends=_ends(time, topics) if time else {},
        labels=label_table(report.labels) if report.labels else None,
        charts=_charts(report),
        vocabulary=vocabulary_rows(report.vocabulary),
        splits=split_rows(report.data),
        other_data=other_data(report.data),
        seconds=seconds(report.seconds),
        number=number,
        interval=interval,
    )


def choice_plot(choice: Sequence[Row], *, metric: str, name: str, ax: "Axes") -> "Axes":
    """Draw a metric of each number of topics that was tried, with its interval where it has one; a ring is chosen."""
    tried = sorted((each for each in choice if each[metric]["value"] is not None), key=lambda each: each["topics"])
    places = range(len(tried))
    for place, each in enumerate(tried):
        if each[metric]["low"] is not None:
            ax.plot([place, place], [each[metric]["low"], each[metric]["high"]], color=BLUE, linewidth=2, alpha=0.4)
        if each["chosen"]:
            ax.plot([place], [each[metric]["value"]], marker="o", color=ORANGE, markersize=12, fillstyle="none")
    ax.plot(places, [each[metric]["value"] for each in tried], color=BLUE, linewidth=2, marker="o", markersize=5)
    ax.set_xticks(places, [f"{each['topics']:,}" for each in tried])
    ax.margins(x=0.12, y=0.18)
    ax.grid(visible=True, axis="y", color=GRID)
    return dressed(ax, x="topics", y=name)


def learning_plot(training: Sequence[Row], *, ax: "Axes") -> "Axes":
    """Draw the log-likelihood of a word by iteration of the sampler."""
    points = [(each["iteration"], each["log_likelihood"]) for each in training if each["log_likelihood"] is not None]
    ax.plot(*zip(*points, strict=True), color=BLUE, linewidth=2, marker="." if len(points) <= MOST_DOTS else "")
    ax.grid(visible=True, color=GRID)
    return dressed(ax, x="sweep over all words", y="log-likelihood of a word")


def _ends(time: Course, topics: Sequence[Row]) -> dict[int, float]:
    """Return where the number of each topic stands at the end of its line; those of coloured ones are spread."""
    ends = {line.number: line.end for line in time.lines}
    return ends | spread({topic["number"]: ends[topic["number"]] for topic in topics if topic["colour"]})


def _charts(report: TopicReport) -> dict[str, "Markup"]:
    """Return the charts by name, as inline SVG, as far as there is something to draw."""
    from markupsafe import Markup

    found = {}
    if report.choice:
        names = {"perplexity": "perplexity", "npmi": "coherence (NPMI)"}
        panels = [partial(choice_plot, report.choice, metric=metric, name=name) for metric, name in names.items()]
        found["choice"] = svg(lambda *axes: _each(panels, axes), width=8.4, height=2.8, panels=2)
    if any(each["log_likelihood"] is not None for each in report.training):
        found["learning"] = svg(lambda ax: learning_plot(report.training, ax=ax), width=7.0, height=2.6)
    return {name: Markup(chart) for name, chart in found.items()}  # noqa: S704 - Matplotlib escapes what it draws.


def _each(panels: Sequence[Callable[..., object]], axes: Sequence["Axes"]) -> None:
    for panel, ax in zip(panels, axes, strict=True):
        panel(ax=ax)
