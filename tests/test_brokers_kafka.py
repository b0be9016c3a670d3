"""Kafka as an input: offsets follow the store, a partition's first messages are counted, groups share and recover."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from siaga.errors import DataError
from siaga.serving.stream import kafka_server
from siaga.serving.stream.kafka import KafkaInput
from siaga.serving.stream.kafka_server import check_kafka
from siaga.serving.stream.messages import Messages
from tests.kafka_mock import KafkaMock, kafka_mock


class Topic:
    """An empty topic of the mock cluster."""

    def __init__(self, kafka: KafkaMock, name: str, *, partitions: int = 1) -> None:
        self.kafka, self.name = kafka, name
        kafka.topic(name, partitions=partitions)

    @property
    def url(self) -> str:
        return self.kafka.url(self.name)

    def add(self, count: int, *, start: int = 0, partition: int = 0) -> list[bytes]:
        lines = [b'{"id":"%d"}' % i for i in range(start, start + count)]
        producer = Producer({"bootstrap.servers": self.kafka.server})
        for line in lines:
            producer.produce(self.name, line, partition=partition)
        assert producer.flush(10) == 0
        return lines

    def committed(self, partition: int = 0) -> int:
        consumer = Consumer({"bootstrap.servers": self.kafka.server, "group.id": "siaga"})
        (found,) = consumer.committed([TopicPartition(self.name, partition)], timeout=5)
        consumer.close()
        return int(found.offset)


class Attempts:
    """Counts as a store does: how often messages were begun with that were not kept since."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.asked: list[tuple[str, str]] = []

    def __call__(self, part: str, position: str) -> int:
        self.asked.append((part, position))
        self.counts[part, position] += 1
        return self.counts[part, position]


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaMock]:
    with kafka_mock() as kafka:
        yield kafka


@pytest.fixture
def topic(kafka: KafkaMock, request: pytest.FixtureRequest) -> Topic:
    return Topic(kafka, request.node.name)


def read(source: KafkaInput, lines: int, attempts: Attempts, *, keeps: bool = True) -> list[Messages]:
    """Read so many lines, and acknowledge all that came, unless the reader `keeps` nothing."""
    found: list[Messages] = []
    for messages in source.messages(attempts):
        if messages is not None:
            found.append(messages)
            if keeps:
                attempts.counts.pop((messages.part, messages.positions[0]), None)
                source.acknowledge(messages)
        if len(lines_of(found)) >= lines:
            return found
    raise AssertionError("The input has ended.")


def read_until(source: KafkaInput, lines: set[bytes]) -> None:
    """Read, and acknowledge, until all of these lines have come."""
    left = set(lines)
    for messages in source.messages(Attempts()):
        if messages:
            source.acknowledge(messages)
            left.difference_update(messages.lines)
        if not left:
            return


def lines_of(found: Sequence[Messages]) -> list[bytes]:
    return [line for messages in found for line in messages.lines]


def test_what_was_there_before_is_read_in_order_and_in_batches(topic: Topic) -> None:
    lines, attempts, before = topic.add(700), Attempts(), time.time()
    source = KafkaInput(topic.url, batch=300)
    found = read(source, 700, attempts)
    assert lines_of(found) == lines
    assert [position for messages in found for position in messages.positions] == [str(i) for i in range(700)]
    assert max(len(messages.lines) for messages in found) <= 300
    assert {(messages.part, messages.deliveries) for messages in found} == {(f"{topic.name}/0", 1)}
    assert attempts.asked == [(f"{topic.name}/0", "0")]
    assert abs((found[-1].time_ms or 0) / 1_000 - before) < 60
    source.close()
    assert topic.committed() == 700


def test_an_idle_topic_gives_none_at_least_every_second(topic: Topic) -> None:
    told = time.monotonic()
    source = KafkaInput(topic.url)
    for messages in itertools.islice(source.messages(Attempts()), 2):
        assert messages is None
        assert time.monotonic() - told < 1.5
        told = time.monotonic()
    source.close()


def test_a_message_that_comes_alone_does_not_wait_for_others(topic: Topic) -> None:
    source = KafkaInput(topic.url)
    running = source.messages(Attempts())
    topic.add(1)
    next(messages for messages in running if messages)
    started = time.monotonic()
    topic.add(1, start=1)
    next(messages for messages in running if messages)
    assert time.monotonic() - started < 0.7
    source.close()


