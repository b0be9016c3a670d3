"""The report shows texts before and after their cleaning, as each member reads them."""

from dataclasses import replace

from siaga.evaluation.cleaned import LONGEST, cleaned_texts
from siaga.evaluation.page import render_page
from siaga.post import Post
from siaga.schema import Cleaning, Encoder, Fusion, Linear, ModelSpec, SelfTraining
from tests.judged import judged, recipe
from tests.test_evaluation_page import PAYLOADS, Elements
from tests.test_evaluation_report import report_of

PLAIN = Cleaning(lower=False, urls="keep", mentions="keep", hashtags="keep")
LOUD = [Post(f"loud{i}", text=f"Banjir {i} #Jakarta http://t.co/{i}") for i in range(8)]
CASED = [Post(f"cased{i}", text=f"Banjir {i}") for i in range(8)]
STILL = [Post(f"still{i}", text=f"banjir {i}") for i in range(8)]


def made(model: ModelSpec, seed: int = 3) -> list[dict[str, object]]:
    return cleaned_texts([*STILL, *CASED, *LOUD, Post("none")], recipe(model=model, seed=seed))


def test_five_texts_that_change_are_drawn_by_the_seed() -> None:
    rows = made(Linear())
    assert [row["member"] for row in rows] == ["model"] * 5
    assert len({str(row["id"]) for row in rows if str(row["id"]).startswith("loud")}) == 5
    number = str(rows[0]["id"])[-1]
    assert rows[0]["before"] == f"Banjir {number} #Jakarta http://t.co/{number}"
    assert rows[0]["after"] == f"banjir {number} jakarta"
    assert made(Linear()) == rows
    assert [row["id"] for row in made(Linear(), seed=4)] != [row["id"] for row in rows]


def test_texts_that_change_in_case_alone_fill_up_and_those_that_stay_are_not_shown() -> None:
    rows = cleaned_texts([*STILL, *CASED, *LOUD[:2]], recipe(model=Linear()))
    assert [str(row["id"])[:4] for row in rows] == ["loud"] * 2 + ["case"] * 3
    assert cleaned_texts(STILL, recipe(model=Linear())) == []
    assert made(Linear(cleaning=PLAIN)) == []


def test_members_that_read_alike_are_shown_once_and_pictures_are_not_read() -> None:
    model = Fusion(
        members={
            "words": Linear(characters=False),
            "teacher": SelfTraining(model=Linear(C=2.0), agree_with=Encoder(modality="text", weights="w")),
            "image": Encoder(modality="image", weights="w"),
        }
    )
    assert dict.fromkeys(row["member"] for row in made(model)) == {"words, teacher": None, "teacher.agree_with": None}


def test_further_fields_are_shown_as_they_are_read() -> None:
    model = Linear(fields=("text", "keyword", "hashtags"), cleaning=Cleaning(percent_codes=True))
    posts = [replace(post, fields={"keyword": "body%20bag"}) for post in LOUD]
    assert cleaned_texts(posts, recipe(model=model))[0]["fields"] == {"keyword": "body bag", "hashtags": "jakarta"}


def test_long_texts_are_cut() -> None:
    row = cleaned_texts([Post("1", text="A" * 5000)], recipe(model=Linear()))[0]
    assert {len(str(row[key])) for key in ("before", "after")} == {LONGEST + 1}


def test_the_page_shows_them_as_text_and_has_no_section_without_them() -> None:
    posts, predictions = judged(20)
    assert 'id="cleaned"' not in render_page(report_of(posts, predictions), posts=posts, predictions=predictions)
    posts = [replace(post, text=f"{PAYLOADS[i % 5]} HTTP://t.co/x") for i, post in enumerate(posts)]
    report = report_of(posts, predictions)
    page = render_page(report, posts=posts, predictions=predictions)
    assert len({str(row["before"]) for row in report.cleaned}) > 2
    assert all(str(row["after"]).endswith("t.co/x") is False for row in report.cleaned)
    assert page.count("read by") == 1
    elements = Elements(page)
    assert elements.named("script") == []
    assert all(not name.startswith("on") for _, attributes in elements.found for name in attributes)
