"""Messages: what an input hands over at once, where each of them stands, and what every input can do."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from siaga.serving.store.rows import Offset

MAX_DELIVERIES = 5
Attempt = Callable[[str, str], int]  # Counts one more delivery of what begins at (part, position); returns how many.


@dataclass(frozen=True, slots=True)
class Messages:
    """Some messages of one part (a file, a stream, a partition), in order.

    `positions` says where each stands, in words that find it again (an offset in bytes, an entry's id). `end` is the
    offset to keep with what was made of them, where it is the store that remembers how far a part was read.
    `deliveries` counts how often they were handed over, this time included. `token` is the input's own. `time_ms` is
    when the last of them reached the server or broker, in milliseconds since 1970, where that is known.
    """

    part: str
    lines: Sequence[bytes]
    positions: Sequence[str]
    end: Offset | None = None
    deliveries: int = 1
    token: object = None
    time_ms: int | None = None


class Input(Protocol):
    """Where messages come from. Used by one process."""

    @property
    def name(self) -> str:
        """The input as the user gave it, without passwords."""
        ...

    def messages(self, attempt: Attempt) -> Iterator[Messages | None]:
        """Yield messages as they come, and None at least every second while there are none; end where the input ends.

        An input that does not count deliveries itself calls `attempt` before it hands over the first messages of a
        part that it opens or opens again: 1 means that nobody died of them. Otherwise messages come one by one, each
        counted, until as many have passed as usually come at once.
        """
        ...

    def acknowledge(self, messages: Messages) -> None:
        """Tell the broker that these are dealt with for good."""
        ...

    def lag(self) -> int | None:
        """Return how many messages wait to be read, where the input can say."""
        ...

    def close(self) -> None:
        """Let go of files and connections; what was not acknowledged will come again."""
        ...
