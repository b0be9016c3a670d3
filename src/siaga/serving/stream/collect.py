"""Collecting: the wanted posts of an input, as they come or a fair sample of each day, into a file of JSON lines."""

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from siaga.errors import DataError
from siaga.quarantine import RAW_CHARACTERS, Rejected
from siaga.serving.failpoints import reach
from siaga.serving.stream.collection import Collection, open_collection
from siaga.serving.stream.messages import MAX_DELIVERIES, Input, Messages
from siaga.serving.stream.sample import Held
from siaga.serving.stream.social import open_social
from siaga.sources.items import Item, ItemReader
from siaga.sources.items.plain import to_line
from siaga.sources.wanted import Wanted

log = logging.getLogger(__name__)
QUARANTINE = ".quarantine.jsonl"
GRACE = timedelta(hours=1)  # So long after midnight are posts of the day before still taken.
TOO_LATE, LEFT_OUT = "too late for its day", "left out of the sample"
_NOTED = 10_000  # Messages that cannot be read are written down so many times, and counted ever after.


@dataclass(frozen=True)
class Choice:
    """What is collected. `limit` ends it after so many wanted posts; of each day, `per_day` are kept at most."""

    wanted: Wanted = field(default_factory=Wanted)
    per_day: int | None = None
    seed: int = 0
    limit: int | None = None


@dataclass(slots=True)
class Collected:
    """What was done. `posts` are those that were wanted, each once; `kept` of them are in the file.

    `repeated` counts posts that came again, `dead` messages that could not be read, `counts` everything else that was
    not kept, by reason, and the notices by kind.
    """

    messages: int = 0
    posts: int = 0
    kept: int = 0
    repeated: int = 0
    dead: int = 0
    counts: Counter[str] = field(default_factory=Counter)


def collect(
    source: str,
    out: Path,
    *,
    choice: Choice | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    tell: Callable[[Collected], None] = lambda _: None,
) -> Collected:
    """Collect an open stream (`bluesky`, `mastodon://INSTANCE`) into `out`, until it is stopped or has `limit` posts.

    Called again, it goes on where it was. Raises DataError for what `open_collection` and `open_social` refuse, and
    for a disk that is full.
    """
    chosen = choice or Choice()
    with open_collection(out, per_day=chosen.per_day, seed=chosen.seed) as collection:
        stream = open_social(source, read=collection.offsets(source))
        reader = ItemReader(stream.endpoint.platform)
        collector = Collector(stream, reader, collection, chosen, quarantine=out.with_name(out.name + QUARANTINE))
        return collector.run(is_stopped=is_stopped, tell=tell)


