"""Reading JSONL: posts a second beside the bare parse and the bare lines, and the memory that a large file takes.

Run `python benchmarks/reading.py` (200 MB) or `python benchmarks/reading.py --gigabytes 1`; prints one JSON line.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np

from siaga.quarantine import Quarantine
from siaga.sources import read_posts
from siaga.sources.grammar import TextKind, write_text

MEMORY_LIMIT_MB = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=0.2)
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of is not None:
        print(json.dumps(_memory(options.memory_of)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "posts.jsonl"
        _write(path, int(options.gigabytes * 1e9))
        print(json.dumps(_measure(path)))


def _measure(path: Path) -> dict[str, float]:
    size = path.stat().st_size
    posts, seconds = _timed(lambda: (1 for _ in read_posts(path, quarantine=Quarantine())))
    lines, limit = _timed(lambda: _parsed(path, len))
    _, peer = _timed(lambda: _parsed(path, json.loads))
    _, fast_peer = _timed(lambda: _parsed(path, msgspec.json.Decoder(dict).decode))
    if posts != lines:
        raise SystemExit(f"{lines - posts} of {lines} posts were lost")
    command = [sys.executable, __file__, "--memory-of", str(path)]
    memory = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    if memory["over_baseline_mb"] > MEMORY_LIMIT_MB:
        raise SystemExit(f"reading took {memory['over_baseline_mb']} MB, {MEMORY_LIMIT_MB} at most")
    return {
        "posts": posts,
        "megabytes": round(size / 1e6),
        "posts_per_s": round(posts / seconds),
        "megabytes_per_s": round(size / 1e6 / seconds, 1),
        "json_loads_posts_per_s": round(posts / peer),
        "msgspec_posts_per_s": round(posts / fast_peer),
        "lines_per_s": round(lines / limit),
        **memory,
    }


def _write(path: Path, size: int) -> None:
    rng = np.random.default_rng(0)
    kinds: tuple[TextKind, ...] = ("report", "vague", "other", "stale")
    texts = [write_text(kinds[i % 4], "jakarta", rng) for i in range(5_000)]
    with path.open("wb") as stream:
        number = 0
        while stream.tell() < size:
            number += 1
            post = {
                "id": str(10**17 + number),
                "text": texts[number % len(texts)],
                "label": ("INFO", "NO_INFO")[number % 2],
                "time": f"2020-01-{number % 28 + 1:02d}T{number % 24:02d}:30:00Z",
                "language": "id",
                "user": f"user{number}",
            }
            stream.write(msgspec.json.encode(post) + b"\n")


def _parsed(path: Path, parse: Callable[[bytes], object]) -> Iterator[int]:
    with path.open("rb") as stream:
        for line in stream:
            parse(line)
            yield 1


def _timed(work: Callable[[], Iterator[int]]) -> tuple[int, float]:
    start = time.perf_counter()
    return sum(work()), time.perf_counter() - start


def _memory(path: Path) -> dict[str, float]:
    before = _peak_mb()
    for _ in read_posts(path, quarantine=Quarantine()):
        pass
    peak = _peak_mb()
    return {"baseline_mb": round(before), "peak_mb": round(peak), "over_baseline_mb": round(peak - before)}


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