def test_only_what_is_acknowledged_is_committed(topic: Topic) -> None:
    lines = topic.add(4)
    source = KafkaInput(topic.url, batch=1)
    running = source.messages(Attempts())
    found = [messages for messages in itertools.islice((each for each in running if each), 4) if messages]
    source.acknowledge(found[0])
    source.acknowledge(found[1])
    source.close()
    assert topic.committed() == 2
    again = KafkaInput(topic.url)
    assert lines_of(read(again, 2, Attempts())) == lines[2:]
    again.close()


def test_after_a_death_messages_come_one_by_one_and_counted_until_a_batch_has_passed(topic: Topic) -> None:
    lines, attempts = topic.add(20), Attempts()
    dead = KafkaInput(topic.url, batch=4)
    read(dead, 4, attempts, keeps=False)
    dead.close()
    source = KafkaInput(topic.url, batch=4)
    found = read(source, 20, attempts)
    source.close()
    assert lines_of(found) == lines
    assert [messages.deliveries for messages in found[:4]] == [2, 1, 1, 1]
    assert [len(messages.lines) for messages in found[:4]] == [1, 1, 1, 1]
    assert max(len(messages.lines) for messages in found[4:]) > 1
    part = f"{topic.name}/0"
    assert attempts.asked == [(part, "0"), (part, "0"), (part, "1"), (part, "2"), (part, "3")]


def test_who_dies_of_a_message_leaves_the_count_of_all_others_alone(topic: Topic) -> None:
    lines, attempts = topic.add(3), Attempts()
    for _ in range(5):  # Each of these dies of the first message.
        dead = KafkaInput(topic.url)
        next(messages for messages in dead.messages(attempts) if messages)
        dead.close()
    source = KafkaInput(topic.url)
    found = read(source, 3, attempts)
    source.close()
    assert lines_of(found) == lines
    assert [messages.deliveries for messages in found] == [6, 1, 1]


def test_partitions_come_apart_each_in_its_own_order(kafka: KafkaMock) -> None:
    topic = Topic(kafka, "three", partitions=3)
    lines = [topic.add(50, start=100 * partition, partition=partition) for partition in range(3)]
    source = KafkaInput(topic.url)
    found = read(source, 150, Attempts())
    source.close()
    for partition in range(3):
        assert lines_of([each for each in found if each.part == f"three/{partition}"]) == lines[partition]
        assert topic.committed(partition) == 50


