"""`siaga feed`: each line becomes one message, byte for byte, and what cannot be sent is said."""

import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from confluent_kafka import Consumer, TopicPartition

from siaga.errors import DataError
from siaga.serving.stream import sending
from siaga.serving.stream.feed import feed, read_feed
from siaga.serving.stream.kafka import KafkaInput
from siaga.serving.stream.redis import RedisInput
from siaga.sources.raw_stream import made_lines
from tests.kafka_mock import KafkaMock, kafka_mock
from tests.servers import RedisServer, redis_server

__all__ = ["redis_server"]  # A fixture.

SIAGA = [sys.executable, "-c", "from siaga.cli.main import main; main()"]
LINES = [b'{"id":"1"}', b"\xff broken\x00", '{"id":"é"}'.encode(), b"x" * 3_000_000, b" {} "]
FILE = LINES[0] + b"\r\n\n" + LINES[1] + b"\n  \t\n" + LINES[2] + b"\n" + LINES[3] + b"\n" + LINES[4]


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaMock]:
    with kafka_mock() as kafka:
        yield kafka


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "posts.jsonl"
    path.write_bytes(FILE)
    return path


def read(source: Path | str, *, limit: int | None = None) -> list[bytes]:
    return [line for lines in read_feed(str(source), limit=limit) for line in lines]


