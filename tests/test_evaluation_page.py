import base64
import io
import re
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from siaga.evaluation import plots
from siaga.evaluation.page import render_page, write_page
from siaga.evaluation.report import Report
from siaga.models.explanation import Explanation, Patch, Word
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
    assert "data:image/png;base64," in page


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
    assert sections.isdisjoint({"agreement", "training", "slices"})
    page = page_of(*judged(30, ("a", "b", "c")), evaluation={"resamples": 100, "examples": 0, "top_losses": 0})
    sections |= {each["id"] for each in Elements(page).named("section")}
    assert sections.isdisjoint({"agreement", "training", "slices"})
    assert {each["id"] for each in Elements(page).named("section")}.isdisjoint({"examples", "losses", "threshold"})
    anchors = {str(each["href"])[1:] for each in Elements(page).named("a") if not str(each["href"]).startswith("#cell")}
    assert anchors - {""} <= sections


def test_rounds_of_self_training_show_what_the_guard_decided() -> None:
    said = {"difference": -0.05, "low": -0.08, "high": -0.02, "reason": "it lost"}
    unlabelled = {"weight": 0.5, "used": 0.25, "agreement": 0.96}
    events = [
        {"step": "round", "round": 1, "added": 7, "kept": True, "difference": [0.01, 0.03]},
        {"step": "round", "round": 2, "added": 9, "kept": False, **said},
        {"step": "round", "round": 3, "added": 0, "kept": False, "reason": "nothing passed"},
        {**said, "step": "round", "method": "softmatch", "added": 5, "kept": True, **unlabelled},
    ]
    page = page_of(*judged(20), facts={"events": events})
    for words in ("kept", "rolled back", "not tried", "it lost", "nothing passed", "-0.050"):
        assert words in page
    assert "mean weight 0.500, 25 % of the posts in use, 96 % answered as before" in page
    assert "softmatch: <span" in page


def test_a_fit_shows_its_losses_accuracies_f1_and_rates_with_the_best_epoch() -> None:
    page = page_of(*judged(20), facts={"events": [told(1, 0.9), told(3, 0.8), told(2, 0.4)]})
    section = page[page.index('id="training"') :]
    for words in (
        "3 epochs in 2 min 10 s",
        "lowest validation loss 0.400 in epoch 2",
        "accuracy 0.800",
        "macro-F1 0.700",
    ):
        assert words in section
    drawn = [text for text in re.findall(r">([^<>]+)</text>", section) if not re.fullmatch(r"[\d.−e]+", text)]
    assert drawn == [
        *("epoch", "loss", "training", "validation"),
        *("epoch", "accuracy", "epoch", "macro-F1", "epoch", "learning rate"),
    ]


def test_each_fit_is_named_and_one_without_validation_says_so() -> None:
    bare = {"step": "epoch", "epoch": 1, "train_loss": 0.5, "seconds": 1.0}
    page = page_of(
        *judged(20), facts={"events": [{**bare, "member": "image"}, {**bare, "member": "image", "round": 1}]}
    )
    assert "<b>image</b>: 1 epoch in 1.0 s; no validation posts" in page
    assert "<b>image, round 1</b>" in page


def test_the_finder_the_precision_and_the_augmented_batch_are_shown_with_their_reasons() -> None:
    rates, losses = [10.0**-i for i in range(6, 0, -1)], [2.0, 1.9, 1.5, 0.9, None, 9.0]
    events = [
        {"step": "find", "rates": rates, "losses": losses, "learning_rate": 1e-3, "reason": "It is <steep>."},
        {"step": "precision", "precision": "bfloat16", "speedup": 1.4, "reason": "it is 1.4 times as fast"},
        {
            "step": "augmented",
            "images": [base64.b64encode(picture(i)).decode() for i in (1, 2)],
            "labels": ["a", "<b>"],
        },
        told(1, 0.5),
    ]
    page = page_of(*judged(20), facts={"events": events})
    for words in ("0.001 was chosen. It is &lt;steep&gt;.", "chosen: 0.001", "bfloat16: it is 1.4 times as fast"):
        assert words in page
    seen = page[page.index('class="seen"') :]
    assert seen.count("data:image/webp;base64,") == 2
    assert "<figcaption>a</figcaption>" in seen
    assert "<figcaption>&lt;b&gt;</figcaption>" in seen


