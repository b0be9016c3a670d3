"""Error analysis: where and how the answers go wrong, as plain values ready for JSON."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from siaga.evaluation.intervals import wilson
from siaga.evaluation.metrics import ECE_BINS, confidence_bins
from siaga.evaluation.outcomes import Indices, Outcomes
from siaga.post import Post, Prediction

THRESHOLDS = 101
MOST_SLICES = 20


def agreement(outcomes: Outcomes, members: Mapping[str, Outcomes]) -> dict[str, object]:
    """Return how often members are right together: shares and counts of all posts.

    For two members `both_right`, `only_<a>`, `only_<b>`, `both_wrong`; for more, such a table for every pair, and
    `all_right`, `all_wrong`; nothing for fewer.
    """
    right = {name: answers.predicted == outcomes.labels for name, answers in members.items()}
    pairs = [_pair(a, b, right) for a, b in combinations(right, 2)]
    if len(pairs) < 2:
        return pairs[0] if pairs else {}
    together = np.stack(list(right.values()))
    all_right, all_wrong = together.all(axis=0).mean(), (~together).all(axis=0).mean()
    return {"members": list(right), "all_right": float(all_right), "all_wrong": float(all_wrong), "pairs": pairs}


def by_modality(predictions: Sequence[Prediction]) -> dict[str, Indices]:
    """Return the rows of the posts that were answered with text+image, text, image, or neither; none empty."""
    used = ["+".join(prediction.used) or "neither" for prediction in predictions]
    return {name: rows for name in ("text+image", "text", "image", "neither") if len(rows := _rows(used, name))}


def by_column(posts: Sequence[Post], column: str) -> dict[str, Indices]:
    """Return the rows of each value of a column, the 20 most frequent; nothing where posts have fewer than two."""
    values = [post.get(column) for post in posts]
    counts = {name: values.count(name) for name in {value for value in values if value is not None}}
    if len(counts) < 2:
        return {}
    return {name: _rows(values, name) for name in sorted(counts, key=lambda name: (-counts[name], name))[:MOST_SLICES]}


def calibration(outcomes: Outcomes) -> list[dict[str, float]]:
    """Return the reliability of each non-empty ECE bin: mean confidence, share right and its 95 % interval.

    The interval is Wilson's (1927), which stays within 0 and 1 for small bins.
    """
    bins, right = confidence_bins(outcomes.confidence), outcomes.predicted == outcomes.labels
    found = []
    for number in np.unique(bins):
        inside = bins == number
        n, share = int(inside.sum()), float(right[inside].mean())
        low, high = wilson(share, n)
        edges = {"lower": float(number / ECE_BINS), "upper": float((number + 1) / ECE_BINS), "n": n}
        mean = float(outcomes.confidence[inside].mean())
        found.append({**edges, "confidence": mean, "accuracy": share, "low": low, "high": high})
    return found


def threshold_curve(outcomes: Outcomes, cost: float) -> dict[str, object]:
    """Return misses and false alarms of the positive class per 1,000 posts, for 101 thresholds from 0 to 1.

    A post is said to be positive when its probability is at least the threshold. `total` is `cost` × misses +
    false alarms, `best` the threshold of the least total (the middle one of equals), and `now` what the decided
    labels give.
    """
    is_positive = outcomes.labels == outcomes.positive
    scores = outcomes.probabilities[:, outcomes.positive]
    thresholds = np.linspace(0.0, 1.0, THRESHOLDS)
    per_1000 = 1000.0 / len(outcomes)
    misses = np.searchsorted(np.sort(scores[is_positive]), thresholds, side="left") * per_1000
    passed = np.searchsorted(np.sort(scores[~is_positive]), thresholds, side="left")
    alarms = ((~is_positive).sum() - passed) * per_1000
    total = cost * misses + alarms
    least = np.flatnonzero(np.isclose(total, total.min()))
    said = outcomes.predicted == outcomes.positive
    now = {
        "misses": float((is_positive & ~said).sum() * per_1000),
        "false_alarms": float((said & ~is_positive).sum() * per_1000),
    }
    return {
        "class": outcomes.classes[outcomes.positive],
        "cost": cost,
        "best": float(thresholds[least[len(least) // 2]]),
        "now": now,
        "thresholds": [round(float(value), 2) for value in thresholds],
        "misses": _rounded(misses.tolist()),
        "false_alarms": _rounded(alarms.tolist()),
        "total": _rounded(total.tolist()),
    }


def top_losses(outcomes: Outcomes, posts: Sequence[Post], number: int) -> list[dict[str, object]]:
    """Return the posts whose label was found least probable, worst first: id, label, predicted, confidence, loss."""
    loss = outcomes.loss
    worst = np.argsort(-loss, kind="stable")[:number].tolist()
    return [{"id": posts[i].id, **_said(outcomes, i), "loss": float(loss[i])} for i in worst]


def examples(outcomes: Outcomes, posts: Sequence[Post], number: int, *, seed: int) -> list[dict[str, object]]:
    """Return posts drawn by chance and spread over the classes, by class: id, label, predicted, confidence."""
    turns: Counter[int] = Counter()
    drawn: list[tuple[int, int, int]] = []
    for i in np.random.default_rng(seed).permutation(len(outcomes)).tolist():
        label = int(outcomes.labels[i])
        drawn.append((turns[label], len(drawn), i))
        turns[label] += 1
    chosen = sorted((int(outcomes.labels[i]), place, i) for _, place, i in sorted(drawn)[:number])
    return [{"id": posts[i].id, **_said(outcomes, i)} for _, _, i in chosen]


def _said(outcomes: Outcomes, i: int) -> dict[str, object]:
    return {
        "label": outcomes.classes[outcomes.labels[i]],
        "predicted": outcomes.classes[outcomes.predicted[i]],
        "confidence": float(outcomes.confidence[i]),
    }


def _pair(a: str, b: str, right: Mapping[str, np.ndarray]) -> dict[str, object]:
    first, second = right[a], right[b]
    parts = {
        "both_right": first & second,
        f"only_{a}": first & ~second,
        f"only_{b}": second & ~first,
        "both_wrong": ~first & ~second,
    }
    shares = {name: float(rows.mean()) for name, rows in parts.items()}
    return {"members": [a, b], **shares, "counts": {name: int(rows.sum()) for name, rows in parts.items()}}


def _rows(values: Sequence[str | None], wanted: str) -> Indices:
    return np.array([i for i, value in enumerate(values) if value == wanted], dtype=np.int64)


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 4) for value in values]
