"""The page of topics as a browser shows it: the slider orders words, topics are chosen, and no text of a post runs."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from siaga.evaluation.topics.clouds import FRAME
from siaga.evaluation.topics.page import render_topics_page
from siaga.evaluation.topics.report import TopicReport
from siaga.evaluation.topics.tables import bar_rows
from tests.browsers import PAYLOADS, WIDTH, browse
from tests.test_evaluation_page import Elements
from tests.topic_reports import made_report, with_texts

HOSTILE = [*PAYLOADS, f"</script>{PAYLOADS[0]}", f"<!--<script>{PAYLOADS[1]}", "banjir" * 60, "\u2028'\"`${1}"]
STEPS = """
<script>
const find = (which) => document.querySelector(which), all = (which) => [...document.querySelectorAll(which)];
const click = (which) => find(which).dispatchEvent(new MouseEvent("click", {bubbles: true, cancelable: true}));
const soon = () => new Promise((done) => setTimeout(done, 50));
const told = [], tell = (value) => told.push(value);
(async () => { STEPS })().catch((error) => tell(String(error))).then(() => {
  document.body.dataset.told = JSON.stringify(told);
});
</script></body>
"""


@pytest.fixture(scope="module")
def report() -> TopicReport:
    return made_report(10)


@pytest.fixture(scope="module")
def page(report: TopicReport) -> str:
    return render_topics_page(report)


@pytest.fixture(scope="module")
def hostile() -> str:
    return render_topics_page(with_texts(made_report(10, update=True), HOSTILE))


def told(browser: str, page: str, folder: Path, steps: str, *, width: int = WIDTH) -> Any:  # Any: JSON.
    """Return what a script told that took some steps on the page."""
    (folder / "page.html").write_text(page.replace("</body>", STEPS.replace("STEPS", steps)))
    flags = ("--virtual-time-budget=20000", "--dump-dom")
    dom = browse(browser, folder / "page.html", folder, *flags, width=width)
    assert "<title>ran" not in dom
    assert "ran" not in {attributes.get("id") for _, attributes in Elements(dom).found}
    [body] = Elements(dom).named("body")
    return json.loads(str(body["data-told"]))


def largest(report: TopicReport) -> list[str]:
    return [str(topic["number"]) for topic in sorted(report.topics, key=lambda topic: -topic["share"])]


def test_the_slider_orders_words_by_their_relevance_as_the_page_was_written(
    browser: str, page: str, report: TopicReport, tmp_path: Path
) -> None:
    steps = """
    const slider = find("#lambda");
    for (const weight of [0.6, 0, 0.3, 1]) {
      slider.value = weight;
      slider.dispatchEvent(new Event("input"));
      for (let turn = 0; turn < 10; turn++) {
        click("#next");
        tell([find(".chosen").dataset.topic, weight, find("#weight").textContent, all(".chosen .word").map((line) => [
          ...["name", "n", "n + .n"].map((part) => line.querySelector("." + part).textContent),
          ...["b", "u"].map((bar) => parseFloat(line.querySelector(bar).style.width)),
        ])]);
      }
    }"""
    states = told(browser, page, tmp_path, steps)
    assert len({(number, weight) for number, weight, _, _ in states}) == 40
    for number, weight, shown, lines in states:
        assert shown == f"{weight:.1f}"
        rows = bar_rows(report.topics[int(number) - 1]["words"], weight)
        assert lines == [
            [row["word"], row["per_thousand"], row["lift"], *(float(row[bar][:-1]) for bar in ("inside", "overall"))]
            for row in rows
        ]


def test_a_topic_is_chosen_by_its_address_its_circle_its_line_and_its_neighbours(
    browser: str, page: str, report: TopicReport, tmp_path: Path
) -> None:
    steps = """
    const state = () => tell([all(".chosen").map((topic) => topic.dataset.topic),
      all(".map a[aria-current]").map((link) => link.dataset.topic), find("#which").textContent,
      all(".topic").filter((topic) => topic.querySelector("h3").offsetHeight).length]);
    state();
    location.hash = "topic-4"; await soon(); state();
    click('.map a[data-topic="5"]'); await soon(); state();
    click('.all a[href="#topic-10"]'); await soon(); state();
    click("#next"); state();
    click("#previous"); state();
    location.hash = "topic-11"; await soon(); state();"""
    wanted = [largest(report)[0], "4", "5", "10", "1", "10", "10"]
    found = told(browser, page, tmp_path, steps)
    assert found == [[[number], [number], f"Topic {number} of 10", 1] for number in wanted]


def test_lines_over_time_are_lit_and_put_out_by_their_buttons(
    browser: str, page: str, report: TopicReport, tmp_path: Path
) -> None:
    steps = """
    const lit = (which) => all(which).map((each) => each.id.split("-")[1]);
    const state = () => tell([lit(".line.on"), lit(".end.on"),
      all(".pick[aria-pressed=true]").map((button) => button.dataset.topic)].map((numbers) => numbers.sort()));
    const places = () => all(".end.on").map((end) => end.getBoundingClientRect()).sort((a, b) => a.top - b.top);
    state();
    click(".pick"); click(".pick:nth-last-child(2)"); state();
    all(".pick:not([aria-pressed=true])").forEach((button) => button.click());
    tell(places().every((box, i, boxes) => i === 0 || box.top >= boxes[i - 1].bottom));
    click("#none"); state();"""
    first, *others, last = largest(report)
    before, after, apart, none = told(browser, page, tmp_path, steps)
    assert before == [sorted([first, *others[:7]])] * 3
    assert after == [sorted([*others[:7], last])] * 3
    assert apart is True
    assert none == [[], [], []]


@pytest.mark.parametrize("width", [WIDTH, 800, 500])
def test_no_text_runs_and_nothing_sticks_out_to_the_right(
    browser: str, hostile: str, tmp_path: Path, width: int
) -> None:
    steps = """
    location.hash = "topic-6"; await soon();
    tell([find(".chosen").dataset.topic, document.documentElement.scrollWidth, innerWidth]);"""
    assert told(browser, hostile, tmp_path, steps, width=width) == [["6", width, width]]


def test_words_in_a_cloud_are_as_wide_as_their_places(browser: str, page: str, tmp_path: Path) -> None:
    steps = """
    for (const text of all(".chosen .cloud text")) {
      const box = text.getBBox();
      tell([Number(text.getAttribute("textLength")), box.width, box.x, box.x + box.width]);
    }"""
    rows = told(browser, page, tmp_path, steps)
    assert len(rows) > 15
    for wanted, width, left, right in rows:
        assert width == pytest.approx(wanted, rel=0.02, abs=1.0)  # Glyphs may reach a little beyond their advance.
        assert left >= -2
        assert right <= FRAME[0] + 2


def test_there_is_something_to_see(browser: str, page: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page)
    browse(browser, tmp_path / "page.html", tmp_path, f"--screenshot={tmp_path / 'page.png'}")
    with Image.open(tmp_path / "page.png") as image:
        colours = image.convert("RGB").getcolors(1 << 20)
    assert colours is not None
    assert len(colours) > 100
