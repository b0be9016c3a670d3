import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from siaga.evaluation import plots
from siaga.evaluation.page import render_page, write_page
from siaga.post import Post, Prediction
from tests.judged import judged
from tests.test_evaluation_report import report_of

PAYLOADS = (
    "<script>alert(1)</script>",
    "<img src=http://evil.example/x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "</style></section><a href='https://evil.example'>x</a>",
    "{{ 7 * 7 }}",
)


class Elements(HTMLParser):
    """Collects every element with its attributes, and checks that elements are closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def page_of(posts: list[Post], predictions: list[Prediction], **settings: object) -> str:
    report = report_of(posts, predictions, **settings)  # type: ignore[arg-type]  # Settings of any kind.
    return render_page(report, posts=posts, predictions=predictions)


def picture(number: int = 0) -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(number).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, "PNG")
    return stream.getvalue()


def test_what_a_post_or_a_name_says_is_never_markup() -> None:
    posts, predictions = judged(10, (PAYLOADS[0], PAYLOADS[2]), members=(PAYLOADS[1], "b"))
    posts = [
        replace(p, text=PAYLOADS[i % 5], id=f"{i}{PAYLOADS[i % 5]}", event=PAYLOADS[i % 2]) for i, p in enumerate(posts)
    ]
    predictions = [replace(each, id=p.id, error=PAYLOADS[3]) for p, each in zip(posts, predictions, strict=True)]
    facts = {
        "data": {"notes": [PAYLOADS[0]], "quarantine": {PAYLOADS[0]: 1}, "other": PAYLOADS[0]},
        "environment": {"machine": PAYLOADS[1]},
        "events": [
            {"step": "epoch", "member": PAYLOADS[0], "epoch": 1, "train_loss": 1.0},
            {"step": "round", "member": PAYLOADS[1], "reason": PAYLOADS[2]},
        ],
        "recipe_toml": PAYLOADS[3],
    }
    page = page_of(posts, predictions, facts=facts)
    elements = Elements(page)
    assert elements.named("script") == []
    assert all(not name.startswith("on") for _, attributes in elements.found for name in attributes)
    assert all(str(each["href"]).startswith("#") for each in elements.named("a"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ 7 * 7 }}" in page


def test_the_page_asks_nothing_of_the_network() -> None:
    posts, predictions = judged(20, members=("text", "image"))
    posts = [replace(post, text="see http://t.co/abc", image=picture(i)) for i, post in enumerate(posts)]
    page = page_of(posts, predictions)
    targets = [
        str(value)
        for _, attributes in Elements(page).found
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href", "srcset", "data", "action", "poster")
    ]
    assert targets
    assert all(target.startswith(("#", "data:image/")) for target in targets)
    assert all(inside.strip("'\" ").startswith("#") for inside in re.findall(r"url\(([^)]*)\)", page))
    assert "@import" not in page


def test_every_cell_of_a_small_confusion_matrix_opens_its_posts() -> None:
    posts, predictions = judged(60, ("a", "b", "c"))
    page = page_of(posts, predictions)
    elements = Elements(page)
    links = {str(each["href"]) for each in elements.named("a")}
    places = {each["id"] for each in elements.named("div") if "id" in each}
    pairs = {(str(p.label), each.label) for p, each in zip(posts, predictions, strict=True)}
    wanted = {f"cell-{'abc'.index(a)}-{'abc'.index(b)}" for a, b in pairs}
    assert wanted <= places
    assert {f"#{place}" for place in wanted} <= links
    cell = page[page.index('id="cell-0-0"') :]
    shown = [p.id for p, each in zip(posts, predictions, strict=True) if p.label == each.label == "a"]
    assert all(name in cell[: cell.index('id="losses"')] for name in shown)


def test_a_full_cell_says_how_many_of_its_posts_are_shown() -> None:
    assert re.search(r"40 of \d{3} shown", page_of(*judged(600)))


def test_the_members_table_marks_the_best_and_names_what_is_beyond_noise() -> None:
    page = page_of(*judged(300, skill=2.5))
    assert "better beyond noise" in page
    assert re.search(r"<td>model</td><td class=\"n\"><b>0\.\d{3}</b>", page)


def test_pictures_that_cannot_be_read_are_said_and_do_not_stop_the_page(tmp_path: Path) -> None:
    posts, predictions = judged(8)
    broken: list[Path | bytes] = [tmp_path / "missing.jpg", b"not an image", picture()]
    posts = [replace(post, text=None, image=broken[i % 3]) for i, post in enumerate(posts)]
    page = page_of(posts, predictions)
    assert "picture not shown" in page
    assert "data:image/jpeg;base64," in page


@pytest.mark.parametrize("classes", [1, 2, 3, 20, 21, 100])
def test_any_number_of_classes_makes_a_page(classes: int) -> None:
    names = [f"class {i}" for i in range(classes)]
    page = page_of(*judged(200, names))
    assert page.count("<section") == page.count("</section>") >= 6
    assert ('class="matrix' in page) == (classes <= 20)
    assert (">share of the true class<" in page) == (classes > 20)


def test_the_bare_minimum_makes_a_page_without_empty_sections() -> None:
    page = page_of(*judged(1))
    sections = {each["id"] for each in Elements(page).named("section")}
    assert sections.isdisjoint({"agreement", "training"})
    anchors = {str(each["href"])[1:] for each in Elements(page).named("a") if not str(each["href"]).startswith("#cell")}
    assert anchors - {""} <= sections


def test_rounds_of_self_training_show_what_the_guard_decided() -> None:
    said = {"difference": -0.05, "low": -0.08, "high": -0.02, "reason": "it lost"}
    events = [
        {"step": "round", "round": 1, "added": 7, "kept": True, "difference": [0.01, 0.03]},
        {"step": "round", "round": 2, "added": 9, "kept": False, **said},
        {"step": "round", "round": 3, "added": 0, "kept": False, "reason": "nothing passed"},
    ]
    page = page_of(*judged(20), facts={"events": events})
    for words in ("kept", "rolled back", "not tried", "it lost", "nothing passed", "-0.050"):
        assert words in page


def test_a_page_of_five_thousand_posts_with_pictures_stays_below_five_megabytes(tmp_path: Path) -> None:
    posts, predictions = judged(5000, ("a", "b", "c"), skill=0.5)
    pictures = [picture(i) for i in range(8)]
    posts = [replace(p, text="panjang sekali " * 100, image=pictures[i % 8]) for i, p in enumerate(posts)]
    report = report_of(posts, predictions)
    write_page(report, tmp_path / "report.html", posts=posts, predictions=predictions)
    assert 100_000 < (tmp_path / "report.html").stat().st_size < 5_000_000


def test_the_same_report_gives_the_same_page() -> None:
    posts, predictions = judged(30, members=("text", "image"))
    assert page_of(posts, predictions) == page_of(posts, predictions)


def test_plots_draw_on_the_axes_they_are_given_and_return_them() -> None:
    report = report_of(*judged(40, members=("text", "image")))
    rows = {"model": report.metrics, **report.members}
    epochs = [{"epoch": 1, "train_loss": 1.0}, {"epoch": 2, "train_loss": 0.5, "validation_loss": 0.7}]
    axes = list(Figure().subplots(1, 7))
    drawn = [
        plots.interval_plot(rows, metric="accuracy", ax=axes[0]),
        plots.confusion_plot(report.confusion, report.classes, ax=axes[1]),
        plots.calibration_plot(report.calibration, ax=axes[2]),
        plots.threshold_plot(report.thresholds, ax=axes[3]),
        plots.cost_plot(report.thresholds, ax=axes[4]),
        plots.loss_plot(epochs, ax=axes[5]),
        plots.agreement_plot(report.agreement, ax=axes[6]),
    ]
    assert drawn == axes
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["model", "text", "image"]
    assert [line.get_label() for line in axes[5].lines[:2]] == ["training", "validation"]


@pytest.mark.parametrize(
    "name", ["$x^2$", "a $ b", "洪水 😀", "\x00\ud800", "<b>&amp;", "long " * 40, r"\frac{1}{2}$$"]
)
def test_any_name_can_stand_in_a_chart(name: str) -> None:
    chart = plots.svg(lambda ax: plots.confusion_plot([[3, 1], [0, 2]], [name, "b"], ax=ax))
    chart.encode("utf-8")
    assert "<b>" not in chart
    assert "http" not in chart.replace("http://www.w3.org/", "")


def test_a_chart_is_the_same_every_time_and_carries_no_date() -> None:
    first, second = (plots.svg(lambda ax: ax.plot([1, 2], [3, 4], marker="o")) for _ in range(2))
    assert first == second
    assert "<metadata" not in first
