"""A stream into a store whose processes are killed again and again: nothing may be lost, doubled or miscounted.

    python benchmarks/stream_kills.py [--posts 200000] [--kills 500] [--each 50] [--only redis-sqlite] [--seed 0]

On each of files, Redis and Kafka (librdkafka's mock) into SQLite and PostgreSQL: `kill -9` of workers, and each sixth
time of the whole command, at random points of progress; then deaths at each named place. Afterwards the predictions,
dead letters and minutes of the store are compared with what the messages themselves say. The servers are the
benchmark's own; without them the combination is skipped.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))  # The tests know how to run servers, and how to die.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from tests import streaming_kills as kills
from tests.kafka_mock import kafka_mock
from tests.servers import run_postgres, run_redis
from tests.streaming_fixtures import MODULES, memory_folder
from tests.zygote import Zygote

BATCH, WIDTH = 64, 900
INPUTS, STORES = ("files", "redis", "kafka"), ("sqlite", "postgresql")
WITHIN_S = 300.0
Trial = Callable[[kills.Stream, Path, int], None]


class Asked(NamedTuple):
    posts: int
    kills: int
    each: int
    seed: int


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--posts", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--each", type=int, default=50, help="deaths at each named place")
    parser.add_argument("--only", action="append", metavar="INPUT-STORE")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    asked = Asked(given.posts, given.kills, given.each, given.seed)
    kills.WITHIN_S = WITHIN_S
    pairs = [(source, store) for source in INPUTS for store in STORES]
    chosen = [pair for pair in pairs if not given.only or "-".join(pair) in given.only]
    found = {"-".join(pair): tried(*pair, asked) for pair in chosen}
    print(json.dumps({"benchmark": "stream_kills", **asked._asdict(), **found}))
    return 1 if any("failed" in each for each in found.values()) else 0


def tried(source: str, store: str, asked: Asked) -> dict[str, object]:
    """Return how one combination went: seconds of both ways to die, what failed, or why it was skipped."""
    try:
        random_s = timed(source, store, partial(kill, asked))
        places_s = timed(source, store, partial(die_at_places, asked))
    except pytest.skip.Exception as reason:
        return {"skipped": str(reason)}
    except AssertionError:
        return {"failed": traceback.format_exc()[-1_000:]}
    return {"lost": 0, "doubled": 0, "random_s": random_s, "places_s": places_s}


def kill(asked: Asked, stream: kills.Stream, _: Path, width: int) -> None:
    stream.prepared = {"batch": BATCH}
    kills.kept_after_kills(stream, posts=asked.posts, kills=asked.kills, width=width, seed=asked.seed)


def die_at_places(asked: Asked, stream: kills.Stream, folder: Path, width: int) -> None:
    posts, width = (asked.each * 900, 3 * width) if width else (asked.each * 120, 0)  # Few lines to a block of a file.
    kills.kept_after_deaths(stream, folder, each=asked.each, posts=posts, width=width)


def timed(source: str, store: str, trial: Trial) -> float:
    """Run one trial with servers of its own; return its seconds."""
    with tempfile.TemporaryDirectory() as name, memory_folder() as memory:
        folder = Path(name)
        (folder / "deaths").mkdir()
        with (
            opened_store(store, memory) as url,
            opened_source(source, folder) as fed,
            Zygote(folder, modules=MODULES) as zygote,
        ):
            began = time.perf_counter()
            trial(kills.Stream(zygote, fed, url), folder / "deaths", WIDTH if source == "files" else 0)
            return round(time.perf_counter() - began, 1)


@contextmanager
def opened_store(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield str(folder / "store.db")
        return
    with run_postgres("fsync=off", "max_connections=50") as server:
        yield server.url()


@contextmanager
def opened_source(kind: str, folder: Path) -> Iterator[kills.Source]:
    match kind:
        case "files":
            yield kills.FileSource(folder)
        case "redis":
            with run_redis() as redis:
                yield kills.RedisSource(redis.url(), "posts")
        case _:
            with kafka_mock(session_ms=250) as kafka:
                topic = kills.KafkaSource(kafka, "posts", partitions=8)
                yield topic
                topic.close()


if __name__ == "__main__":
    sys.exit(main())
