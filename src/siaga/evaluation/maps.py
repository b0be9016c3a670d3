"""Maps: the features of posts in two dimensions, by t-SNE (van der Maaten and Hinton 2008), each model's on its own.

Features are first brought to at most 50 dimensions by their principal components, as in section 4 of the paper.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # It ships no types.

from siaga.models.classifier import Features
from siaga.post import Post

FEWEST_POSTS = 10
WIDEST = 50
STEPS = 500
PERPLEXITY = 30.0
Map = dict[str, Any]  # Any: the value of a JSON object.


def posts_to_map(posts: Sequence[Post], *, most: int, seed: int) -> list[Post]:
    """Return at most so many posts, drawn by the seed and their ids, ordered by id; the posts' order is no matter."""
    known = sorted(posts, key=lambda post: post.id)
    chosen = np.random.default_rng(seed).permutation(len(known))[:most]
    return [known[i] for i in sorted(chosen.tolist())]


def map_features(features: Mapping[str, Features], *, ids: Sequence[str], seed: int) -> list[Map]:
    """Return a map a model: `name`, `n` posts, their `ids` and `points` [x, y], and `reason` where there is none.

    `ids` are those of the posts that the features are of. Only posts that a model saw are on its map. Directions and
    distances on a map mean nothing across maps. The same features and seed give the same points.
    """
    return [_map(name, each, ids, seed) for name, each in features.items()]


def _map(name: str, features: Features, ids: Sequence[str], seed: int) -> Map:
    if reason := _reason(features):
        return {"name": name, "n": 0, "ids": [], "points": [], "reason": reason}
    seen = [each for each, is_seen in zip(ids, features.seen.tolist(), strict=True) if is_seen]
    with threadpool_limits(1):  # Threads would sum in another order, and on busy cores wait for each other.
        points = _embedded(_narrowed(features.rows, seed), seed)
    return {"name": name, "n": len(seen), "ids": seen, "points": points.round(2).tolist(), "reason": ""}


def _reason(features: Features) -> str:
    """Return why there can be no map, or nothing."""
    rows, n = features.rows, int(features.seen.sum())
    if n < FEWEST_POSTS:
        return f"it could read {n} of these posts, and a map needs {FEWEST_POSTS}"
    if not np.isfinite(rows if isinstance(rows, np.ndarray) else rows.data).all():
        return "its features are not finite numbers"
    spread = rows.max(axis=0) - rows.min(axis=0)
    varies = spread.any() if isinstance(rows, np.ndarray) else spread.count_nonzero() > 0
    return "" if varies else "its features are the same for every post"


def _narrowed(rows: Any, seed: int) -> NDArray[np.float64]:  # Any: dense, or a sparse matrix, which is untyped.
    """Return the principal components, (n, 2 to 50); of many sparse columns the singular vectors, which are near."""
    from sklearn.decomposition import PCA, TruncatedSVD

    width = rows.shape[1]
    if not isinstance(rows, np.ndarray) and width > WIDEST:
        svd = TruncatedSVD(min(WIDEST, len(rows.indptr) - 1), random_state=seed)
        return np.asarray(svd.fit_transform(rows.astype(np.float64)))
    dense = rows.astype(np.float64) if isinstance(rows, np.ndarray) else rows.toarray().astype(np.float64)
    wide = np.pad(dense, ((0, 0), (0, max(0, 2 - width))))
    return np.asarray(PCA(min(WIDEST, *wide.shape), random_state=seed).fit_transform(wide))


def _embedded(rows: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
    embedding = TSNE(2, perplexity=perplexity, init="pca", max_iter=STEPS, random_state=seed)
    return np.asarray(embedding.fit_transform(rows), dtype=np.float64)
