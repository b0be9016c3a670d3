"""What a stream leans on goes away and comes back: nothing is acknowledged meanwhile, and it goes on by itself."""

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from siaga.serving.store import open_store
from tests.servers import RedisServer, run_postgres, run_redis
from tests.streaming_kills import FileSource, Probe, RedisSource, Stream
from tests.streaming_made import check, made
from tests.zygote import Zygote

POSTS = 4_000
WAITING = "Waiting for it"


def acknowledged(redis: RedisServer, name: str) -> int:
    """Return how many entries the group is done with."""
    import redis as library

    with library.Redis.from_url(redis.url()) as connection:
        asked: Any = connection.xinfo_groups(name)  # Any: its answers differ by protocol.
        return int(asked[0]["entries-read"] - asked[0]["pending"])


def is_reached(stream: Stream, share: float) -> Callable[[], bool]:
    with Probe(stream.store) as probe:
        stream.wait_for(lambda: probe.count() >= share * POSTS)
    return lambda: stream.said().count(WAITING) >= stream.workers


def memory_kb(stream: Stream) -> int:
    """Return the memory that the workers hold for themselves."""
    pages = [int(Path(f"/proc/{number}/statm").read_text().split()[1]) for number in stream.workers_alive()]
    return 4 * sum(pages)


def test_postgresql_that_was_away_is_waited_for(stream_zygote: Zygote, redis_server: RedisServer) -> None:
    expected, source = made(POSTS, seed=4, width=2_000), RedisSource(redis_server.url(), "away")
    source.feed(expected.lines[: len(expected.lines) // 2])
    with run_postgres("fsync=off") as postgres:
        stream = Stream(stream_zygote, source, postgres.url())
        stream.start()
        waits = is_reached(stream, 0.2)
        postgres.stop()
        stream.wait_for(waits)
        before, held = acknowledged(redis_server, "away"), memory_kb(stream)
        stream.kill_worker(random.Random(0))  # Whoever is started now finds no store, and waits, too.
        source.feed(expected.lines[len(expected.lines) // 2 :])
        source.feed([b" " * 20_000] * 2_000)  # Keep-alives: 40 MB that could be read ahead.
        stream.wait_for(lambda: stream.said().count(WAITING) >= stream.workers + 1)
        assert acknowledged(redis_server, "away") == before
        assert memory_kb(stream) < held + 20_000
        postgres.start()
        stream.finish(expected)
        check(stream.store, expected)


def test_a_sqlite_store_that_another_process_locks_is_waited_for(
    stream_zygote: Zygote, redis_server: RedisServer, sqlite_store: str
) -> None:
    expected, source = made(POSTS, seed=5), RedisSource(redis_server.url(), "locked")
    source.feed(expected.lines)
    stream = Stream(stream_zygote, source, sqlite_store, prepared={"wait_s": 0.3})
    stream.start()
    waits = is_reached(stream, 0.2)
    other = sqlite3.connect(sqlite_store, isolation_level=None, timeout=60)
    other.execute("BEGIN IMMEDIATE")
    stream.wait_for(waits)
    before = acknowledged(redis_server, "locked")
    stream.kill_worker(random.Random(0))
    stream.wait_for(lambda: stream.said().count(WAITING) >= stream.workers + 1)
    assert acknowledged(redis_server, "locked") == before
    other.execute("ROLLBACK")
    other.close()
    stream.finish(expected)
    check(sqlite_store, expected)


def test_redis_that_was_killed_and_started_again_loses_nothing(stream_zygote: Zygote, sqlite_store: str) -> None:
    with run_redis("--appendonly", "yes", "--appendfsync", "always", "--save", "") as redis:
        expected, source = made(POSTS, seed=6), RedisSource(redis.url(), "posts")
        source.feed(expected.lines)
        stream = Stream(stream_zygote, source, sqlite_store)
        stream.start()
        is_reached(stream, 0.3)
        redis.kill()
        stream.wait_for(lambda: "is away" in stream.said())
        redis.start()
        said = stream.finish(expected)
        assert "is back" in said
        check(sqlite_store, expected)


def test_a_full_disk_ends_the_command_with_its_name_and_half_of_nothing(
    stream_zygote: Zygote, tmp_path: Path, sqlite_store: str
) -> None:
    expected, source = made(POSTS, seed=7, width=500), FileSource(tmp_path)
    source.feed(expected.lines)
    stream = Stream(stream_zygote, source, sqlite_store, workers=1, prepared={"file_bytes": 500_000})
    stream.start()
    code, said = stream_zygote.wait()
    assert code == 1
    assert f"siaga: {sqlite_store} cannot be written: " in said
    assert "Make room on its disk" in said
    with open_store(sqlite_store) as store:
        counts = store.counts()
        assert 0 < counts["posts"] < POSTS
        assert counts["posts"] == counts["predictions"] == sum(row.posts for row in store.minutes())
    stream.prepared = {}
    stream.start()
    stream.finish(expected)
    check(sqlite_store, expected)
