"""The page of topics: what it says, that no text in it is markup, that nothing is fetched, and no script is needed."""

import json
import re
from dataclasses import replace
from html import unescape
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from siaga.errors import DataError
from siaga.evaluation.report import Report
from siaga.evaluation.topics.circles import FRAME, circles
from siaga.evaluation.topics.lines import course, spread
from siaga.evaluation.topics.page import choice_plot, learning_plot, render_topics_page, write_topics_page
from siaga.evaluation.topics.projection import by_relevance
from siaga.evaluation.topics.report import TopicReport
from siaga.evaluation.topics.tables import bar_rows, label_table, metric_rows, topic_rows, vocabulary_rows
from tests.test_evaluation_page import PAYLOADS, Elements
from tests.topic_reports import made_report, with_texts

HOSTILE = [*PAYLOADS, "</script><b>bold</b>", "<!--<script>", "banjir" * 60, "\u2028'\"`${1}", "洪水 שלום"]
NEVER: dict[str, float | None] = {"value": None, "low": None, "high": None}


@pytest.fixture(scope="module")
def report() -> TopicReport:
    return made_report(10)


@pytest.fixture(scope="module")
def page(report: TopicReport) -> str:
    return render_topics_page(report)


def sections(page: str) -> set[str | None]:
    return {each["id"] for each in Elements(page).named("section")}


def words_in(page: str) -> dict[str, list[list[Any]]]:  # Any: a word and two numbers.
    [text] = re.findall(r'<script type="application/json" id="words">(.*?)</script>', page, flags=re.DOTALL)
    found: dict[str, list[list[Any]]] = json.loads(text)
    return found


def test_a_written_report_reads_the_same(report: TopicReport, tmp_path: Path) -> None:
    report.write(tmp_path / "report.json")
    assert TopicReport.read(tmp_path / "report.json") == report
    with pytest.raises(DataError, match="not a report of this version"):
        Report.read(tmp_path / "report.json")
    with pytest.raises(DataError, match="There is no report"):
        TopicReport.read(tmp_path / "missing.json")


@pytest.mark.parametrize("topics", [2, 3, 50])
def test_any_number_of_topics_makes_a_page_with_all_of_them(topics: int) -> None:
    page = render_topics_page(made_report(topics))
    assert len(page) < 1_000_000
    assert page.count("<section") == page.count("</section>") == 9
    numbers = [str(number + 1) for number in range(topics)]
    assert [each["data-topic"] for each in Elements(page).named("article")] == numbers
    assert list(words_in(page)) == sorted(numbers)
    assert page.count('<svg class="cloud"') == topics


def test_a_page_of_fifty_topics_over_many_steps_stays_below_three_megabytes() -> None:
    report = made_report(50)
    starts = [str(np.datetime64("2020-01-01") + step) for step in range(800)]
    shares = np.random.default_rng(0).dirichlet(np.ones(50), size=800).tolist()
    long = replace(report, prevalence={"unit": "day", "starts": starts, "posts": [9] * 800, "shares": shares})
    assert len(render_topics_page(long).encode()) < 3_000_000


def test_what_a_post_or_a_word_says_is_never_markup() -> None:
    page = render_topics_page(with_texts(made_report(10, update=True), HOSTILE))
    elements = Elements(page)
    assert [each.get("type") for each in elements.named("script")] == ["application/json", None]
    assert page.count("</script>") == 2
    assert all(not name.startswith("on") for _, attributes in elements.found for name in attributes)
    assert elements.named("img") == []
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ 7 * 7 }}" in page
    assert {rows[0][0] for rows in words_in(page).values()} >= {f"{HOSTILE[5]}0", f"{HOSTILE[6]}0"}


