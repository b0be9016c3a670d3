"""Replay: a recorded stream at its own pace, or so many times as fast."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from siaga.serving.store.rows import Offset
from siaga.serving.stream.messages import Attempt, Input, Messages
from siaga.sources.items import ItemReader, Notice
from siaga.sources.values import Fault

STEP_S = 0.2  # Messages that fall due within such a step are handed over together.


@dataclass
class Replay:
    """A recorded input at `speed` times its pace, by the times that its posts carry; others go with those before."""

    recorded: Input
    reader: ItemReader
    speed: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    @property
    def name(self) -> str:
        """The name of what was recorded."""
        return self.recorded.name

    def messages(self, attempt: Attempt) -> Iterator[Messages | None]:
        """Yield the messages as they fall due; the first at once."""
        started, first_ms = self.clock(), None
        for messages in self.recorded.messages(attempt):
            if messages is None:
                yield None
                continue
            for due_ms, part in self._steps(messages):
                if due_ms is not None:
                    first_ms = due_ms if first_ms is None else first_ms
                    yield from self._until(started + (due_ms - first_ms) / 1000 / self.speed)
                yield part

    def _until(self, moment: float) -> Iterator[None]:
        while (left := moment - self.clock()) > 0:
            self.sleep(min(left, 0.5))
            yield None

    def _steps(self, messages: Messages) -> Iterator[tuple[int | None, Messages]]:
        """Yield the parts of messages that fall due together, each with the time of its first post."""
        start, due = 0, None
        for i, line in enumerate(messages.lines):
            at = self._time(line)
            if at is None:
                continue
            if due is not None and at - due > STEP_S * 1000 * self.speed:
                yield due, _cut(messages, start, i)
                start, due = i, at
            due = at if due is None else due
        yield due, _cut(messages, start, len(messages.lines))

    def _time(self, line: bytes) -> int | None:
        try:
            found = self.reader.read(line)
        except Fault:
            return None
        return None if isinstance(found, Notice) else found.time_ms

    def acknowledge(self, messages: Messages) -> None:
        """Pass it on."""
        self.recorded.acknowledge(messages)

    def lag(self) -> int | None:
        """Return what the recorded input says."""
        return self.recorded.lag()

    def close(self) -> None:
        """Close what was recorded."""
        self.recorded.close()


def _cut(messages: Messages, start: int, end: int) -> Messages:
    """Return messages[start:end]; the offset is that of the message behind them."""
    if (start, end) == (0, len(messages.lines)):
        return messages
    positions: Sequence[str] = [messages.positions[i] for i in range(start, end)]
    offset = messages.end
    if offset is not None and end < len(messages.lines):
        offset = Offset(offset.part, messages.positions[end])
    return replace(messages, lines=messages.lines[start:end], positions=positions, end=offset)
