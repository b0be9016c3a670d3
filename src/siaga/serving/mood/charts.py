"""Charts of the mood over time: functions that draw a summary on the `ax` they are given and return it.

Colours are those of Okabe & Ito (2008), as in a report; negative and positive differ in lightness too.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import isnan, nan
from typing import TYPE_CHECKING, Any

from siaga.evaluation.plots import BLUE, GREEN, GRID, INK, ORANGE, PURPLE, RED, SKY, SOFT, dressed, plain
from siaga.models.lexicon import SIGNS
from siaga.serving.mood.summary import Gap, Summary
from siaga.serving.mood.words import clock, whose

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PALE = "#c3cbd6"
MOOD_COLOURS = dict(zip(SIGNS, (RED, PALE, BLUE), strict=True))
CLASS_COLOURS = (BLUE, ORANGE, GREEN, RED, SKY, PURPLE, INK, SOFT)
MOST_DOTS = 90  # Of more periods, only the line is drawn.
NAMED_GAPS = 4
WIDE_GAP = 0.14  # The share of the axis from which a gap has room for words that lie.


def mood_plot(summary: Summary, *, ax: "Axes") -> "Axes":
    """Draw the mean score of each period with its 95 % band; the line breaks where there are no posts.

    The broken line is the mean over all posts, in which those of other languages count 0.
    """
    x, rows = _middles(summary), [period.views.languages.mean for period in summary.periods]
    low, value, high = ([_or_nan(row[end]) for row in rows] for end in ("low", "value", "high"))
    ax.fill_between(x, low, high, color=BLUE, alpha=0.18, linewidth=0, label="95 % interval")
    if len(x) <= MOST_DOTS:
        ax.vlines(x, low, high, color=BLUE, linewidth=1, alpha=0.5)
    if summary.asked.languages is not None:
        every = [_or_nan(period.views.all.mean["value"]) for period in summary.periods]
        ax.plot(x, every, color=SOFT, linewidth=1.2, linestyle="--", label="all languages", **_dots(every, size=3))
    ax.plot(x, value, color=BLUE, linewidth=2, label=whose(summary.asked), **_dots(value, size=4.5))
    partial = [(x[i], value[i]) for i, period in enumerate(summary.periods) if period.is_partial]
    if partial:
        rings = ax.plot(*zip(*partial, strict=True), color=BLUE, linestyle="", label="partly covered")
        rings[0].set(marker="o", markersize=10, fillstyle="none")
    ax.axhline(0, color=SOFT, linewidth=1)
    ax.grid(visible=True, axis="y", color=GRID)
    for gap in sorted(summary.gaps, key=lambda gap: -gap.periods)[:NAMED_GAPS]:
        _name(gap, summary, ax)
    return over_time(summary, legend(ax), y="mean score")


def volume_plot(summary: Summary, *, ax: "Axes") -> "Axes":
    """Draw how many posts each period has; the darker part is in the languages that the mean is of."""
    edges, counts = _edges(summary), [each.views.all.posts for each in summary.periods]
    ax.stairs(counts, edges, fill=True, color=PALE)
    if summary.asked.languages is not None:
        ax.stairs([each.views.languages.posts for each in summary.periods], edges, fill=True, color=BLUE)
    _part(ax, edges)
    ax.set_ylim(bottom=0)
    ax.locator_params(axis="y", nbins=4)
    return over_time(summary, ax, y="posts")


def shares_plot(summary: Summary, *, ax: "Axes") -> "Axes":
    """Draw the share of each label in each period, one upon the other; of many labels the commonest."""
    import numpy as np

    edges, base = _edges(summary), np.zeros(len(summary.periods))
    for label, colour in label_colours(summary).items():
        shares = [_or_nan(period.views.languages.shares[label]["value"]) for period in summary.periods]
        top = base + np.array(shares)
        ax.stairs(top, edges, baseline=base, fill=True, color=colour, label=plain(label))
        base = top
    _part(ax, edges)
    ax.set_ylim(0, 1)
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    return over_time(summary, legend(ax), y="share of posts")


def label_colours(summary: Summary) -> dict[str, str]:
    """Return the labels that are drawn, each with its colour: the moods, or the commonest eight classes."""
    if summary.asked.labels == tuple(SIGNS):
        return MOOD_COLOURS
    counts = summary.total.all.counts
    return dict(zip(sorted(counts, key=lambda label: (-counts[label], label)), CLASS_COLOURS, strict=False))


def legend(ax: "Axes") -> "Axes":
    """Put the legend above the axes."""
    ax.legend(frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2)
    return ax


def over_time(summary: Summary, ax: "Axes", *, y: str) -> "Axes":
    """Dress the axes of a chart over time, in UTC, and shade the gaps."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    edges = _edges(summary)
    for gap in summary.gaps:
        ax.axvspan(_number(gap.start), _number(gap.end), facecolor="#eef1f5", hatch="///", edgecolor=GRID, linewidth=0)
    ax.set_xlim(edges[0], edges[-1])
    locator = AutoDateLocator(minticks=4, maxticks=14)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    ax.tick_params(axis="x", pad=7)
    return dressed(ax, y=y)


def _name(gap: Gap, summary: Summary, ax: "Axes") -> None:
    start, end, edges = _number(gap.start), _number(gap.end), _edges(summary)
    is_wide = end - start >= WIDE_GAP * (edges[-1] - edges[0])
    words = ["no posts", f"{clock(gap.start, summary)}–{clock(gap.end, summary)}"]
    named = ax.text((start + end) / 2, 0.5, ("\n" if is_wide else " ").join(words), transform=ax.get_xaxis_transform())
    named.set(ha="center", va="center", rotation=0 if is_wide else 90, color=SOFT, fontsize=9)


def _edges(summary: Summary) -> list[float]:
    """Return where periods begin, and where the last one ends, as days since 1970."""
    starts = [_number(period.start) for period in summary.periods]
    return [*starts, starts[-1] + timedelta(seconds=summary.every_s) / timedelta(days=1)]


def _middles(summary: Summary) -> list[float]:
    half = timedelta(seconds=summary.every_s) / timedelta(days=2)
    return [_number(period.start) + half for period in summary.periods]


def _number(time: str) -> float:
    return datetime.fromisoformat(time).timestamp() / 86_400


def _or_nan(value: float | None) -> float:
    return nan if value is None else value


def _dots(values: Sequence[float], *, size: float) -> dict[str, Any]:  # Any: settings of a line.
    """Return markers for every point where there is room, and always for those that no line reaches."""
    missing = [True, *map(isnan, values), True]
    alone = [i for i in range(len(values)) if missing[i] and missing[i + 2]]
    return {"marker": "o", "markersize": size, "markevery": alone if len(values) > MOST_DOTS else 1}


def _part(ax: "Axes", edges: Sequence[float]) -> None:
    if len(edges) <= MOST_DOTS:
        ax.vlines(edges, 0, 1, transform=ax.get_xaxis_transform(), color="white", linewidth=0.8)
