"""Tracks: how far an open stream was followed, where it is taken up after a loss, and what is missing then.

Jetstream can be asked from a moment on. It is asked from a little before the last event, since another of its hosts
may have seen things in another order; what comes twice by that is passed over. Mastodon cannot be asked.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import NamedTuple, Protocol

import msgspec

from siaga.errors import DataError
from siaga.sources.endpoints import Endpoint
from siaga.sources.listening import Mended
from siaga.sources.sockets import Lost

log = logging.getLogger(__name__)
REWIND_US = 5_000_000
_GAP_US = 60_000_000  # Jetstream is never silent for so long, so this much was missed.
_AHEAD_US = 3_600_000_000
_LARGEST_STEP = 16
_RECENT = 100_000


class Taken(NamedTuple):
    """A message on its track: where it stands, how far the stream is followed with it, and when the server got it.

    `is_old`: an earlier process kept it already, or one behind it.
    """

    position: str
    reached: str | None
    time_ms: int | None
    is_old: bool = False


class Track(Protocol):
    """How far one stream was followed."""

    def url(self) -> str:
        """Return the address to ask now."""
        ...

    def take(self, line: bytes) -> Taken | None:
        """Note a message and say where it stands; None for one that was taken before."""
        ...

    def hear(self, news: Lost | Mended) -> None:
        """Note that the connection was lost or mended."""
        ...

    @property
    def is_resumed(self) -> bool:
        """Whether it begins with what an earlier process may have taken."""
        ...


def open_track(endpoint: Endpoint, *, start: str | None, now: Callable[[], float]) -> Track:
    """Return the track of an endpoint from where it was left, as a store keeps it. `now` is in seconds since 1970."""
    if endpoint.platform == "mastodon":
        return MastodonTrack(endpoint, start, now)
    if start is not None and not (start.isascii() and start.isdigit()):
        raise DataError(f"{start[:80]!r} is no cursor of {endpoint.name}: it counts microseconds since 1970.")
    return JetstreamTrack(endpoint, None if start is None else int(start), now)


class _Event(msgspec.Struct):
    time_us: int


_event = msgspec.json.Decoder(_Event).decode


class JetstreamTrack:
    """A track by the server's clock, in microseconds since 1970."""

    def __init__(self, endpoint: Endpoint, start: int | None, now: Callable[[], float]) -> None:
        self._endpoint, self._now = endpoint, now
        self._start = self._reached = start
        self._recent: dict[int, int] = {}  # The hash of each late message, with its time.
        self._rank = 0
        self._stuck = 0  # How often the connection broke of what was sent, with nothing new in between.

    def url(self) -> str:
        """Return the address to ask from a little before the last message on, or from beyond what cannot be read."""
        if self._reached is None:
            return self._endpoint.asked(rank=self._rank)
        step_us = self._step_s * 1_000_000 if self._stuck > 1 else -REWIND_US
        return self._endpoint.asked(cursor=max(0, self._reached + step_us), rank=self._rank)

    def take(self, line: bytes) -> Taken | None:
        """Note a message by its time; one without, or from the future, stands where its content says."""
        time_us = self._time_us(line)
        key = hash(line)
        if key in self._recent:
            return None
        if time_us is not None and (self._reached is None or time_us > self._reached):
            self._tell_of_gap(time_us)
            self._reached, self._stuck = time_us, 0
        self._recent[key] = self._reached or 0
        self._forget()
        position = _digest(line) if time_us is None else str(time_us)
        if self._reached is None:
            return Taken(position, None, None)
        is_old = self._start is not None and self._reached <= self._start
        return Taken(position, str(self._reached), self._reached // 1000, is_old)

    @property
    def is_resumed(self) -> bool:
        """Whether an earlier process left a cursor."""
        return self._start is not None

    def hear(self, news: Lost | Mended) -> None:
        """Try another host when one does not open; step over what breaks the connection twice at the same place."""
        if isinstance(news, Mended):
            return
        if not news.was_open:
            self._rank += 1
        if news.is_unreadable:
            self._stuck += 1
            if self._stuck > 1:
                passed = "%s: %d s of it are passed over, since they break the connection."
                log.warning(passed, self._endpoint.name, self._step_s)

    @property
    def _step_s(self) -> int:
        """The seconds to step over: 1 at first, and twice as many each time."""
        return 1 << min(max(self._stuck - 2, 0), _LARGEST_STEP)

    def _time_us(self, line: bytes) -> int | None:
        try:
            time_us = _event(line).time_us
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return time_us if 0 < time_us < self._now() * 1_000_000 + _AHEAD_US else None

    def _tell_of_gap(self, time_us: int) -> None:
        if self._reached is not None and time_us - self._reached > _GAP_US:
            log.warning(
                "%s has nothing between %s and %s: it keeps a day or so, and what is older is gone.",
                *(self._endpoint.name, _clock(self._reached), _clock(time_us)),
            )

    def _forget(self) -> None:
        """Forget messages that cannot come again; they stand in the order in which they came."""
        oldest = (self._reached or 0) - 2 * REWIND_US
        while self._recent[first := next(iter(self._recent))] < oldest or len(self._recent) > _RECENT:
            del self._recent[first]


class _Frame(msgspec.Struct):
    event: str = ""
    payload: str | None = None


class _Status(msgspec.Struct):
    id: str


_frame = msgspec.json.Decoder(_Frame).decode
_status = msgspec.json.Decoder(_Status).decode


class MastodonTrack:
    """A track by the ids of posts, which only say how much is missing."""

    def __init__(self, endpoint: Endpoint, start: str | None, now: Callable[[], float]) -> None:
        self._endpoint, self._now = endpoint, now
        self._reached = start
        if start is not None:
            self._warn(self._since(start))

    def url(self) -> str:
        """Return the address to ask."""
        return self._endpoint.asked()

    def take(self, line: bytes) -> Taken:
        """Note a message; one that is no post stands where its content says."""
        try:
            frame = _frame(line)
            is_post = frame.event in ("update", "status.update") and frame.payload is not None
            identity = _status(frame.payload or "").id if is_post else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            identity = None
        self._reached = identity or self._reached
        return Taken(identity or _digest(line), self._reached, int(self._now() * 1000))

    @property
    def is_resumed(self) -> bool:
        """Return False: nothing comes twice."""
        return False

    def hear(self, news: Lost | Mended) -> None:
        """Say how long nothing was heard."""
        if isinstance(news, Mended):
            self._warn(news.seconds)

    def _since(self, identity: str) -> float | None:
        """Return the seconds since a post, whose id begins with its time (milliseconds since 1970, shifted by 16)."""
        if not (identity.isascii() and identity.isdigit()):
            return None
        seconds = self._now() - (int(identity) >> 16) / 1000
        return seconds if 0 <= seconds < 10 * 365 * 86_400 else None

    def _warn(self, seconds: float | None) -> None:
        gap = "some time" if seconds is None else f"up to {seconds:,.0f} s"
        log.warning("%s: the posts of %s are missing; Mastodon does not repeat them.", self._endpoint.name, gap)


def _digest(line: bytes) -> str:
    return f"~{blake2b(line, digest_size=8).hexdigest()}"


def _clock(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / 1_000_000, UTC).isoformat(sep=" ", timespec="seconds")