def test_two_members_share_the_partitions_and_nothing_is_lost_when_one_leaves(kafka: KafkaMock) -> None:
    topic = Topic(kafka, "shared", partitions=4)
    sources = [KafkaInput(topic.url), KafkaInput(topic.url)]
    came: list[set[bytes]] = [set(), set()]
    is_enough = threading.Event()

    def work(i: int) -> None:
        for messages in sources[i].messages(Attempts()):
            if messages:
                sources[i].acknowledge(messages)
                came[i].update(messages.lines)
            elif is_enough.is_set():
                return

    working = [threading.Thread(target=work, args=[i]) for i in (0, 1)]
    for thread in working:
        thread.start()
    sent: list[bytes] = []
    while not (came[0] and came[1]):
        sent += [line for each in range(4) for line in topic.add(1, start=len(sent) + each, partition=each)]
        time.sleep(0.05)
    is_enough.set()
    for thread in working:
        thread.join()
    assert sorted(came[0] | came[1]) == sorted(sent)
    sources[0].close()
    later = [line for each in range(4) for line in topic.add(1, start=1_000 + each, partition=each)]
    read_until(sources[1], set(later))  # What was handed out while partitions moved may come once more before them.
    sources[1].close()
    assert [topic.committed(partition) for partition in range(4)] == [len(sent) // 4 + 1] * 4


def test_who_lost_a_partition_does_not_commit_for_it(topic: Topic) -> None:
    topic.add(3)
    slow = KafkaInput(f"{topic.url}&max.poll.interval.ms=1000", batch=1)
    running = slow.messages(Attempts())
    handed = next(messages for messages in running if messages)
    time.sleep(1.5)  # Its partition is given to another now.
    quick = KafkaInput(topic.url)
    read(quick, 3, Attempts())
    slow.acknowledge(handed)
    next(running)
    quick.close()
    assert topic.committed() == 3
    topic.add(1)
    next(messages for messages in running if messages)  # It is in the group again, and owns the partition.
    slow.acknowledge(handed)
    slow.close()
    assert topic.committed() == 3


def test_who_gave_a_partition_away_does_not_commit_for_it(kafka: KafkaMock) -> None:
    topic = Topic(kafka, "given", partitions=2)
    for partition in range(2):
        topic.add(3, partition=partition)
    slow, quick = KafkaInput(topic.url, batch=1), KafkaInput(topic.url)
    running = slow.messages(Attempts())
    handed: dict[str, Messages] = {}
    while len(handed) < 2:
        if messages := next(running):
            handed.setdefault(messages.part, messages)
    found: list[Messages] = []
    reading = threading.Thread(target=lambda: found.extend(read(quick, 3, Attempts())))
    reading.start()
    while reading.is_alive():
        next(running)
    quick.close()
    slow.acknowledge(handed[found[0].part])
    slow.close()
    assert topic.committed(int(found[0].part[-1])) == 3


def test_a_member_that_is_killed_is_replaced_within_seconds(topic: Topic) -> None:
    lines = topic.add(3)
    code = f"""
from siaga.serving.stream import kafka_server
from siaga.serving.stream.kafka import KafkaInput
for messages in KafkaInput({topic.url!r}, batch=1).messages(lambda part, position: 1):
    if messages: print(messages.positions, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "['0']\n"
        os.kill(killed.pid, signal.SIGKILL)
    started = time.monotonic()
    source = KafkaInput(topic.url)
    assert lines_of(read(source, 3, Attempts())) == lines
    assert time.monotonic() - started < 10
    source.close()


def test_brokers_that_are_away_are_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    with kafka_mock() as kafka:
        topic = Topic(kafka, "posts")
        topic.add(1)
        source = KafkaInput(topic.url)
        running = source.messages(Attempts())
        first = next(messages for messages in running if messages)
        kafka.down()
        source.acknowledge(first)
        assert [next(running), next(running)] == [None, None]
        assert caplog.text.count("is away") == 1
        kafka.up()
        (line,) = topic.add(1, start=1)
        while line not in next(messages for messages in running if messages).lines:
            pass  # The first comes again: it could not be committed.
        assert "is back" in caplog.text
        source.close()


def test_lag_counts_what_was_not_handed_over(topic: Topic) -> None:
    topic.add(10)
    source = KafkaInput(topic.url, batch=4)
    assert source.lag() is None
    read(source, 4, Attempts())
    assert source.lag() == 6
    source.close()


def test_a_message_without_a_value_is_handed_over_as_nothing(topic: Topic) -> None:
    producer = Producer({"bootstrap.servers": topic.kafka.server})
    producer.produce(topic.name, None, key=b"gone")
    producer.flush(10)
    source = KafkaInput(topic.url)
    assert lines_of(read(source, 1, Attempts())) == [b""]
    source.close()


def test_the_older_protocol_of_groups_is_the_default_and_works(topic: Topic) -> None:
    lines = topic.add(5)
    source = KafkaInput(topic.kafka.url(topic.name, group="classic", options="session.timeout.ms=6000"))
    assert lines_of(read(source, 5, Attempts())) == lines
    source.close()


def test_a_name_shows_neither_password_nor_options() -> None:
    source = KafkaInput("kafka://me:s3cret@localhost/posts?security.protocol=SASL_PLAINTEXT&sasl.mechanism=PLAIN")
    assert source.name == "kafka://localhost:9092/posts?group=siaga"
    source.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("bogus=1", 'No such configuration property: "bogus"'),
        ("session.timeout.ms=soon", "Invalid value"),
        ("enable.auto.commit=true", "cannot be chosen here"),
        ("auto.offset.reset=latest", "cannot be chosen here"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        KafkaInput(f"kafka://localhost/posts?{options}")


def test_a_check_says_what_is_wrong(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_server, "CONNECT_WITHIN_S", 0.5)
    check_kafka(topic.url)
    with pytest.raises(DataError, match="has no topic 'postss'") as missing:
        check_kafka(topic.kafka.url("postss"))
    assert topic.name in str(missing.value)
    with pytest.raises(DataError, match="Are its address"):
        check_kafka("kafka://127.0.0.1:1/posts")


def test_a_topic_of_many_hosts_is_read(kafka: KafkaMock, topic: Topic) -> None:
    lines: Any = topic.add(1)
    source = KafkaInput(topic.url.replace(kafka.server, f"127.0.0.1:1,{kafka.server}"))
    assert lines_of(read(source, 1, Attempts())) == lines
    source.close()
