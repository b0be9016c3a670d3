"""The pages as a browser shows them: no text of a post runs, nothing sticks out, and there is something to see."""

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from siaga.post import Post
from tests.browsers import PAYLOADS, WIDTH, browse, dom_of
from tests.made import made_posts
from tests.test_cli import RECIPE, siaga
from tests.test_evaluation_page import Elements

LONG = "banjir" * 120
PAGES = ("run/report.html", "described/describe.html", "mood/mood.html")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, a description and a mood of posts whose texts, ids, events, places and classes are out to do harm."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "mine.toml").write_text(RECIPE.format(extra=""))
    with (folder / "posts.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "tweet", "image", "label", "event"])
        writer.writerows(_row(folder, number, post) for number, post in enumerate(made_posts(160)))
    (folder / "posts.jsonl").write_text("\n".join(json.dumps(_message(number)) for number in range(20)))
    commands = (("train", "mine.toml", "--out", "run"), ("describe", "mine.toml", "--out", "described"))
    for arguments in (*commands, ("mood", "posts.jsonl", "--out", "mood")):
        done = siaga(*arguments, cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


def test_the_payloads_do_run_where_they_are_not_escaped(browser: str, tmp_path: Path) -> None:
    for number, payload in enumerate(PAYLOADS):
        page = tmp_path / f"{number}.html"
        page.write_text(f"<!doctype html><title>calm</title><body><p>{payload}</p>")
        assert "ran" in {each.get("id") for each in Elements(dom_of(browser, page, tmp_path)).named("i")}, payload


@pytest.mark.parametrize("page", PAGES)
def test_no_text_of_a_post_runs(browser: str, project: Path, tmp_path: Path, page: str) -> None:
    dom = dom_of(browser, project / page, tmp_path)
    assert all(f"{n}&lt;" in dom or f"{n}'" in dom or f'{n}"' in dom for n in range(len(PAYLOADS)))
    assert "<title>ran" not in dom
    assert "ran" not in {attributes.get("id") for _, attributes in Elements(dom).found}


@pytest.mark.parametrize("width", [WIDTH, 800])
@pytest.mark.parametrize("page", PAGES)
def test_nothing_sticks_out_to_the_right(browser: str, project: Path, tmp_path: Path, page: str, width: int) -> None:
    measure = "document.body.dataset.widths=[document.documentElement.scrollWidth,innerWidth]"
    copy = tmp_path / "copy.html"
    copy.write_text((project / page).read_text().replace("</body>", f"<script>{measure}</script></body>"))
    [body] = Elements(dom_of(browser, copy, tmp_path, width=width)).named("body")
    assert body["data-widths"] == f"{width},{width}"


@pytest.mark.parametrize("page", PAGES)
def test_there_is_something_to_see(browser: str, project: Path, tmp_path: Path, page: str) -> None:
    picture = tmp_path / "page.png"
    browse(browser, project / page, tmp_path, f"--screenshot={picture}")
    with Image.open(picture) as image:
        assert image.width == WIDTH
        colours = image.convert("RGB").getcolors(1 << 20)
    assert colours is not None
    assert len(colours) > 100
    assert max(count for count, _ in colours) < 0.95 * sum(count for count, _ in colours)


def _message(number: int) -> dict[str, object]:
    """Return a post whose place and language are out to do harm, or very long."""
    payload = f"{number % len(PAYLOADS)}{PAYLOADS[number % len(PAYLOADS)]}"
    place = {"lon": number, "lat": 45, "method": "box", "radius_m": 900, "country": "IT"}
    place["name"] = LONG[:200] if number > 12 else f"{payload}{number}"
    time = f"2024-01-01T00:{number:02}:00Z"
    return {"id": str(number), "text": "I love it", "language": "en", "time": time, "place": place}


def _row(folder: Path, number: int, post: Post) -> list[object]:
    payload = f"{number % len(PAYLOADS)}{PAYLOADS[number % len(PAYLOADS)]}"
    name = f"{number}{payload}" if number % 8 == 0 else f"{number}-{LONG[:200]}" if number % 8 == 1 else str(number)
    text = f"{post.text or 'air'} {payload if number % 3 else LONG}"
    image = ""
    if isinstance(post.image, bytes):
        image = f"{number}.png"
        (folder / image).write_bytes(post.image)
    return [name, text, image, post.label, payload if number % 2 else LONG[:100]]
