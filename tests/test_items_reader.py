"""A reader tells forms apart, reads many at once as it reads one, and answers whatever comes with what it promises."""

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga.sources.items import Form, Item, ItemReader, Notice, Notices
from siaga.sources.raw_stream import Dirt, made_lines
from siaga.sources.values import Fault
from tests.messages import DELETE, EVENT, EVERY_FORM, POST, STATUS, TWEET, Object, line, parts

FORMS: tuple[Form, ...] = ("twitter", "twitter-v2", "bluesky", "mastodon", "posts")
MESSAGES = (*EVERY_FORM.values(), DELETE, {"event": "update", "payload": json.dumps(STATUS)})
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["", " ", "\0", "\ud800", "x" * 1001, "https://x", "en", "1", "&#" + "9" * 5000 + ";", "2020-01-01"]
    ),
    st.text(max_size=5),
    st.sampled_from([[], {}, [[]], [None], {"id": "1"}, [1.0, 2.0], ["a"]]),
)


def outcome(found: Item | Notice) -> object:
    return found if isinstance(found, Notice) else parts(found)


def read_each(reader: ItemReader, lines: list[bytes]) -> tuple[list[object], list[Notice], list[tuple[int, str]]]:
    items, notices, faults = [], [], []
    for i, data in enumerate(lines):
        try:
            found = reader.read(data)
        except Fault as fault:
            faults.append((i, str(fault)))
        else:
            notices.append(found) if isinstance(found, Notice) else items.append(outcome(found))
    return items, notices, faults


def check_alike(form: Form, lines: list[bytes]) -> None:
    """Check that many lines at once are read like each of them alone."""
    items, notices, faults = ItemReader(form).read_all(lines)
    expected = read_each(ItemReader(form), lines)
    assert [parts(item) for item in items] == expected[0]
    assert sorted(notices, key=repr) == sorted(expected[1], key=repr)
    assert faults == expected[2]


@pytest.mark.parametrize("form", FORMS)
def test_the_form_is_found(form: Form) -> None:
    message = EVERY_FORM[form]
    assert outcome(ItemReader().read(line(message))) == outcome(ItemReader(form).read(line(message)))


def test_a_stream_may_be_mixed() -> None:
    lines = [line(message) for message in (*MESSAGES, *reversed(MESSAGES))]
    items, notices, faults = ItemReader().read_all(lines)
    platforms = ["twitter", "twitter", "bluesky", "mastodon", "posts", "mastodon"]
    assert [item.platform for item in items] == [*platforms, *reversed(platforms)]
    assert (notices.counts, faults) == ({"delete": 2}, [])
    assert notices.deleted == [("twitter", "650034844559376384")] * 2


def test_an_old_tweet_whose_id_is_only_a_number_is_a_tweet() -> None:
    item = ItemReader().read(line(TWEET, id_str=...))
    assert not isinstance(item, Notice)
    assert (item.platform, item.id) == ("twitter", "1146304835119177728")


def test_a_message_of_no_form_is_shown_by_its_keys() -> None:
    with pytest.raises(Fault, match=r"Unknown message: it has 'a', 'b\\x00'\. A post has at least an id\."):
        ItemReader().read(b'{"a": 1, "b\\u0000": 2}')
    with pytest.raises(Fault, match="Unknown message: it has none"):
        ItemReader().read(b"{}")


@pytest.mark.parametrize(
    "odd", [{"delete": {}}, {"delete": {"status": {"id": 7}}}, {"delete": {"status": {"id_str": "7\0"}}}]
)
def test_an_odd_delete_hides_no_other(odd: Object) -> None:
    _, notices, faults = ItemReader().read_all([line(DELETE), line(odd), line(DELETE)])
    expected = ["650034844559376384", *(["7"] if "id" in odd["delete"].get("status", {}) else []), "650034844559376384"]
    assert notices.deleted == [("twitter", id_) for id_ in expected]
    assert (len(notices), notices.counts, faults) == (3, {"delete": 3}, [])


def test_notices_are_a_sequence_and_know_their_counts() -> None:
    lines = [line(DELETE), b"", line({"limit": {"track": 1}}), line({"did": "did:x", "kind": "account"})]
    _, notices, _ = ItemReader().read_all([*lines, line(DELETE)])
    assert isinstance(notices, Notices)
    assert len(notices) == len(list(notices)) == 5
    assert notices.counts == {"delete": 2, "keep-alive": 1, "limit": 1, "account": 1}
    assert notices[0] in notices
    assert notices[1:3] == list(notices)[1:3]
    assert len(Notices()) == 0
    assert Notices().counts == {}


@pytest.mark.parametrize("form", ["twitter", "auto"])
def test_many_lines_are_read_as_each_of_them(form: Form) -> None:
    lines = list(made_lines(1500, seed=3, dirt=Dirt(deletes=0.4, broken=0.03)))
    order = random.Random(5)
    for extra in (
        b"",
        b" \n",
        line(TWEET),
        line(POST),
        line(EVENT),
        b'{"delete": null}',
        b'{"delete":{},"id_str":"1"}',
    ):
        lines.insert(order.randrange(len(lines)), extra)
    check_alike(form, lines)


@pytest.mark.parametrize("form", FORMS)
def test_no_lines_give_nothing(form: Form) -> None:
    items, notices, faults = ItemReader(form).read_all([])
    assert (items, list(notices), faults) == ([], [], [])


@given(st.sampled_from(MESSAGES), st.sampled_from([*FORMS, "auto"]), st.data())
def test_a_message_with_parts_changed_is_an_item_a_notice_or_a_fault(
    message: Object, form: Form, data: st.DataObject
) -> None:
    whole = json.loads(json.dumps(message))
    for _ in range(data.draw(st.integers(1, 3))):
        place, key = data.draw(st.sampled_from(list(_places(whole)) or [(whole, "id")]))
        if data.draw(st.booleans()) and isinstance(place, dict):
            place.pop(key, None)
        else:
            place[key] = copy.deepcopy(data.draw(VALUES))
    check_alike(form, [line(whole)])


@given(st.sampled_from(MESSAGES), st.sampled_from([*FORMS, "auto"]), st.data())
def test_a_message_with_bytes_changed_is_an_item_a_notice_or_a_fault(
    message: Object, form: Form, data: st.DataObject
) -> None:
    raw = bytearray(line(message))
    for _ in range(data.draw(st.integers(1, 4))):
        at, piece = data.draw(st.integers(0, len(raw))), data.draw(st.binary(max_size=3))
        raw[at : at + data.draw(st.integers(0, 9))] = piece
    check_alike(form, [bytes(raw)])


@given(st.binary(max_size=60), st.sampled_from([*FORMS, "auto"]))
def test_any_bytes_are_a_notice_or_a_fault(data: bytes, form: Form) -> None:
    check_alike(form, [data])


def _places(value: Any) -> Any:  # Any: JSON.
    """Yield every object and list within a message, each with each of its keys."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])
