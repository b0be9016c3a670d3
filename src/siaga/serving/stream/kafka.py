"""A Kafka topic as an input: a consumer group shares out its partitions, and offsets are committed after the store.

Kafka does not count deliveries. So the first message that a partition hands over after it was assigned is counted in
the store; where that was not the first time, somebody may have died of what follows, and it comes message by message.
"""

import logging
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from siaga.serving.stream.kafka_server import kafka_refusal, kafka_settings, library, misfit, read_kafka_url
from siaga.serving.stream.messages import Attempt, Messages

log = logging.getLogger(__name__)
_WAIT_S = 1.0
_UNKNOWN = -1001  # librdkafka's word for an offset that it does not know.


class Handed(NamedTuple):
    """The token of some messages: their partition, the assignment under which they came, and the offset behind them."""

    partition: int
    assignment: int
    behind: int


class KafkaInput:
    """A topic of Kafka, read as a member of a group; other options of the URL are librdkafka's.

    At most `batch` messages come at once. Nothing is done before `messages` is iterated; there, brokers that are away
    are waited for. Raises DataError for options that librdkafka does not take.
    """

    def __init__(self, url: str, *, batch: int = 512) -> None:
        self._url = read_kafka_url(url)
        self._batch = batch
        self._kafka = library()
        self._consumer = self._made()
        self._assignments = 0
        self._owned: dict[int, int] = {}  # Of each partition that is ours, the number of its assignment.
        self._alone: dict[int, int] = {}  # How many messages of a partition still come one by one.
        self._behind: dict[int, int] = {}  # The offset behind the last message that was handed over.
        self._is_away = False

    @property
    def name(self) -> str:
        """The URL without password and options."""
        return self._url.name

    def messages(self, attempt: Attempt) -> Iterator[Messages | None]:
        """Yield messages of one partition at a time; never end.

        Raises DataError where waiting does not help: not allowed, or put out of the group for good.
        """
        self._consumer.subscribe([self._url.stream], on_assign=self._gain, on_revoke=self._lose, on_lost=self._lose)
        while True:
            found = self._consumed()
            for partition, run in groupby(found, key=lambda message: message.partition()):
                yield from self._delivered(partition, list(run), attempt)
            if not found:
                yield None

    def acknowledge(self, messages: Messages) -> None:
        """Commit the offset behind these, if their partition has been ours ever since. To be called in order."""
        handed = messages.token
        if not isinstance(handed, Handed) or self._owned.get(handed.partition) != handed.assignment:
            return  # The partition's new owner hands them over again, and the store knows them.
        offset = self._kafka.TopicPartition(self._url.stream, handed.partition, handed.behind)
        try:
            self._consumer.commit(offsets=[offset], asynchronous=True)
        except self._kafka.KafkaException as error:
            log.debug("Not committed: %s", error)

    def lag(self) -> int | None:
        """Return how many messages wait in the partitions of this member, as far as the last answer of Kafka knew."""
        known = [self._waiting(partition, behind) for partition, behind in self._behind.items()]
        return sum(known) if known else None

    def close(self) -> None:
        """Wait for commits that are under way, and leave the group."""
        self._consumer.close()

    def _made(self) -> Any:  # Any: a Consumer, whose library is an extra.
        settings = {
            "queued.max.messages.kbytes": 16_384,
            **kafka_settings(self._url),
            "group.id": self._url.group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "on_commit": self._committed,
            "error_cb": self._fail,
        }
        try:
            return self._kafka.Consumer(settings, logger=log)
        except (self._kafka.KafkaException, ValueError, TypeError) as error:
            raise misfit(self._url, error) from None

    def _consumed(self) -> list[Any]:  # Any: Messages of the library.
        """Return the messages that are here, or the first that comes within a second, or none."""
        try:
            first = self._consumer.consume(1, _WAIT_S)
            found = [*first, *self._consumer.consume(self._batch - 1, 0)] if first and self._batch > 1 else first
        except self._kafka.KafkaException as error:
            raise kafka_refusal(self._url, error.args[0]) from None
        for message in found:
            if message.error() is not None:
                self._bear(message.error())
        good = [message for message in found if message.error() is None]
        if good and self._is_away:
            self._is_away = False
            log.warning("%s is back.", self.name)
        return good

    def _delivered(self, partition: int, run: list[Any], attempt: Attempt) -> Iterator[Messages]:
        part, deliveries = f"{self._url.stream}/{partition}", None
        if partition not in self._alone:
            deliveries = attempt(part, str(run[0].offset()))
            self._alone[partition] = 0 if deliveries == 1 else self._batch
        one_by_one, rest = run[: self._alone[partition]], run[self._alone[partition] :]
        self._alone[partition] -= len(one_by_one)
        for message in one_by_one:
            if deliveries is None:
                deliveries = attempt(part, str(message.offset()))
            yield self._handed(part, [message], deliveries)
            deliveries = None
        if rest:
            yield self._handed(part, rest, 1)

    def _handed(self, part: str, run: Sequence[Any], deliveries: int) -> Messages:
        partition, behind = run[-1].partition(), run[-1].offset() + 1
        self._behind[partition] = behind
        token = Handed(partition, self._owned.get(partition, 0), behind)
        lines = [message.value() or b"" for message in run]  # A message without a value is no post either.
        positions = [str(message.offset()) for message in run]
        kind, time_ms = run[-1].timestamp()
        known_ms = None if kind == self._kafka.TIMESTAMP_NOT_AVAILABLE else time_ms
        return Messages(part, lines, positions, deliveries=deliveries, token=token, time_ms=known_ms)

    def _gain(self, _: Any, partitions: Sequence[Any]) -> None:
        """Note partitions that are ours from now on."""
        self._assignments += 1
        for gained in partitions:
            self._forget(gained.partition)
            self._owned[gained.partition] = self._assignments

    def _lose(self, _: Any, partitions: Sequence[Any]) -> None:
        """Note partitions that are not ours any more."""
        for lost in partitions:
            self._forget(lost.partition)

    def _forget(self, partition: int) -> None:
        for known in (self._owned, self._alone, self._behind):
            known.pop(partition, None)

    def _waiting(self, partition: int, behind: int) -> int:
        try:
            _, end = self._consumer.get_watermark_offsets(
                self._kafka.TopicPartition(self._url.stream, partition), cached=True
            )
        except self._kafka.KafkaException:
            return 0
        return 0 if end == _UNKNOWN else max(0, end - behind)

    def _committed(self, error: Any, _: Sequence[Any]) -> None:
        if error is not None:
            log.debug("Not committed: %s", error)

    def _fail(self, error: Any) -> None:
        """Hear what goes wrong in the background; brokers that are away come back by themselves."""
        if error.code() == self._kafka.KafkaError._ALL_BROKERS_DOWN and not self._is_away:
            self._is_away = True
            log.warning("%s is away. Trying again until it is back.", self.name)
        log.debug("%s: %s", self.name, error)

    def _bear(self, error: Any) -> None:
        codes = self._kafka.KafkaError
        if error.code() in {codes.TOPIC_AUTHORIZATION_FAILED, codes.GROUP_AUTHORIZATION_FAILED}:
            raise kafka_refusal(self._url, error)
        log.debug("%s: %s", self.name, error)
