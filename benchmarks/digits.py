"""MNIST: the default of the recipe `digits` beside the study's reference net, on the same cores in one run.

    python benchmarks/digits.py [--data FOLDER]

The reference net learns until its validation accuracy is .9902, the study's figure; so does the variant `quick`, before
it and after it. Then the default learns its whole schedule, for the accuracy that it reaches in the end.
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
    quick = [learn("digits", data, variant="quick")]
    reference = learn("digits", data, variant="reference", until=AIM)
    quick.append(learn("digits", data, variant="quick", overrides=["seed=1"]))
    whole = learn("digits", data)
    times = [seconds for each in quick if (seconds := each.seconds_to(AIM)) is not None]
    ours_s, reference_s = max(times) if len(times) == len(quick) else None, reference.seconds_to(AIM)
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
                "quick": [each.summary() for each in quick],
                "reference": reference.curve,
                "whole": whole.summary(),
            }
        )
    )


if __name__ == "__main__":
    main()
