"""The stream's speed on raw tweets: parse and score beside the bare parse, then into SQLite, then Redis to PostgreSQL.

    python benchmarks/stream.py [--posts FOLDER] [--rounds 7]

`FOLDER` holds files of raw v1.1 tweets, one JSON object a line, plain or compressed; without it the benchmark is
skipped. They are unpacked first. On one core, turn by turn in one run: ours (read, parse, filter by language, score,
write the scores), the limit (read, split and decode the same typed objects, nothing else) and the peer (read,
json.loads, a dictionary of the words). Ratios are medians of the turns' ratios, with the least and the greatest. Then
two workers beside one, the way through SQLite with full durability, and through a Redis stream into PostgreSQL with two
workers and servers of its own. Tweets a second leave delete notices out, bytes do not. What starts once, such as
loading the list of words, is not timed in the first four; of stores, all is, from the command to the last commit.
"""

import argparse
import json
import multiprocessing
import os
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from siaga.features.lexicon import load_lexicon
from siaga.serving.store import open_store
from siaga.serving.stream.feed import feed, read_feed
from siaga.serving.stream.files import list_segments, read_blocks
from siaga.serving.stream.lines import Answering
from siaga.serving.stream.pipe import answers
from siaga.serving.stream.run import Plan, run
from siaga.serving.stream.scoring import open_scorer
from siaga.sources.items import ItemReader
from siaga.sources.items.twitter import Tweet

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.servers import run_postgres, run_redis

SHARED = Path(os.environ.get("SIAGA_SHARED", Path(__file__).parents[2] / "shared"))
BLOCK_BYTES = 1 << 20


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--posts", type=Path, default=SHARED / "data" / "twitter_stream")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    if not given.posts.exists():
        print(json.dumps({"benchmark": "stream", "skipped": "give --posts, a folder of raw tweets"}))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stream.json"
        facts = _unpack(given.posts, path)
        print(json.dumps({"benchmark": "stream", **facts, **_measure(path, Path(folder), facts, given.rounds)}))


def _unpack(folder: Path, path: Path) -> dict[str, int]:
    with path.open("wb") as stream:
        for segment in list_segments(folder):
            for _, block in read_blocks(segment, block_bytes=BLOCK_BYTES):
                stream.write(block)
    lines = path.read_bytes().splitlines()
    return {
        "bytes": path.stat().st_size,
        "lines": len(lines),
        "tweets": sum(not line.startswith(b'{"delete"') for line in lines),
    }


def _measure(path: Path, folder: Path, facts: dict[str, int], rounds: int) -> dict[str, object]:
    answering = _answering()
    works: dict[str, Callable[[], object]] = {
        "ours": lambda: _ours(path, folder / "scores.txt", lambda: answering),
        "limit": lambda: _bare(path, msgspec.json.Decoder(Tweet).decode),
        "peer": lambda: _dictionary(path),
        "two": lambda: _ours(path, folder / "scores.txt", lambda: answering, workers=2),
        "sqlite": lambda: _into_sqlite(path, folder),
        "sqlite_two": lambda: _into_sqlite(path, folder, workers=2),
    }
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    rate = {name: [facts["tweets"] / s for s in taken] for name, taken in seconds.items()}
    return {
        "megabytes_per_s": {name: round(facts["bytes"] / 1e6 / statistics.median(s)) for name, s in seconds.items()},
        "of_bare_parse": _ratio(seconds["limit"], seconds["ours"]),
        "over_json_and_dictionary": _ratio(seconds["peer"], seconds["ours"]),
        "two_workers_over_one": _ratio(seconds["ours"], seconds["two"]),
        "sqlite_tweets_per_s": round(statistics.median(rate["sqlite"])),
        "sqlite_two_workers_tweets_per_s": round(statistics.median(rate["sqlite_two"])),
        "redis_to_postgresql_two_workers_tweets_per_s": _over_servers(path, folder),
    }


def _ratio(above: list[float], below: list[float]) -> list[float]:
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    return [round(statistics.median(ratios), 3), round(min(ratios), 3), round(max(ratios), 3)]


def _answering() -> Answering:
    scorer = open_scorer("stream-sentiment")
    answering = Answering(ItemReader("twitter"), scorer, "scores")
    answering.answer([b'{"id_str":"1","text":"good","lang":"en"}'], file="")  # The list is loaded with the first text.
    return answering


def _ours(path: Path, out: Path, make: Callable[[], Answering], workers: int = 1) -> None:
    with out.open("wb") as stream:
        for answered in answers(iter(list_segments(path)), make, workers=workers):
            stream.write(answered.output)


def _lines(path: Path) -> Iterator[list[bytes]]:
    for segment in list_segments(path):
        for _, block in read_blocks(segment, block_bytes=BLOCK_BYTES):
            yield block.removesuffix(b"\n").split(b"\n")


def _bare(path: Path, decode: Callable[[bytes], object]) -> None:
    for lines in _lines(path):
        for line in lines:
            decode(line)


def _dictionary(path: Path) -> int:
    words = load_lexicon("afinn-111").words
    total, word = 0, re.compile(r"[a-z'-]+")
    with path.open("rb") as stream:
        for line in stream:
            post = json.loads(line)
            if post.get("lang") == "en":
                text = post.get("extended_tweet", {}).get("full_text") or post["text"]
                total += sum(words.get(found, 0) for found in word.findall(text.lower()))
    return total


def _into_sqlite(path: Path, folder: Path, workers: int = 1) -> None:
    for old in folder.glob("mood.db*"):
        old.unlink()
    run(Plan(str(path), str(folder / "mood.db"), "stream-sentiment", form="twitter", workers=workers))


def _over_servers(path: Path, folder: Path) -> int | None:
    """Return tweets a second from a Redis stream into PostgreSQL; None where the servers are not installed."""
    if shutil.which("redis-server") is None or not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        return None
    with open_store(str(folder / "mood.db")) as store:
        expected = store.counts()["predictions"]
    with run_redis("--save", "") as redis, run_postgres() as postgres:
        source = f"redis://127.0.0.1:{redis.port}/posts"
        feed(read_feed(str(path)), source)
        plan = Plan(source, postgres.url(), "stream-sentiment", form="twitter", workers=2)
        process = multiprocessing.get_context("fork").Process(target=run, args=(plan,))
        start = time.perf_counter()
        process.start()
        kept = 0
        while kept < expected:
            time.sleep(0.02)
            with open_store(postgres.url()) as store:
                kept = store.counts()["predictions"]
        seconds = time.perf_counter() - start
        process.terminate()
        process.join()
    return round(expected / seconds)


if __name__ == "__main__":
    main()
