"""Sending lines: onto a stream of Redis, a topic of Kafka, or into a file, with a bounded number on their way."""

import gzip
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from siaga.errors import DataError
from siaga.files import write_whole
from siaga.serving.stream.kafka_server import (
    CONNECT_WITHIN_S,
    kafka_refusal,
    kafka_settings,
    library,
    misfit,
    read_kafka_url,
)
from siaga.serving.stream.redis import FIELD
from siaga.serving.stream.redis_server import connect, failures, read_redis_url, redis_refusal
from siaga.serving.stream.urls import BrokerUrl
from siaga.sources.items.source import SUFFIXES, is_message_file
from siaga.sources.lines import LINE_BYTES

Send = Callable[[Sequence[bytes]], None]  # Sends some lines, or has them on their way when it returns.
_PACKED = ".gz"
_KAFKA_WITHIN_S = 30


def open_sender(to: str) -> AbstractContextManager[Send]:
    """Return what sends lines to a URL of Redis or Kafka, or into a file; all have arrived when its block ends.

    Sending and the block's end raise DataError when the broker cannot be reached or refuses.
    """
    scheme, is_url, _ = to.partition("://")
    if not is_url:
        return _into_file(Path(to))
    if scheme in {"redis", "rediss"}:
        return _into_redis(read_redis_url(to))
    if scheme == "kafka":
        return _into_kafka(read_kafka_url(to))
    raise DataError(f"{scheme}:// cannot be fed. Give redis://HOST/STREAM, kafka://HOST:PORT/TOPIC, or a file.")


@contextmanager
def _into_redis(url: BrokerUrl) -> Iterator[Send]:
    def send(lines: Sequence[bytes]) -> None:
        pipeline = redis.pipeline(transaction=False)
        for line in lines:
            pipeline.xadd(url.stream, {FIELD: line})
        try:
            pipeline.execute()
        except failures() as error:
            raise redis_refusal(url, error) from error

    with connect(url) as redis:
        yield send


@contextmanager
def _into_kafka(url: BrokerUrl) -> Iterator[Send]:
    topic = _Topic(url)
    try:
        yield topic.send
    except BaseException:
        topic.drop()
        raise
    topic.finish()


class _Topic:
    """A topic of Kafka, and what went wrong with the messages that were on their way to it."""

    def __init__(self, url: BrokerUrl) -> None:
        self._url, self._kafka = url, library()
        self._failed: list[Any] = []  # Any: KafkaErrors.
        settings = {
            "message.max.bytes": LINE_BYTES + (1 << 16),
            "queue.buffering.max.kbytes": 32_768,
            "message.timeout.ms": _KAFKA_WITHIN_S * 1_000,
            **kafka_settings(url),
            "enable.idempotence": True,  # A line that is sent again because the answer was lost arrives once.
            "delivery.report.only.error": True,
            "on_delivery": lambda error, _: self._failed.append(error),
        }
        try:
            self._producer = self._kafka.Producer(settings)
        except (self._kafka.KafkaException, ValueError, TypeError) as error:
            raise misfit(url, error) from None
        try:
            self._producer.list_topics(timeout=CONNECT_WITHIN_S)
        except self._kafka.KafkaException as error:
            raise kafka_refusal(url, error.args[0]) from None

    def send(self, lines: Sequence[bytes]) -> None:
        """Hand lines over, waiting while too many are under way."""
        for line in lines:
            while not self._is_taken(line):
                self._producer.poll(0.1)
        self._producer.poll(0)
        self._check()

    def drop(self) -> None:
        """Forget what is under way."""
        self._producer.purge()

    def finish(self) -> None:
        """Wait until all have arrived."""
        left = self._producer.flush(2 * _KAFKA_WITHIN_S)
        if left:
            self._failed.append(self._kafka.KafkaError(self._kafka.KafkaError._TIMED_OUT))
        self._check()

    def _is_taken(self, line: bytes) -> bool:
        self._check()
        try:
            self._producer.produce(self._url.stream, line)
        except BufferError:
            return False
        except self._kafka.KafkaException as error:
            raise kafka_refusal(self._url, error.args[0]) from None
        return True

    def _check(self) -> None:
        if self._failed:
            raise kafka_refusal(self._url, self._failed[0])


@contextmanager
def _into_file(path: Path) -> Iterator[Send]:
    suffix = path.suffix.lower()
    if not is_message_file(path) or suffix not in {*SUFFIXES, _PACKED}:
        raise DataError(f"{path} cannot be fed. Give redis://…, kafka://…, or a file ({', '.join(SUFFIXES)}, or .gz).")
    with write_whole(path) as whole:
        if suffix == _PACKED:
            with gzip.GzipFile(filename="", mode="wb", fileobj=whole, mtime=0) as packed:
                yield lambda lines: _write(packed, lines)
        else:
            yield lambda lines: _write(whole, lines)


def _write(stream: Any, lines: Sequence[bytes]) -> None:  # Any: a file of bytes, or of packed ones.
    stream.write(b"\n".join(lines) + b"\n")
