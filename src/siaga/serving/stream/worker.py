"""The worker: one process that reads messages, scores them, keeps what came of it in a store, and acknowledges.

Results and offset are kept in one transaction, and only then is anything acknowledged. So a process that dies at any
moment leaves messages that come again, and the keys of the store make the second time the same as the first.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from siaga.errors import StoreAway
from siaga.serving.failpoints import reach
from siaga.serving.store.rows import Batch, DeadLetter, PostRow, PredictionRow
from siaga.serving.stream.messages import MAX_DELIVERIES, Input, Messages
from siaga.serving.stream.scoring import LexiconScorer, Scorer, in_chunks
from siaga.serving.stream.status import Status
from siaga.sources.items import Item, ItemReader, Notice
from siaga.sources.values import Fault

if TYPE_CHECKING:
    from siaga.serving.store.store import Store

log = logging.getLogger(__name__)
POISON = "Poison: the process died each time this was read"
T = TypeVar("T")


@dataclass
class Worker:
    """What one process needs to work on a stream. `wanted` chooses among items; without a scorer, posts are kept."""

    input: Input
    reader: ItemReader
    scorer: Scorer | None
    store: "Store"
    wanted: Callable[[Item], bool] | None = None
    is_stopped: Callable[[], bool] = lambda: False
    tell: Callable[[Status], None] = lambda _: None
    limit: int | None = None
    tally: Status = field(default_factory=Status)

    def __post_init__(self) -> None:
        self._model = self.scorer.model if self.scorer else ""

    def run(self) -> None:
        """Work until the input ends or it is time to stop; nothing is half done then."""
        try:
            for messages in self.input.messages(self._attempt):
                if messages is not None and not self._work(messages):
                    break
                self.tally.lag = self.input.lag()
                self.tell(self.tally)
                if self.is_stopped() or (self.limit is not None and self.tally.posts >= self.limit):
                    break
        except _Stopped:
            log.info("Stopped while the store was away; what was not kept will come again.")
        finally:
            self.tell(self.tally)
            self.input.close()
            self.store.close()  # The last to close a SQLite file brings all of it into that one file.

    def _work(self, messages: Messages) -> bool:
        """Do all that is to be done with messages; return False when it was time to stop before they were kept."""
        reach("after_read")
        batch = self._poison(messages) if messages.deliveries > MAX_DELIVERIES else self._batch(messages)
        if batch is None:
            return False
        written = self._patiently(lambda: self.store.write(batch))
        reach("before_ack")
        self.input.acknowledge(messages)
        self.tally.messages += len(messages.lines)
        self.tally.kept += written.fresh
        self.tally.repeated += written.repeated
        self.tally.dead += written.dead
        return True

    def _batch(self, messages: Messages) -> Batch | None:
        items, notices, faults = self.reader.read_all(messages.lines)
        reach("after_decode")
        dead = [self._letter(messages, i, reason) for i, reason in faults]
        self.tally.counts.update(notices.counts)
        chosen = items if self.wanted is None else [item for item in items if self.wanted(item)]
        if len(chosen) < len(items):
            self.tally.counts["not asked for"] += len(items) - len(chosen)
        predictions = self._scored(chosen, messages, dead)
        if predictions is None:
            return None
        reach("after_score")
        for letter in dead:
            self.tally.counts[letter.reason.split(":", 1)[0]] += 1
        self.tally.posts += len(chosen)
        refused = {(letter.source, letter.post_id) for letter in dead if letter.post_id is not None}
        kept = [item for item in chosen if (item.platform, item.id) not in refused] if refused else chosen
        return self._made(messages, [post_row(item) for item in kept], predictions, dead, notices.deleted)

    def _poison(self, messages: Messages) -> Batch:
        reason, is_tried = f"{POISON}: {messages.deliveries - 1} times.", messages.deliveries == MAX_DELIVERIES + 1
        # Whose post it is keeps it out where that was answered after all; if reading is what kills, it is left open.
        letters = [
            self._letter(messages, i, reason)
            if is_tried
            else DeadLetter(messages.part, messages.positions[i], reason, line)
            for i, line in enumerate(messages.lines)
        ]
        self.tally.counts["Poison"] += len(letters)
        return self._made(messages, [], [], letters, [])

    def _made(
        self,
        messages: Messages,
        posts: list[PostRow],
        predictions: list[PredictionRow],
        dead: list[DeadLetter],
        gone: list[tuple[str, str]],
    ) -> Batch:
        part = messages.part if messages.end is None else messages.end.part
        return Batch(
            input=self.input.name,
            model=self._model,
            posts=posts,
            predictions=predictions,
            dead=dead,
            deleted=gone,
            offset=messages.end,
            settled=(part, messages.positions[0]) if messages.lines else None,
        )

    def _scored(self, items: Sequence[Item], messages: Messages, dead: list[DeadLetter]) -> list[PredictionRow] | None:
        """Return the rows of what the scorer says; what it cannot answer becomes a dead letter."""
        scorer = self.scorer
        if scorer is None:
            return []
        if isinstance(scorer, LexiconScorer):
            return scorer.rows(items)
        try:
            return in_chunks(items, scorer.rows, go_on=lambda: not self.is_stopped())
        except Exception:  # One post that a model cannot bear must not stop all others.
            log.exception("The model failed; its posts are asked one by one.")
        rows: list[PredictionRow] = []
        places = {_key(self.reader, line): i for i, line in enumerate(messages.lines)}
        for item in items:
            if self.is_stopped():
                return None
            try:
                rows += scorer.rows([item])
            except Exception as error:  # noqa: BLE001 - As above.
                reason = f"The model failed on this post: {type(error).__name__}: {error}"
                dead.append(self._letter(messages, places[item.platform, item.id], reason))
        return rows

    def _letter(self, messages: Messages, i: int, reason: str) -> DeadLetter:
        line = messages.lines[i]
        return DeadLetter(messages.part, messages.positions[i], reason, line, *_key(self.reader, line))

    def _attempt(self, part: str, position: str) -> int:
        return self._patiently(lambda: self.store.attempt(self.input.name, self._model, part, position))

    def _patiently(self, do: Callable[[], T]) -> T:
        """Do what needs the store, again and again while it is away; raises _Stopped when it is time to stop."""
        wait_s = 0.1
        while True:
            try:
                done = do()
            except StoreAway as error:
                if self.tally.waits_for is None:
                    log.warning("%s Waiting for it; nothing is acknowledged meanwhile.", error)
                self.tally.waits_for = "the store"
                self.tell(self.tally)
                self._sleep(wait_s)
                wait_s = min(5.0, wait_s * 2)
            else:
                self.tally.waits_for = None
                return done

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self.is_stopped():
                raise _Stopped
            time.sleep(min(0.1, left))


class _Stopped(Exception):
    """It is time to stop, and the store is away."""


def post_row(item: Item) -> PostRow:
    """Return an item as a row of a store."""
    place = item.place
    where = (
        (None,) * 6
        if place is None
        else (place.lon, place.lat, place.method, place.radius_m, place.name, place.country)
    )
    lon, lat, method, radius_m, name, country = where
    return PostRow(
        source=item.platform,
        id=item.id,
        text=item.text,
        language=item.language,
        time_ms=item.time_ms,
        lon=lon,
        lat=lat,
        place_method=method,
        radius_m=radius_m,
        place=name,
        country=country,
        user=item.user,
        image_url=item.image_url,
        hashtags=" ".join(item.hashtags) or None,
        is_repost=item.is_repost,
        fields=None,
    )


def _key(reader: ItemReader, line: bytes) -> tuple[str, str] | tuple[None, None]:
    """Return the platform and the id of the post that a message holds, where it can be read."""
    try:
        found = reader.read(line)
    except Fault:
        return None, None
    return (None, None) if isinstance(found, Notice) else (found.platform, found.id)
