import re
import time
from collections.abc import Callable

import pytest

from siaga.features.text import clean_hashtags, clean_text, hashtags, normalised
from siaga.schema import Cleaning

RAW = "RT @bpbd: Banjir 60cm &amp; naik!! 😱 #BanjirJakarta #macet  https://t.co/x1\nlihat pic.twitter.com/a2"


def test_the_defaults_drop_links_and_mentions_and_keep_words_and_emoji() -> None:
    assert clean_text(RAW, Cleaning()) == "rt : banjir 60cm & naik!! 😱 banjirjakarta macet lihat"


def test_every_choice_is_obeyed() -> None:
    kept = Cleaning(lower=False, urls="keep", mentions="keep", hashtags="keep", emoji="keep")
    assert clean_text(RAW, kept) == " ".join(RAW.replace("&amp;", "&").split())
    dropped = Cleaning(hashtags="drop", emoji="drop")
    assert clean_text(RAW, dropped) == "rt : banjir 60cm & naik!! lihat"


def test_a_hashtag_that_starts_with_a_kept_word_becomes_the_word() -> None:
    cleaning = Cleaning(hashtags="drop", hashtag_words=("banjir",))
    assert clean_text(RAW, cleaning) == "rt : banjir 60cm & naik!! 😱 banjir lihat"


def test_a_url_ends_at_white_space_and_a_word_with_three_w_is_no_url() -> None:
    assert clean_text("(www.x.id/a?b=c#d) di sini", Cleaning()) == "( di sini"
    assert clean_text("awww.so cute", Cleaning()) == "awww.so cute"


def test_an_address_or_a_number_sign_inside_a_word_is_neither_mention_nor_hashtag() -> None:
    assert clean_text("me@home.id a#b", Cleaning(mentions="drop", hashtags="drop")) == "me@home.id a#b"


def test_emoji_of_several_code_points_go_whole() -> None:
    assert clean_text("a 👩‍👩‍👧 b 🇮🇩 c 1️⃣ d ❤️", Cleaning(emoji="drop")) == "a b c 1 d"


def test_emoji_can_be_named_in_words_and_a_flag_by_its_letters() -> None:
    named = Cleaning(emoji="name")
    assert clean_text("a😱😱b 👍🏽 ❤️ 🇮🇩", named) == (
        "a face screaming in fear face screaming in fear b thumbs up sign heavy black heart id"
    )
    assert clean_text("👩‍👩‍👧 1️⃣", named) == "woman woman girl 1"


def test_digits_in_a_row_are_one_number_with_the_points_and_commas_between_them() -> None:
    text = "60cm, 1,000.5 orang. 12:30 covid19 1.2.3.4."
    assert clean_text(text, Cleaning(numbers="mask")) == "0cm, 0 orang. 0:0 covid0 0."
    assert clean_text(text, Cleaning(numbers="drop")) == "cm, orang. : covid ."
    assert clean_text("٣٤ ب", Cleaning(numbers="mask")) == "0 ب"


def test_percent_codes_spell_utf_8_and_what_spells_nothing_stays() -> None:
    cleaning = Cleaning(percent_codes=True, lower=False)
    assert clean_text("body%20bag caf%C3%A9 %e2%82%acuro cafe%CC%81", cleaning) == "body bag café €uro café"
    assert clean_text("100% 5%de%20a %C3 %c3%28", cleaning) == "100% 5%de a %C3 %c3("
    assert clean_text("%2523", cleaning) == "%23"
    assert clean_text("a http://t.co/b%20c %23x%40y", cleaning) == "a x@y"
    assert clean_text("body%20bag", Cleaning()) == "body%20bag"


def test_a_hashtag_is_parted_where_its_words_begin() -> None:
    cleaning = Cleaning(split_hashtags=True)
    assert clean_text("#ForestFire #USAToday #forest_fire #ÖlPest x", cleaning) == (
        "forest fire usa today forest fire öl pest x"
    )
    assert clean_text("#ForestFire", Cleaning(split_hashtags=True, hashtags="keep")) == "#forestfire"