def test_the_page_asks_nothing_of_the_network(page: str) -> None:
    elements = Elements(page)
    links = ("src", "href", "xlink:href", "srcset", "data", "action", "poster")
    targets = [str(value) for _, attributes in elements.found for name, value in attributes.items() if name in links]
    assert targets
    assert all(target.startswith("#") for target in targets)
    assert all(inside.strip("'\" ").startswith("#") for inside in re.findall(r"url\(([^)]*)\)", page))
    assert "default-src 'none'" in page
    for word in ("@import", "fetch(", "XMLHttpRequest", "import(", "innerHTML", "eval("):
        assert word not in page


def test_every_link_leads_somewhere_and_no_place_is_named_twice(page: str) -> None:
    elements = Elements(page)
    names = [str(attributes["id"]) for _, attributes in elements.found if "id" in attributes]
    names = [name for name in names if re.fullmatch(r"[a-z]+(-\d+)?", name)]  # Those of charts are Matplotlib's.
    assert len(names) == len(set(names))
    assert {str(each["href"])[1:] for each in elements.named("a")} <= set(names)


def test_without_its_script_the_page_has_every_topic_with_its_words_and_posts(page: str, report: TopicReport) -> None:
    bare = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    lines = [
        unescape(re.sub(r"<[^>]*>", " ", line)).split("  ") for line in re.findall(r'<li class="word">(.*?)</li>', bare)
    ]
    for k, topic in enumerate(report.topics):
        wanted = [row["word"].replace("_", " ") for row in by_relevance(topic["words"], 0.6)[:15]]
        assert [line[0].strip() for line in lines[15 * k :][:15]] == wanted
        assert all(post["text"] in bare for post in topic["typical"])
    assert len(lines) == 15 * len(report.topics)
    style = bare.split("<style>")[2].split("</style>")[0]
    hidden = [rule.split("{")[-2] for rule in style.split("}") if rule.endswith("display:none ")]
    assert not [names for names in hidden if ".topic" in names and ".live" not in names]


def test_a_bar_is_as_long_as_its_word_is_frequent() -> None:
    rows = [
        {"word": "new_york", "probability": 0.02, "overall": 0.005},
        {"word": "said", "probability": 0.01, "overall": 0.025},
        {"word": "rare", "probability": 0.00004, "overall": 0.00001},
    ]
    assert [(row["word"], row["inside"], row["overall"]) for row in bar_rows(rows)] == [
        ("new york", "80.0%", "20.0%"),
        ("said", "40.0%", "100.0%"),
        ("rare", "0.2%", "0.0%"),
    ]
    assert [row["per_thousand"] for row in bar_rows(rows)] == ["20.0", "10.0", "0.04"]
    assert [row["lift"] for row in bar_rows(rows)] == ["×\xa04.0", "×\xa00.40", "×\xa04.0"]
    assert bar_rows([]) == []


def test_the_largest_eight_topics_have_colours_of_their_own() -> None:
    rows = topic_rows(made_report(12))
    largest = sorted(rows, key=lambda row: -row["share"])
    assert [row["colour"] for row in largest] == [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0]
    assert [row["number"] for row in rows] == list(range(1, 13))


def test_figures_stand_beside_those_of_the_baselines_and_the_best_is_marked(report: TopicReport, page: str) -> None:
    rows = {row["name"]: row for row in metric_rows(report)}
    assert [(cell["value"], cell["ends"], cell["best"]) for cell in rows["perplexity"]["cells"]] == [
        ("1,702", "[1,678,\xa01,726]", True),
        ("3,412", "[3,332,\xa03,492]", False),
        ("–", "", False),
    ]
    assert [cell["value"] for cell in rows["coherence (NPMI)"]["cells"]] == ["0.131", "–", "0.105"]
    assert [cell["best"] for cell in rows["stability"]["cells"]] == [False, False, False]
    assert "2 other seeds" in rows["stability"]["meaning"]
    assert '<th class="n">word frequencies</th><th class="n">NMF on TF-IDF</th>' in page
    assert "<b>1,702</b><br><small>[1,678,\xa01,726]</small>" in page


