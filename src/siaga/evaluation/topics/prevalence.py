"""How much of the posts each topic was, over time: means by hour, day, week, month or year, in UTC."""

from collections.abc import Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Bins = Literal["auto", "hour", "day", "week", "month", "year"]
Steps = NDArray[np.int64]
Times = NDArray[np.datetime64]
UNITS: tuple[Bins, ...] = ("hour", "day", "week", "month", "year")
CODES = MappingProxyType({"hour": "h", "day": "D", "month": "M", "year": "Y"})
MOST_STEPS = 60  # That a chart can show without crowding.
MOST_ASKED = 800  # Of a unit that was asked for: the hours of a month, the days of two years.
FEWEST_STEPS, FEWEST_POSTS = 6, 10  # Below ten posts, the mean of a step is mostly chance.


def prevalence(
    times: Sequence[datetime | None], shares: NDArray[np.floating[Any]], bins: Bins = "auto"
) -> dict[str, Any]:
    """Return {unit, starts, posts, shares}: the mean share of each topic among the posts of each step, in order.

    `times` are aware; `shares` is (posts, topics). Posts without a time are left out. A step without posts is a gap:
    its shares are None. Without two steps that have posts there is no course over time, and {} is returned. `auto`
    takes the shortest unit that makes sixty steps at most and leaves ten posts to a step where it can; a unit that
    would make over 800 steps gives way to a longer one. Where posts run over more than 800 years, the first and the
    last hundredth of them are left out: a wild time must not flatten all others. Weeks begin on Mondays.
    """
    rows = np.array([i for i, time in enumerate(times) if time is not None], dtype=np.int64)
    stamps = [time.timestamp() for time in times if time is not None]
    seconds: Times = np.floor(stamps).astype("datetime64[s]")
    if len(rows) < 2:
        return {}
    if _span(seconds, "year") > MOST_ASKED:
        low, high = np.sort(seconds)[[len(rows) // 100 + 1, -(len(rows) // 100 + 2)]]
        tame = (seconds >= low) & (seconds <= high)
        rows, seconds = rows[tame], seconds[tame]
    if len(rows) < 2:
        return {}
    unit = _unit(seconds) if bins == "auto" else _longer(seconds, bins)
    places = _places(seconds, unit)
    first, places = int(places.min()), places - places.min()
    counts = np.bincount(places)
    if np.count_nonzero(counts) < 2:
        return {}
    sums = np.zeros((len(counts), shares.shape[1]))
    np.add.at(sums, places, np.asarray(shares, dtype=np.float64)[rows])
    return {
        "unit": unit,
        "starts": [_start(unit, first + step) for step in range(len(counts))],
        "posts": counts.tolist(),
        "shares": [_means(row, int(n)) for row, n in zip(sums, counts, strict=True)],
    }


def _unit(seconds: Times) -> Bins:
    short = [unit for unit in UNITS if _span(seconds, unit) <= MOST_STEPS] or [UNITS[-1]]
    full = (
        unit
        for unit in short
        if _span(seconds, unit) >= FEWEST_STEPS
        and len(seconds) >= FEWEST_POSTS * len(np.unique(_places(seconds, unit)))
    )
    return next(full, short[0])


def _longer(seconds: Times, bins: Bins) -> Bins:
    units = UNITS[UNITS.index(bins) :]
    return next((unit for unit in units if _span(seconds, unit) <= MOST_ASKED), UNITS[-1])


def _span(seconds: Times, unit: Bins) -> int:
    places = _places(seconds, unit)
    return int(places.max() - places.min()) + 1


def _start(unit: Bins, step: int) -> str:
    match unit:
        case "hour":
            return f"{np.datetime64(step, 'h')}:00Z"
        case "week":
            return str(np.datetime64(7 * step - 3, "D"))
        case "day":
            return str(np.datetime64(step, "D"))
        case "month":
            return f"{np.datetime64(step, 'M')}-01"
        case _:
            return f"{np.datetime64(step, 'Y')}-01-01"


def _places(seconds: Times, unit: Bins) -> Steps:
    """Return the number of the step in which each time lies, counted from 1970."""
    if unit == "week":
        return (_places(seconds, "day") + 3) // 7  # 1970 began on a Thursday.
    return seconds.astype(f"datetime64[{CODES[unit]}]").astype(np.int64)


def _means(sums: NDArray[np.float64], posts: int) -> list[float] | None:
    return [float(f"{each / posts:.5f}") for each in sums] if posts else None
