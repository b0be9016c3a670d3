"""How the level of fusion and learning from unlabelled posts interact, on real posts with text and picture (MVSA).

    python benchmarks/fusion_study.py [--seeds 3] [--text WEIGHTS] [--limit-s SECONDS]

Text alone, picture alone, fusion of decisions, of features, and joint; each from the labelled posts alone, by guarded
self-training, and by guarded SoftMatch. All fifteen learn from the same posts and answer the same test posts, one run
a seed, in which the fusion of decisions from labelled posts is the model and the others are its alternatives. Encoders
are frozen and heads are alike (one hidden layer). Features with SoftMatch are concatenated in a net, as a feature-level
head of its own takes no unlabelled posts. Prints one line a seed to stderr and one JSON line at the end: the mean over
seeds, the standard error, and each cell minus the model, with the p-values of the seeds.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from siaga.evaluation.report import Report
from siaga.recipe import check_recipe, load_recipe, source_files, to_table
from siaga.workflow import train

RECIPE = Path(__file__).parent / "recipes" / "mvsa.toml"
Table = dict[str, Any]  # Any: a TOML table.
TRAINING = {"epochs": 20, "batch_size": 64, "patience": 4}
LEVELS = ("text", "image", "decision", "feature", "joint")
LEARNING = ("supervised", "self-training", "softmatch")


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--text", default=None, help="A folder of text weights; potion when not given.")
    parser.add_argument("--limit-s", type=float, default=3600.0, help="No further seed after so many seconds.")
    given = parser.parse_args()
    began, reports = time.perf_counter(), []
    recipe = load_recipe(RECIPE)
    if not all(path.exists() for path in source_files(recipe)):
        print(json.dumps({"benchmark": "fusion_study", "skipped": "the data is not beside the project"}))
        return
    base = to_table(recipe)
    members = base["model"]["model"]["members"]
    text = given.text or members["text"]["weights"]
    for seed in range(given.seeds):
        cells = _cells(_encoder("text", text), _encoder("image", members["image"]["weights"]))
        table = {**base, "name": "fusion-study", "seed": seed, "model": cells.pop("decision supervised")}
        named = {name.replace(" ", "-"): spec for name, spec in cells.items()}
        recipe = check_recipe({**table, "alternatives": named, "search": {}}, where="the study")
        with tempfile.TemporaryDirectory() as folder:
            report = train(recipe, Path(folder) / "run")
        if isinstance(report, Report):
            reports.append(report)
        seconds = time.perf_counter() - began
        print(f"seed {seed}, {seconds:.0f} s: {_of(reports[-1:])}", file=sys.stderr)
        if seconds > given.limit_s:
            break
    print(json.dumps({"benchmark": "fusion_study", "seeds": len(reports), "cells": _of(reports)}))


def _cells(text: Table, image: Table) -> dict[str, Table]:
    """Return the spec of each cell by "level learning"."""
    both = {"text": text, "image": image}
    loop = {"interaction": "product", "training": {**TRAINING, "keep": "last"}}
    side_by_side = {**loop, "interaction": "concatenate", "modality_dropout": 0.0}
    plain: dict[str, Table] = {
        "text": text,
        "image": image,
        "decision": {"kind": "fusion", "members": both, "folds": 3},
        "feature": {"kind": "fusion", "level": "feature", "members": both, "feature": _head()},
        "joint": {"kind": "fusion", "level": "joint", "members": both, "joint": loop},
    }
    softly = {name: _softmatch(spec) for name, spec in plain.items()}
    softly["decision"] = {**plain["decision"], "members": {name: _softmatch(spec) for name, spec in both.items()}}
    softly["feature"] = _softmatch({**plain["joint"], "joint": side_by_side})
    kinds = {
        "supervised": plain,
        "self-training": {
            name: {"kind": "self_training", "model": spec, "threshold": 0.9} for name, spec in plain.items()
        },
        "softmatch": softly,
    }
    return {f"{level} {learning}": kinds[learning][level] for level in LEVELS for learning in LEARNING}


def _encoder(modality: str, weights: str) -> Table:
    return {"kind": "encoder", "modality": modality, "weights": str(weights), **_head()}


def _head() -> Table:
    return {"head": "mlp", "hidden": [128], "dropout": 0.5, "training": TRAINING}


def _softmatch(spec: Table) -> Table:
    return {"kind": "consistency", "method": "softmatch", "model": spec}


def _of(reports: Sequence[Report]) -> dict[str, Table]:
    """Return each cell's accuracy and macro-F1 over the runs, and how far it is from the model of its run."""
    found = {}
    for level in LEVELS:
        for learning in LEARNING:
            name = f"{level}-{learning}"
            own = [each.metrics if name == "decision-supervised" else each.alternatives[name] for each in reports]
            cell: Table = {metric: _mean([row[metric] for row in own]) for metric in ("accuracy", "macro_f1")}
            if name != "decision-supervised":
                rows = [each.versus[name]["macro_f1"] for each in reports]
                minus = [-row["difference"] for row in rows]
                cell["minus_model"] = {"macro_f1": _rounded(minus), "p": [round(row["p"], 3) for row in rows]}
            found[name] = cell
    return found


def _mean(values: Sequence[Mapping[str, float | None]]) -> Table:
    return _rounded([float(each["value"] or 0.0) for each in values])


def _rounded(values: Sequence[float]) -> Table:
    error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return {"mean": round(float(np.mean(values)), 4), "se": None if error is None else round(error, 4)}


if __name__ == "__main__":
    main()