def test_a_metric_that_nothing_has_is_left_out_and_settings_are_said(report: TopicReport) -> None:
    less = replace(
        report,
        metrics={"npmi": NEVER, "unclear": report.metrics["unclear"], "stability": {**NEVER, "value": 0.5}},
        baselines={},
        settings={"seeds": 1, "clear": 0.7, "top_words": 5},
    )
    assert [(row["name"], row["cells"][0]["value"]) for row in metric_rows(less)] == [
        ("stability", "0.500"),
        ("unclear words", "0.213"),
    ]
    meanings = " ".join(row["meaning"] for row in metric_rows(less))
    for words in ("another seed", "first 5 words", "0.7 or more"):
        assert words in meanings


def test_the_bare_minimum_makes_a_page_without_empty_sections() -> None:
    made = made_report(2, times=False, labels=False, choice=False)
    nothing: dict[str, Any] = {
        "words": [],
        "typical": [],
        "npmi": None,
        "c_v": None,
        "stability": None,
        "posts": 0,
        "share": 0.0,
    }
    page = render_topics_page(
        TopicReport(
            recipe="r",
            seed=0,
            n=0,
            classes=made.classes,
            metrics={"perplexity": NEVER},
            baselines={},
            topics=[{**topic, **nothing} for topic in made.topics],
            map=[[0.0, 0.0], [0.0, 0.0]],
            data={},
            environment={},
            seconds=None,
        )
    )
    assert sections(page) == {"summary", "quality", "explorer", "learning", "data", "run"}
    assert {str(each["href"])[1:] for each in Elements(page).named("a")} <= sections(page) | {"topic-1", "topic-2"}
    assert "no words" in page
    assert "Nothing was said of the data." in page


def test_sections_are_there_when_there_is_something_in_them(page: str) -> None:
    always = {"summary", "quality", "explorer", "learning", "data", "run"}
    assert sections(page) == always | {"time", "choice", "labels"}
    updated = render_topics_page(made_report(4, update=True))
    assert sections(updated) == always | {"time", "choice", "labels", "update"}
    assert "went on from news-topics@1a2b3c, with 812 words" in updated
    assert "% as it was at the start" in updated


def test_lines_break_at_gaps_and_are_never_drawn_through_them() -> None:
    found = course(
        {
            "unit": "week",
            "starts": ["2023-01-02", "2023-01-09", "2023-01-16", "2023-01-23", "2023-01-30"],
            "posts": [10, 20, 0, 0, 5],
            "shares": [[0.1, 0.9], [0.2, 0.8], None, None, [0.5, 0.5]],
        }
    )
    assert found is not None
    assert [(line.common.run, line.common.alone) for line in found.lines] == [
        ("M100 90.0L300 80.0", "M900 50.0h.1"),  # Of five steps, each 200 wide; the last stands alone.
        ("M100 10.0L300 20.0", "M900 50.0h.1"),
    ]
    assert (found.lines[0].own.run, found.lines[0].most) == ("M100 80.0L300 60.0", 0.5)
    assert found.gaps == [(400.0, 400.0)]
    assert found.levels == [(100.0, "0 %"), (50.0, "50 %"), (0.0, "100 %")]
    assert [(height, words) for _, _, height, words in found.bars][1:3] == [
        (100.0, "9 Jan 2023: 20 posts"),
        (0.0, "16 Jan 2023: 0 posts"),
    ]
    assert [(at, words) for at, words in found.ticks][::4] == [(10.0, "2 Jan 2023"), (90.0, "30 Jan 2023")]
    assert [line.end for line in found.lines] == [50.0, 50.0]
    assert course({}) is None


@pytest.mark.parametrize(
    ("most", "top"), [(0.034, 0.04), (0.11, 0.15), (0.26, 0.3), (0.93, 1.0), (1.0, 1.0), (2e-4, 2e-4)]
)
def test_the_scale_ends_at_a_round_number_that_holds_every_line(most: float, top: float) -> None:
    found = course({"unit": "year", "starts": ["2000-01-01"] * 2, "posts": [1, 1], "shares": [[most], [most / 2]]})
    assert found is not None
    assert found.top == pytest.approx(top)


