"""Messages of the API v2, of Bluesky and of Mastodon become items by the same rules as tweets."""

import copy
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from siaga.post import Place, Post
from siaga.sources.items import Form, Item, ItemReader, Notice
from siaga.sources.items.markup import text_of
from siaga.sources.values import Fault
from tests.messages import DID, EVENT, STATUS, TWEET_V2, Object, line, parts


def read(form: Form, message: object) -> Item:
    item = ItemReader(form).read(line(message))
    assert not isinstance(item, Notice)
    return item


def changed(message: Object, path: str, value: object) -> Object:
    """Return a message with one part changed; a path is keys with points between."""
    whole = copy.deepcopy(message)
    *way, last = path.split(".")
    place: Any = whole  # Any: JSON.
    for key in way:
        place = place[key]
    place[last] = value
    return whole


# API v2.


def test_a_message_of_the_api_v2_becomes_an_item() -> None:
    item = read("twitter-v2", TWEET_V2)
    moment, place = datetime(2021, 11, 15, 19, 8, 5, tzinfo=UTC), item.place
    fields = {"user": "bia", "hashtags": "chuva", "image_url": "https://pbs.example/video.jpg"}
    post = Post("1460323737035677698", "RT @who: cut short…", time=moment, language="pt", place=place, fields=fields)
    assert parts(item) == (
        *("twitter", "1460323737035677698", "RT @who: cut short…", "pt", moment, 1637003285000, place),
        *("https://pbs.example/video.jpg", "bia", ("chuva",), False, post),
    )
    assert place is not None
    assert (place.method, place.name, place.country) == ("box", "Olinda, Brasil", "BR")
    assert (place.lon, place.lat) == pytest.approx((-34.87, -7.99))


def test_a_retweet_of_the_api_v2_has_the_whole_text_of_what_it_includes() -> None:
    message = changed(TWEET_V2, "data.referenced_tweets", [{"type": "retweeted", "id": "1"}])
    assert read("twitter-v2", message).is_repost
    assert read("twitter-v2", message).text == "RT @who: cut short…"
    original = {"id": "1", "text": "cut", "note_tweet": {"text": "all of it &amp; more"}, "attachments": {}}
    item = read("twitter-v2", changed(message, "includes.tweets", [{"id": "0", "text": "other"}, original]))
    assert (item.text, item.user, item.id) == ("all of it & more", "bia", "1460323737035677698")
    assert item.image_url == "https://pbs.example/video.jpg"


def test_places_of_the_api_v2_are_points_boxes_or_profiles() -> None:
    point = {"place_id": "p1", "coordinates": {"type": "Point", "coordinates": [-34.9, -8.0]}}
    found = read("twitter-v2", changed(TWEET_V2, "data.geo", point)).place
    assert found == Place(-34.9, -8.0, "coordinates", 10.0, "Olinda, Brasil", "BR")
    profile = Place(None, None, "profile", None, "Recife")
    assert read("twitter-v2", changed(TWEET_V2, "data.geo", None)).place == profile
    assert read("twitter-v2", changed(TWEET_V2, "data.geo", {"place_id": "elsewhere"})).place == profile
    assert read("twitter-v2", {"data": {"id": "1"}}).place is None


def test_a_page_of_posts_is_a_fault_that_says_how_to_part_it() -> None:
    for form in ("twitter-v2", "auto"):
        with pytest.raises(Fault, match=r"A page: .* jq -c '\{data: \.data\[\], includes\}'"):
            ItemReader(form).read(line({"data": [TWEET_V2["data"]], "meta": {}}))


@pytest.mark.parametrize(
    ("message", "notice"),
    [
        ({"delete": {"tweet": {"id": "5", "author_id": "9"}}}, Notice("delete", "twitter", "5")),
        ({"errors": [{"title": "operational-disconnect"}]}, Notice("error", "twitter")),
    ],
)
def test_the_api_v2_has_notices_too(message: Object, notice: Notice) -> None:
    assert [ItemReader("twitter-v2").read(line(message)), ItemReader().read(line(message))] == [notice, notice]


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("data.id", "", "No id: "),
        ("data.text", 5, "Wrong type: "),
        ("data.text", "a\0", "NUL: "),
        ("data", None, "No id: "),
        ("includes.users", {}, "Wrong type: "),
        ("data.text", "x" * 1_000_001, "Text too long: "),
    ],
)
def test_faults_of_the_api_v2(path: str, value: object, reason: str) -> None:
    with pytest.raises(Fault, match=reason):
        read("twitter-v2", changed(TWEET_V2, path, value))


