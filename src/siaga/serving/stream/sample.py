"""A fair sample of each day: at most so many posts, each of the day's with the same chance, whenever it came.

Every post has a rank that its id and the seed alone decide, and the lowest ranks of a day are its sample (Cohen and
Kaplan, "Summarizing Data using Bottom-k Sketches", PODC 2007). So the order of arrival has no say, a post that comes
twice counts once, and the sample of a part of the stream goes on to become that of the whole.
"""

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import blake2b
from typing import Literal, NamedTuple

from siaga.errors import DataError

Outcome = Literal["kept", "repeated", "passed over"]
_SEEDS = 1 << 64


class Held(NamedTuple):
    """A post of a sample: its key, its time in milliseconds since 1970, and the line that it is written as."""

    source: str
    id: str
    time_ms: int
    line: str


@dataclass
class _Day:
    seen: int = 0
    ranks: list[tuple[int, tuple[str, str]]] = field(default_factory=list)  # In order, the lowest first.
    posts: dict[tuple[str, str], Held] = field(default_factory=dict)


class DailySample:
    """The samples of the days that are open. Raises DataError for a number of posts below 1."""

    def __init__(self, per_day: int, *, seed: int = 0) -> None:
        if per_day < 1:
            raise DataError(f"--per-day is {per_day}. Give the largest number of posts of a day, 1 at least.")
        self.per_day, self.seed = per_day, seed
        self._key = (seed % _SEEDS).to_bytes(8, "big")
        self._days: dict[date, _Day] = {}

    @property
    def days(self) -> list[date]:
        """The days that are open, in order."""
        return sorted(self._days)

    def __len__(self) -> int:
        return sum(len(day.posts) for day in self._days.values())

    def add(self, day: date, post: Held) -> Outcome:
        """Offer a post of a day; return whether it is in the sample now, was so before, or has too high a rank.

        A later post may take its place. One that comes again is "repeated" only while it is in the sample.
        """
        of_day = self._days.setdefault(day, _Day())
        key = (post.source, post.id)
        if key in of_day.posts:
            return "repeated"
        of_day.seen += 1
        insort(of_day.ranks, (self._rank(key), key))
        of_day.posts[key] = post
        if len(of_day.ranks) <= self.per_day:
            return "kept"
        _, evicted = of_day.ranks.pop()
        del of_day.posts[evicted]
        return "passed over" if evicted == key else "kept"

    def remove(self, source: str, identity: str) -> None:
        """Take away a post that was deleted, if it is in a sample."""
        key = (source, identity)
        for day in self._days.values():
            if day.posts.pop(key, None) is not None:
                del day.ranks[bisect_left(day.ranks, (self._rank(key), key))]

    def seen(self, day: date) -> int:
        """Return how many posts of a day were offered; one that is not in the sample counts each time."""
        return self._days[day].seen

    def posts(self, day: date) -> list[Held]:
        """Return the sample of a day by time and key, whatever came first."""
        return sorted(self._days[day].posts.values(), key=lambda post: (post.time_ms, post.source, post.id))

    def close(self, day: date) -> None:
        """Forget a day."""
        del self._days[day]

    def state(self) -> dict[str, tuple[int, list[Held]]]:
        """Return what `restore` needs: of each open day how many posts were seen, and the sample."""
        return {day.isoformat(): (self.seen(day), self.posts(day)) for day in self.days}

    def restore(self, state: Mapping[str, tuple[int, Sequence[Held]]]) -> None:
        """Go on from a state, of a sample of the same size and seed. Raises ValueError for what is no day."""
        self._days = {}
        for name, (seen, posts) in state.items():
            day = date.fromisoformat(name)
            self._days[day] = _Day()
            for post in posts:
                self.add(day, post)
            self._days[day].seen = seen

    def _rank(self, key: tuple[str, str]) -> int:
        said = "\0".join(key).encode("utf-8", "surrogatepass")
        return int.from_bytes(blake2b(said, digest_size=16, key=self._key).digest(), "big")
