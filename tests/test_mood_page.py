"""What is written of a mood: the page, the charts, the table and the map file."""

import csv
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from siaga.post import Place
from siaga.serving.mood import charts, group_charts
from siaga.serving.mood.figures import asked_of
from siaga.serving.mood.output import charts_of, to_csv, to_geojson, write_summary
from siaga.serving.mood.page import render_page
from siaga.serving.mood.summary import Summary, summarise
from siaga.serving.mood.tally import Scored
from tests.test_evaluation_page import PAYLOADS, Elements
from tests.test_mood import PROFILE, ROME, START, counted, mood, said


def pages_charts(summary: Summary) -> dict[str, str]:
    return {name: chart.drawn()[0] for name, chart in charts_of(summary).items()}


def hostile() -> Summary:
    places = [Place(float(i), 10.0, "box", 500.0, payload, "IT") for i, payload in enumerate(PAYLOADS)]
    posts = [said(2, at=i * 9, place=place, language=PAYLOADS[i % 5]) for i, place in enumerate(places)]
    tally = counted(*posts)
    read = {PAYLOADS[0]: 3, "notice": {PAYLOADS[1]: 2}}
    return summarise(tally, model=PAYLOADS[2], asked=asked_of(tally), read=read)


def a_stream() -> Summary:
    scores = [3, -2, 0, 1, 0, 2, -1, 4]
    posts = [said(score, at=i * 40, place=(ROME, PROFILE)[i % 2]) for i, score in enumerate(scores)]
    later = [said(score, at=600 + i * 40) for i, score in enumerate(scores)]
    return mood(*posts, *later, *(said(0, at=i * 20, language="ja", known=False) for i in range(12)))


def axes() -> Any:  # Any: Axes, whose types know less than its tests.
    return Figure().subplots()


def drawn(plot: Callable[..., object], summary: Summary) -> Any:
    return plot(summary, ax=axes())


def test_no_name_of_a_place_a_language_or_a_model_is_markup() -> None:
    summary = hostile()
    elements = Elements(page := render_page(summary, pages_charts(summary)))
    assert elements.named("script") == []
    assert all(not name.startswith("on") for _, attributes in elements.found for name in attributes)
    assert all(str(each["href"]).startswith("#") for each in elements.named("a"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ 7 * 7 }}" in page


