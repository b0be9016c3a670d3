"""What one file may take of space and time, and how much is asked at a time."""

import time
from dataclasses import dataclass

from siaga.sources.values import Fault


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a download; those written here are the ones that users get.

    `bytes` and `seconds` are for one file in all, redirects included; `idle_s` is the longest silence. `retry_s` is
    waited where a busy server names no time, and doubles; one that asks for more than `patience_s` is left alone.
    """

    bytes: int = 10_000_000
    seconds: float = 10.0
    idle_s: float = 10.0
    redirects: int = 3
    in_flight: int = 16
    per_host: int = 2
    retries: int = 2
    retry_s: float = 1.0
    patience_s: float = 30.0


class Timer:
    """The time that one file may still take, after the seconds that it took before."""

    def __init__(self, limits: Limits, *, spent_s: float = 0.0) -> None:
        self._limits, self._started = limits, time.monotonic() - spent_s

    @property
    def spent_s(self) -> float:
        """Seconds that the file took so far."""
        return time.monotonic() - self._started

    def left(self) -> float:
        """Return how many seconds may be waited now. Raises Fault when there are none."""
        left = self._limits.seconds - self.spent_s
        if left <= 0:
            raise self.fault()
        return min(left, self._limits.idle_s)

    def fault(self) -> Fault:
        """Return what is said of a file that takes too long."""
        limits = self._limits
        silence = f", or was silent for {limits.idle_s:g} s" if limits.idle_s < limits.seconds else ""
        return Fault(f"Too slow: it did not arrive within {limits.seconds:g} s{silence}.")
