"""MNIST: the default of the recipe `digits` beside the study's reference net, on the same cores in one run.

    python benchmarks/digits.py [--data FOLDER]

The reference net learns until its validation accuracy is .9902, the study's figure. The default does so with a short
schedule (`model.training.epochs=2`), and then learns its whole schedule for the accuracy that it reaches in the end.
"""

import argparse
import json
import os
from pathlib import Path

import torch
from learning import learn, read_data

SHARED = Path(os.environ.get("SIAGA_SHARED", "../shared"))
AIM = 0.9902


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=SHARED / "data" / "mnist")
    folder = parser.parse_args().data
    source = ["source.kind=arrays", f"source.train={folder}", f"source.test={folder}"]
    data = read_data("digits", source)
    short = learn("digits", data, overrides=["model.training.epochs=2"], until=AIM)
    reference = learn("digits", data, variant="reference", until=AIM)
    whole = learn("digits", data)
    ours_s, reference_s = short.seconds_to(AIM), reference.seconds_to(AIM)
    print(
        json.dumps(
            {
                "benchmark": "digits",
                "threads": torch.get_num_threads(),
                "posts": {name: len(posts) for name, posts in data.splits().items()},
                "aim": AIM,
                "ours_s": ours_s,
                "reference_s": reference_s,
                "ratio": ours_s / reference_s if ours_s and reference_s else None,
                "short": short.curve,
                "reference": reference.curve,
                "whole": whole.summary(),
            }
        )
    )


if __name__ == "__main__":
    main()