def test_labels_that_are_out_to_do_harm_are_drawn_and_escaped() -> None:
    posts = [Scored(START + i * 9_000, "id", None, payload) for i, payload in enumerate(PAYLOADS * 2)]
    summary = mood(*posts)
    page = render_page(summary, pages_charts(summary))
    assert Elements(page).named("script") == []
    assert "mean score" not in page
    assert to_csv(summary).splitlines()[0].count("share_") == 3 * len(PAYLOADS)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that is written of a stream."""
    folder = tmp_path_factory.mktemp("mood")
    write_summary(a_stream(), folder)
    return folder


def test_the_page_asks_nothing_of_the_network(written: Path) -> None:
    page = (written / "mood.html").read_text()
    targets = [
        str(value)
        for _, attributes in Elements(page).found
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href", "srcset", "data", "action", "poster")
    ]
    assert all(target.startswith("#") for target in targets)
    assert all(inside.strip("'\" ").startswith("#") for inside in re.findall(r"url\(([^)]*)\)", page))
    assert "@import" not in page


def test_the_page_says_whose_mean_it_is_and_names_the_gap(written: Path) -> None:
    page = (written / "mood.html").read_text()
    assert "mean score of English posts" in page
    assert "There are no posts at 06:34 to 06:39" in page
    assert page.count('<tr class="none">') == 5


def test_the_line_breaks_at_a_gap_and_the_gap_is_shaded_and_named() -> None:
    summary = mood(said(1), said(3, at=30), said(2, at=60), said(1, at=300), said(0, at=330))
    ax = drawn(charts.mood_plot, summary)
    [line] = [line for line in ax.lines if line.get_label() == "English posts"]
    assert [math.isnan(value) for value in line.get_ydata()] == [False, False, True, True, True, False]
    [words] = [text.get_text() for text in ax.texts]
    assert words == "no posts\n06:31–06:34"
    [shade] = [patch for patch in ax.patches if patch.get_hatch() == "///"]
    assert shade.get_width() == pytest.approx(3 / 1440)


def test_the_band_is_the_interval_and_all_languages_have_a_line_of_their_own() -> None:
    ax = drawn(charts.mood_plot, summary := a_stream())
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["95 % interval", "all languages", "English posts"]
    [band] = ax.collections[:1]
    means = [period.views.languages.mean for period in summary.periods]
    low = min(row["low"] for row in means if row["low"] is not None)
    high = max(row["high"] for row in means if row["high"] is not None)
    extent = band.get_datalim(ax.transData)
    assert (extent.y0, extent.y1) == pytest.approx((low, high))


def test_a_long_series_is_drawn_without_dots_but_for_lonely_ones() -> None:
    summary = mood(*(said(1, at=60 * i) for i in range(200) if i not in (100, 102)))
    ax = drawn(charts.mood_plot, summary)
    [line] = [line for line in ax.lines if line.get_label() == "English posts"]
    assert line.get_markevery() == [101]


def test_every_chart_is_drawn_on_the_axes_that_it_is_given() -> None:
    summary = a_stream()
    plots = [charts.mood_plot, charts.volume_plot, charts.shares_plot]
    plots += [group_charts.languages_plot, group_charts.language_shares_plot]
    plots += [group_charts.countries_plot, group_charts.points_plot]
    for plot in plots:
        ax = axes()
        assert plot(summary, ax=ax) is ax, plot.__name__
        assert ax.has_data(), plot.__name__


def test_the_shares_of_a_minute_stand_upon_each_other_and_fill_it() -> None:
    ax = drawn(charts.shares_plot, mood(said(1), said(-1), said(0, at=30), said(2, at=40)))
    tops = [patch.get_data().values.tolist() for patch in ax.patches]
    assert tops == [[0.25], [0.5], [1.0]]


def test_charts_without_anything_to_show_are_left_out_and_go(tmp_path: Path) -> None:
    (tmp_path / "mood.png").write_bytes(b"of an earlier summary")
    write_summary(mood(said(1, at=None, place=PROFILE), said(2, at=None)), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("mood.html", "mood.json", "per_minute.csv", "places.geojson", "languages.png", "languages.svg")
    }
    found = json.loads((tmp_path / "places.geojson").read_text())
    assert found == {"type": "FeatureCollection", "features": []}


def test_charts_are_files_that_others_can_open(written: Path) -> None:
    names = {"mood", "shares", "languages", "points"}
    assert {path.stem for path in written.glob("*.png")} == {path.stem for path in written.glob("*.svg")} == names
    assert (written / "mood.png").read_bytes().startswith(b"\x89PNG")
    assert ElementTree.parse(written / "mood.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314


def test_the_table_has_a_row_for_every_minute_and_empty_cells_in_gaps() -> None:
    rows = list(csv.DictReader(to_csv(mood(said(3), said(-1, at=20), said(1, at=150))).splitlines()))
    assert [row["start"] for row in rows] == [f"2019-07-03T06:{minute}:00Z" for minute in (29, 30, 31)]
    assert [(row["posts"], row["mean"], row["posts_negative"]) for row in rows] == [
        ("2", "1", "1"),
        ("0", "", "0"),
        ("1", "1", "0"),
    ]
    assert (rows[0]["share_negative"], rows[1]["share_negative"]) == ("0.5", "")
    assert rows[0]["mean_low"] == f"{1 - 2 * 12.7062047:.6g}"


def test_the_map_file_is_geojson_with_longitude_first_and_no_point_for_profiles() -> None:
    found = to_geojson(mood(said(3, place=ROME), said(-1, place=ROME), said(2, place=PROFILE)))
    check_geojson(found)
    [feature] = found["features"]
    assert feature["geometry"] == {"type": "Point", "coordinates": [12.5, 41.9]}
    facts = {"name": "Roma, Lazio", "country": "IT", "method": "box", "radius_m": 9_000.0, "posts": 2, "scored": 2}
    half = 12.7062047 * 2  # Student's quantile for one degree of freedom, and the standard error of 3 and -1.
    mean = {"mean_score": 1.0, "mean_low": pytest.approx(1 - half), "mean_high": pytest.approx(1 + half)}
    assert feature["properties"] == facts | mean | {"negative": 1, "neutral": 0, "positive": 1}


def test_hostile_places_are_still_geojson() -> None:
    found = json.loads(json.dumps(to_geojson(hostile())))
    check_geojson(found)
    assert {feature["properties"]["name"] for feature in found["features"]} == set(PAYLOADS)


def test_the_json_has_every_figure(written: Path) -> None:
    found = json.loads((written / "mood.json").read_text())
    assert found["periods"][0]["views"]["languages"]["mean"].keys() == {"value", "low", "high"}
    assert found["total"]["all"]["posts"] == 28
    assert (found["every_s"], found["asked"]["languages"], found["points"]) == (60, ["en"], 1)


def check_geojson(found: Any) -> None:  # Any: JSON.
    """Check what RFC 7946 asks of a collection of points."""
    assert found["type"] == "FeatureCollection"
    for feature in found["features"]:
        assert set(feature) == {"type", "geometry", "properties"}
        assert (feature["type"], feature["geometry"]["type"]) == ("Feature", "Point")
        lon, lat = feature["geometry"]["coordinates"]
        assert -180 <= lon <= 180
        assert -90 <= lat <= 90
        assert isinstance(feature["properties"], dict)