# Bluesky.


def test_an_event_of_bluesky_becomes_an_item() -> None:
    item, moment = read("bluesky", EVENT), datetime(2024, 9, 9, 19, 46, 2, 102000, UTC)
    url = f"https://cdn.bsky.app/img/feed_fullsize/plain/{DID}/bafkreia@jpeg"
    id_ = f"at://{DID}/app.bsky.feed.post/3l3qo2vuowo2b"
    fields = {"user": DID, "hashtags": "flood", "image_url": url}
    post = Post(id_, "Water in the street #flood", time=moment, language="en", fields=fields)
    assert parts(item) == (
        *("bluesky", id_, "Water in the street #flood", "en", moment, 1725911162102, None, url, DID, ("flood",)),
        *(False, post),
    )


@pytest.mark.parametrize(
    ("embed", "url"),
    [
        ({"video": {"ref": {"$link": "bafv"}}}, f"https://video.bsky.app/watch/{DID}/bafv/thumbnail.jpg"),
        (
            {"record": {}, "media": {"images": [{"image": {"ref": {"$link": "bafm"}}}]}},
            f"https://cdn.bsky.app/img/feed_fullsize/plain/{DID}/bafm@jpeg",
        ),
        ({"media": {"external": {"uri": "https://x"}}}, None),
        ({"external": {"uri": "https://x", "thumb": {"ref": {"$link": "card"}}}}, None),
        ({"images": [{"image": {"cid": "old"}}]}, None),
        ({"images": []}, None),
        (None, None),
        (7, None),
    ],
)
def test_pictures_of_bluesky_are_images_and_previews_of_videos(embed: object, url: str | None) -> None:
    assert read("bluesky", changed(EVENT, "commit.record.embed", embed)).image_url == url


@pytest.mark.parametrize(
    ("written", "came_us", "ms"),
    [
        ("2024-09-09T19:46:02.102Z", 1725911162329308, 1725911162102),
        ("2999-01-01T00:00:00Z", 1725911162329308, 1725911162329),
        ("soon", 1725911162329308, 1725911162329),
        ("2024-09-09T19:46:02.102Z", None, 1725911162102),
        ("2024-09-09T19:46:02.102Z", 10**30, 1725911162102),
        (None, -5, None),
        (None, 10**18, None),
    ],
)
def test_a_post_of_bluesky_is_not_younger_than_its_arrival(written: str | None, came_us: int | None, ms: int) -> None:
    message = changed(changed(EVENT, "commit.record.createdAt", written), "time_us", came_us)
    assert read("bluesky", message).time_ms == ms


@pytest.mark.parametrize(
    ("message", "notice"),
    [
        (changed(EVENT, "commit.operation", "delete"), ("delete", f"at://{DID}/app.bsky.feed.post/3l3qo2vuowo2b")),
        (changed(EVENT, "commit.operation", "update"), ("update", f"at://{DID}/app.bsky.feed.post/3l3qo2vuowo2b")),
        (changed(EVENT, "commit.collection", "app.bsky.feed.like"), ("like", None)),
        ({"did": DID, "kind": "identity", "identity": {"handle": "x"}}, ("identity", None)),
        ({"did": DID, "kind": "account", "account": {"active": False}}, ("account", None)),
    ],
)
def test_other_events_of_bluesky_are_notices(message: Object, notice: tuple[str, str | None]) -> None:
    kind, id_ = notice
    assert ItemReader("bluesky").read(line(message)) == Notice(kind, "bluesky", id_)
    assert ItemReader().read(line(message)) == Notice(kind, "bluesky", id_)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("did", "", "Unknown message: "),
        ("commit.rkey", "", "No id: "),
        ("commit.rkey", "a\0", "NUL: "),
        ("commit.record.text", "a\0", "NUL: "),
        ("commit.record.text", ["a"], "Wrong type: "),
        ("commit.record.langs", "en", "Wrong type: "),
        ("commit", [], "Wrong type: "),
    ],
)
def test_faults_of_bluesky(path: str, value: object, reason: str) -> None:
    with pytest.raises(Fault, match=reason):
        read("bluesky", changed(EVENT, path, value))