def test_hashtags_on_their_own_are_words_and_cleaned_like_the_text() -> None:
    raw = "a #ForestFire &amp; #BanjirJakarta #2020 #__"
    cleaning = Cleaning(hashtags="drop", hashtag_words=("banjir",), split_hashtags=True, numbers="drop")
    assert clean_hashtags(raw, cleaning) == ["forest fire", "banjir"]
    assert clean_hashtags("none", cleaning) == []


def test_composed_and_decomposed_letters_become_equal() -> None:
    assert clean_text("cafe\u0301", Cleaning()) == clean_text("caf\u00e9", Cleaning())


def test_hashtags_come_in_order_and_as_written() -> None:
    assert hashtags("it&#39;s #Banjir lagi #macet_total #2020 x#y") == ["Banjir", "macet_total", "2020"]


def test_marks_belong_to_the_word_that_carries_them() -> None:
    assert hashtags("#बाढ़ आई") == ["बाढ़"]
    assert clean_text("#बाढ़ आई", Cleaning(hashtags="drop")) == "आई"
    assert normalised("की") != normalised("का")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Banjir, di JAKARTA!", "banjir di jakarta"),
        ("banjir https://t.co/abc", "banjir http://t.co/def"),
        ("a &amp; b", "a & b"),
        ("Straße", "STRASSE"),
        ("ﬁne", "fine"),
        ("#banjir_besar", "banjir besar"),
        ("\u00b4banjir\u00b4", "banjir"),
    ],
)
def test_case_links_signs_and_spelling_of_letters_do_not_part_texts(a: str, b: str) -> None:
    assert normalised(a) == normalised(b)


@pytest.mark.parametrize(("a", "b"), [("banjir 60cm", "banjir 70cm"), ("😱", "😂"), ("?", "!"), ("a b", "ab")])
def test_other_letters_digits_or_lone_signs_part_texts(a: str, b: str) -> None:
    assert normalised(a) != normalised(b)


EVERYTHING = Cleaning(emoji="name", numbers="mask", percent_codes=True, split_hashtags=True)


@pytest.mark.parametrize(
    "text",
    ["", " \n", "\ud800", "\x00", "&#" + "9" * 5000 + ";", "&#xd800;", "@", "#", "&", "%ED%A0%80", "\udc80%80"],
)
@pytest.mark.parametrize("cleaning", [Cleaning(emoji="drop"), EVERYTHING])
def test_no_text_is_refused(text: str, cleaning: Cleaning) -> None:
    cleaned = clean_text(text, cleaning)
    assert not re.search(r"^\s|\s$", cleaned)
    assert isinstance(normalised(text), str)
    assert hashtags(text) == []


HOSTILE = {
    "ampersands": "&",
    "entities": "&#9",
    "long entities": "&#99999999999",
    "hashes": "#",
    "mentions": "@a",
    "links": "http://",
    "half links": "https:/",
    "pictures": "pic.twitter.com",
    "www": "www.",
    "spaces": " ",
    "underscores": "_",
    "emoji": "😀",
    "marks out of order": "\u0301\u0323",
    "marks of music": "\U0001d165\U0001d16d",
    "half-width marks": "\u0301\uff9e",
    "letters with a mark": "a\u0301",
    "percent codes": "%20",
    "broken percent codes": "%c3",
    "percent codes of marks": "%CC%81%CC%A3",
    "points": "1,,,,,,,,",
    "numbers": "1,2",
    "capitals": "aB",
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE.keys())
def test_four_times_the_text_takes_nowhere_near_sixteen_times_the_time(piece: str) -> None:
    def clean(text: str) -> None:
        clean_text(text, Cleaning(emoji="drop", numbers="drop"))
        clean_text("#" + text, EVERYTHING)
        normalised(text)

    length = 20_000
    short, long = ("a" + piece * (count * length // len(piece)) for count in (1, 4))
    # Linear work takes four times as long, quadratic work sixteen; the processor's own time, not the wall's.
    assert any(_seconds(clean, long) <= 8.0 * _seconds(clean, short) + 0.004 for _ in range(6))


def _seconds(work: Callable[[str], None], text: str) -> float:
    times = []
    for _ in range(3):
        started = time.process_time()
        work(text)
        times.append(time.process_time() - started)
    return min(times)
