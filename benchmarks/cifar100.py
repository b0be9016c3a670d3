"""A hundred kinds of things: the default of the recipe `cifar100` beside the study's reference net, in one run.

    python benchmarks/cifar100.py [--data FOLDER] [--reference-epochs 50] [--short 4] [--long 16]

FOLDER holds `train` and `test` in the form of the official archive, or two Parquet files. First the default learns
with a short schedule, then the reference net for all of its epochs, then the default with a long one, for how far it
goes in about the reference's time. `ratio` is the time of the short one to the reference's best validation accuracy,
as a share of the reference's whole time.
"""

import argparse
import json
import os
from pathlib import Path

import torch
from learning import learn, read_data

SHARED = Path(os.environ.get("SIAGA_SHARED", "../shared"))


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=SHARED / "data" / "objects100")
    parser.add_argument("--reference-epochs", type=int, default=50)
    parser.add_argument("--short", type=int, default=4)
    parser.add_argument("--long", type=int, default=16)
    chosen = parser.parse_args()
    data = read_data("cifar100", ["source.kind=arrays", *_files(chosen.data)])
    short = learn("cifar100", data, overrides=[f"model.training.epochs={chosen.short}"])
    reference = learn(
        "cifar100", data, variant="reference", overrides=[f"model.training.epochs={chosen.reference_epochs}"]
    )
    long = learn("cifar100", data, overrides=[f"model.training.epochs={chosen.long}"])
    ours_s = short.seconds_to(reference.best)
    print(
        json.dumps(
            {
                "benchmark": "cifar100",
                "threads": torch.get_num_threads(),
                "posts": {name: len(posts) for name, posts in data.splits().items()},
                "aim": reference.best,
                "ours_s": ours_s,
                "reference_s": reference.seconds,
                "ratio": ours_s / reference.seconds if ours_s else None,
                "short": short.summary(),
                "reference": reference.summary(),
                "long": long.summary(),
            }
        )
    )


def _files(folder: Path) -> list[str]:
    """Return the settings that name the files: those of Parquet where there are any, else the folder itself."""
    if (folder / "train.parquet").is_file():
        return [f"source.train={folder / 'train.parquet'}", f"source.test={folder / 'test.parquet'}"]
    return [f"source.train={folder}", f"source.test={folder}"]


if __name__ == "__main__":
    main()
