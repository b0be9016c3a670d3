from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from siaga.evaluation.topics.prevalence import Bins, prevalence

MONDAY = datetime(1987, 3, 2, tzinfo=UTC)


def at(*days: float, start: datetime = MONDAY) -> list[datetime]:
    return [start + timedelta(days=day) for day in days]


def halves(n: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.full((n, 2), 0.5)


def test_a_step_has_the_mean_shares_of_its_posts_and_a_gap_has_none() -> None:
    shares = np.array([[1.0, 0.0], [0.5, 0.5], [0.25, 0.75]])
    assert prevalence(at(0, 0.9, 3.1), shares, "day") == {
        "unit": "day",
        "starts": ["1987-03-02", "1987-03-03", "1987-03-04", "1987-03-05"],
        "posts": [2, 0, 0, 1],
        "shares": [[0.75, 0.25], None, None, [0.25, 0.75]],
    }


def test_the_order_of_posts_does_not_matter_and_those_without_a_time_are_left_out() -> None:
    shares = np.array([[1.0, 0.0], [0.5, 0.5], [0.25, 0.75]])
    times = at(0, 0.9, 3.1)
    mixed = prevalence([times[2], None, times[0], times[1]], shares[[2, 0, 0, 1]], "day")
    assert mixed == prevalence(times, shares, "day")


@pytest.mark.parametrize(
    ("bins", "starts"),
    [
        ("hour", ["1987-03-02T00:00Z", "1987-03-02T01:00Z", "1987-03-02T02:00Z"]),
        ("day", ["1987-03-02", "1987-03-03"]),
        ("week", ["1987-02-23", "1987-03-02"]),
        ("month", ["1987-02-01", "1987-03-01"]),
        ("year", ["1986-01-01", "1987-01-01"]),
    ],
)
def test_steps_begin_with_the_hour_the_day_monday_the_month_and_the_year(bins: Bins, starts: list[str]) -> None:
    back = {"hour": 2.5 / 24, "day": 1.5, "week": -0.01, "month": -1.5, "year": -70}[bins]
    assert prevalence(at(0, back), halves(2), bins)["starts"] == starts


def test_times_are_read_in_utc() -> None:
    east = datetime(1987, 3, 2, 1, tzinfo=timezone(timedelta(hours=7)))
    assert prevalence([east, MONDAY], halves(2), "day")["starts"] == ["1987-03-01", "1987-03-02"]


def test_times_before_1970_are_counted_too() -> None:
    times = [datetime(1969, 12, 28, 23, 59, 59, 500_000, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)]
    assert prevalence(times, halves(2), "week")["starts"] == ["1969-12-22", "1969-12-29"]


@pytest.mark.parametrize(
    ("days", "unit"),
    [(2, "hour"), (2.6, "day"), (59, "day"), (61, "week"), (400, "week"), (430, "month"), (4000, "year")],
)
def test_auto_takes_the_shortest_unit_of_sixty_steps_at_most(days: float, unit: str) -> None:
    times = at(*np.linspace(0, days, 2_000))
    found = prevalence(times, halves(2_000))
    assert found["unit"] == unit
    assert len(found["starts"]) <= 60


def test_auto_leaves_ten_posts_to_a_step_where_it_can() -> None:
    assert prevalence(at(*np.linspace(0, 50, 400)), halves(400))["unit"] == "week"
    assert prevalence(at(*np.linspace(0, 50, 40)), halves(40))["unit"] == "day"  # Too few whatever the unit.


def test_a_unit_that_would_make_too_many_steps_gives_way_to_a_longer_one() -> None:
    times = at(0, 3_650)
    assert prevalence(times, halves(2), "hour")["unit"] == "week"
    assert len(prevalence(times, halves(2), "day")["starts"]) == 522


@pytest.mark.parametrize("times", [[], [None, None], [MONDAY], [MONDAY, MONDAY + timedelta(minutes=5)]])
def test_without_two_steps_there_is_no_course(times: list[datetime | None]) -> None:
    assert prevalence(times, halves(len(times))) == {}


def test_wild_times_do_not_flatten_the_others() -> None:
    tame = at(*[day / 10 for day in range(300)])
    wild = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)]
    assert prevalence([*tame, *wild], halves(302))["unit"] == "day"
    assert sum(prevalence([*tame, *wild], halves(302))["posts"]) >= 290
    assert prevalence(wild, halves(2)) == {}
