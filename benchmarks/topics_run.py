"""The whole command: a CSV of 50,000 articles of 400 words to topics and their report.

    python benchmarks/topics_run.py [--articles 50000] [--length 400] [--topics 10]

The articles are made, written as a CSV (id, title, publication, date, content), and read by `siaga train`. The claim:
at most 60 s from the start of the command to its end, on two cores. The reference took two hours for as many articles.
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from siaga.schema import SyntheticSource
from siaga.sources.synthetic import make_posts

SIAGA = [sys.executable, "-c", "from siaga.cli.main import main; main()"]
LIMIT_S = 60.0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--articles", type=int, default=50_000)
    parser.add_argument("--length", type=int, default=400)
    parser.add_argument("--topics", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "articles.csv", Path(folder) / "run"
        _write(path, given.articles, given.length)
        settings = (f"source.path={path}", f"model.topics={given.topics}")
        command = [*SIAGA, "train", "news-topics", "--variant", "csv", "--out", str(out)]
        began = time.perf_counter()
        subprocess.run([*command, *(word for each in settings for word in ("--set", each))], check=True, stdout=2)
        seconds = time.perf_counter() - began
        report = json.loads((out / "report.json").read_text())
        size = path.stat().st_size
    result = {
        "benchmark": "topics_run",
        "articles": given.articles,
        "megabytes": round(size / 1e6, 1),
        "seconds": round(seconds, 1),
        "of_these": report["seconds"],
        "peak_megabytes": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
        "load": round(os.getloadavg()[0], 1),
        "limit_s": LIMIT_S,
        "claim_holds": seconds <= LIMIT_S,
    }
    print(json.dumps(result))
    return 0 if result["claim_holds"] else 1


def _write(path: Path, articles: int, length: int) -> None:
    spec = SyntheticSource(looks_like="news-topics", posts=articles, length=length)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "title", "publication", "date", "content"])
        for post in make_posts(spec)["posts"]:
            when = post.time.isoformat() if post.time else ""
            writer.writerow([post.id, post.fields["title"], post.fields["publication"], when, post.text])


if __name__ == "__main__":
    sys.exit(main())
