"""Gigabytes of raw tweets through `siaga stream`: memory does not grow with the input.

    python benchmarks/stream_memory.py [--posts FOLDER] [--gigabytes 10] [--workers 2]

`FOLDER` holds files of raw v1.1 tweets, one JSON object a line, plain or compressed; without it, made ones are taken.
They are unpacked into one file, which is then read again and again, under as many names as it takes. The memory is the
most that all processes held together (the sum of their resident sets, asked every 50 ms); the baseline is that of the
same command over the file once. The claim: no more than 100 MB above the baseline, into scores and into SQLite.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from siaga.serving.stream.files import list_segments, read_blocks
from siaga.sources.raw_stream import made_lines

SHARED = Path(os.environ.get("SIAGA_SHARED", Path(__file__).parents[2] / "shared"))
SIAGA = [sys.executable, "-c", "from siaga.cli.main import main; main()"]
MADE, LEAST, ROOM = 20_000, 100_000_000, 100_000_000
PAGE = os.sysconf("SC_PAGE_SIZE")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--posts", type=Path, default=SHARED / "data" / "twitter_stream")
    parser.add_argument("--gigabytes", type=float, default=10)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        once = unpacked(given.posts, folder / "once.json")
        many = linked(once, folder / "many", int(given.gigabytes * 1e9))
        found = {
            "lines": compared(once, many, ["--to", "-", "--format", "scores"], given.workers),
            "sqlite": compared(once, many, ["--to", str(folder / "store.db")], given.workers),
        }
        size = sum(path.stat().st_size for path in many.iterdir())
    print(json.dumps({"benchmark": "stream_memory", "bytes": size, "workers": given.workers, **found}))
    return 0 if all(each["above_baseline"] <= ROOM for each in found.values()) else 1


def unpacked(posts: Path, path: Path) -> Path:
    """Write what there is, or made tweets, into one file, more than once if that is little."""
    with path.open("wb") as stream:
        if not posts.exists():
            stream.writelines(line + b"\n" for line in made_lines(MADE))
        else:
            for segment in list_segments(posts):
                stream.writelines(block for _, block in read_blocks(segment, block_bytes=1 << 20))
    content = path.read_bytes()
    with path.open("ab") as stream:
        for _ in range(LEAST // len(content)):
            stream.write(content)
    return path


def linked(path: Path, folder: Path, size: int) -> Path:
    """Give a file so many names that they hold `size` bytes together."""
    folder.mkdir()
    for number in range(max(1, size // path.stat().st_size)):
        (folder / f"{number:05}.json").symlink_to(path)
    return folder


def compared(once: Path, many: Path, output: list[str], workers: int) -> dict[str, float]:
    baseline, _ = watched(once, output, workers)
    most, seconds = watched(many, output, workers)
    return {"baseline": baseline, "most": most, "above_baseline": most - baseline, "seconds": round(seconds, 1)}


def watched(source: Path, output: list[str], workers: int) -> tuple[int, float]:
    """Run the command; return the most memory that its processes held together, in bytes, and its seconds."""
    command = [*SIAGA, "stream", "--from", str(source), "--with", "stream-sentiment", "--workers", str(workers)]
    most, began = 0, time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([*command, *output], stdout=subprocess.DEVNULL, stderr=said)
        while process.poll() is None:
            most = max(most, held(process.pid))
            time.sleep(0.05)
        said.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{said.read().decode()}")
    return most, time.perf_counter() - began


def held(number: int) -> int:
    """Return the resident memory of a process and its children, in bytes."""
    try:
        pages = int(Path(f"/proc/{number}/statm").read_text().split()[1])
        children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
    except (OSError, IndexError):  # It has ended.
        return 0
    return pages * PAGE + sum(held(int(child)) for child in children)


if __name__ == "__main__":
    sys.exit(main())
