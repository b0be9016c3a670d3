"""Streams that are killed: made messages, inputs to put them in, `siaga stream` to die of them, and what must be left.

Everything that a store should hold is counted here once more, from the messages alone.
"""

import json
import os
import random
import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any, NamedTuple, Protocol

from siaga.serving.store import open_store
from siaga.serving.store.rows import MinuteRow
from tests.kafka_mock import KafkaMock
from tests.zygote import Prepare, Zygote

MODULES = (
    *("siaga.cli.main", "siaga.cli.stream", "siaga.serving.stream.keeping", "siaga.serving.stream.redis"),
    *("siaga.serving.stream.kafka", "siaga.serving.store.store", "siaga.serving.store.sqlite"),
    *("siaga.serving.store.postgres", "siaga.models.lexicon", "redis", "hiredis", "confluent_kafka.admin", "afinn"),
)
WITHIN_S = 120.0
START_MS = 1_562_135_340_000
PLACES = (*("after_read", "after_decode", "after_score", "before_commit", "after_commit", "before_ack"), "during_claim")
_EXTRA_TEXT = 10_000_000


class Post(NamedTuple):
    """A made post: how often it says good (or, below zero, bad), and when."""

    id: str
    words: int
    language: str
    time_ms: int

    @property
    def score(self) -> int:
        return 3 * self.words if self.language == "en" else 0

    def line(self, width: int = 0, text: str = "") -> bytes:
        said = text or " ".join(["good" if self.words > 0 else "bad"] * abs(self.words) or ["table"])
        tweet = {"id_str": self.id, "text": said, "lang": self.language, "timestamp_ms": str(self.time_ms)}
        return json.dumps(tweet | ({"source": "x" * width} if width else {})).encode()


@dataclass(frozen=True)
class Made:
    """Messages in their order; the posts and the dead letters that must come of them."""

    lines: list[bytes]
    posts: list[Post]
    dead: list[bytes]


