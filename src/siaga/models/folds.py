"""Folds for cross-fitting: stratified by label, the same for any order of the posts, equal texts kept together."""

from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from siaga.features.text import normalised
from siaga.post import Post


def fold_of_each(posts: Sequence[Post], *, folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each labelled post, (n,), in 0…folds-1.

    Posts of equal normalised text share a fold, so that no answer on a held-out post was learned from its copy.
    """
    clusters: dict[str, list[int]] = defaultdict(list)
    for i, post in enumerate(posts):
        clusters[f"text:{normalised(post.text)}" if post.text else f"id:{post.id}"].append(i)
    by_label: dict[str, list[str]] = defaultdict(list)
    for key in sorted(clusters, key=lambda key: sha256(f"{seed}:{key}".encode(errors="surrogatepass")).digest()):
        by_label[min(str(posts[i].label) for i in clusters[key])].append(key)
    fold = np.empty(len(posts), dtype=np.int64)
    for label in sorted(by_label):
        for position, key in enumerate(by_label[label]):
            fold[clusters[key]] = position % folds
    return fold