def test_examples_show_the_posts_with_label_answer_and_confidence() -> None:
    posts, predictions = judged(60, ("a", "b", "c"))
    page = page_of(posts, predictions, evaluation={"resamples": 100, "examples": 6, "top_losses": 0})
    section = page[page.index('<section id="examples"') : page.index('<section id="calibration"')]
    shown = [each for each in predictions if f'class="id">{each.id}<' in section]
    assert len(shown) == 6
    assert all(f"{each.confidence:.3f}" in section for each in shown)


def test_metrics_of_special_classes_are_in_the_summary_and_the_tables() -> None:
    names = [f"class {i}" for i in range(30)]
    posts, predictions = judged(300, names)
    posts = [replace(post, fields={"group": str(post.label)[:7]}) for post in posts]
    page = page_of(posts, predictions, evaluation={"resamples": 100, "superclass": "group"}, ordered=True)
    for words in ("top-5 accuracy", "superclass accuracy", "ordinal error (MAE)"):
        assert "<br><span>95\N{NO-BREAK SPACE}% interval" in page[page.index(f"</b>{words}") :][:200]
        assert f'<th class="n">{words}</th>' in page
    assert "Classes of one superclass stand side by side" in page


def test_of_many_classes_the_hardest_stands_first() -> None:
    posts, predictions = judged(300, [f"class {i:02}" for i in range(30)])
    report = report_of(posts, predictions)
    section = render_page(report, posts=posts, predictions=predictions).split('<section id="classes"')[1]
    names = re.findall(r"<td>(class \d\d)</td>", section.split("</section>")[0])
    assert names[0] == min(report.per_class, key=lambda name: report.per_class[name]["f1"])
    assert sorted(names) == report.classes


def explained(posts: list[Post], predictions: list[Prediction]) -> tuple[str, Report]:
    """Return the page of a report whose worst post is explained, and that has three maps."""
    report = report_of(posts, predictions)
    worst = {post.id: post for post in posts}[report.top_losses[0]["id"]]
    words = [Word("post", 0, 4, 2.0), Word((worst.text or "")[5:], 5, len(worst.text or ""), -1.0)]
    patches = [Patch(0.0, 0.0, 0.5, 1.0, -0.3), Patch(0.5, 0.0, 1.0, 1.0, 0.001)]
    found = Explanation(
        "INFO", 0.9, words, 1, patches, {"text": 1.5, "image": -0.75}, {"text": 0.5}, dict.fromkeys(worst.fields, 3.0)
    )
    ids = [post.id for post in posts]
    points = [[float(i % 7), float(i)] for i in range(len(ids))]
    drawn = [{"name": name, "n": len(ids), "ids": ids, "points": points, "reason": ""} for name in ("", "a <b>")]
    none = {"name": "deaf", "n": 0, "ids": [], "points": [], "reason": "it is <deaf>"}
    report = replace(report, explanations={worst.id: asdict(found)}, maps=[*drawn, none])
    return render_page(report, posts=posts, predictions=predictions), report


def test_an_explained_post_shows_which_words_patches_and_members_speak_for_the_answer() -> None:
    posts, predictions = judged(30)
    posts = [replace(post, image=picture(), fields={"keyword": "<b>" * 9}) for post in posts]
    page, report = explained(posts, predictions)
    losses = page[page.index('<section id="losses"') : page.index('<section id="calibration"')]
    name = report.top_losses[0]["id"]
    card = losses[losses.index('class="heat"') : losses.index(f'class="id">{name}<') + 1500]
    assert "The first 1 say" in losses
    assert re.search(
        r'<span class="for" style="--s:0.50" title="\+2\.000">post<sup>\+</sup></span> <span class="ag', card
    )
    assert re.search(r'<span class="against" style="--s:0.25" title="-1\.000">\d+<sup>−</sup></span>', card)
    assert re.findall(r'<rect class="(\w+)" x="(\S+)"', card) == [("against", "0.000")]
    bars = re.findall(r'<span>([^<]+)</span><i><b class="(\w*)" style="--s:.7;width:(\S+)%">', card)
    keyword = f"keyword: {'&lt;b&gt;' * 7}&lt;b…"
    assert bars == [
        *(("text", "for", "25.0"), ("image", "against", "12.5")),
        *((keyword, "for", "50.0"), ("member text", "for", "8.3")),
    ]
    assert losses.count('class="heat"') == 1
    assert "The first" not in page_of(posts, predictions)


