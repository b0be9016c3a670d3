"""Folds for cross-fitting: stratified by label, the same for any order of the posts, copies kept together."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from hashlib import sha256
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from siaga.errors import ImageError
from siaga.features.images import content_hash, read_image
from siaga.features.text import normalised
from siaga.post import Pixels, Post

NO_FOLD = -1


def fold_of_each(
    posts: Sequence[Post], *, folds: int, seed: int, groups: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Return the fold of each labelled post, (n,), in 0…folds-1; see `left_out` for a pseudo-labelled one.

    Posts of equal normalised text or of the same picture share a fold, so that no answer on a held-out post was
    learned from its copy. With `groups`, (n,), posts of one group share a fold instead; as groups may be large, the
    largest are dealt first, each to the fold that has the least of its labels.
    """
    clusters = _clusters([_keys(post) for post in posts] if groups is None else [[str(group)] for group in groups])
    parted = [sorted(cluster, key=lambda i: posts[i].is_pseudo_labelled) for cluster in clusters]
    counts = [sum(not posts[i].is_pseudo_labelled for i in cluster) for cluster in clusters]
    labelled = [cluster[:count] for cluster, count in zip(parted, counts, strict=True) if count]
    units = [members for _, members in sorted(_named(members, posts, seed) for members in labelled)]
    deal = _dealt_by_label if groups is None else _dealt_evenly
    fold = deal(units, posts, folds)
    for cluster, count in zip(parted, counts, strict=True):
        if count:
            fold[cluster[count:]] = NO_FOLD - 1 - fold[cluster[0]]
    return fold


def left_out(fold_of: NDArray[np.int64], fold: int) -> NDArray[np.bool_]:
    """Return which posts must not train where a fold is asked, (n,): its own, and pseudo-labelled copies of them.

    A pseudo-labelled post is never asked: it is in NO_FOLD, or, as a copy of posts in fold k, in NO_FOLD - 1 - k, for
    who gave it its label knew theirs.
    """
    found: NDArray[np.bool_] = (fold_of == fold) | (fold_of == NO_FOLD - 1 - fold)
    return found


def _named(members: list[int], posts: Sequence[Post], seed: int) -> tuple[bytes, list[int]]:
    """Return rows under a name that chance gives them, whatever their order."""
    return min(sha256(f"{seed}:{posts[i].id}".encode(errors="surrogatepass")).digest() for i in members), members


def _dealt_by_label(units: Sequence[list[int]], posts: Sequence[Post], folds: int) -> NDArray[np.int64]:
    fold = np.full(len(posts), NO_FOLD, dtype=np.int64)
    by_label: dict[str, list[list[int]]] = defaultdict(list)
    for members in units:
        by_label[min(str(posts[i].label) for i in members)].append(members)
    for alike in by_label.values():
        for position, members in enumerate(alike):
            fold[members] = position % folds
    return fold


def _dealt_evenly(units: Sequence[list[int]], posts: Sequence[Post], folds: int) -> NDArray[np.int64]:
    fold = np.full(len(posts), NO_FOLD, dtype=np.int64)
    totals = Counter(str(posts[i].label) for members in units for i in members)
    held = [Counter[str]() for _ in range(folds)]
    for members in sorted(units, key=len, reverse=True):
        labels = Counter(str(posts[i].label) for i in members)

        def crowd(k: int, labels: Counter[str] = labels) -> tuple[float, int]:
            return sum(held[k][label] * n / totals[label] for label, n in labels.items()), held[k].total()

        fold[members] = best = min(range(folds), key=crowd)
        held[best] += labels
    return fold


def _keys(post: Post) -> list[str]:
    """Return what a post shares with its copies: its text, and the bytes or the pixels of its image."""
    keys = [f"text:{normalised(post.text)}"] if post.text else []
    if post.image is not None:
        try:
            image = post.image if isinstance(post.image, Pixels) else read_image(post.image)
            keys.append(f"image:{content_hash(image).hex()}")
        except ImageError:
            keys.append(f"image:{post.image!r}")
    return keys


def _clusters(keys: Sequence[Sequence[str]]) -> list[list[int]]:
    """Return the rows that are tied by a shared key, directly or through others."""
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, own in enumerate(keys):
        for key in own:
            rows_of[key].append(row)
    ties = [tie for rows in rows_of.values() for tie in pairwise(rows)]
    left, right = np.array(ties, dtype=np.int64).reshape(-1, 2).T
    graph = coo_matrix((np.ones(len(left)), (left, right)), shape=(len(keys), len(keys)))
    clusters: dict[int, list[int]] = defaultdict(list)
    for row, cluster in enumerate(connected_components(graph, directed=False)[1].tolist()):
        clusters[cluster].append(row)
    return list(clusters.values())
