"""Streams that are killed: inputs to be read, `siaga stream` to die while it reads them, and claims of what is left."""

import os
import random
import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any, Protocol, Self

from siaga.serving.store import open_store
from tests.kafka_mock import KafkaMock
from tests.streaming_deaths import POISON
from tests.streaming_made import START_MS, Made, Post, check, made
from tests.zygote import Prepare, Zygote

WITHIN_S = 30.0  # So long nothing may move.
PLACES = (*("after_read", "after_decode", "after_score", "before_commit", "after_commit", "before_ack"), "during_claim")


class Source(Protocol):
    """An input to be read by `siaga stream`."""

    url: str
    ends: bool  # Whether the stream ends by itself when all is read.

    def feed(self, lines: Sequence[bytes]) -> None: ...

    def is_done(self) -> bool:
        """Whether all that was fed is acknowledged."""
        ...


class FileSource:
    ends = True

    def __init__(self, folder: Path) -> None:
        self.url = str(folder / "posts.jsonl")

    def feed(self, lines: Sequence[bytes]) -> None:
        with Path(self.url).open("ab") as out:
            out.write(b"".join(line + b"\n" for line in lines))

    def is_done(self) -> bool:
        return True


class RedisSource:
    ends = False

    def __init__(self, server: str, name: str, *, claim_after_s: float = 0.5) -> None:
        import redis

        self.url, self._name = f"{server.removesuffix('/0')}/{name}?claim_after_s={claim_after_s}", name
        self._redis: Any = redis.Redis.from_url(server)  # Any: its answers differ by protocol.
        self._redis.delete(name)

    def feed(self, lines: Sequence[bytes]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for line in lines:
            pipeline.xadd(self._name, {"post": line})
        pipeline.execute()

    def is_done(self) -> bool:
        [group] = self._redis.xinfo_groups(self._name)
        return bool(group["lag"] == 0 and group["pending"] == 0)


class KafkaSource:
    """A topic whose posts are dealt out to its partitions; a message of megabytes has the last one for itself."""

    ends = False

    def __init__(self, kafka: KafkaMock, name: str, *, partitions: int = 4) -> None:
        from confluent_kafka import Consumer, TopicPartition

        kafka.topic(name, partitions=partitions + 1)
        self.url, self._name, self._server = kafka.url(name), name, kafka.server
        self._fed = [0] * (partitions + 1)
        self._parts = [TopicPartition(name, each) for each in range(partitions + 1)]
        self._consumer = Consumer({"bootstrap.servers": kafka.server, "group.id": "siaga"})

    def feed(self, lines: Sequence[bytes]) -> None:
        from confluent_kafka import Producer

        producer = Producer({"bootstrap.servers": self._server, "message.max.bytes": 20_000_000, "linger.ms": 20})
        for number, line in enumerate(lines):
            partition = len(self._fed) - 1 if len(line) > 1_000_000 else number % (len(self._fed) - 1)
            producer.produce(self._name, line, partition=partition)
            self._fed[partition] += 1
            producer.poll(0)
        assert producer.flush(30) == 0

    def close(self) -> None:
        self._consumer.close()

    def is_done(self) -> bool:
        return [max(0, part.offset) for part in self._consumer.committed(self._parts, timeout=10)] == self._fed


class Probe:
    """Looks at a store while others write: how many predictions of posts with a time there are."""

    def __init__(self, store: str) -> None:
        self._connection: Any = _connected(store)  # Any: of either database.
        self.seen = (0, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def count(self) -> int:
        return self._ask("SELECT COALESCE(SUM(posts), 0) FROM minutes")

    def has(self, count: int) -> bool:
        return self.count() >= count

    def both(self) -> tuple[int, int]:
        """Return how many predictions and dead letters there are."""
        self.seen = (self.count(), self._ask("SELECT COUNT(*) FROM dead_letters"))
        return self.seen

    def _ask(self, query: str) -> int:
        return int(self._connection.execute(query).fetchone()[0])


def _connected(store: str) -> Any:
    if not store.startswith("postgresql"):
        return sqlite3.connect(store, isolation_level=None)
    import psycopg

    return psycopg.connect(store, autocommit=True)


@dataclass
class Stream:
    """`siaga stream` from a source into a store, which dies and is started again."""

    zygote: Zygote
    source: Source
    store: str
    workers: int = 2
    prepared: dict[str, object] = field(default_factory=dict)
    killed: set[int] = field(default_factory=set)

    def start(self) -> None:
        with open_store(self.store):  # So that it can be looked at from the beginning.
            pass
        given = ("--from", self.source.url, "--to", self.store, "--with", "stream-sentiment")
        prepare: Prepare = ("tests.streaming_deaths", "prepare", self.prepared)
        self.zygote.start("stream", *given, "--workers", self.workers, prepare=prepare)
        self.wait_for(lambda: len(self.workers_alive()) == self.workers)  # Before, a child looks for the broker.

    def workers_alive(self) -> list[int]:
        """Return the numbers of the workers that nobody killed yet."""
        root = Path(f"/proc/{self.zygote.child}/task/{self.zygote.child}/children")
        return [number for word in root.read_text().split() if (number := int(word)) not in self.killed]

    def kill_worker(self, dice: random.Random) -> None:
        number = dice.choice(self.wait_for(self.workers_alive))  # Whoever dies is replaced at once.
        self.killed.add(number)
        os.kill(number, SIGKILL)

    def kill_all(self) -> None:
        """Kill the command, and leave its workers to themselves; start it again."""
        self.zygote.kill()
        self.start()

    def wait_for(  # Any: what is found.
        self, found: Callable[[], Any], *, moves: Callable[[], object] = lambda: None, pause_s: float = 0.01
    ) -> Any:
        """Ask until there is an answer, while the command runs and something `moves`; return it."""
        until, last = time.monotonic() + WITHIN_S, moves()
        while not (answer := found()):
            if moves() != last:
                until, last = time.monotonic() + WITHIN_S, moves()
            state = Path(f"/proc/{self.zygote.child}/stat").read_text().rpartition(")")[2].split()[0]
            assert state != "Z", self.zygote.wait()
            assert time.monotonic() < until, f"It does not come; {moves()}. {self.said()}"
            time.sleep(pause_s)
        return answer

    def said(self) -> str:
        """Return what the command wrote so far."""
        return self.zygote.said()

    def finish(self, expected: Made) -> str:
        """Wait until all is kept and acknowledged, then for the end; return what was said."""
        if not self.source.ends:
            with Probe(self.store) as probe:
                wanted = (len(expected.posts), len(expected.dead))
                self.wait_for(lambda: probe.both() == wanted, moves=lambda: probe.seen, pause_s=0.05)
            self.wait_for(self.source.is_done, pause_s=0.05)
            self.zygote.send(SIGTERM)
        code, said = self.zygote.wait()
        assert code == 0, said
        return said


def kill_at_random(stream: Stream, *, posts: int, kills: int, seed: int = 0) -> int:
    """Kill a worker, or each sixth time the whole command, at random points of progress; return how often."""
    dice = random.Random(seed)
    with Probe(stream.store) as probe:
        for number, at in enumerate(sorted(dice.sample(range(posts * 9 // 10), kills))):
            stream.wait_for(partial(probe.has, at))
            time.sleep(dice.uniform(0, 0.01))
            if number % 6 == 5:
                stream.kill_all()
            else:
                stream.kill_worker(dice)
    return kills


def kept_after_kills(stream: Stream, *, posts: int, kills: int, width: int = 0, seed: int = 0) -> None:
    """Claim that random kills of workers and of the command lose and double nothing."""
    expected = made(posts, seed=seed, has_long=True, width=width)
    stream.source.feed(expected.lines)
    stream.start()
    assert kill_at_random(stream, posts=posts, kills=kills, seed=seed) == kills
    stream.finish(expected)
    check(stream.store, expected)


def kept_after_deaths(stream: Stream, folder: Path, *, each: int, posts: int, width: int = 0) -> None:
    """Claim that so many deaths at each named place lose and double nothing."""
    expected = made(posts, seed=1, width=width)
    stream.source.feed(expected.lines)
    places = PLACES if isinstance(stream.source, RedisSource) else PLACES[:-1]
    stream.prepared = {"batch": 8, "deaths": (str(folder), places, each)}
    stream.start()
    stream.finish(expected)
    check(stream.store, expected)
    died = [path.name.split(".")[0] for path in folder.iterdir()]
    assert {place: min(died.count(place), each) for place in places} == dict.fromkeys(places, each)


def poisons_are_set_aside(stream: Stream, *, count: int = 1, by: str = "scoring", width: int = 0) -> int:
    """Claim that poisonous messages become dead letters, and their neighbours answers; return how many workers died."""
    expected = made(200, seed=2, dirt=9, width=width)
    poison = [Post(f"poison{n}", 0, "en", START_MS).line(width, text=f"{POISON} {n}") for n in range(count)]
    expected.lines[52:52] = poison
    stream.source.feed(expected.lines)
    stream.prepared["poison"] = by
    stream.start()
    said = stream.finish(expected._replace(dead=[*expected.dead, *poison]))
    check(stream.store, expected, poison=poison)
    (deaths,) = re.findall(r"(\d+) workers died", said)
    return int(deaths)


def stops_when_asked(stream: Stream, *, posts: int, width: int = 0) -> None:
    """Claim that SIGTERM under load ends the command well within ten seconds, and the next one completes its work."""
    expected = made(posts, seed=3, width=width)
    stream.source.feed(expected.lines)
    stream.start()
    with Probe(stream.store) as probe:
        stream.wait_for(lambda: probe.count() >= posts // 10)
        asked = time.monotonic()
        stream.zygote.send(SIGTERM)
        code, said = stream.zygote.wait()
        assert code == 0, said
        assert time.monotonic() - asked < 10
        assert posts // 10 <= probe.count() < posts
    stream.start()
    stream.finish(expected)
    check(stream.store, expected)
