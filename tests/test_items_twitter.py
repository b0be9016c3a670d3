"""Raw tweets of the API v1.1 become items: the whole text, a language of today, a place with its method, a picture."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from siaga.post import Place, Post
from siaga.sources.items import Item, ItemReader, Notice
from siaga.sources.lines import read_lines
from siaga.sources.values import Fault
from tests.messages import BOX, DELETE, TWEET, Object, line, parts

SHARED = Path(os.environ.get("SIAGA_SHARED", Path(__file__).parents[2] / "shared"))
STREAM = SHARED / "data" / "twitter_stream"
LONG = {
    "full_text": "the whole text &amp; more",
    "entities": {"hashtags": [{"text": "whole"}]},
    "extended_entities": {"media": [{"type": "photo", "media_url_https": "https://pbs.example/long.jpg"}]},
}
PHOTO = {"media": [{"type": "photo", "media_url_https": "https://pbs.example/1.jpg"}, {"media_url_https": "https://2"}]}


def read(message: object = TWEET, **changed: object) -> Item:
    item = ItemReader("twitter").read(line(message, **changed))
    assert not isinstance(item, Notice)
    return item


def test_a_tweet_becomes_an_item_and_a_post() -> None:
    item, time = read(), datetime(2019, 7, 3, 6, 29, 4, 663000, UTC)
    place = Place(None, None, "profile", None, "Jakarta | Bandung")
    text = "Air naik di Kemang & Cipete <3"
    fields = {"user": "ani", "hashtags": "banjir"}
    post = Post("1146304835119177728", text, time=time, language="id", place=place, fields=fields)
    assert parts(item) == (
        *(
            "twitter",
            "1146304835119177728",
            text,
            "id",
            time,
            1562135344663,
            place,
            None,
            "ani",
            ("banjir",),
            False,
            post,
        ),
    )


def test_the_text_is_the_longest_that_the_tweet_has() -> None:
    assert read(extended_tweet=LONG).text == "the whole text & more"
    assert read(full_text="all of it", text=...).text == "all of it"
    assert read(extended_tweet={"full_text": None}).text == "Air naik di Kemang & Cipete <3"


def test_a_retweet_has_the_whole_text_of_its_original_and_its_own_user_and_time() -> None:
    original = {**TWEET, "text": "cut…", "extended_tweet": LONG, "user": {"screen_name": "who"}, "lang": "en"}
    item = read(text="RT @who: cut…", retweeted_status=original, entities={"hashtags": []})
    assert (item.text, item.user, item.is_repost) == ("the whole text & more", "ani", True)
    assert (item.hashtags, item.image_url) == (("whole",), "https://pbs.example/long.jpg")
    assert read(retweeted_status={"text": "short", "user": {}}).text == "short"


def test_entities_are_undone_once() -> None:
    assert read(text="&amp;lt; &lt;b&gt; &quot;").text == "&lt; <b> &quot;"


@pytest.mark.parametrize("text", [None, "", " \n", ...])
def test_a_tweet_without_text_is_an_item_without_text(text: object) -> None:
    assert read(text=text).text is None


@pytest.mark.parametrize(
    ("code", "language"),
    [
        *(("en", "en"), ("in", "id"), ("iw", "he"), ("ji", "yi"), ("und", None), ("", None), (None, None)),
        *(("pt-BR", "pt"), ("zh_Hant_TW", "zh"), ("EN", "en"), ("qme", None), ("zxx", None), ("art", None)),
        *(("ckb", "ckb"), ("xx", "xx"), ("x" * 200, None), ("e\u0000n", None), ("12", None), ("en-", None)),
    ],
)
def test_languages_are_codes_of_today(code: str | None, language: str | None) -> None:
    assert read(lang=code).language == language


@pytest.mark.parametrize(
    ("changed", "ms"),
    [
        ({}, 1562135344663),
        ({"timestamp_ms": ...}, 1562135344000),
        ({"timestamp_ms": "soon"}, 1562135344000),
        ({"timestamp_ms": "²"}, 1562135344000),
        ({"timestamp_ms": "9" * 15}, 1562135344000),
        ({"timestamp_ms": None, "created_at": "2019-07-03T06:29:04Z"}, 1562135344000),
        ({"timestamp_ms": None, "created_at": "yesterday"}, None),
        ({"timestamp_ms": None, "created_at": ""}, None),
        ({"timestamp_ms": None, "created_at": "Wed Jul 33 06:29:04 +0000 2019"}, None),
    ],
)
def test_the_time_is_in_milliseconds_or_else_in_words_or_not_known(changed: Object, ms: int | None) -> None:
    item = read(**changed)
    assert item.time_ms == ms
    assert item.time == (None if ms is None else datetime.fromtimestamp(ms / 1000, UTC))


def test_coordinates_come_first_and_are_in_the_order_of_geojson() -> None:
    point = {"type": "Point", "coordinates": [7.4561, 46.8428]}
    place = Place(7.4561, 46.8428, "coordinates", 10.0, "Rüeggisberg, Schweiz", "CH")
    assert read(coordinates=point, geo={"coordinates": [46.8428, 7.4561]}, place=BOX).place == place
    assert read(coordinates=point).place == Place(7.4561, 46.8428, "coordinates", 10.0)


def test_a_box_gives_its_centre_and_half_its_diagonal() -> None:
    place = read(place=BOX).place
    assert place is not None
    assert (place.method, place.name, place.country) == ("box", "Rüeggisberg, Schweiz", "CH")
    assert (place.lon, place.lat) == pytest.approx((7.428452, 46.779043))
    assert place.radius_m == pytest.approx(9291.5, abs=2)  # √(16,652² + 8,249²) / 2 metres.


def test_a_box_that_is_a_point_has_the_radius_of_one() -> None:
    ring = [[[106.8, -6.2]] * 4]
    assert read(place={"bounding_box": {"coordinates": ring}}).place == Place(106.8, -6.2, "box", 10.0)


@pytest.mark.parametrize(
    "box",
    [
        None,
        {"coordinates": None},
        {"coordinates": []},
        {"coordinates": [[]]},
        {"coordinates": [[[1, 2, 3]]]},
        {"coordinates": [[["1", "2"]]]},
        {"coordinates": [[[1, 91], [2, 92]]]},
        {"coordinates": [[[181, 0]]]},
        {"coordinates": [[[-179, 50], [179, 51]]]},
        {"coordinates": [[[1e308, 0]]]},
        "box",
    ],
)
def test_a_broken_box_is_no_place(box: object) -> None:
    assert read(place={**BOX, "bounding_box": box}, user=None).place is None


@pytest.mark.parametrize(
    "point", [None, {}, {"coordinates": [46, 97]}, {"coordinates": [1]}, {"coordinates": "1,2"}, 7]
)
def test_broken_coordinates_leave_the_place_to_the_box(point: object) -> None:
    place = read(coordinates=point, place=BOX).place
    assert place is not None
    assert place.method == "box"


@pytest.mark.parametrize(("code", "country"), [("us", "US"), ("USA", None), ("", None), ("1x", None), ("ÄÖ", None)])
def test_a_country_is_a_code_of_two_letters(code: str, country: str | None) -> None:
    place = read(place={**BOX, "country_code": code}).place
    assert place is not None
    assert place.country == country


@pytest.mark.parametrize("location", [None, "", "  ", "a\u0000b", "x" * 1001])
def test_a_profile_that_says_nothing_is_no_place(location: str | None) -> None:
    assert read(user={"screen_name": "ani", "location": location}).place is None


@pytest.mark.parametrize(
    ("changed", "url"),
    [
        ({"extended_entities": PHOTO}, "https://pbs.example/1.jpg"),
        ({"extended_entities": PHOTO, "extended_tweet": LONG}, "https://pbs.example/long.jpg"),
        ({"extended_entities": {"media": [{"type": "video", "media_url_https": "https://v"}]}}, "https://v"),
        ({"extended_entities": {"media": [{"media_url": "http://old"}]}}, "http://old"),
        ({"extended_entities": {"media": [{"media_url_https": "file:///etc/passwd"}]}}, None),
        ({"extended_entities": {"media": []}}, None),
        ({"extended_entities": {"media": None}}, None),
        ({"retweeted_status": {"text": "x", "extended_entities": PHOTO}}, "https://pbs.example/1.jpg"),
    ],
)
def test_the_picture_is_the_first_photo_or_preview_of_a_video(changed: Object, url: str | None) -> None:
    item = read(**changed)
    assert item.image_url == url
    assert item.post().fields.get("image_url") == url
    assert item.post().image is None


def test_a_hashtag_is_one_word() -> None:
    tags = [{"text": "two words"}, {"text": ""}, {"text": "b\u0000"}, {"text": "c"}]
    assert read(entities={"hashtags": tags}).hashtags == ("twowords", "c")
    assert read(entities={"hashtags": None}).hashtags == ()


def test_an_id_is_text_and_a_number_stands_in_for_it() -> None:
    assert read(id_str=...).id == "1146304835119177728"
    assert read(id_str="7").id == "7"


@pytest.mark.parametrize(
    ("message", "notice"),
    [
        (DELETE, Notice("delete", "twitter", "650034844559376384")),
        ({"timestamp_ms": "1", **DELETE}, Notice("delete", "twitter", "650034844559376384")),
        ({"delete": {"status": {"id": 5}}}, Notice("delete", "twitter", "5")),
        ({"delete": {"status": {"id_str": "5\u0000"}}}, Notice("delete", "twitter")),
        ({"delete": {}}, Notice("delete", "twitter")),
        ({"limit": {"track": 1234}}, Notice("limit", "twitter")),
        ({"scrub_geo": {"user_id": 1, "up_to_status_id": 2}}, Notice("scrub_geo", "twitter")),
        ({"status_withheld": {"id": 1, "withheld_in_countries": ["DE"]}}, Notice("status_withheld", "twitter")),
        ({"user_withheld": {"id": 1}}, Notice("user_withheld", "twitter")),
        ({"disconnect": {"code": 4}}, Notice("disconnect", "twitter")),
        ({"warning": {"code": "FALLING_BEHIND"}}, Notice("warning", "twitter")),
    ],
)
def test_what_is_no_tweet_is_a_notice(message: Object, notice: Notice) -> None:
    for reader in (ItemReader("twitter"), ItemReader()):
        assert reader.read(line(message)) == notice
        items, notices, faults = reader.read_all([line(message)])
        assert (items, list(notices), faults) == ([], [notice], [])


@pytest.mark.parametrize("blank", [b"", b"\n", b" \r\n"])
def test_a_blank_line_keeps_the_stream_alive(blank: bytes) -> None:
    assert ItemReader("twitter").read(blank) == Notice("keep-alive", "twitter")


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (line(TWEET)[:200], "Not JSON: Input data was truncated."),
        (b"<html>", "Not JSON: JSON is malformed: invalid character (byte 0)."),
        (line(TWEET) + b"{}", "Not JSON: JSON is malformed: trailing characters"),
        (b"[]", "Not a JSON object: Expected `object`, got `array`."),
        (b'{"id_str":"1","x":' + b"[" * 100_000, "Not JSON: it is nested too deeply."),
        (line(TWEET, text=5), "Wrong type: Expected `str | null`, got `int` - at `$.text`."),
        (line(TWEET, user=[]), "Wrong type: Expected `object | null`, got `array` - at `$.user`."),
        (line(TWEET, id_str=7), "Wrong type: Expected `str`, got `int` - at `$.id_str`."),
        (line(TWEET, id_str=..., id=...), "No id: the message has none, or a blank one."),
        (line(TWEET, id_str=" ", id=...), "No id: the message has none, or a blank one."),
        (line(TWEET, id_str="1\u0000"), "NUL: its id holds a NUL character."),
        (line(TWEET, text="a\u0000"), "NUL: its text holds a NUL character."),
        (line(TWEET, extended_tweet={"full_text": "\u0000"}), "NUL: its text holds a NUL character."),
        (line(TWEET, text="\ud83d alone"), "Lone surrogate: it holds one half of a character."),
        (b'{"id_str":"1","text":"\xff"}', "Not UTF-8: it holds the byte 0xff."),
        (line(TWEET, text="x" * 1_000_001), "Text too long: it has more than 1,000,000 characters."),
        (line(TWEET, id_str="1" * 501), "Id too long: it has more than 500 characters."),
        (b"{}", "No id: the message has none, or a blank one."),
    ],
    ids=range(18),
)
def test_what_cannot_be_read_is_a_fault_at_once_and_spoils_no_other(broken: bytes, reason: str) -> None:
    reader = ItemReader("twitter")
    with pytest.raises(Fault) as caught:
        reader.read(broken)
    assert str(caught.value).startswith(reason)
    items, notices, faults = reader.read_all([line(DELETE), broken, line(TWEET), broken])
    assert [item.id for item in items] == ["1146304835119177728"]
    assert list(notices) == [Notice("delete", "twitter", "650034844559376384")]
    assert faults == [(1, str(caught.value)), (3, str(caught.value))]


def test_a_text_of_a_million_characters_is_read() -> None:
    assert len(read(text="é" * 1_000_000).text or "") == 1_000_000


@pytest.mark.skipif(not STREAM.is_dir(), reason="the recorded stream is not here")
def test_a_recorded_minute_is_read_to_the_last_line() -> None:
    lines = [one.data for one in read_lines(STREAM / "2019-07-03T06-29.json.bz2")]
    items, notices, faults = ItemReader().read_all(lines)
    assert (len(items) + len(notices), faults) == (len(lines), [])
    assert {notice.kind for notice in notices} == {"delete"}
    assert len(items) == 1872
    times = [item.time_ms for item in items if item.time_ms is not None]
    assert len(times) == len(items)
    assert max(times) - min(times) < 120_000
    one_by_one = [ItemReader("twitter").read(data) for data in lines]
    assert [parts(item) for item in items] == [parts(item) for item in one_by_one if not isinstance(item, Notice)]
    methods = {item.place.method for item in items if item.place is not None}
    assert methods == {"coordinates", "box", "profile"}
    assert not any("&amp;" in (item.text or "") for item in items)
