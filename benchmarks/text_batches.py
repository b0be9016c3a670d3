"""Fine-tuning a text encoder: batches of texts of like length beside batches that are padded to the longest text.

    python benchmarks/text_batches.py --weights ENCODER [--posts train.csv] [--rounds 3] [--count 1024]

`ENCODER` is a folder in transformers' form, `--posts` a table with a column `text`; without them it is skipped. Ours
is the loop as it is: texts of like length share a batch. The peers are the same loop on the same texts, all padded to
the longest of them, and in batches of any order that are padded to their own longest. The limit is the loop without
any padding to carry: one text length throughout, of as many tokens in all. Turn by turn in one run; ratios are medians
of the turns' ratios.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from siaga.models.examples import Examples
from siaga.models.feed import Inputs, single
from siaga.models.text_backbone import TextTower
from siaga.models.tokens import Tokens
from siaga.models.towers import Headed
from siaga.models.training import train
from siaga.quarantine import Quarantine
from siaga.schema import Columns, Encoder, TableSource, Training
from siaga.sources import read_source

SHARED = Path(os.environ.get("SIAGA_SHARED", Path(__file__).parents[2] / "shared"))
BATCH = 32
SETTINGS = Training(epochs=1, batch_size=BATCH, learning_rate=2e-5, schedule="constant")


class AnyOrder:
    """Texts that do not tell their lengths, so that nothing is ordered by them."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def __len__(self) -> int:
        return len(self._tokens)

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        return self._tokens[rows]


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--posts", type=Path, default=SHARED / "data" / "disaster_tweets" / "train.csv")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=1024)
    given = parser.parse_args()
    if given.weights is None or not given.posts.exists():
        print(json.dumps({"benchmark": "text_batches", "skipped": "give --weights, a text encoder, and --posts"}))
        return
    tower, tokens = _read(given.weights, given.posts, given.count)
    mean = round(float(tokens.lengths.double().mean()))
    kinds: dict[str, Inputs] = {
        "ours": tokens,
        "padded_to_longest": single(tokens[torch.arange(len(tokens))]),
        "padded_in_any_order": AnyOrder(tokens),
        "limit": torch.full((len(tokens), mean), 1000),
    }
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    for turn in range(given.rounds + 1):
        for name in list(kinds) if turn % 2 else list(kinds)[::-1]:
            took = _seconds(tower, kinds[name])
            if turn:  # The first turn warms up.
                seconds[name].append(took)
    ratios = {name: _ratio(seconds[name], seconds["ours"]) for name in kinds if name != "ours"}
    facts = {"texts": len(tokens), "tokens_mean": mean, "tokens_longest": int(tokens.lengths.max()), "batch": BATCH}
    speeds = {f"{name}_texts_per_s": round(len(tokens) / min(took)) for name, took in seconds.items()}
    print(json.dumps({"benchmark": "text_batches", **facts, **speeds, "faster_than": ratios}))


def _read(weights: Path, path: Path, count: int) -> tuple[TextTower, Tokens]:
    spec = Encoder(modality="text", weights=str(weights), frozen=False, head="linear")
    tower = TextTower(spec)
    tower.prepare([])
    source = TableSource(path=path, columns=Columns(text="text"))
    posts = [post for given in read_source(source, quarantine=Quarantine()).values() for post in given]
    tokens = tower.read(posts[:count]).inputs
    if not isinstance(tokens, Tokens):
        raise TypeError("a text tower reads tokens")
    return tower, tokens


def _seconds(tower: TextTower, inputs: Inputs) -> float:
    layers, width = tower.build(tower.read([]))
    net = Headed(layers, nn.Linear(width, 2))
    examples = Examples(inputs, torch.arange(len(inputs)) % 2, [str(i) for i in range(len(inputs))], ["a", "b"])
    began = time.perf_counter()
    train(net, examples, settings=SETTINGS, seed=0)
    return time.perf_counter() - began


def _ratio(other: list[float], ours: list[float]) -> dict[str, float]:
    ratios = [a / b for a, b in zip(other, ours, strict=True)]
    found = {"ratio": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}
    return {name: round(value, 3) for name, value in found.items()}


if __name__ == "__main__":
    main()
