"""Posts as Siaga writes them come back as they were."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga.post import Pixels, Place, Post
from siaga.sources.items import Item, ItemReader, Notice
from siaga.sources.items.plain import to_line
from siaga.sources.values import Fault
from tests.messages import POST, line, parts

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
WORDS = NAMES.filter(str.strip)
LABELS = WORDS.map(str.strip)
TIMES = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=7))]))
PLACES = st.one_of(
    st.builds(lambda name: Place(None, None, "profile", None, name), NAMES),
    st.builds(
        lambda lon, lat, method, radius, name: Place(lon, lat, method, radius, name, "ID"),
        *(st.floats(-180, 180), st.floats(-90, 90), WORDS, st.none() | st.floats(0, 1e7), st.none() | NAMES),
    ),
)
IMAGES = st.one_of(st.binary(min_size=1, max_size=9), st.just(Pixels(2, 1, 3, b"abcdef")))
POSTS = st.builds(
    Post,
    id=WORDS,
    text=st.none() | WORDS,
    image=st.none() | IMAGES,
    label=st.none() | LABELS,
    time=st.none() | TIMES,
    language=st.none() | NAMES,
    place=st.none() | PLACES,
    event=st.none() | NAMES,
    fields=st.dictionaries(NAMES | st.sampled_from(["id", "hashtags", "fields", "user"]), NAMES, max_size=4),
    is_pseudo_labelled=st.booleans(),
)


def read(message: object, **changed: object) -> Item:
    item = ItemReader("posts").read(line(message, **changed))
    assert not isinstance(item, Notice)
    return item


@given(POSTS)
def test_a_post_that_is_written_and_read_is_the_same(post: Post) -> None:
    written = to_line(post)
    item = ItemReader("posts").read(written)
    assert b"\n" not in written
    assert not isinstance(item, Notice)
    assert item.post() == post
    assert item.text == post.text


def test_a_line_of_ours_becomes_an_item() -> None:
    moment, place = datetime(2020, 2, 1, 6, tzinfo=UTC), Place(106.8, -6.2, "geotag", 50.0, "Kemang", "ID")
    fields = {"user": "ani", "hashtags": "banjir macet", "image_url": "https://x.example/7.jpg", "keyword": "rob"}
    post = Post("p-7", "air naik", label="INFO", time=moment, language="in", place=place, event="2020", fields=fields)
    assert parts(read(POST)) == (
        *("posts", "p-7", "air naik", "id", moment, 1580536800000, place, "https://x.example/7.jpg", "ani"),
        *(("banjir", "macet"), False, post),
    )


def test_a_place_may_be_a_name_and_an_id_a_number() -> None:
    item = read({"id": 7, "place": " Kemang ", "time": 1580536800})
    assert (item.id, item.place) == ("7", Place(None, None, "profile", None, "Kemang"))
    assert item.time_ms == 1580536800000
    assert read({"id": 7, "place": " "}).place is None
    assert read({"id": 7, "place": {"lon": 1, "lat": 2}}).place == Place(1.0, 2.0, "given", None)


def test_a_picture_is_read_inside_the_given_folder_and_nowhere_else(tmp_path: Path) -> None:
    root = tmp_path.resolve() / "posts"
    root.mkdir()
    (root / "7.jpg").write_bytes(b"x")
    (tmp_path / "secret").write_bytes(b"x")
    inside, reader = line(POST, image="7.jpg"), ItemReader("posts", root=root)
    item = reader.read(inside)
    assert not isinstance(item, Notice)
    assert item.post().image == root / "7.jpg"
    written = reader.read(to_line(item.post()))
    assert not isinstance(written, Notice)
    assert written.post() == item.post()
    for name in ("../secret", str(tmp_path / "secret"), "8.jpg", "a\0"):
        with pytest.raises(Fault):
            reader.read(line(POST, image=name))
    assert read(POST, image="../secret").post().image is None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"id": ...}, "No id: the message has none, or a blank one."),
        ({"id": True}, "Wrong type: "),
        ({"text": {"a": 1}}, "Wrong type: "),
        ({"text": "a\0"}, "NUL: its text holds a NUL character."),
        ({"keyword": "a\0"}, "NUL: its 'keyword' holds a NUL character."),
        ({"a\0": "x"}, r"NUL: its \"field's name\" holds a NUL character."),
        ({"keyword": "x" * 1_000_001}, "Text too long: its 'keyword' has more than 1,000,000 characters."),
        ({"time": "soon"}, "Time: 'soon' is neither ISO 8601 nor seconds since 1970."),
        ({"place": {"lon": 1}}, "Place: it has lon without lat, or lat without lon."),
        ({"place": {"lon": 181, "lat": 0}}, r"Place: lon 181 and lat 0 are out of range \(±180, ±90\)."),
        ({"place": {"lon": "1", "lat": 0}}, "Wrong type: "),
        ({"place": "a\0"}, "NUL: "),
        ({"image": {"data": "no base64"}}, "Image: "),
        ({"image": {"data": "YQ==", "width": 2, "height": 1, "channels": 1}}, "Image: 1 bytes are not a picture"),
        ({"fields": {"a": 1}}, "Wrong type: "),
        ({"language": "e\0"}, "NUL: "),
        ({"event": "e\0"}, "NUL: "),
    ],
)
def test_what_cannot_be_read_is_a_fault(changed: dict[str, object], reason: str) -> None:
    with pytest.raises(Fault, match=reason):
        read(POST, **changed)


def test_keys_that_hold_no_text_are_passed_over() -> None:
    assert read({"id": "1", "likes": 5, "reply": None, "more": {"a": "b"}, "empty": ""}).post().fields == {"empty": ""}


def test_lines_are_short_where_posts_are() -> None:
    assert json.loads(to_line(Post("1", "air"))) == {"id": "1", "text": "air"}