def made(count: int, *, seed: int = 0, dirt: int = 40, has_long: bool = False, width: int = 0) -> Made:
    """Return so many posts; some come twice, some are deleted later, and between them stands what is no post."""
    dice = random.Random(seed)
    posts = [made_post(number, dice) for number in range(count)]
    lines: list[tuple[float, bytes]] = [(number, post.line(width)) for number, post in enumerate(posts)]
    for number in dice.sample(range(count), count // 40):
        lines.append((number + dice.uniform(1, 300), posts[number].line(width)))
        lines.append((number + dice.uniform(1, 300), deletion(posts[dice.randrange(count)].id)))
        lines.append((number + 0.5, deletion(f"unseen{number}")))
    dead = [broken(number) for number in range(dirt)]
    if has_long:
        dead.append(Post("long", 0, "en", START_MS).line(text="a" * _EXTRA_TEXT))
    lines += [(dice.uniform(0, count), line) for line in dead]
    return Made([line for _, line in sorted(lines)], posts, dead)


def made_post(number: int, dice: random.Random) -> Post:
    return Post(f"p{number}", dice.randrange(-2, 3), dice.choice(["en", "en", "id"]), START_MS + number * 37)


def deletion(id_: str) -> bytes:
    return json.dumps({"delete": {"status": {"id_str": id_}}}).encode()


def broken(number: int) -> bytes:
    """Return one of all sorts of messages that are no post; no two are the same."""
    head = b'{"id_str":"broken%d","timestamp_ms":"1562135340000","lang":"en",' % number
    sorts = [
        head,
        head + b'"text":5}',
        head + b'"text":"a \\u0000 within"}',
        head + b'"text":"half \\ud83d a face"}',
        head + b'"text":"half \xf0\x9f a face"}',
        b'{"text":"nobody","number":"%d"}' % number,
        b"<html>502 Bad Gateway %d</html>" % number,
        b"[%d]" % number,
        head + b'"deep":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    ]
    return sorts[number % len(sorts)]


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

    def is_done(self) -> bool:
        return [max(0, part.offset) for part in self._consumer.committed(self._parts, timeout=10)] == self._fed


@contextmanager
def sqlite_folder() -> Iterator[Path]:
    """Give a folder in memory where there is one: tests that kill processes need no disk, which is slow."""
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - mkdtemp makes names of its own.
    folder = Path(tempfile.mkdtemp(prefix="siaga-store-", dir=where))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


class Probe:
    """Looks at a store while others write: how many predictions of posts with a time there are."""

    def __init__(self, store: str) -> None:
        self._ask = _ask_postgres(store) if store.startswith("postgresql") else _ask_sqlite(store)

    def count(self) -> int:
        return self._ask("SELECT COALESCE(SUM(posts), 0) FROM minutes")

    def dead(self) -> int:
        return self._ask("SELECT COUNT(*) FROM dead_letters")


def _ask_postgres(store: str) -> Callable[[str], int]:
    import psycopg

    connection = psycopg.connect(store, autocommit=True)
    return lambda query: int(connection.execute(query.encode()).fetchone()[0])  # type: ignore[index] # One row.


def _ask_sqlite(store: str) -> Callable[[str], int]:
    connection = sqlite3.connect(store, isolation_level=None)
    return lambda query: int(connection.execute(query).fetchone()[0])


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

    def wait_for(self, found: Callable[[], Any], *, pause_s: float = 0.002) -> Any:  # Any: what is found.
        """Ask until there is an answer, while the command runs; return it."""
        until = time.monotonic() + WITHIN_S
        while not (answer := found()):
            state = Path(f"/proc/{self.zygote.child}/stat").read_text().rpartition(")")[2].split()[0]
            assert state != "Z", self.zygote.wait()
            assert time.monotonic() < until, "It does not come."
            time.sleep(pause_s)
        return answer

    def finish(self, expected: Made) -> str:
        """Wait until all is kept and acknowledged, then for the end; return what was said."""
        if not self.source.ends:
            probe = Probe(self.store)
            self.wait_for(lambda: probe.count() >= len(expected.posts) and probe.dead() >= len(expected.dead))
            self.wait_for(self.source.is_done, pause_s=0.05)
            self.zygote.send(SIGTERM)
        code, said = self.zygote.wait()
        assert code == 0, said
        return said


def kill_at_random(stream: Stream, *, posts: int, kills: int, seed: int = 0) -> int:
    """Kill a worker, or each sixth time the whole command, at random points of progress; return how often."""
    dice, probe = random.Random(seed), Probe(stream.store)
    for number, at in enumerate(sorted(dice.sample(range(posts * 9 // 10), kills))):
        stream.wait_for(lambda at=at: probe.count() >= at)
        time.sleep(dice.uniform(0, 0.01))
        if number % 6 == 5:
            stream.kill_all()
        else:
            stream.kill_worker(dice)
    return kills


def check(store: str, expected: Made, *, poison: Sequence[bytes] = ()) -> None:
    """See that a store holds what it should: nothing is lost, doubled, or miscounted."""
    with open_store(store, must_exist=True) as opened:
        predictions, letters = list(opened.predictions()), list(opened.dead_letters())
        minutes, counts = list(opened.minutes()), opened.counts()
    assert Counter(row.post_id for row in predictions) == Counter(post.id for post in expected.posts)
    assert {row.post_id: row.score for row in predictions} == {post.id: post.score for post in expected.posts}
    assert Counter(letter.raw for letter in letters) == Counter([*expected.dead, *poison])
    assert {letter.raw for letter in letters if letter.reason.startswith("Poison")} == set(poison)
    assert minutes == minutes_of(expected.posts, minutes[0].model)
    assert counts["posts"] == len(expected.posts)


def minutes_of(posts: Sequence[Post], model: str) -> list[MinuteRow]:
    """Count posts by their minutes."""
    by_key: dict[tuple[int, str, str], list[Post]] = {}
    for post in posts:
        label = "neutral" if not post.score else "positive" if post.score > 0 else "negative"
        by_key.setdefault((post.time_ms // 60_000 * 60_000, post.language, label), []).append(post)
    return [_minute(model, key, by_key[key]) for key in sorted(by_key)]


def _minute(model: str, key: tuple[int, str, str], posts: Sequence[Post]) -> MinuteRow:
    minute_ms, language, label = key
    errors = sum(post.language != "en" or not post.words for post in posts)
    scores, times = [post.score for post in posts], [post.time_ms for post in posts]
    sums = (len(posts), errors, sum(scores), sum(score**2 for score in scores))
    return MinuteRow(model, minute_ms, language, "", "", label, *sums, min(times), max(times))
