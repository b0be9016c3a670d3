import io
import json
import random
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from siaga.describe import Description, describe, write_page
from siaga.post import Place, Post
from siaga.quarantine import Quarantine
from tests.made import made_posts, picture

START = datetime(2024, 1, 31, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def png(width: int, height: int) -> bytes:
    stream = io.BytesIO()
    Image.effect_noise((width, height), 60).save(stream, "PNG")
    return stream.getvalue()


def texts(*given: str, label: str | None = "a") -> list[Post]:
    return [Post(f"{label}{i}", text, label=label) for i, text in enumerate(given)]


def found(description: Description, *words: str) -> list[str]:
    return [finding for finding in description.findings if all(word in finding for word in words)]


def test_no_posts_are_described_and_said_to_be_none(tmp_path: Path) -> None:
    description = describe({"posts": []})
    assert found(description, "There are no posts")
    write_page(description, tmp_path / "d.html")
    assert describe({}).splits == {}


def test_splits_stand_side_by_side_with_their_counts() -> None:
    train, test = made_posts(40), made_posts(20, seed=1)
    description = describe({"train": train, "test": test, "unlabelled": made_posts(10, seed=2, labelled=False)})
    assert [facts["posts"] for facts in description.splits.values()] == [40, 20, 10]
    assert description.splits["train"]["classes"] == {"INFO": 20, "NO_INFO": 20}
    assert description.splits["unlabelled"]["without_label"] == 10
    for facts, posts in zip(description.splits.values(), (train, test), strict=False):
        assert facts["text"]["missing"] == sum(post.text is None for post in posts)
        assert facts["images"]["missing"] == sum(post.image is None for post in posts)


def test_shortest_typical_and_longest_text_are_shown_with_their_length() -> None:
    facts = describe({"posts": texts("aaa", "b", "cc", "dddd" * 900, "eeee")}).splits["posts"]["text"]
    assert facts["shortest"] == {"id": "a1", "length": 1, "text": "b"}
    assert facts["typical"] == {"id": "a0", "length": 3, "text": "aaa"}
    assert (facts["longest"]["length"], len(facts["longest"]["text"])) == (3600, 2000)


def test_hashtags_count_posts_and_not_their_case() -> None:
    posts = texts("#Banjir #banjir di sini", "#banjir #macet", "tanpa tagar")
    assert describe({"posts": posts}).splits["posts"]["hashtags"] == {
        "posts": 2,
        "distinct": 2,
        "top": [["banjir", 2], ["macet", 1]],
    }


def test_languages_are_counted() -> None:
    posts = [Post(str(i), f"text {i}", language=language) for i, language in enumerate(["in", "en", "in", None])]
    facts = describe({"posts": posts}).splits["posts"]
    assert (facts["languages"], facts["without_language"]) == ({"in": 2, "en": 1}, 1)


@pytest.mark.parametrize(
    ("steps", "unit", "labels", "counts"),
    [
        ([timedelta(0)], "minute", ["2024-01-31 12:00"], [1]),
        ([timedelta(0), timedelta(minutes=2)], "minute", [f"2024-01-31 12:0{i}" for i in range(3)], [1, 0, 1]),
        (
            [timedelta(0), timedelta(hours=2, minutes=59)],
            "hour",
            [f"2024-01-31 {i}:00" for i in (12, 13, 14)],
            [1, 0, 1],
        ),
        (
            [timedelta(0), timedelta(days=3, hours=13)],
            "day",
            ["2024-01-31", "2024-02-01", "2024-02-02", "2024-02-03", "2024-02-04"],
            [1, 0, 0, 0, 1],
        ),
        ([timedelta(0), timedelta(days=70)], "month", ["2024-01", "2024-02", "2024-03", "2024-04"], [1, 0, 0, 1]),
        ([timedelta(0), timedelta(days=3000)], "year", [str(year) for year in range(2024, 2033)], [1, *[0] * 7, 1]),
    ],
)
def test_posts_are_counted_by_a_period_that_suits_their_span(
    steps: list[timedelta], unit: str, labels: list[str], counts: list[int]
) -> None:
    posts = [Post(str(i), f"text {i}", time=START + step) for i, step in enumerate(steps)]
    assert describe({"posts": posts}).charts["time"] == {"unit": unit, "labels": labels, "splits": {"posts": counts}}


def test_a_stream_is_summed_up_by_time_language_and_how_its_places_are_known() -> None:
    places = [Place(12.5, 41.9, "box", 900.0), Place(None, None, "profile", None, "here"), None, None]
    posts = [
        Post(str(i), f"air {i}", time=START + timedelta(seconds=40 * i), language=("id", None)[i % 2], place=place)
        for i, place in enumerate(places)
    ]
    description = describe({"posts": posts})
    assert description.splits["posts"]["places"] == {"box": 1, "profile": 1}
    assert description.summary[1:] == [
        "  time: 2024-01-31 12:00 to 2024-01-31 12:02 (UTC), 1 posts a minute",
        "  languages: id 2, others or none 2",
        "  places, by how they are known: box 1, profile 1, others or none 2",
    ]
    assert found(description, "No post has a label")


def test_what_stood_beside_the_posts_is_told(tmp_path: Path) -> None:
    quarantine = Quarantine()
    quarantine.add("a.json", 3, "Not JSON: it is broken.", "{")
    quarantine.noted.update({"notice: delete": 7, "notice: limit": 0, "repost": 1, HOSTILE: 2})
    description = describe({"posts": texts("a b c", "d e f", label=None)}, quarantine=quarantine)
    assert description.read == {
        "set aside": {"Not JSON": 1},
        "noted": {"notice: delete": 7, HOSTILE: 2, "repost": 1},
    }
    assert found(description, "1 row set aside or kept in part: not JSON.")
    assert found(description, "1 of 2 posts (50 %) pass on another post")
    write_page(description, tmp_path / "d.html")
    page = (tmp_path / "d.html").read_text()
    assert "notice: delete" in page
    assert "<script>alert" not in page


def test_fields_that_a_post_need_not_have_are_no_finding() -> None:
    posts = [Post(str(i), f"air {i}", fields={"user": "u", "hashtags": "banjir"} if i else {}) for i in range(9)]
    assert not found(describe({"posts": posts}), "hashtags")
    assert found(describe({"posts": posts}), "1 of 9 posts (11 %) of the file have no user.")


def test_posts_without_a_time_give_no_time_chart() -> None:
    assert describe({"posts": texts("a", "b")}).charts["time"] is None


def test_text_lengths_of_all_splits_share_their_bins_and_lose_no_post() -> None:
    rng = random.Random(0)
    splits = {
        name: texts(*("x" * rng.randint(1, top) for _ in range(300))) for name, top in (("train", 90), ("test", 280))
    }
    chart = describe(splits).charts["length"]
    assert {name: sum(counts) for name, counts in chart["splits"].items()} == {"train": 300, "test": 300}
    assert {len(counts) for counts in chart["splits"].values()} == {len(chart["labels"])}
    assert sum(chart["splits"]["train"][chart["labels"].index("100-119") :]) == 0


def test_one_endless_text_does_not_flatten_the_histogram() -> None:
    chart = describe({"posts": texts(*("x" * i for i in range(1, 200)), "y" * 10**6)}).charts["length"]
    assert len(chart["labels"]) <= 24
    assert max(chart["splits"]["posts"]) < 50


def test_lengths_of_texts_are_told_by_split_and_by_class() -> None:
    short, long = texts("aa", "bbbb", "cccccc", "dddddddd"), texts("e" * 30, label="b")
    description = describe({"train": [*short, *long], "test": texts("f" * 12, "g", label=None)})
    train, test = (facts["text"] for facts in description.splits.values())
    assert train["quartiles"] == [4, 6, 8]
    assert train["lengths"] == {"a": {"posts": 4, "quartiles": [2, 4, 6]}, "b": {"posts": 1, "quartiles": [30] * 3}}
    assert (test["quartiles"], test["lengths"]) == ([1, 1, 1], {})
    chart = description.charts["length"]
    assert {label: sum(counts) for label, counts in chart["classes"].items()} == {"a": 4, "b": 1}
    assert [sum(counts) for counts in zip(*chart["classes"].values(), strict=True)] == chart["splits"]["train"]


def test_lengths_by_class_are_drawn_for_a_few_classes_only() -> None:
    posts = [Post(str(i), f"text {i}", label=f"class {i}") for i in range(13)]
    assert len(describe({"posts": posts[:12]}).charts["length"]["classes"]) == 12
    assert describe({"posts": posts}).charts["length"]["classes"] == {}
    assert describe({"posts": texts("a", "b")}).charts["length"]["classes"] == {}


def keyworded(*given: tuple[str | None, str | None, int]) -> list[Post]:
    """Posts with a keyword and a label (or without), so many of each."""
    rows = [(keyword, label) for keyword, label, count in given for _ in range(count)]
    return [
        Post(str(i), f"text {i}", label=label, fields={} if keyword is None else {"keyword": keyword})
        for i, (keyword, label) in enumerate(rows)
    ]


def test_fields_are_counted_with_their_percent_codes_undone() -> None:
    posts = keyworded(("body%20bag", "0", 8), ("body bag ", "0", 8), ("ash", "1", 9), ("once", "1", 1), (None, "1", 2))
    description = describe({"posts": posts, "test": keyworded(("ash", None, 1))})
    assert description.splits["posts"]["fields"]["keyword"] == {
        "posts": 26,
        "missing": 2,
        "distinct": 3,
        "with_codes": 8,
        "coded": "body%20bag",
        "top": [["body bag", 16], ["ash", 9]],
        "telling": {"0": [["body bag", 16, 16]], "1": [["ash", 9, 9]]},
    }
    assert description.splits["test"]["fields"]["keyword"]["telling"] == {}
    assert found(description, "2 of 28 posts (7 %) of the labelled file have no keyword.")
    assert found(description, "8 of 28 posts (29 %)", "percent codes (body%20bag)", "cleaning.percent_codes")
    assert not found(description, "test", "keyword")


def test_the_percent_codes_of_an_address_are_no_finding() -> None:
    posts = [Post("a", "text", label="a", fields={"url": "https://x.example/a%20b.jpg"})]
    description = describe({"posts": posts})
    assert not found(description, "percent codes")


def test_a_value_tells_of_a_class_when_it_is_commoner_there_than_by_chance() -> None:
    given = [("wreck", "1", 30), ("wreck", "0", 2), ("ruin", "0", 20), ("ruin", "1", 3), ("fire", "0", 16)]
    posts = keyworded(*given, ("fire", "1", 15), ("rare", "1", 4))
    telling = describe({"posts": posts}).splits["posts"]["fields"]["keyword"]["telling"]
    assert telling == {"0": [["ruin", 20, 23]], "1": [["wreck", 30, 32]]}


def test_values_of_many_classes_are_not_listed_by_class() -> None:
    few, many = (keyworded(*(("word", f"class {i}", 5) for i in range(count))) for count in (12, 13))
    assert len(describe({"posts": few}).splits["posts"]["fields"]["keyword"]["telling"]) == 12
    assert describe({"posts": many}).splits["posts"]["fields"]["keyword"]["telling"] == {}


def test_texts_repeated_to_the_letter_are_counted_apart_from_other_copies() -> None:
    fire, storm = "A forest fire near the old mill tonight", "The storm took the roof of the town hall"
    train = texts(fire, fire, fire.upper(), storm, "something else altogether")
    test = texts(storm, f"{storm}!", f"{storm} http://t.co/x", "nothing of the kind", label=None)
    description = describe({"train": train, "unlabelled": test})
    assert [facts["text"]["repeated"] for facts in description.splits.values()] == [1, 0]
    assert [facts["repeats"] for facts in description.splits.values()] == [2, 2]
    assert [pair["verbatim"] for pair in description.duplicates["across"]] == [1]
    assert found(description, "2 of 5 posts (40 %) in train repeat", "there, 1 text to the letter.")
    assert found(description, "1 group", "both train and unlabelled, 1 text of unlabelled to the letter.")


def test_the_summary_says_in_a_few_lines_what_was_counted() -> None:
    posts = keyworded(("wreck", "1", 9), ("ruin", "0", 9), (None, "1", 1))
    assert describe({"posts": posts, "test": keyworded((None, None, 2)), "unlabelled": []}).summary == [
        "posts: 19 posts; texts of 6 to 7 characters, median 6; keyword: 2 values, missing in 1",
        "  0: 9 posts; half the texts have 7 to 7 characters, median 7; keyword such as ruin (9 of 9)",
        "  1: 10 posts; half the texts have 6 to 6 characters, median 6; keyword such as wreck (9 of 9)",
        "test: 2 posts; texts of 6 to 6 characters, median 6",
        "unlabelled: 0 posts",
    ]


def test_image_sizes_and_broken_images_are_told(tmp_path: Path) -> None:
    images: list[bytes | Path | None] = [
        png(40, 30),
        png(80, 20),
        png(64, 64),
        b"not an image",
        tmp_path / "gone.jpg",
        None,
    ]
    posts = [Post(str(i), f"text {i}", image) for i, image in enumerate(images)]
    description = describe({"posts": posts})
    facts = description.splits["posts"]["images"]
    assert {name: facts[name] for name in ("posts", "missing", "broken", "distinct")} == {
        "posts": 5,
        "missing": 1,
        "broken": 2,
        "distinct": 3,
    }
    assert (facts["smallest"], facts["median"], facts["largest"]) == ([40, 30], [64, 30], [64, 64])
    assert [image["id"] for image in facts["broken_listed"]] == ["3", "4"]
    assert found(description, "2 of 6 posts (33 %)", "cannot be read")
    assert found(description, "1 of 6 posts (17 %)", "no image")


def test_texts_that_stand_in_two_splits_are_a_finding() -> None:
    text = "Banjir besar di Kemang malam ini"
    description = describe({"train": texts("sesuatu yang lain sama sekali", text), "test": texts(text.upper())})
    assert found(description, "1 group of posts that repeat", "both train and test", "leave train")
    assert not found(
        describe({"train": texts(text), "test": texts("sesuatu yang lain sama sekali")}), "both train and test"
    )


def test_contradictory_labels_are_a_finding() -> None:
    posts = [*texts("Banjir besar di Kemang malam ini"), *texts("banjir besar di kemang malam ini!", label="b")]
    description = describe({"posts": posts})
    assert found(description, "1 group of equal posts carry different labels (2 posts)")
    assert description.duplicates["contradictory"]["groups"] == 1


def test_rare_missing_and_uneven_classes_are_findings() -> None:
    train = [*texts(*map(str, range(400))), *texts("x", "y", "z", label="rare")]
    description = describe({"train": train, "test": texts(*map(str, range(1000, 1030)))})
    assert found(description, "Few posts in train are of the class rare (3)")
    assert found(description, "No post in test is of the class rare")
    assert found(description, "400 posts of a against 3 of rare")
    assert not found(description, "Few posts in test")


def test_a_post_without_text_is_judged_by_its_image_only_where_there_are_images() -> None:
    given = [*texts("a b", "c d"), Post("blank", fields={"keyword": "x"}, label="a")]
    [said] = found(describe({"posts": given}), "no text")
    assert "image" not in said
    pictured = [*given, Post("picture", label="a", image=png(8, 8))]
    [said] = found(describe({"posts": pictured}), "no text")
    assert said.endswith("They are judged by their image alone.")


def test_no_labels_one_label_and_some_labels_are_findings() -> None:
    assert found(describe({"posts": texts("x", label=None)}), "No post has a label")
    assert found(describe({"posts": texts("x", "y")}), "Every labelled post is of the class a")
    assert found(describe({"posts": [*texts("x"), *texts("y", label=None)]}), "1 of 2 posts (50 %)", "have no label")


def test_garbled_letters_endless_texts_and_repeated_ids_are_findings() -> None:
    description = describe({"posts": [*texts("naÃ¯ve", "itâ€™s", "naïve", "x" * 9000), Post("a0", "again")]})
    assert found(description, "2 of 5 posts (40 %)", "garbled")
    assert found(description, "9,000 characters (post a3)")
    assert found(description, "Ids repeat", "a0")


def test_clean_data_gives_no_finding(tmp_path: Path) -> None:
    rng = random.Random(0)
    posts = [Post(str(i), " ".join(rng.choices("abcdefghijkl", k=30)), label="ab"[i % 2]) for i in range(60)]
    description = describe({"posts": posts})
    assert description.findings == []
    write_page(description, tmp_path / "d.html")
    assert "Nothing wrong was found." in (tmp_path / "d.html").read_text()


def test_examples_show_each_class_of_each_split_and_depend_on_the_seed_alone() -> None:
    posts = made_posts(60)
    splits = {"train": posts[:40], "test": posts[40:]}
    examples = describe(splits).examples
    assert sorted({(example.split, example.label) for example in examples}) == [
        (split, label) for split in ("test", "train") for label in ("INFO", "NO_INFO")
    ]
    assert len(examples) == 12
    assert describe({name: part[::-1] for name, part in splits.items()}).examples == examples
    assert describe(splits, seed=1).examples != examples


def test_a_hundred_classes_do_not_make_an_endless_page() -> None:
    posts = [Post(str(i), f"text {i}", label=f"class {i % 100}") for i in range(400)]
    assert len(describe({"train": posts, "test": posts[:300]}).examples) == 200


def test_the_dictionary_is_json_without_pictures() -> None:
    description = describe({"posts": made_posts(40)})
    loaded = json.loads(json.dumps(description.to_dict()))
    assert list(loaded) == ["findings", "splits", "charts", "duplicates", "examples", "read"]
    assert {example["image"] for example in loaded["examples"]} <= {True, False}


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_is_self_contained_and_runs_nothing_that_stands_in_the_data(tmp_path: Path) -> None:
    posts = [
        Post(f"{HOSTILE}{i}", f"{HOSTILE} #{HOSTILE} {i % 2}", picture(True, i), HOSTILE, START, HOSTILE, event=HOSTILE)
        for i in range(4)
    ]
    posts.append(Post("\ud800", "\ud800 lone \x00", b"no image", label="\ud800"))
    write_page(describe({"train": posts, "unlabelled": [Post("u", None, picture(True, 9))]}), tmp_path / "d.html")
    page = _Page()
    page.feed((tmp_path / "d.html").read_bytes().decode("utf-8", "replace"))
    assert "script" not in {tag for tag, _ in page.tags}
    images = [attributes["src"] or "" for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 4
    assert all(source.startswith("data:image/png;base64,") for source in images)
    names = {name for _, attributes in page.tags for name in attributes}
    assert not {name for name in names if name.startswith("on")}
    assert {link["href"] for tag, link in page.tags if tag == "a" and not (link["href"] or "").startswith("#")} == set()
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "object")]


def test_the_page_shows_fields_and_lengths_by_class_and_escapes_them(tmp_path: Path) -> None:
    posts = [
        Post(f"{i}", f"text {i}", label=f"{HOSTILE}{i % 2}", fields={HOSTILE: f"{HOSTILE}%20{i % 2}"})
        for i in range(40)
    ]
    write_page(describe({"posts": posts, "test": texts("a", label=None)}), tmp_path / "d.html")
    text = (tmp_path / "d.html").read_text()
    page = _Page()
    page.feed(text)
    assert "script" not in {tag for tag, _ in page.tags}
    assert "img" not in {tag for tag, _ in page.tags}
    assert [attributes["id"] for tag, attributes in page.tags if tag == "section"] == [
        *("findings", "counts", "classes", "texts", "fields", "duplicates", "examples")
    ]
    assert "40 with percent codes" in text
    assert "<b>20</b> of 20" in text
    assert "By class" in text