@dataclass
class Collector:
    """What takes posts from any input into a collection. `clock` counts seconds, `now` those since 1970."""

    input: Input
    reader: ItemReader
    collection: Collection
    choice: Choice
    quarantine: Path
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    collected: Collected = field(default_factory=Collected)
    _waiting: list[Messages] = field(default_factory=list, init=False, repr=False)
    _saved_at: float = field(default=0.0, init=False, repr=False)

    def run(
        self, *, is_stopped: Callable[[], bool] = lambda: False, tell: Callable[[Collected], None] = lambda _: None
    ) -> Collected:
        """Collect until the input ends, the limit is reached or it is time to stop; return what was done."""
        self._saved_at = self.clock()
        try:
            for messages in self.input.messages(lambda _part, _position: 1):
                if messages is not None and not self._take(messages):
                    break
                if self.clock() - self._saved_at >= self.collection.save_within_s:
                    self._save()
                self._tell(tell)
                if is_stopped():
                    break
            self._save()
        finally:
            self.input.close()
            self.collection.finish()
            self._tell(tell)
        return self.collected

    def _tell(self, tell: Callable[[Collected], None]) -> None:
        self.collected.kept = self.collection.kept
        tell(self.collected)

    def _save(self) -> None:
        """Make all durable; only then is anything acknowledged."""
        self.collection.save()
        reach("before_ack")
        for messages in self._waiting:
            self.input.acknowledge(messages)
        self._waiting.clear()
        self._saved_at = self.clock()

    def _take(self, messages: Messages) -> bool:
        """Take messages; return whether more may follow. Those in which the limit falls come again another time."""
        reach("after_read")
        if messages.deliveries > MAX_DELIVERIES:
            what = f"Poison: the process died each time this was read: {messages.deliveries - 1} times."
            self._reject(messages, ((i, what) for i in range(len(messages.lines))))
        elif not self._read(messages):
            return False
        self._settle(messages)
        return not self._is_full()

    def _read(self, messages: Messages) -> bool:
        """Offer the posts of messages; return False when the limit falls among them."""
        items, notices, faults = self.reader.read_all(messages.lines)
        reach("after_decode")
        self.collected.counts.update(notices.counts)
        self._reject(messages, faults)
        if messages.time_ms is not None:
            self.collection.begin_days(_first_open_day(messages.time_ms))
        for item in items:
            if self._is_full():
                return False
            self._offer(item, messages.time_ms)
        for source, identity in notices.deleted:
            self.collection.remove(source, identity)
        return True

    def _settle(self, messages: Messages) -> None:
        self.collected.messages += len(messages.lines)
        self.collection.advance(self.input.name, messages.end)
        self._waiting.append(messages)
        if messages.time_ms is not None:
            self.collection.close_days(_first_open_day(messages.time_ms))

    def _is_full(self) -> bool:
        return self.choice.limit is not None and self.collected.posts >= self.choice.limit

    def _offer(self, item: Item, arrived_ms: int | None) -> None:
        """Give an item to the collection, unless it is not wanted or its day is over."""
        refusal = self.choice.wanted.refusal(item)
        day = self._day(item, arrived_ms)
        if refusal is None and self.collection.is_over(day):
            refusal = TOO_LATE
        if refusal is not None:
            self.collected.counts[refusal] += 1
            return
        post = Held(item.platform, item.id, item.time_ms or 0, to_line(item.post()).decode())
        outcome = self.collection.add(day, post)
        if outcome == "repeated":
            self.collected.repeated += 1
            return
        self.collected.posts += 1
        if outcome == "passed over":
            self.collected.counts[LEFT_OUT] += 1

    def _day(self, item: Item, arrived_ms: int | None) -> date:
        """Return the day of a post in UTC; that of its arrival, if it has no time or one that is still to come."""
        moment = item.time
        arrived = _moment(self.now() * 1000 if arrived_ms is None else arrived_ms)
        if moment is None or (arrived_ms is not None and moment > arrived):
            return arrived.date()
        return moment.astimezone(UTC).date()

    def _reject(self, messages: Messages, faults: Iterable[tuple[int, str]]) -> None:
        """Count messages that cannot be read, and write down the first of them with the reason."""
        rows = []
        for i, reason in faults:
            self.collected.counts[reason.split(":", 1)[0]] += 1
            self.collected.dead += 1
            if self.collected.dead <= _NOTED:
                raw = messages.lines[i][: 4 * RAW_CHARACTERS].decode("utf-8", "replace")[:RAW_CHARACTERS]
                where = f"{self.input.name} {messages.part} {messages.positions[i]}"
                rows.append(json.dumps(asdict(Rejected(where, 0, reason, raw))) + "\n")
        if rows:
            try:
                with self.quarantine.open("a") as stream:
                    stream.writelines(rows)
            except OSError as error:
                raise DataError(f"{self.quarantine} cannot be written: {error.strerror}. Make room for it.") from None


def _first_open_day(arrived_ms: int) -> date:
    """Return the first day that is not over when the stream has come to a moment."""
    return (_moment(arrived_ms) - GRACE).date()


def _moment(milliseconds: float) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
