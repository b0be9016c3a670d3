"""Sums of what was said of posts, by period, language, country and place: exact, in whatever order posts come."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from siaga.errors import DataError
from siaga.post import Place

MINUTE_MS = 60_000
STEPS_MS = tuple(step * MINUTE_MS for step in (1, 5, 15, 60, 360, 1_440, 10_080))
EASY_PERIODS = 1_500  # As many as a page can show; of a longer span, periods grow.
MOST_PERIODS = 20_000
MOST_SPOTS = 50_000  # Places with a point that are told apart; posts of further ones are counted without a place.
MOST_LANGUAGES = 500
OTHER_LANGUAGE = "other"  # What follows the first MOST_LANGUAGES, as only made-up ones can.
Key = TypeVar("Key", bound=Hashable)


class Scored(NamedTuple):
    """What was said of one post. `time_ms` is since 1970 in UTC; `score` is None where the model gives none.

    `is_known` is False where the model had nothing to go by: no text, another language, no word that it knows.
    """

    time_ms: int | None
    language: str | None
    place: Place | None
    label: str
    score: int | None = None
    is_known: bool = True


class Window(NamedTuple):
    """Posts of which time count: from `since_ms` to before `until_ms`, each open where it is None."""

    since_ms: int | None = None
    until_ms: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether all posts count, those without a time too."""
        return self == EVER

    def holds(self, time_ms: int | None) -> bool:
        """Whether a post of this time counts."""
        if time_ms is None:
            return self.is_open
        is_early = self.since_ms is not None and time_ms < self.since_ms
        return not is_early and (self.until_ms is None or time_ms < self.until_ms)


EVER = Window()


class Spot(NamedTuple):
    """A place with a point, in degrees as in GeoJSON, and its radius of doubt in metres."""

    lon: float
    lat: float
    method: str
    radius_m: float | None
    name: str | None
    country: str | None


@dataclass(slots=True)
class Sums:
    """Posts by label, those of them with something to go by, and the sums of scores and of their squares."""

    labels: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    total: int = 0
    squares: int = 0

    def add(self, label: str, posts: int, *, known: int, total: int, squares: int) -> None:
        """Add so many posts of one label."""
        self.labels[label] += posts
        if known:
            self.known[label] += known
        self.total += total
        self.squares += squares

    def merge(self, other: "Sums") -> None:
        """Add the sums of other posts."""
        self.labels.update(other.labels)
        self.known.update(other.known)
        self.total += other.total
        self.squares += other.squares


@dataclass(slots=True)
class Tally:
    """Sums by (start of the period in ms, language), (country, language) and (spot, language).

    Periods begin at multiples of `every_ms`; posts without a time stand under None. Unless their length `is_fixed`, it
    grows with the span, so that there are EASY_PERIODS at most. An unknown language is "". Memory grows with periods,
    languages and places, within bounds, and not with posts.
    """

    every_ms: int = MINUTE_MS
    is_fixed: bool = False
    periods: dict[tuple[int | None, str], Sums] = field(default_factory=dict)
    countries: dict[tuple[str, str], Sums] = field(default_factory=dict)
    spots: dict[tuple[Spot, str], Sums] = field(default_factory=dict)
    languages: set[str] = field(default_factory=set)
    beyond: int = 0
    first_ms: int | None = None
    last_ms: int | None = None

    def add(self, post: Scored) -> None:
        """Count one post. Raises DataError as `add_timed` does."""
        score, language = post.score or 0, self.known_language(post.language)
        sums = Sums()
        sums.add(post.label, 1, known=int(post.is_known), total=score, squares=score * score)
        if post.time_ms is None:
            self.add_timeless(language, sums)
        else:
            self.add_timed((post.time_ms, post.time_ms), language, sums)
        if post.place is not None:
            self._add_place(post.place, language, sums)

    def add_timed(self, times_ms: tuple[int, int], language: str, sums: Sums) -> None:
        """Count the posts behind `sums`, the first and the last of which, within one period, are of these times.

        Raises DataError when the span would have more than MOST_PERIODS periods.
        """
        self._note(*times_ms)
        start = times_ms[0] - times_ms[0] % self.every_ms
        _cell(self.periods, (start, language)).merge(sums)

    def add_timeless(self, language: str, sums: Sums) -> None:
        """Count posts without a time."""
        _cell(self.periods, (None, language)).merge(sums)

    def known_language(self, code: str | None) -> str:
        """Return the language under which a post is counted."""
        language = code or ""
        if language not in self.languages:
            if len(self.languages) >= MOST_LANGUAGES:
                return OTHER_LANGUAGE
            self.languages.add(language)
        return language

    def add_country(self, country: str, language: str, sums: Sums) -> None:
        """Count posts of a country once more, under it; `add_period` counts them as posts."""
        _cell(self.countries, (country, language)).merge(sums)

    def add_spot(self, spot: Spot, language: str, sums: Sums) -> None:
        """Count posts of a place once more, under it; of more than MOST_SPOTS places, only how many posts they had."""
        if len(self.spots) >= MOST_SPOTS and (spot, language) not in self.spots:
            self.beyond += sums.labels.total()
            return
        _cell(self.spots, (spot, language)).merge(sums)

    def _note(self, first_ms: int, last_ms: int) -> None:
        self.first_ms = first_ms if self.first_ms is None else min(self.first_ms, first_ms)
        self.last_ms = last_ms if self.last_ms is None else max(self.last_ms, last_ms)
        span, every_ms = self.last_ms - self.first_ms, self.every_ms
        if span < EASY_PERIODS * every_ms:
            return
        if not self.is_fixed:
            every_ms = next((step for step in STEPS_MS if span < EASY_PERIODS * step), STEPS_MS[-1])
        if span >= MOST_PERIODS * every_ms:
            days = f"{span / 86_400_000:,.0f} days"
            what = f"The posts are {days} apart: {span // every_ms:,} periods of {every_ms // 1000} s"
            raise DataError(f"{what}. Set a longer --every, or --since and --until.")
        if every_ms != self.every_ms:
            self._lengthen(every_ms)

    def _lengthen(self, every_ms: int) -> None:
        periods, self.every_ms, self.periods = self.periods, every_ms, {}
        for (start, language), sums in periods.items():
            _cell(self.periods, (None if start is None else start - start % every_ms, language)).merge(sums)

    def _add_place(self, place: Place, language: str, sums: Sums) -> None:
        if place.country:
            self.add_country(place.country, language, sums)
        if place.lon is not None and place.lat is not None:
            spot = Spot(place.lon, place.lat, place.method, place.radius_m, place.name, place.country)
            self.add_spot(spot, language, sums)


def _cell(cells: dict[Key, Sums], key: Key) -> Sums:
    found = cells.get(key)
    if found is None:
        found = cells[key] = Sums()
    return found
