"""Redis Streams as an input: a consumer group hands entries out, and those of the dead are taken over one by one.

An entry is read once by `XREADGROUP >` and then pending until it is acknowledged. Redis counts its deliveries, so a
message that kills every process that reads it is found: pending entries are claimed one at a time, and who dies of
one leaves the count of all others alone.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from siaga.serving.failpoints import reach
from siaga.serving.stream.messages import Attempt, Messages
from siaga.serving.stream.redis_server import (
    claim_seconds,
    connect,
    failures,
    is_passing,
    make_group,
    read_redis_url,
    redis_refusal,
)

log = logging.getLogger(__name__)
FIELD = b"post"
_BLOCK_MS = 1_000
_PENDING_AT_ONCE = 128
_LAG_EVERY_S = 1.0
_LONGEST_WAIT_S = 1.0
# In one step, since a consumer that read something in between would lose it with its name.
_FORGET_IDLE = """
for _, found in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
    local consumer = {}
    for i = 1, #found, 2 do consumer[found[i]] = found[i + 1] end
    if consumer.pending == 0 and consumer.idle > tonumber(ARGV[3]) and consumer.name ~= ARGV[2] then
        redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    end
end
"""


class RedisInput:
    """A stream of Redis, read as a consumer of a group.

    `consumer` names this process among those of the group, and stays when it is started anew: what it left pending
    it takes up first. What others left pending is claimed when it was idle for `claim_after_s` seconds. Nothing is
    done before `messages` is iterated; there, a server that is away is waited for.
    """

    def __init__(self, url: str, *, consumer: str, batch: int = 512, claim_after_s: float = 30.0) -> None:
        self._url = read_redis_url(url)
        self._claim_after_ms = max(1, round(claim_seconds(self._url, claim_after_s) * 1_000))
        self._redis, self._failure = connect(self._url), failures()
        self._stream, self._group, self._consumer, self._batch = self._url.stream, self._url.group, consumer, batch
        self._late: list[bytes] = []  # Dealt with, but not yet acknowledged, since the server was away.
        self._is_away = False
        self._claim_at = 0.0
        self._lag: int | None = None
        self._lag_at = 0.0

    @property
    def name(self) -> str:
        """The URL without password and options."""
        return self._url.name

    def messages(self, attempt: Attempt) -> Iterator[Messages | None]:
        """Yield what is pending one by one, then what is new; never end. Redis counts for itself: `attempt` is unused.

        Raises DataError where waiting does not help: the key holds no stream, or the user may not read it.
        """
        del attempt
        wait_s = 0.05
        while True:
            try:
                for messages in self._deliveries():
                    wait_s = 0.05
                    yield messages
            except self._failure as error:
                self._bear(error)
            yield None
            time.sleep(wait_s)
            wait_s = min(_LONGEST_WAIT_S, wait_s * 2)

    def acknowledge(self, messages: Messages) -> None:
        """Acknowledge entries in one call; those that cannot be now are acknowledged before the next are read."""
        self._late += [position.encode() for position in messages.positions]
        try:
            self._acknowledge_late()
        except self._failure as error:
            log.debug("Not acknowledged yet: %s", error)

    def lag(self) -> int | None:
        """Return how many entries the group has not read, at most a second old; None where Redis cannot tell."""
        now = time.monotonic()
        if now >= self._lag_at and not self._is_away:
            self._lag_at = now + _LAG_EVERY_S
            self._lag = self._asked_lag()
        return self._lag

    def close(self) -> None:
        """Close the connection."""
        self._redis.close()

    def _deliveries(self) -> Iterator[Messages | None]:
        """Yield messages until something goes wrong; begin with what this consumer has pending, in order."""
        make_group(self._redis, self._url)
        self._acknowledge_late()
        yield from self._claimed(self._consumer, idle_ms=0)
        while True:
            if time.monotonic() >= self._claim_at:
                yield from self._claimed(None, idle_ms=self._claim_after_ms)
                self._forget_idle()
                self._claim_at = time.monotonic() + self._claim_after_ms / 2_000
            self._acknowledge_late()
            fresh = self._fresh()
            if self._is_away:
                self._is_away = False
                log.warning("%s is back.", self.name)
            yield fresh

    def _fresh(self) -> Messages | None:
        found = self._redis.xreadgroup(
            self._group, self._consumer, {self._stream: ">"}, count=self._batch, block=_BLOCK_MS
        )
        if not found:
            return None
        entries = found[0][1]
        return self._made(entries)

    def _claimed(self, consumer: str | None, *, idle_ms: int) -> Iterator[Messages]:
        """Claim what is pending, of one consumer or of all, one entry at a time."""
        after = "-"
        while pending := self._redis.xpending_range(
            self._stream, self._group, after, "+", _PENDING_AT_ONCE, consumer, idle_ms or None
        ):
            for entry in pending:
                id_, seen = entry["message_id"], entry["times_delivered"]
                claimed = self._redis.xclaim(self._stream, self._group, self._consumer, idle_ms, [id_])
                if not claimed or claimed[0][1] is None:  # Another consumer was quicker, or the stream was trimmed.
                    continue
                reach("during_claim")
                yield self._made(claimed, deliveries=seen + 1)
            after = f"({pending[-1]['message_id'].decode()}"

    def _made(self, entries: Sequence[tuple[bytes, Mapping[bytes, bytes]]], *, deliveries: int = 1) -> Messages:
        positions = [id_.decode() for id_, _ in entries]
        lines = [_line(fields) for _, fields in entries]
        time_ms = int(positions[-1].partition("-")[0])
        return Messages(self._stream, lines, positions, deliveries=deliveries, time_ms=time_ms)

    def _forget_idle(self) -> None:
        """Remove consumers that have nothing pending and do not ask any more; one that lives comes back by itself."""
        try:
            self._redis.eval(_FORGET_IDLE, 1, self._stream, self._group, self._consumer, self._claim_after_ms)
        except self._failure as error:
            if is_passing(error):
                raise
            log.debug("Consumers that are gone stay listed: %s", error)

    def _acknowledge_late(self) -> None:
        if self._late:
            self._redis.xack(self._stream, self._group, *self._late)
            self._late = []

    def _asked_lag(self) -> int | None:
        try:
            groups = self._redis.xinfo_groups(self._stream)
        except self._failure:
            return None
        return next((group.get("lag") for group in groups if group["name"] == self._group.encode()), None)

    def _bear(self, error: Exception) -> None:
        """Say once that the server is away or the group is gone; raise DataError for what does not pass."""
        words = str(error)
        if words.startswith("NOGROUP"):
            again = "It is made anew and reads the stream from its start; what is kept already stays as it is"
            log.warning("%s: the stream or its group has been removed. %s.", self.name, again)
        elif not is_passing(error):
            raise redis_refusal(self._url, error) from error
        elif not self._is_away:
            self._is_away = True
            log.warning("%s is away (%s). Trying again until it is back.", self.name, words)


def _line(fields: Mapping[bytes, bytes]) -> bytes:
    """Return the message of an entry: its field `post`, or its only field, or all of them as a JSON object."""
    if FIELD in fields:
        return fields[FIELD]
    if len(fields) == 1:
        return next(iter(fields.values()))
    texts = {key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in fields.items()}
    return msgspec.json.encode(texts)
