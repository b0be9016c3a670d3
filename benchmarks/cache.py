"""The embedding cache: a second run over the same 300 photos, next to a bare loop of transformers and to the disk.

    python benchmarks/cache.py

The claim: the second run is at least 20 times as fast as the first. `bare_s` is the same encoder without Siaga;
`limit_s` is what reading and hashing the files takes, which the second run has to do as well.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

SHARED = Path(os.environ.get("SIAGA_SHARED", Path(__file__).parents[2] / "shared"))
WEIGHTS = SHARED / "weights" / "mobilenet_v1_0.75_224"
IMAGES = SHARED / "data" / "mvsa" / "images"
COUNT = 300


def main() -> int:
    if not (WEIGHTS.is_dir() and IMAGES.is_dir()):
        print(json.dumps({"benchmark": "cache", "skipped": f"the weights or images are not at {SHARED}"}))
        return 0
    paths = sorted(IMAGES.iterdir())[:COUNT]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SIAGA_CACHE"] = folder
        embed(paths[:1])  # Imports and the disk's own cache are not what is measured.
        bare_s = timed(bare, paths)
        first_s = timed(embed, paths[1:])
        second_s = min(timed(embed, paths[1:]) for _ in range(3))
    result = {
        "benchmark": "cache",
        "images": len(paths),
        "bare_s": round(bare_s, 3),
        "first_s": round(first_s, 3),
        "second_s": round(second_s, 4),
        "limit_s": round(timed(hashed, paths), 4),
        "times_faster": round(first_s / second_s, 1),
        "images_per_s": round(len(paths) / first_s, 1),
        "claim_holds": first_s / second_s >= 20,
    }
    print(json.dumps(result))
    return 0 if result["claim_holds"] else 1


def timed(work: Callable[[list[Path]], None], paths: list[Path]) -> float:
    began = time.perf_counter()
    work(paths)
    return time.perf_counter() - began


def embed(paths: list[Path]) -> None:
    from siaga.features.embeddings import Embeddings
    from siaga.post import Post
    from siaga.schema import Encoder

    posts = [Post(str(path), image=path) for path in paths]
    embeddings = Embeddings(Encoder(modality="image", weights=str(WEIGHTS)), WEIGHTS)
    embeddings.embed(posts, progress=lambda _: None)


def bare(paths: list[Path]) -> None:
    import torch
    from PIL import Image
    from transformers import AutoImageProcessor, AutoModel
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    processor = AutoImageProcessor.from_pretrained(WEIGHTS, backend="pil")
    model = AutoModel.from_pretrained(WEIGHTS).eval()
    for start in range(0, len(paths), 32):
        images = [Image.open(path).convert("RGB") for path in paths[start : start + 32]]
        with torch.inference_mode():
            model(**processor(images, return_tensors="pt"))


def hashed(paths: list[Path]) -> None:
    for path in paths:
        sha256(path.read_bytes()).digest()


if __name__ == "__main__":
    sys.exit(main())
