"""Redis Streams as an input: nothing is lost, pending entries are claimed one by one, and deliveries are counted."""

import itertools
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis

from siaga.errors import DataError
from siaga.serving.stream.messages import Messages
from siaga.serving.stream.redis import RedisInput
from siaga.serving.stream.redis_server import check_redis
from tests.servers import RedisServer, redis_server, run_redis

__all__ = ["redis_server"]  # A fixture.


class Stream:
    """An empty stream on a server, with a client that looks at it from outside."""

    def __init__(self, server: RedisServer, name: str) -> None:
        self.server, self.name = server, name
        self.client: Any = redis.Redis(port=server.port, protocol=2)  # Any: its answers are typed as awaitable, too.

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.server.port}/{self.name}?group=g"

    def add(self, count: int, *, start: int = 0) -> list[bytes]:
        lines = [b'{"id":"%d"}' % i for i in range(start, start + count)]
        pipeline = self.client.pipeline(transaction=False)
        for line in lines:
            pipeline.xadd(self.name, {"post": line})
        pipeline.execute()
        return lines

    def pending(self) -> int:
        return int(self.client.xpending(self.name, "g")["pending"])

    def input(self, consumer: str = "one", **settings: Any) -> RedisInput:  # Any: an int and a float.
        return RedisInput(self.url, consumer=consumer, **settings)


@pytest.fixture
def stream(redis_server: RedisServer, request: pytest.FixtureRequest) -> Iterator[Stream]:
    stream = Stream(redis_server, request.node.name)
    with stream.client:
        yield stream


def never(part: str, position: str) -> int:
    raise AssertionError((part, position))


def some(source: RedisInput, lines: int) -> list[Messages]:
    """Read so many lines, acknowledging nothing."""
    found: list[Messages] = []
    for messages in source.messages(never):
        found += [messages] if messages else []
        if sum(len(each.lines) for each in found) >= lines:
            break
    return found


def worked_off(source: RedisInput, lines: int | None = None) -> list[Messages]:
    """Read and acknowledge until there is nothing, or so many lines are done."""
    found: list[Messages] = []
    for messages in source.messages(never):
        if messages is None:
            break
        source.acknowledge(messages)
        found.append(messages)
        if lines is not None and len(lines_of(found)) >= lines:
            break
    return found


def lines_of(found: list[Messages]) -> list[bytes]:
    return [line for messages in found for line in messages.lines]


def test_what_was_there_before_the_group_is_read_in_order_and_in_batches(stream: Stream) -> None:
    lines = stream.add(700)
    source = stream.input(batch=300)
    found = worked_off(source, 700)
    assert lines_of(found) == lines
    assert [len(messages.lines) for messages in found] == [300, 300, 100]
    assert {(messages.part, messages.deliveries) for messages in found} == {(stream.name, 1)}
    ids = [id_.decode() for id_, _ in stream.client.xrange(stream.name)]
    assert [position for messages in found for position in messages.positions] == ids
    assert found[-1].time_ms == int(ids[-1].split("-")[0])


def test_an_idle_stream_gives_none_at_least_every_second(stream: Stream) -> None:
    told = time.monotonic()
    for messages in itertools.islice(stream.input().messages(never), 2):
        assert messages is None
        assert time.monotonic() - told < 1.5
        told = time.monotonic()


def test_only_what_is_acknowledged_stops_being_pending(stream: Stream) -> None:
    stream.add(5)
    source = stream.input()
    (messages,) = some(source, 5)
    assert stream.pending() == 5
    source.acknowledge(replace(messages, lines=messages.lines[:3], positions=messages.positions[:3]))
    assert [entry["message_id"].decode() for entry in stream.client.xpending_range(stream.name, "g", "-", "+", 9)] == [
        *messages.positions[3:]
    ]
    stream.client.xclaim(stream.name, "g", "another", 0, [messages.positions[0]], force=True)
    source.acknowledge(replace(messages, lines=messages.lines[3:], positions=messages.positions[3:]))
    assert stream.client.xpending(stream.name, "g")["min"].decode() == messages.positions[0]


def test_a_worker_that_starts_anew_takes_up_what_it_left_one_by_one_and_then_goes_on(stream: Stream) -> None:
    lines = stream.add(4)
    some(stream.input(batch=3), 3)
    found = worked_off(stream.input(batch=3), 4)
    assert lines_of(found) == lines
    assert [(len(messages.lines), messages.deliveries) for messages in found] == [(1, 2), (1, 2), (1, 2), (1, 1)]


def test_who_dies_of_a_message_leaves_the_count_of_all_others_alone(stream: Stream) -> None:
    lines = stream.add(3)
    some(stream.input(), 3)
    for _ in range(4):  # Each of these dies of the first message.
        some(stream.input(), 1)
    found = worked_off(stream.input(), 3)
    assert lines_of(found) == lines
    assert [messages.deliveries for messages in found] == [6, 2, 2]