def siaga(*arguments: object, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [*SIAGA, "feed", *map(str, arguments)]
    return subprocess.run(command, input=given, capture_output=True, timeout=60, check=False)


def test_lines_are_read_without_their_ends_and_without_blank_ones(file: Path) -> None:
    assert read(file) == LINES
    for limit in range(1, 6):
        assert read(file, limit=limit) == LINES[:limit]


def test_a_folder_is_read_by_name_packed_or_not(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_bytes(b"2\n3")
    with gzip.open(tmp_path / "a.json.gz", "wb") as packed:
        packed.write(b"0\n1\n")
    (tmp_path / "notes.md").write_text("no")
    assert read(tmp_path) == [b"0", b"1", b"2", b"3"]


def test_made_lines_are_the_same_each_time() -> None:
    assert read("synthetic", limit=700) == list(made_lines(700))
    assert len(read("synthetic")) == 1_000


@pytest.mark.parametrize("name", ["out.jsonl", "out.json.gz"])
def test_what_is_fed_into_a_file_is_read_again(file: Path, tmp_path: Path, name: str) -> None:
    assert feed(read_feed(str(file)), str(tmp_path / name)) == 5
    assert read(tmp_path / name) == LINES


def test_redis_gets_each_line_as_one_entry_in_order(file: Path, redis_server: RedisServer) -> None:
    where = f"127.0.0.1:{redis_server.port}/fed"
    assert feed(read_feed(str(file)), f"redis://{where}") == 5
    client: Any = redis.Redis(port=redis_server.port, protocol=2)  # Any: its answers are typed as awaitable, too.
    with client:
        assert [fields for _, fields in client.xrange("fed")] == [{b"post": line} for line in LINES]
    source = RedisInput(f"redis://{where}?group=g", consumer="one")
    messages = next(source.messages(lambda part, position: 1))
    assert messages is not None
    assert messages.lines == LINES
    source.close()


def test_kafka_gets_each_line_as_one_message(file: Path, kafka: KafkaMock) -> None:
    kafka.topic("fed", partitions=1)
    assert feed(read_feed(str(file)), kafka.url("fed")) == 5
    source, found = KafkaInput(kafka.url("fed")), list[bytes]()
    for messages in source.messages(lambda part, position: 1):
        found += messages.lines if messages else []
        if len(found) == 5:
            break
    source.close()
    assert found == LINES


def test_more_lines_than_may_be_under_way_all_arrive(kafka: KafkaMock) -> None:
    kafka.topic("many", partitions=4)
    lines = [b"%d" % i for i in range(20_000)]
    url = kafka.url("many", options="queue.buffering.max.messages=1000")
    assert feed([lines], url) == 20_000
    consumer = Consumer({"bootstrap.servers": kafka.server, "group.id": "look"})
    ends = [consumer.get_watermark_offsets(TopicPartition("many", each), timeout=5)[1] for each in range(4)]
    consumer.close()
    assert sum(ends) == 20_000


def test_a_rate_is_kept(tmp_path: Path) -> None:
    started = time.monotonic()
    feed([[b"1"] * 30], str(tmp_path / "out.jsonl"), per_s=60)
    assert 0.45 < time.monotonic() - started < 2


def test_lines_on_stdin_are_sent_as_they_come(redis_server: RedisServer) -> None:
    client: Any = redis.Redis(port=redis_server.port, protocol=2)  # Any: as above.
    command = [*SIAGA, "feed", "-", f"redis://127.0.0.1:{redis_server.port}/live"]
    with client, subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"1\n")
        process.stdin.flush()
        until = time.monotonic() + 30
        while not client.xlen("live"):
            assert time.monotonic() < until
            time.sleep(0.02)
        assert process.communicate(b"2")[0] == f"2 lines went to redis://127.0.0.1:{redis_server.port}/live.\n".encode()
        assert client.xlen("live") == 2


def test_the_command_counts_and_shows_no_password(file: Path, redis_server: RedisServer) -> None:
    url = f"redis://default:s3cret@127.0.0.1:{redis_server.port}/counted?group=g"
    done = siaga(file, url, "--limit", 2, "--json")
    assert json.loads(done.stdout) == {"lines": 2, "to": f"redis://127.0.0.1:{redis_server.port}/counted"}
    assert b"s3cret" not in done.stdout + done.stderr


def test_memory_does_not_grow_with_what_is_sent(redis_server: RedisServer, tmp_path: Path) -> None:
    code = """
import resource, sys
from siaga.serving.stream.feed import feed
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
feed([[b"x" * 1000] * 1000] * 4, sys.argv[1])
before = peak()
feed(([b"x" * 1000] * 1000 for _ in range(100)), sys.argv[1])
print(peak() - before)
"""
    url = f"redis://127.0.0.1:{redis_server.port}/large"
    done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20_000, "KiB for 100 MB"
    client: Any = redis.Redis(port=redis_server.port)  # Any: as above.
    with client:
        assert client.xlen("large") == 104_000
        client.delete("large")


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("http://localhost/x", "http:// cannot be fed"),
        ("out.txt", "out.txt cannot be fed"),
        ("redis://127.0.0.1:1/posts", "Connection refused"),
        ("kafka://127.0.0.1:1/posts", "Are its address"),
        ("kafka://localhost/posts?acks=many", "does not take these options"),
    ],
)
def test_where_nothing_can_be_sent_is_said(to: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "CONNECT_WITHIN_S", 0.5)
    with pytest.raises(DataError, match=words):
        feed([[b"1"]], to)


def test_a_message_that_is_too_large_is_said(kafka: KafkaMock) -> None:
    with pytest.raises(DataError, match=r"Raise max\.message\.bytes"):
        feed([[b"x" * 2_000_000]], kafka.url("fed", options="message.max.bytes=1000000"))


def test_a_broker_is_no_source_of_lines(redis_server: RedisServer) -> None:
    with pytest.raises(DataError, match="come from a file"):
        read(f"redis://127.0.0.1:{redis_server.port}/posts")


def test_a_file_that_breaks_off_leaves_no_half_of_it_behind(tmp_path: Path) -> None:
    packed = tmp_path / "cut.json.gz"
    packed.write_bytes(gzip.compress(os.urandom(1 << 20).hex().encode() + b"\n")[:1_000])
    with pytest.raises(DataError, match="cut short"):
        feed(read_feed(str(packed)), str(tmp_path / "out.jsonl"))
    assert not (tmp_path / "out.jsonl").exists()