def test_maps_stand_side_by_side_by_class_and_by_error_and_a_missing_one_says_why() -> None:
    page, _ = explained(*judged(40))
    section = page[page.index('<section id="maps"') : page.index('<section id="data"')]
    assert "<b>model</b>: 40 posts" in section
    assert "<b>a &lt;b&gt;</b>" in section
    assert "<b>deaf</b> has no map: it is &lt;deaf&gt;." in section
    drawn = re.findall(r">([^<>]+)</text>", section)
    assert drawn == ["by class", "NO_INFO", "INFO", "by error", "right", "wrong"] * 2
    assert 'href="#maps"' in page


@pytest.mark.parametrize(("classes", "said"), [(10, ""), (11, "too many for colours.")])
def test_more_classes_than_colours_are_not_coloured(classes: int, said: str) -> None:
    page, _ = explained(*judged(60, [f"class {i}" for i in range(classes)]))
    section = page[page.index('<section id="maps"') : page.index('<section id="data"')]
    assert ("by class" in section) == (classes <= 10)
    assert ("too many" in section) == bool(said)
    assert said in section


def test_of_many_classes_the_superclasses_are_coloured() -> None:
    posts, predictions = judged(60, [f"class {i}" for i in range(12)])
    report = report_of(posts, predictions)
    found = {"name": "", "n": 60, "ids": [p.id for p in posts], "points": [[0.0, 1.0]] * 60, "reason": ""}
    superclasses = {name: f"group {i % 3}" for i, name in enumerate(report.classes)}
    page = render_page(replace(report, maps=[found], superclasses=superclasses), posts=posts, predictions=predictions)
    section = page[page.index('<section id="maps"') : page.index('<section id="data"')]
    drawn = re.findall(r">([^<>]+)</text>", section)
    assert drawn == ["by superclass", "group 0", "group 1", "group 2", "by error", "right", "wrong"]
    assert "their superclasses are shown" in section


def test_five_hundred_posts_on_a_map_take_little_room() -> None:
    posts, predictions = judged(500)
    page, _ = explained(posts, predictions)
    section = page[page.index('<section id="maps"') : page.index('<section id="data"')]
    assert len(section) < 2 * 150_000


def told(epoch: int, loss: float, **more: object) -> dict[str, object]:
    figures = {"train_loss": 0.6, "train_accuracy": 0.75, "train_macro_f1": 0.65}
    held_out = {"validation_loss": loss, "validation_accuracy": 0.8, "validation_macro_f1": 0.7}
    pace = {"learning_rate": 0.1 * epoch, "posts_per_s": 100.0, "data_wait": 0.1, "seconds": 43.2}
    return {"step": "epoch", "epoch": epoch, "epochs": 3, **figures, **held_out, **pace, **more}


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
    finding = {"rates": [0.1, 0.2], "losses": [1.0, 0.5], "learning_rate": 0.1}
    lines = [([1, 2], [0.5, 0.4], "red", "-"), ([], [], "blue", "--")]
    axes = list(Figure().subplots(1, 11))
    drawn = [
        plots.interval_plot(rows, metric="accuracy", ax=axes[0]),
        plots.confusion_plot(report.confusion, report.classes, ax=axes[1]),
        plots.calibration_plot(report.calibration, ax=axes[2]),
        plots.threshold_plot(report.thresholds, ax=axes[3]),
        plots.cost_plot(report.thresholds, ax=axes[4]),
        plots.curve_plot(epochs, metric="loss", best=2, ax=axes[5]),
        plots.agreement_plot(report.agreement, ax=axes[6]),
        plots.rate_plot([{"epoch": 1, "learning_rate": 0.1}], ax=axes[7]),
        plots.finder_plot(finding, ax=axes[8]),
        plots.runs_plot(lines, metric="loss", by="seconds", ax=axes[9]),
        plots.map_plot([(0, 1), (2, 3)], ["a", "b"], {"b": ("red", "o"), "a": ("blue", "s")}, title="x", ax=axes[10]),
    ]
    assert drawn == axes
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["model", "text", "image"]
    assert [line.get_label() for line in axes[5].lines[:2]] == ["training", "validation"]
    assert [(line.get_label(), *line.get_xdata()) for line in axes[10].lines] == [("b", 2), ("a", 0)]


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
