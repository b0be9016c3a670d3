"""The live line of a stream on stderr: how fast, how far behind, and what was set aside for which reason."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from siaga.cli.progress import Teller

if TYPE_CHECKING:
    from siaga.serving.stream.status import Status

_EVERY_S = {True: 0.5, False: 30.0}  # On a terminal, and in a log.
_REASONS = 4


class StreamLine:
    """Hears how a stream goes on and tells it: over and over on one line of a terminal, now and then in a log."""

    def __init__(self) -> None:
        self._teller = Teller(live=sys.stderr.isatty())
        self._told = self._started = time.monotonic()
        self._posts_told = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._teller.wipe()

    def hear(self, status: "Status") -> None:
        """Tell how it goes on, unless that was told a moment ago."""
        now = time.monotonic()
        if now - self._told < _EVERY_S[self._teller.live]:
            return
        rate = (status.posts - self._posts_told) / (now - self._told)
        self._told, self._posts_told = now, status.posts
        parts = [f"{status.posts:,} posts, {rate:,.0f}/s"]
        if status.lag is not None:
            parts.append(f"{status.lag:,} waiting")
        if status.waits_for:
            parts.append(f"waits for {status.waits_for}")
        parts += _reasons(status)
        self._teller.say(" · ".join(parts), lasting=not self._teller.live)

    def summary(self, status: "Status", *, kept: bool) -> str:
        """Return what was done, in a line or two."""
        seconds = time.monotonic() - self._started
        words = [f"{_of(status.posts, 'post')} of {_of(status.messages, 'message')} in {seconds:.1f} s"]
        if kept:
            words.append(f"{status.kept:,} new predictions, {status.repeated:,} known before")
            words.append(_of(status.dead, "dead letter"))
        if status.deaths:
            words.append(f"{_of(status.deaths, 'worker')} died and {'was' if status.deaths == 1 else 'were'} replaced")
        return " · ".join([*words, *_reasons(status)])


def _of(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _reasons(status: "Status") -> list[str]:
    return [f"{count:,} {reason}" for reason, count in status.counts.most_common(_REASONS)]