@pytest.mark.parametrize("ends", [[50.0] * 8, [99.0, 98.0, 3.0, 4.0], [0.0], [100.0, 100.0, 0.0]])
def test_numbers_at_the_ends_of_lines_never_stand_on_each_other(ends: list[float]) -> None:
    places = spread(dict(enumerate(ends)))
    assert all(-1e-9 <= place <= 100.0 for place in places.values())
    assert all(abs(a - b) > 6 for a, b in combinations(places.values(), 2))


@pytest.mark.parametrize("topics", [1, 2, 10, 50, 120])
def test_no_circle_covers_another_or_leaves_the_map(topics: int) -> None:
    rng = np.random.default_rng(topics)
    points = [[0.0, 0.0]] * topics if topics == 10 else rng.normal(size=(topics, 2)).tolist()
    found = circles(points, rng.dirichlet(np.full(topics, 0.5)).tolist(), ["oil"] * topics)
    for a, b in combinations(found, 2):
        assert np.hypot(a.x - b.x, a.y - b.y) >= a.radius + b.radius
    for each in found:
        assert each.radius <= each.x <= FRAME[0] - each.radius
        assert each.radius <= each.y <= FRAME[1] - each.radius


def test_circles_stand_as_the_points_do_and_their_areas_are_the_shares() -> None:
    left, top, small = circles([[-2.0, 0.0], [2.0, 1.0], [2.0, -1.0]], [0.6, 0.3, 0.1], ["oil", "w" * 90, "rain"])
    assert left.x < top.x == small.x
    assert top.y < left.y < small.y
    assert left.radius**2 / top.radius**2 == pytest.approx(2.0, rel=0.01)
    assert (left.word, top.word) == ("oil", "")


def test_labels_beyond_the_commonest_twelve_are_counted_together() -> None:
    names = [f"n{i:02}" for i in range(14)]
    counts = [[i + 1 for i in range(14)], [0] * 14]
    found = label_table({"names": names, "counts": counts})
    assert found["names"] == names[:1:-1]
    assert found["others"] == 2
    assert (found["rows"][0]["rest"], found["rows"][0]["n"]) == (3, 105)
    assert found["rows"][0]["cells"][0] == {"n": 14, "share": 14 / 105}
    assert found["rows"][1]["cells"][0] == {"n": 0, "share": 0.0}


def test_the_vocabulary_says_how_many_words_were_left_out_and_why() -> None:
    rows = vocabulary_rows({"in too few posts": 7, "words": 5, "left_out": {"beyond the most": 1}, "tokens": 9})
    assert rows == [
        ("words in them", 9),
        ("different words known", 5),
        ("left out: in too few posts", 7),
        ("left out: beyond the most", 1),
    ]


def test_the_same_report_gives_the_same_page(page: str, report: TopicReport, tmp_path: Path) -> None:
    write_topics_page(report, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == page


def test_plots_draw_on_the_axes_they_are_given_and_mark_what_was_chosen(report: TopicReport) -> None:
    axes: Any = list(Figure().subplots(1, 2))  # Any: Axes, whose types know less than its tests.
    choice = [*reversed(report.choice), {**report.choice[0], "topics": 80, "npmi": NEVER}]
    assert choice_plot(choice, metric="npmi", name="coherence", ax=axes[0]) is axes[0]
    assert learning_plot([*report.training, {"iteration": 999, "log_likelihood": None}], ax=axes[1]) is axes[1]
    [ring] = [np.asarray(line.get_xydata()) for line in axes[0].lines if line.get_fillstyle() == "none"]
    assert ring.tolist() == [[1, 0.13]]
    assert [label.get_text() for label in axes[0].get_xticklabels()] == ["5", "10", "20", "40"]
    assert np.asarray(axes[1].lines[0].get_xdata()).max() == 195
