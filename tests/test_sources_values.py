"""Raw values become the values of a post, or a fault that says why not."""

import time as clock
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga.post import Place
from siaga.sources.values import TEXT_CHARACTERS, Fault, as_label, as_place, as_string, as_time, existing_inside

NOON = datetime(2018, 10, 10, 20, 19, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    "raw",
    [
        "2018-10-10T20:19:24Z",
        "2018-10-10 20:19:24",
        "2018-10-11T03:19:24+07:00",
        "Wed Oct 10 20:19:24 +0000 2018",
        "Thu Oct 11 01:49:24 +0530 2018",
        "10-OCT-2018 20:19:24.00",
        "10-Oct-2018  20:19:24",
        "1539202764",
        "1539202764000",
        1539202764,
        1539202764.0,
        NOON.replace(tzinfo=None),
        NOON.astimezone(timezone(timedelta(hours=7))),
    ],
)
def test_a_time_in_any_of_the_usual_forms_is_utc(raw: object) -> None:
    time = as_time(raw)
    assert time == NOON
    assert time is not None
    assert time.tzinfo is UTC


def test_a_time_without_a_zone_is_utc_wherever_the_machine_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Jakarta")
        clock.tzset()
        there = as_time("2018-10-10T20:19:24"), as_time("1539202764")
    clock.tzset()
    assert there == (NOON, NOON)


@pytest.mark.parametrize(
    ("raw", "time"),
    [
        ("26-FEB-1987 15:01:01.79", datetime(1987, 2, 26, 15, 1, 1, 790_000, tzinfo=UTC)),
        (" 5-apr-1987 9:05:07.5", datetime(1987, 4, 5, 9, 5, 7, 500_000, tzinfo=UTC)),
        ("29-Feb-2024 00:30", datetime(2024, 2, 29, 0, 30, tzinfo=UTC)),
        ("1-DEC-1999", datetime(1999, 12, 1, tzinfo=UTC)),
    ],
)
def test_day_month_and_year_with_an_english_month_are_a_time_in_utc(raw: str, time: datetime) -> None:
    assert as_time(raw) == time


@pytest.mark.parametrize("raw", ["2018-10-10", "20181010", "10-oct-2018", date(2018, 10, 10)])
def test_a_day_is_its_midnight(raw: object) -> None:
    assert as_time(raw) == datetime(2018, 10, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "raw",
    [
        *(
            "soon",
            "inf",
            "nan",
            10**30,
            "Wed Foo 10 20:19:24 +0000 2018",
            "2018-13-45",
            "0001-01-01T00:00:00+07:00",
            {},
        ),
        *("26-FOO-1987", "31-FEB-1987", "0-FEB-1987", "27-MAR-1987 14:04:26.14F", "31-MAR-1987 605:12:19", "26-FEB-87"),
    ],
)
def test_what_is_no_time_is_a_fault(raw: object) -> None:
    with pytest.raises(Fault, match="neither ISO 8601 nor seconds since 1970"):
        as_time(raw)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        *((None, None), ("", None), (float("nan"), None), ("  ", "  "), (0, "0"), (123.0, "123"), (1e22, str(10**22))),
        *((0.1, "0.1"), (float("inf"), "inf"), (False, "false"), ([1, "a"], '[1,"a"]'), ({"a": None}, '{"a":null}')),
        *((b"abc", "abc"), (date(2020, 1, 2), "2020-01-02")),
    ],
)
def test_every_value_has_one_spelling_as_text(raw: object, text: str | None) -> None:
    assert as_string(raw) == text


def test_a_text_may_be_as_long_as_the_limit_and_no_longer() -> None:
    assert as_string("x" * TEXT_CHARACTERS) == "x" * TEXT_CHARACTERS
    with pytest.raises(Fault, match="Text too long"):
        as_string("x" * (TEXT_CHARACTERS + 1))


def test_bytes_that_are_no_text_are_a_fault() -> None:
    with pytest.raises(Fault, match="Not UTF-8"):
        as_string(b"\xff")


def test_a_named_label_is_not_taken_by_the_star() -> None:
    mapping = {"*": "other", "flood": "flood"}
    assert [as_label(raw, mapping) for raw in ("flood", "fire")] == ["flood", "other"]


def test_of_a_list_of_labels_the_first_is_the_label() -> None:
    mapping = {"very harmful": "harmful", "not harmful": "harmless"}
    assert as_label(["very harmful", "society"], mapping) == "harmful"
    assert as_label(["not harmful"], {}) == "not harmful"
    assert as_label([], mapping) is None


@given(st.floats(-180, 180), st.floats(-90, 90))
def test_a_place_on_earth_is_kept_as_given(lon: float, lat: float) -> None:
    assert as_place(repr(lon), lat) == Place(lon, lat, "given", 0.0)


def test_no_place_given_is_no_fault() -> None:
    assert as_place(None, "") is None


def test_a_path_through_a_link_that_stays_inside_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "b.jpg").symlink_to("a.jpg")
    assert existing_inside(tmp_path.resolve(), "b.jpg") == tmp_path.resolve() / "a.jpg"
    assert existing_inside(tmp_path.resolve(), str(tmp_path.resolve() / "a.jpg")) == tmp_path.resolve() / "a.jpg"