def test_what_another_left_is_claimed_when_it_was_idle_for_long_enough_and_not_before(stream: Stream) -> None:
    lines = stream.add(2)
    some(stream.input("gone"), 2)
    assert worked_off(stream.input("two", claim_after_s=60)) == []
    time.sleep(0.1)
    found = worked_off(stream.input("two", claim_after_s=0.1), 2)
    assert lines_of(found) == lines
    assert [(len(messages.lines), messages.deliveries) for messages in found] == [(1, 2), (1, 2)]


def test_what_another_leaves_is_claimed_while_new_messages_keep_coming(stream: Stream) -> None:
    stream.add(1)
    some(stream.input("gone"), 1)
    source = stream.input("two", batch=1, claim_after_s=0.2)
    deliveries = []
    for number, messages in zip(range(1, 200), source.messages(never), strict=False):
        if messages is not None:
            source.acknowledge(messages)
            deliveries.append(messages.deliveries)
        if 2 in deliveries:
            break
        stream.add(1, start=number)
        time.sleep(0.01)
    assert deliveries.count(2) == 1


def test_two_consumers_share_a_stream_without_loss_or_repetition(stream: Stream) -> None:
    lines = stream.add(1_000)
    sources = [stream.input(name, batch=50) for name in ("one", "two")]
    running = [source.messages(never) for source in sources]
    found: list[list[Messages]] = [[], []]
    for i in itertools.islice(itertools.cycle((0, 1)), 20):
        messages = next(running[i])
        assert messages is not None
        sources[i].acknowledge(messages)
        found[i].append(messages)
    assert sorted(lines_of(found[0] + found[1])) == sorted(lines)
    assert len(lines_of(found[0])) == len(lines_of(found[1])) == 500


