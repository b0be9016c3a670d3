"""Open streams of social networks as an input: Bluesky's Jetstream and Mastodon, over a websocket."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field

from siaga.serving.store.rows import Offset
from siaga.serving.stream.messages import Attempt, Messages
from siaga.serving.stream.tracks import Taken, Track, open_track
from siaga.sources.endpoints import Endpoint, find_endpoint
from siaga.sources.listening import Event, Mended, listen
from siaga.sources.sockets import Lost, Pace, Target, World

AT_ONCE = 500  # Messages that are handed over together, at most;
_GATHERED_S = 0.5  # how long the first of them waits for others;
_SPAN_MS = 60_000  # and how much later than it they may have come, so that what is said of the last holds of all.
_SILENT = Pace(idle_s=None)  # A Mastodon server may have nothing to say for hours; it answers pings meanwhile.
_Gathered = tuple[Taken, bytes]


def open_social(
    source: str, *, read: Mapping[str, Offset] | None = None, now: Callable[[], float] = time.time
) -> "SocialInput":
    """Return the open stream of a name or an address, from where `read` says that it was left.

    Raises DataError as `find_endpoint` does. Nothing is opened before the first message is asked for.
    """
    endpoint = find_endpoint(source)
    left = (read or {}).get(endpoint.part)
    track = open_track(endpoint, start=None if left is None else left.position, now=now)
    return SocialInput(endpoint, track, pace=_SILENT if endpoint.platform == "mastodon" else Pace())


@dataclass
class SocialInput:
    """An open stream as an input that never ends. What one process was given once is not given to it again."""

    endpoint: Endpoint
    track: Track
    pace: Pace = field(default_factory=Pace)
    world: World = field(default_factory=World)
    _events: Generator[Event] | None = field(default=None, init=False, repr=False)
    # So many messages come one by one; None: whether any do is not known yet.
    _doubtful: int | None = field(default=None, init=False, repr=False)

    @property
    def name(self) -> str:
        """The stream as the user named it."""
        return self.endpoint.name

    def messages(self, attempt: Attempt) -> Iterator[Messages | None]:
        """Yield messages as they come, for ever. Raises DataError as `listen` does."""
        target = Target(self.name, self.track.url, self.endpoint.headers, self.endpoint.hints)
        gathered: list[_Gathered] = []
        since = 0.0
        self._events = listen(target, pace=self.pace, world=self.world)
        for event in self._events:
            taken = self.track.take(event) if isinstance(event, bytes) else None
            if gathered and self._is_due(event, taken, gathered, since):
                yield from self._handed_over(gathered, attempt)
                gathered = []
            if taken is not None and isinstance(event, bytes):
                since = since if gathered else self.world.clock()
                gathered.append((taken, event))
            elif not gathered:
                yield None
            if isinstance(event, Lost | Mended):
                self.track.hear(event)

    def acknowledge(self, messages: Messages) -> None:
        """Do nothing: it is the store that remembers."""

    def lag(self) -> int | None:
        """Return None: what waits is not known."""
        return None

    def close(self) -> None:
        """Close the connection."""
        if self._events is not None:
            self._events.close()

    def _is_due(self, event: Event, taken: Taken | None, gathered: list[_Gathered], since: float) -> bool:
        """Whether what was gathered is to be handed over before the next message joins it."""
        if not isinstance(event, bytes) or len(gathered) >= AT_ONCE or self.world.clock() - since > _GATHERED_S:
            return True
        first_ms, next_ms = gathered[0][0].time_ms, None if taken is None else taken.time_ms
        return first_ms is not None and next_ms is not None and next_ms - first_ms > _SPAN_MS

    def _handed_over(self, gathered: list[_Gathered], attempt: Attempt) -> Iterator[Messages]:
        """Yield messages together, or one by one if a process died of what came first."""
        counted = 0
        if self._doubtful is None:
            counted = attempt(self.endpoint.part, gathered[0][0].position) if self.track.is_resumed else 1
            self._doubtful = AT_ONCE if counted > 1 else 0
        if not self._doubtful:
            yield self._together(gathered)
            return
        for taken, line in gathered:
            deliveries = counted or attempt(self.endpoint.part, taken.position)
            counted = 0
            self._doubtful -= not taken.is_old
            yield self._together([(taken, line)], deliveries)
        self._doubtful = max(0, self._doubtful)

    def _together(self, gathered: list[_Gathered], deliveries: int = 1) -> Messages:
        last, part = gathered[-1][0], self.endpoint.part
        return Messages(
            part,
            [line for _, line in gathered],
            [taken.position for taken, _ in gathered],
            end=None if last.reached is None else Offset(part, last.reached),
            deliveries=deliveries,
            time_ms=last.time_ms,
        )
