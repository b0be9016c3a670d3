"""The files of a summary: the page, the figures as JSON and as a table, the charts, and the places for a map."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from siaga.evaluation import plots
from siaga.files import write_text, write_whole
from siaga.models.lexicon import SIGNS
from siaga.serving.mood import charts, group_charts
from siaga.serving.mood.figures import Views
from siaga.serving.mood.summary import Point, Summary

_ENDS = ("value", "low", "high")
_PARTS = (("posts", ""), ("share", ""), ("share", "_low"), ("share", "_high"))
CHARTS = ("mood", "shares", "languages", "countries", "points")
WIDTH = 10.4
Drawn = dict[str, "Chart"]


class Chart(NamedTuple):
    """How one chart is drawn: a function of its axes, its height in inches, its panels, and its rows' heights."""

    draw: Callable[..., object]
    height: float
    panels: int = 1
    heights: Sequence[float] = (1.0,)

    def drawn(self) -> tuple[str, bytes]:
        """Return it as an SVG element and as a PNG."""
        return plots.svg_and_png(self.draw, size=(WIDTH, self.height), panels=self.panels, heights=self.heights)


def write_summary(summary: Summary, folder: Path) -> None:
    """Write everything into `folder`, each file whole; charts of an earlier summary that this one has not go."""
    from siaga.serving.mood.page import render_page

    drawn = {name: chart.drawn() for name, chart in charts_of(summary).items()}
    write_text(folder / "mood.json", json.dumps(summary.to_dict(), ensure_ascii=True, indent=1))
    write_text(folder / "per_minute.csv", to_csv(summary))
    write_text(folder / "places.geojson", json.dumps(to_geojson(summary), ensure_ascii=True))
    for name in CHARTS:
        for suffix in (".svg", ".png") if name not in drawn else ():
            (folder / f"{name}{suffix}").unlink(missing_ok=True)
    for name, (svg, png) in drawn.items():
        write_text(folder / f"{name}.svg", f'<?xml version="1.0" encoding="utf-8"?>\n{svg}')
        with write_whole(folder / f"{name}.png") as stream:
            stream.write(png)
    write_text(folder / "mood.html", render_page(summary, {name: svg for name, (svg, _) in drawn.items()}))


def charts_of(summary: Summary) -> Drawn:
    """Return the charts that a summary has something for, by name."""
    found: Drawn = {}
    if summary.periods and summary.asked.has_scores:
        found["mood"] = Chart(lambda *axes: _mood(summary, *axes), 4.8, heights=(3, 1))
    if summary.periods and "mood" in found:
        found["shares"] = Chart(lambda ax: charts.shares_plot(summary, ax=ax), 3.2)
    elif summary.periods:
        found["shares"] = Chart(lambda *axes: _shares(summary, *axes), 4.2, heights=(3, 1))
    rows = min(len(summary.languages), 11)
    found["languages"] = Chart(lambda *axes: _languages(summary, *axes), 1.2 + 0.3 * rows, panels=2)
    shown = group_charts.shown_countries(summary.countries) if summary.asked.has_scores else []
    if shown:
        found["countries"] = Chart(lambda ax: group_charts.countries_plot(summary, ax=ax), 1.0 + 0.3 * len(shown))
    if summary.points:
        found["points"] = Chart(lambda ax: group_charts.points_plot(summary, ax=ax), 5.4)
    return found


def to_csv(summary: Summary) -> str:
    """Return a row for each period, those without posts too: their counts are 0 and their other cells empty.

    `mean` and the labels are of posts in the asked languages, `all_mean` is of all, `known_mean` of those with
    something to go by.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_columns(summary.asked.labels))
    for period in summary.periods:
        every, chosen, known = period.views.all, period.views.languages, period.views.known
        cells: list[str | float | None] = [period.start, str(period.is_partial).lower()]
        cells += [every.posts, chosen.posts, known.posts]
        cells += [view.mean[end] for view in (chosen, every, known) for end in _ENDS]
        for label in summary.asked.labels:
            cells += [chosen.counts[label], *(chosen.shares[label][end] for end in _ENDS)]
        writer.writerow(map(_cell, cells))
    return text.getvalue()


def to_geojson(summary: Summary) -> dict[str, Any]:  # Any: JSON.
    """Return the places that have a point as a FeatureCollection (RFC 7946): lon before lat, in WGS 84."""
    return {"type": "FeatureCollection", "features": [_feature(point) for point in summary.points]}


def _feature(point: Point) -> dict[str, Any]:  # Any: JSON.
    spot, views = point.spot, point.views
    facts = {"name": spot.name, "country": spot.country, "method": spot.method, "radius_m": spot.radius_m}
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [round(spot.lon, 6), round(spot.lat, 6)]},
        "properties": {**facts, **_measured(views)},
    }


def _measured(views: Views) -> dict[str, Any]:  # Any: JSON.
    chosen = views.languages
    mean = {"mean_score": chosen.mean["value"], "mean_low": chosen.mean["low"], "mean_high": chosen.mean["high"]}
    is_mood = list(chosen.counts) == SIGNS
    counts = chosen.counts if is_mood else {"labels": chosen.counts}
    return {"posts": views.all.posts, "scored": chosen.posts, **mean, **counts}


def _columns(labels: Sequence[str]) -> list[str]:
    names = ["start", "is_partial", "posts", "scored", "known"]
    means = [f"{view}mean{end}" for view in ("", "all_", "known_") for end in ("", "_low", "_high")]
    shares = [f"{start}_{label}{end}" for label in labels for start, end in _PARTS]
    return [*names, *means, *shares]


def _cell(value: str | float | None) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _mood(summary: Summary, top: Any, bottom: Any) -> None:  # Any: Axes, here and below.
    charts.mood_plot(summary, ax=top)
    charts.volume_plot(summary, ax=bottom)


def _shares(summary: Summary, top: Any, bottom: Any) -> None:
    charts.shares_plot(summary, ax=top)
    charts.volume_plot(summary, ax=bottom)


def _languages(summary: Summary, left: Any, right: Any) -> None:
    group_charts.languages_plot(summary, ax=left)
    group_charts.language_shares_plot(summary, ax=right)
