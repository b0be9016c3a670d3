"""Status: what a stream did so far, one worker of it or all together."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Status:
    """What was done so far: `counts` by reason, `lag` how many messages wait, `deaths` the workers started anew."""

    messages: int = 0
    posts: int = 0
    kept: int = 0
    repeated: int = 0
    dead: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    lag: int | None = None
    waits_for: str | None = None
    deaths: int = 0

    def add(self, other: "Status") -> None:
        """Add what one worker told; of lags, the supervisor makes one number."""
        self.messages += other.messages
        self.posts += other.posts
        self.kept += other.kept
        self.repeated += other.repeated
        self.dead += other.dead
        self.counts.update(other.counts)
        self.waits_for = self.waits_for or other.waits_for