# Mastodon.


def test_a_status_of_mastodon_becomes_an_item() -> None:
    item, moment = read("mastodon", STATUS), datetime(2024, 5, 6, 7, 8, 9, 10_000, UTC)
    text, fields = 'Hochwasser #Donau\nam "Kai"\n\nBild:', {"user": "eva@social.example", "hashtags": "Donau"}
    post = Post("109", text, time=moment, language="de", fields={**fields, "image_url": "https://m.example/v.png"})
    assert parts(item) == (
        *("mastodon", "109", text, "de", moment, 1714979289010, None, "https://m.example/v.png"),
        *("eva@social.example", ("Donau",), False, post),
    )


def test_a_boost_has_the_content_of_its_original() -> None:
    passed = {**STATUS, "content": "<p>original</p>", "language": "en", "tags": []}
    item = read("mastodon", {**STATUS, "content": "", "language": None, "reblog": passed})
    assert (item.text, item.language, item.hashtags, item.is_repost) == ("original", "en", (), True)
    assert item.image_url == "https://m.example/v.png"


@pytest.mark.parametrize("form", ["mastodon", "auto"])
def test_events_of_mastodon_hold_a_status_as_text(form: Form) -> None:
    reader = ItemReader(form)
    for payload in (json.dumps(STATUS), STATUS):
        item = reader.read(line({"stream": ["public"], "event": "update", "payload": payload}))
        assert not isinstance(item, Notice)
        assert parts(item) == parts(read("mastodon", STATUS))
    assert reader.read(line({"event": "delete", "payload": "109"})) == Notice("delete", "mastodon", "109")
    assert reader.read(line({"stream": ["user"], "event": "filters_changed"})) == Notice("filters_changed", "mastodon")
    edited = {"event": "status.update", "payload": json.dumps(STATUS)}
    assert reader.read(line(edited)) == Notice("status.update", "mastodon")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({**STATUS, "id": ""}, "No id: "),
        ({**STATUS, "id": 109}, "Wrong type: "),
        ({**STATUS, "content": 5}, "Wrong type: "),
        ({"event": "update", "payload": "{"}, "Not JSON: "),
        ({"event": "update", "payload": None}, "Not a JSON object: "),
        ({"event": "delete", "payload": " "}, "No id: "),
        ({"event": "delete", "payload": "1\0"}, "NUL: "),
    ],
)
def test_faults_of_mastodon(message: Object, reason: str) -> None:
    with pytest.raises(Fault, match=reason):
        read("mastodon", message)


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>a</p><p>b</p>", "a\n\nb"),
        ("a<br>b<br/>c<br />d", "a\nb\nc\nd"),
        ("<ul><li>a</li><li>b</li></ul>", "a\nb"),
        ('<a href="https://x/?a=1&amp;b=2" title="a > b">x</a>y', "xy"),
        ("<span class='invisible'>https://</span><span>x.example</span>", "https://x.example"),
        ("1 &lt; 2 &amp;amp; &#39;3&#x27; &hearts;", "1 < 2 &amp; '3' ♥"),
        ("a < b and c > d", "a < b and c > d"),
        ("<3 & <", "<3 & <"),
        ("<!-- note -->a<script >b", "ab"),
        ("a &#0; &#xd800; &#99999999999999999999;", "a \ufffd \ufffd \ufffd"),
        ("&#" + "9" * 5000 + ";", "\ufffd"),
        ('<a title="never closed>b', "b"),
        ("", ""),
    ],
)
def test_html_becomes_text(markup: str, text: str) -> None:
    assert text_of(markup) == text


@pytest.mark.parametrize(
    "piece", ["<", "<a", '<a "', "<a '\"", "<!--", "<br ", "</p", "&", "&#9", "&amp", "<a>", "\"'", "<a b=", ">", "\n<"]
)
def test_four_times_the_html_takes_nowhere_near_sixteen_times_the_time(piece: str) -> None:
    short, long = (piece * (count * 40_000 // len(piece)) for count in (1, 4))
    assert any(_seconds(long) <= 8.0 * _seconds(short) + 0.004 for _ in range(6))


def _seconds(markup: str) -> float:
    started = time.process_time()
    text_of(markup)
    return time.process_time() - started
