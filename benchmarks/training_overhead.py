"""What the training loop costs over a bare PyTorch loop: the same net, data, batches and optimizer.

    python benchmarks/training_overhead.py [--rounds 7]

Ours is `siaga.models.training.train`: its order of the posts, its figures of every epoch, its check of every loss,
its progress. The peer, which is the limit as well, is a bare loop over batches: forward, backward, step. Both in one
run, turn by turn; the ratio is the median of the turns' ratios, its interval that of a bootstrap over the turns.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from siaga.models.convolutions import Scaled
from siaga.models.examples import Examples
from siaga.models.layers import build_layers, build_output, features_of
from siaga.models.training import train
from siaga.schema import Block, Plain, Residual, Training

POSTS, SIDE, CLASSES, BATCH = 6_400, 28, 10, 128
NETS: dict[str, Plain | Residual] = {
    "residual": Residual(channels=(32, 64, 128)),
    "plain": Plain(blocks=(Block(channels=32, kernel=5), Block(channels=32), Block(channels=64))),
}
SETTINGS = Training(epochs=1, batch_size=BATCH, learning_rate=1e-3, weight_decay=0.0, schedule="constant")


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randint(0, 256, (POSTS, 1, SIDE, SIDE), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, CLASSES, (POSTS,), generator=generator)
    examples = Examples(inputs, labels, [str(i) for i in range(POSTS)], [str(k) for k in range(CLASSES)])
    found: dict[str, object] = {}
    for name, spec in NETS.items():
        bare: list[float] = []
        ours: list[float] = []
        for turn in range(rounds + 1):
            pair = [(bare, lambda net: _bare(net, inputs, labels)), (ours, lambda net: _ours(net, examples))]
            for seconds, work in pair if turn % 2 else reversed(pair):
                seconds.append(_seconds(work, _net(spec)))
        ratios = [a / b for a, b in zip(ours[1:], bare[1:], strict=True)]  # The first turn warms up.
        low, high = _interval(ratios)
        found[name] = {
            "ours_posts_per_s": round(POSTS / min(ours[1:])),
            "bare_posts_per_s": round(POSTS / min(bare[1:])),
            "ratio": round(statistics.median(ratios), 4),
            "low": low,
            "high": high,
        }
    print(json.dumps({"benchmark": "training_overhead", "threads": torch.get_num_threads(), "batch": BATCH, **found}))


def _net(spec: Plain | Residual) -> Scaled:
    torch.manual_seed(0)
    output = build_output(features_of(spec, channels=1, side=SIDE), CLASSES, ordinal=False)
    return Scaled(build_layers(spec, channels=1, side=SIDE, output=output), channels=1)


def _ours(net: nn.Module, examples: Examples) -> None:
    train(net, examples, settings=SETTINGS, seed=0)


def _bare(net: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> None:
    net.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # Which torch's types lack.
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.0)
    for rows in torch.randperm(POSTS).split(BATCH):  # type: ignore[no-untyped-call]  # As above.
        loss = nn.functional.cross_entropy(net(inputs[rows]), labels[rows])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()


def _seconds(work: Callable[[nn.Module], None], net: nn.Module) -> float:
    started = time.perf_counter()
    work(net)
    return time.perf_counter() - started


def _interval(ratios: list[float]) -> tuple[float, float]:
    drawn = np.random.default_rng(0).choice(ratios, (2000, len(ratios)))
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return round(float(low), 4), round(float(high), 4)


if __name__ == "__main__":
    main()
