"""A training that is killed again and again, and resumed, against the same training left alone.

    python benchmarks/kills.py [--kills 20] [--recipe digits] [--set model.training.epochs=8] [--seed 0]

The claim: however often `kill -9` comes, and whenever, the run ends with the same weights (their sha256) and the same
metrics. The moments are drawn evenly over the time that the whole run takes; a run that is faster than its kill is
compared, removed, and begun anew. `resumed` counts the processes that found something to go on from.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIAGA = [sys.executable, "-c", "from siaga.cli.main import main; main()"]
SMALL = {
    "digits": ["source.posts=2000", "model.net.channels=[16,32]", "model.training.epochs=8"],
    "flood-triage": ["source.posts=400", "source.unlabelled=200", "model.model.members.image.training.epochs=4"],
}
PACE = ("seconds", "posts_per_s", "data_wait")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--recipe", default="digits")
    parser.add_argument("--set", action="append", dest="settings", metavar="KEY=VALUE")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    settings = [*SMALL.get(asked.recipe, []), "evaluation.resamples=100", *(asked.settings or [])]
    command = [*SIAGA, "train", asked.recipe, "--checkpoint-every", "0"]
    for setting in settings:
        command += ["--set", setting]
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SIAGA_CACHE"] = f"{folder}/cache"
        found = soak(command, Path(folder), kills=asked.kills, dice=random.Random(asked.seed))  # noqa: S311 - no secret.
    seconds = round(time.perf_counter() - began, 1)
    print(json.dumps({"benchmark": "kills", "recipe": asked.recipe, **found, "seconds": seconds}))
    return 0 if found["equal_hash"] and found["equal_metrics"] else 1


def soak(command: list[str], folder: Path, *, kills: int, dice: random.Random) -> dict[str, int | bool | float]:
    """Kill and resume so many times, then let the run end; return how it went."""
    began = time.perf_counter()
    finish([*command, "--out", f"{folder}/alone"])
    alone_s, wanted = time.perf_counter() - began, outcome(folder / "alone")
    out, resumable = folder / "run", folder / ".run.checkpoints"
    killed = resumed = completed = 0
    found = []
    while killed < kills:
        resumed += any(resumable.rglob("*.safetensors"))
        if die([*command, "--out", str(out), "--resume"], after_s=dice.uniform(0, alone_s)):
            killed += 1
            continue
        found.append(outcome(out))
        completed += 1
        shutil.rmtree(out)
    resumed += any(resumable.rglob("*.safetensors"))
    finish([*command, "--out", str(out), "--resume"])
    found.append(outcome(out))
    left = [path.name for path in folder.iterdir() if path.name.startswith(".run")]
    return {
        "kills": killed,
        "resumed": resumed,
        "runs": completed + 1,
        "alone_s": round(alone_s, 1),
        "equal_hash": all(each[0] == wanted[0] for each in found),
        "equal_metrics": all(each[1:] == wanted[1:] for each in found),
        "nothing_left": not left,
    }


def finish(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")


def die(command: list[str], *, after_s: float) -> bool:
    """Run a command and kill it; return whether it was still running."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        said = process.communicate(timeout=after_s)[1]
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        said = process.communicate()[1]
    if process.returncode not in (0, -signal.SIGKILL):
        sys.exit(f"{' '.join(command)} failed:\n{said}")
    return process.returncode != 0


def outcome(out: Path) -> tuple[str, object, list[object]]:
    """Return the hash of the weights, the metrics of the report, and those of the training but for its pace."""
    manifest = json.loads((out / "bundle" / "bundle.json").read_text(encoding="utf-8"))
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    told: list[object] = [{key: value for key, value in line.items() if key not in PACE} for line in lines]
    return manifest["model_sha256"], (report["metrics"], report["per_class"]), told


if __name__ == "__main__":
    sys.exit(main())
