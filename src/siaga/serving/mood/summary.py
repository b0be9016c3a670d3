"""The summary: what the mood was, period by period, by language and by place, and where nothing is known."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from siaga.errors import DataError
from siaga.serving.mood.figures import Asked, Views, views
from siaga.serving.mood.tally import Spot, Sums, Tally

TOP_LANGUAGES = 10
TOP_PLACES = 20
BY_CHANCE = 0.001  # How rarely posts that are spread evenly leave an edge empty that is taken for no chance.
LEAST_SILENT = 0.05  # The share of a period.
Cells = list[tuple[str, Sums]]  # Sums, each with its language.
Name = tuple[str, str | None]  # Of a group, and its country where it has one.
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Period:
    """One period; `start` is ISO 8601 in UTC. `is_partial`: the stream began or ended within it."""

    start: str
    is_partial: bool
    views: Views

    @property
    def time(self) -> datetime:
        """When it began."""
        return datetime.fromisoformat(self.start)


@dataclass(frozen=True, slots=True)
class Gap:
    """Periods in a row without any post: the first one's start, and the end of the last."""

    start: str
    end: str
    periods: int


@dataclass(frozen=True, slots=True)
class Group:
    """The posts of one language, country or place; "" stands for posts whose language is unknown."""

    name: str
    country: str | None
    views: Views


@dataclass(frozen=True, slots=True)
class Point:
    """The posts of one place with a point."""

    spot: Spot
    views: Views


@dataclass(frozen=True, slots=True)
class Summary:
    """All figures. `languages` and `countries` are whole, by volume; `places` the first 20, `rest` the languages that
    follow the first ten. `read` counts what else a file held. `notes` are sentences.
    """

    model: str
    asked: Asked
    every_s: int
    total: Views
    without_time: int
    periods: list[Period]
    gaps: list[Gap]
    languages: list[Group]
    rest: Views
    countries: list[Group]
    places: list[Group]
    points: list[Point]
    beyond: int
    read: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON.

    def to_dict(self) -> dict[str, Any]:  # Any: JSON.
        """Return everything but the points for JSON; places.geojson holds these."""
        whole = {name: value for name, value in asdict(self).items() if name != "points"}
        return {**whole, "points": len(self.points)}


def summarise(
    tally: Tally,
    *,
    model: str,
    asked: Asked,
    read: Mapping[str, Any] | None = None,  # Any: JSON.
) -> Summary:
    """Return the summary of a tally; `read` tells what else there was. Raises DataError when no post was counted."""
    if not tally.periods:
        raise DataError("There is no post to measure.")
    length, cells = tally.every_ms, tally.periods.items()
    by_start = _by((start, language, sums) for (start, language), sums in cells)
    by_language: dict[Name, Cells] = _by(((language, None), language, sums) for (_, language), sums in cells)
    without = by_start.pop(None, [])
    ranked = _ranked(by_language, asked)
    periods = _periods(by_start, tally, asked, length)
    return Summary(
        model=model,
        asked=asked,
        every_s=length // 1000,
        total=views((cell for cells in by_language.values() for cell in cells), asked),
        without_time=sum(sums.labels.total() for _, sums in without),
        periods=periods,
        gaps=_gaps(periods, length),
        languages=ranked,
        rest=views((cell for group in ranked[TOP_LANGUAGES:] for cell in by_language[group.name, None]), asked),
        countries=_countries(tally, asked),
        places=_places(tally, asked)[:TOP_PLACES],
        points=_points(tally, asked),
        beyond=tally.beyond,
        read=read or {},
    )


def _periods(by_start: Mapping[int | None, Cells], tally: Tally, asked: Asked, length: int) -> list[Period]:
    """Return every period from the first to the last, those without posts as well."""
    starts = sorted(start for start in by_start if start is not None)
    if not starts:
        return []
    found = []
    for start in range(starts[0], starts[-1] + 1, length):
        counted = views(by_start.get(start, ()), asked)
        found.append(Period(iso(start), _is_partial(start, length, counted.all.posts, tally), counted))
    return found


def _is_partial(start: int, length: int, posts: int, tally: Tally) -> bool:
    """Whether the stream began or ended within the period, and is not only quiet at its edge.

    A period is partial when a twentieth of it or more lies before the stream's first post or after its last one, and
    as many posts, spread evenly over the period, would leave that part empty less than once in a thousand times. One
    second at either edge is not missed: times may be cut to whole seconds, and a sample takes part of each second.
    """
    if tally.first_ms is None or tally.last_ms is None:
        return False
    silent = max(0, tally.first_ms - start - 1000, start + length - 1000 - tally.last_ms) / length
    return silent >= LEAST_SILENT and (1 - silent) ** posts < BY_CHANCE


def _gaps(periods: Sequence[Period], length: int) -> list[Gap]:
    gaps, empty = [], 0
    for period in periods:
        if not period.views.all.posts:
            empty += 1
        elif empty:
            end = round(period.time.timestamp() * 1000)
            gaps.append(Gap(iso(end - empty * length), period.start, empty))
            empty = 0
    return gaps


def _ranked(groups: Mapping[Name, Cells], asked: Asked) -> list[Group]:
    found = [Group(name, country, views(cells, asked)) for (name, country), cells in groups.items()]
    return sorted(found, key=lambda group: (-group.views.all.posts, group.name, group.country or ""))


def _countries(tally: Tally, asked: Asked) -> list[Group]:
    cells = (((country, None), language, sums) for (country, language), sums in tally.countries.items())
    return _ranked(_by(cells), asked)


def _places(tally: Tally, asked: Asked) -> list[Group]:
    cells = (
        ((spot.name, spot.country), language, sums)
        for (spot, language), sums in tally.spots.items()
        if spot.name is not None
    )
    return _ranked(_by(cells), asked)


def _points(tally: Tally, asked: Asked) -> list[Point]:
    spots = _by((spot, language, sums) for (spot, language), sums in tally.spots.items())
    found = [Point(spot, views(cells, asked)) for spot, cells in spots.items()]
    return sorted(found, key=lambda point: (-point.views.all.posts, [str(part) for part in point.spot]))


def _by(cells: Iterable[tuple[Key, str, Sums]]) -> dict[Key, Cells]:
    found: dict[Key, Cells] = defaultdict(list)
    for key, language, sums in cells:
        found[key].append((language, sums))
    return found


def iso(time_ms: int) -> str:
    """Return a time as ISO 8601 in UTC, to the second (or to the millisecond where it has some)."""
    time = datetime.fromtimestamp(time_ms / 1000, UTC)
    return time.isoformat(timespec="milliseconds" if time_ms % 1000 else "seconds").replace("+00:00", "Z")