def test_a_group_that_is_destroyed_in_the_midst_is_made_anew_and_reads_everything(
    stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    lines = stream.add(2)
    source = stream.input(batch=1)
    running = source.messages(never)
    next(running)
    stream.client.xgroup_destroy(stream.name, "g")
    again = [messages for messages in itertools.islice(running, 4) if messages is not None]
    assert lines_of(again) == lines
    assert "has been removed" in caplog.text


def test_a_stream_that_is_removed_is_read_again_when_it_comes_back(stream: Stream) -> None:
    stream.add(1)
    source = stream.input()
    running = source.messages(never)
    next(running)
    stream.client.delete(stream.name)
    assert next(running) is None
    lines = stream.add(1, start=7)
    assert lines_of([messages for messages in itertools.islice(running, 2) if messages]) == lines


def test_a_server_that_restarts_is_waited_for_and_nothing_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    with run_redis("--appendonly", "yes", "--appendfsync", "always", "--save", "") as server:
        stream = Stream(server, "posts")
        lines = stream.add(3)
        source = stream.input(batch=2)
        running = source.messages(never)
        first = next(running)
        assert first is not None
        server.kill()
        source.acknowledge(first)  # It cannot be said now, and is said later.
        assert [next(running), next(running)] == [None, None]
        assert source.lag() is None
        server.start()
        rest = next(messages for messages in running if messages is not None)
        assert [*first.lines, *rest.lines] == lines
        assert (rest.deliveries, stream.pending()) == (1, 1)
    assert [record.message for record in caplog.records if "away" in record.message] == [caplog.records[0].message]
    assert "is back" in caplog.records[-1].message


def test_what_a_lost_answer_held_is_read_again(stream: Stream) -> None:
    stream.add(1)
    source = stream.input()
    running = source.messages(never)
    (first,) = some(source, 1)
    source.acknowledge(first)

    def lose() -> None:
        """Hand a new entry out in the name of the consumer, which waits for one, and cut its connection."""
        together = stream.client.pipeline(transaction=True)
        together.xadd(stream.name, {"post": "lost"}).xreadgroup("g", "one", {stream.name: ">"}).execute()
        stream.client.client_kill_filter(_type="normal", skipme=True)

    losing = threading.Timer(0.2, lose)
    losing.start()
    again = next(messages for messages in running if messages is not None)
    losing.join()
    assert (again.lines, again.deliveries) == ([b"lost"], 2)


def test_lag_counts_what_the_group_has_not_read(stream: Stream) -> None:
    stream.add(10)
    source = stream.input(batch=4)
    some(source, 4)
    assert source.lag() == 6


def test_lag_is_asked_once_a_second_at_most(stream: Stream) -> None:
    stream.add(10)
    source = stream.input(batch=4)
    some(source, 4)
    source.lag()
    before = stream.client.info("commandstats")["cmdstat_xinfo|groups"]["calls"]
    for _ in range(50):
        source.lag()
    assert stream.client.info("commandstats")["cmdstat_xinfo|groups"]["calls"] == before


def test_consumers_that_are_gone_and_have_nothing_pending_are_removed(stream: Stream) -> None:
    stream.add(1)
    worked_off(stream.input("idle"), 1)
    stream.add(1, start=1)
    some(stream.input("busy"), 1)
    time.sleep(0.02)
    next(stream.input("new", claim_after_s=0.01).messages(never))  # It claims what was pending, and stops there.
    names = {consumer["name"] for consumer in stream.client.xinfo_consumers(stream.name, "g")}
    assert names == {b"idle", b"busy", b"new"}
    time.sleep(0.02)
    worked_off(stream.input("new", claim_after_s=0.01))
    names = {consumer["name"] for consumer in stream.client.xinfo_consumers(stream.name, "g")}
    assert names == {b"new"}


def test_a_consumer_with_pending_entries_is_not_removed(stream: Stream) -> None:
    stream.add(1)
    some(stream.input("busy"), 1)
    time.sleep(0.02)
    stream.input("new", claim_after_s=0.01)._forget_idle()  # Alone, as if what it left were not to be claimed yet.
    names = {consumer["name"] for consumer in stream.client.xinfo_consumers(stream.name, "g")}
    assert b"busy" in names
    assert stream.pending() == 1


def test_an_entry_is_its_field_post_or_its_only_field_or_all_of_them_as_json(stream: Stream) -> None:
    for fields in ({"post": b"\xff{", "at": "now"}, {"data": "raw"}, {"id": "1", "text": b"a\xffb"}):
        stream.client.xadd(stream.name, fields)
    assert lines_of(worked_off(stream.input(), 3)) == [b"\xff{", b"raw", '{"id":"1","text":"a\ufffdb"}'.encode()]


def test_entries_that_were_trimmed_while_pending_are_passed_over(stream: Stream) -> None:
    lines = stream.add(3)
    some(stream.input(), 3)
    stream.client.xtrim(stream.name, maxlen=1, approximate=False)
    assert lines_of(worked_off(stream.input(), 1)) == lines[2:]
    assert stream.pending() == 0


def test_a_server_that_keeps_nothing_on_disk_is_warned_of(caplog: pytest.LogCaptureFixture, stream: Stream) -> None:
    check_redis(stream.url)
    assert "Set appendonly to yes" in caplog.text
    with run_redis("--appendonly", "yes", "--save", "") as kept:
        caplog.clear()
        check_redis(f"redis://127.0.0.1:{kept.port}/posts")
        assert caplog.text == ""


def test_a_password_is_used_from_url_or_environment_and_never_shown(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    with run_redis() as server:
        redis.Redis(port=server.port).config_set("requirepass", "s3cr3t!@")
        where = f"127.0.0.1:{server.port}/posts"
        url = f"redis://:s3cr3t!%40@{where}"
        check_redis(url)
        source = RedisInput(url, consumer="one")
        assert next(source.messages(never)) is None
        assert source.name == f"redis://{where}?group=siaga"
        with pytest.raises(DataError, match="does not let us in") as wrong:
            check_redis(f"redis://:wr0ng@{where}")
        with pytest.raises(DataError, match="REDISCLI_AUTH"):
            next(RedisInput(f"redis://{where}", consumer="one").messages(never))
        monkeypatch.setenv("REDISCLI_AUTH", "s3cr3t!@")
        check_redis(f"redis://{where}")
    with pytest.raises(DataError) as torn:
        RedisInput("redis://:s3cr3t/!@localhost/posts", consumer="one")
    for words in (caplog.text, str(wrong.value), str(torn.value), repr(source.__dict__)):
        assert "s3cr3t" not in words
        assert "wr0ng" not in words


def test_asking_for_its_settings_may_be_forbidden(stream: Stream, caplog: pytest.LogCaptureFixture) -> None:
    stream.client.acl_setuser("worker", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-config"])
    check_redis(stream.url.replace("redis://", "redis://worker:any@"))
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://127.0.0.1:{port}/taken", "'taken' is not a stream"),
        ("redis://127.0.0.1:1/posts", "Connection refused"),
        ("redis://127.0.0.1:{port}", "needs one name behind it"),
        ("redis://127.0.0.1:{port}/posts?grup=a", "Did you mean 'group'"),
        ("redis://127.0.0.1:{port}/posts?group=", "names no group"),
        ("redis://127.0.0.1:{port}/posts?db=x", "Give its number"),
        ("redis://127.0.0.1:{port},127.0.0.1:2/posts", "several hosts"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(stream: Stream, url: str, words: str) -> None:
    stream.client.set("taken", "1")
    with pytest.raises(DataError, match=words):
        check_redis(url.format(port=stream.server.port))


def test_a_time_for_claims_that_is_none_is_refused(stream: Stream) -> None:
    with pytest.raises(DataError, match="Give seconds"):
        RedisInput(f"{stream.url}&claim_after_s=soon", consumer="one")
