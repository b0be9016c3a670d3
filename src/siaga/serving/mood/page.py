"""The page of a summary: one self-contained file, in which every text is escaped."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from siaga.evaluation.tables import interval, number
from siaga.pages import render
from siaga.serving.mood.group_charts import MOST_POINTS
from siaga.serving.mood.summary import TOP_LANGUAGES, TOP_PLACES, Summary
from siaga.serving.mood.words import clock, language_name, length, notes, whose

if TYPE_CHECKING:
    from markupsafe import Markup

MOST_ROWS = 1_500


def render_page(summary: Summary, charts: Mapping[str, str]) -> str:
    """Return the page; `charts` are SVG elements by name."""
    return render(
        "mood.html",
        s=summary,
        charts={name: _markup(svg) for name, svg in charts.items()},
        notes=notes(summary),
        cards=_cards(summary),
        whose=whose(summary.asked),
        length=length(summary.every_s),
        language_name=language_name,
        number=number,
        interval=interval,
        clock=lambda period: clock(period.start, summary),
        periods=summary.periods[:MOST_ROWS],
        languages=summary.languages[:TOP_LANGUAGES],
        countries=summary.countries[:TOP_PLACES],
        most_points=MOST_POINTS,
        count=lambda group: f"{group.views.all.posts:,}",
    )


def _cards(summary: Summary) -> list[tuple[str, str]]:
    """Return what is most asked first: a figure and what it is."""
    total, chosen = summary.total.all, summary.total.languages
    cards = [(f"{total.posts:,}", "posts")]
    if summary.periods:
        filled = sum(period.views.all.posts > 0 for period in summary.periods)
        cards.append((f"{total.posts / filled:,.0f}", f"posts per {length(summary.every_s)}"))
    if summary.asked.has_scores:
        cards += [
            (number(chosen.mean["value"], sign=True), f"mean score of {whose(summary.asked)} {interval(chosen.mean)}"),
            (number(total.mean["value"], sign=True), f"mean score of all posts {interval(total.mean)}"),
        ]
    for label in summary.asked.labels[:6]:
        row = chosen.shares[label]
        if row["value"] is not None:
            cards.append((f"{100 * row['value']:.1f} %", label))
    return cards


def _markup(svg: str) -> "Markup":
    from markupsafe import Markup

    return Markup(svg)  # noqa: S704 - drawn by Matplotlib, which escapes the names in it.
