"""The metrics: every one a function of weighted posts, so that a resample is only another row of weights.

Conventions are scikit-learn's with `zero_division=0`. Balanced accuracy and the one-vs-rest means go over the classes
among the labels; macro-F1 over the classes among labels or predictions. Decided labels are the prediction's own,
which costs may move away from the most probable class; ECE judges the probability of the decided class in 15 equal
bins, closed below. Top-5 accuracy is told of more than five classes, superclass accuracy where superclasses are known.
A metric that has no meaning for the posts (ROC AUC of one class) is NaN here and None outside.
"""

from dataclasses import dataclass

import numpy as np

from siaga.evaluation.outcomes import Indices, Outcomes, Values
from siaga.models.noise import macro_f1

METRICS = (
    "accuracy", "top_5_accuracy", "superclass_accuracy", "balanced_accuracy", "macro_f1", "roc_auc",
    "average_precision", "log_loss", "ece", "mae",
)  # fmt: skip
LOWER_IS_BETTER = frozenset({"log_loss", "ece", "mae"})
PER_CLASS = ("precision", "recall", "f1")
ECE_BINS = 15
TOP = 5


def measure(outcomes: Outcomes) -> dict[str, float | None]:
    """Return every metric by name; `mae` (in steps between ordered classes) only where the classes are ordered."""
    row = from_sums(additive(outcomes).sum(axis=0, keepdims=True), outcomes)
    ranked = rank_metrics(rankings(outcomes), np.ones((1, len(outcomes)), dtype=np.int64))
    values = {name: float(column[0]) for name, column in {**row, **ranked}.items()}
    return {name: None if np.isnan(values[name]) else values[name] for name in METRICS if name in values}


def confusion(outcomes: Outcomes) -> Indices:
    """Return the counts (classes, classes): a row is a true class, a column a predicted one."""
    k = len(outcomes.classes)
    return np.bincount(outcomes.labels * k + outcomes.predicted, minlength=k * k).reshape(k, k)


def additive(outcomes: Outcomes) -> Values:
    """Return what each post adds to the sums that `from_sums` reads, (n, columns).

    Columns, with k classes: label (k), prediction (k) and hit (k) as one-hot; loss; error in ordered steps; share in
    the top 5; hit of the superclass; and confidence minus hit in its ECE bin (15).
    """
    k = len(outcomes.classes)
    label, said = np.eye(k)[outcomes.labels], np.eye(k)[outcomes.predicted]
    steps = np.abs(outcomes.labels - outcomes.predicted).astype(np.float64)
    near = np.arange(k) if outcomes.superclasses is None else outcomes.superclasses
    is_near = (near[outcomes.labels] == near[outcomes.predicted]).astype(np.float64)
    singles = np.stack([outcomes.loss, steps, outcomes.share_in_top(TOP), is_near], axis=1)
    gaps = outcomes.confidence - (outcomes.labels == outcomes.predicted)
    bins = np.eye(ECE_BINS)[confidence_bins(outcomes.confidence)] * gaps[:, None]
    return np.concatenate([label, said, label * said, singles, bins], axis=1)


def confidence_bins(confidence: Values) -> Indices:
    """Return the ECE bin of each confidence, (n,): equal widths, closed below, 1 in the last."""
    return np.minimum((confidence * ECE_BINS).astype(np.int64), ECE_BINS - 1)


def from_sums(sums: Values, outcomes: Outcomes) -> dict[str, Values]:
    """Return the metrics that depend on sums over posts, each (rows,), for sums (rows, columns) of `additive`."""
    k = len(outcomes.classes)
    labelled, predicted, hits = sums[:, :k], sums[:, k : 2 * k], sums[:, 2 * k : 3 * k]
    n = labelled.sum(axis=1)
    loss, steps, in_top, near = (sums[:, 3 * k + i] for i in range(4))
    found = {
        "accuracy": hits.sum(axis=1) / n,
        "balanced_accuracy": ratio(hits, labelled).sum(axis=1) / (labelled > 0).sum(axis=1),
        "macro_f1": macro_f1(hits, labelled, predicted),
        "log_loss": loss / n,
        "ece": np.abs(sums[:, 3 * k + 4 :]).sum(axis=1) / n,
    }
    found |= {"top_5_accuracy": in_top / n} if k > TOP else {}
    found |= {"superclass_accuracy": near / n} if outcomes.superclasses is not None else {}
    return found | ({"mae": steps / n} if outcomes.ordered else {})


def per_class(sums: Values, classes: int) -> dict[str, Values]:
    """Return precision, recall and F1, each (rows, classes), for sums (rows, columns) of `additive`."""
    labelled, predicted, hits = (sums[:, i * classes : (i + 1) * classes] for i in range(3))
    return {
        "precision": ratio(hits, predicted),
        "recall": ratio(hits, labelled),
        "f1": ratio(2.0 * hits, labelled + predicted),
    }


def ratio(part: Values, whole: Values) -> Values:
    """Return part / whole, and 0 where the whole is 0."""
    result: Values = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return result


@dataclass(frozen=True)
class Ranking:
    """Posts by falling score for one class against the rest, sorted once and then weighed again and again.

    `order` is (n,); `members` are the places in it of the posts of the class, (p,). Posts of equal score form one
    step: for each step with such a post, `first` and `last` are its outermost places in the order (last excluded)
    and `last_member` the place of its last one among `members`.
    """

    order: Indices
    members: Indices
    first: Indices
    last: Indices
    last_member: Indices

    def auc_and_ap(self, weights: Indices) -> tuple[Values, Values]:
        """Return ROC AUC and average precision, each (rows,), for posts that weigh `weights` (rows, n).

        Average precision is the step sum over falling thresholds, without interpolation. NaN where a row has
        weight on one side alone.
        """
        ordered = weights.take(self.order, axis=1)
        passed = np.zeros((len(ordered), ordered.shape[1] + 1), dtype=np.int64)
        np.cumsum(ordered, axis=1, out=passed[:, 1:])
        hits = ordered.take(self.members, axis=1).cumsum(axis=1).take(self.last_member, axis=1)
        new = np.diff(hits, axis=1, prepend=0)
        above, until = passed.take(self.first, axis=1), passed.take(self.last, axis=1)
        positives = hits[:, -1].astype(np.float64)
        negatives = passed[:, -1] - positives
        one_sided = (positives == 0) | (negatives == 0)
        # Ties count half. Members that stand above members are counted too, and taken off: their squares telescope.
        beaten_by = np.vecdot(new, above) + np.vecdot(new, until) - positives**2
        auc = 1.0 - beaten_by / 2.0 / np.where(one_sided, np.nan, positives * negatives)
        precision = hits / np.maximum(until, 1, out=until)
        ap = np.vecdot(new, precision) / np.where(one_sided, np.nan, positives)
        return auc, ap


def rankings(outcomes: Outcomes) -> list[Ranking]:
    """Return one ranking for the positive class of two, or one for each class that occurs, of more."""
    k = len(outcomes.classes)
    wanted = [outcomes.positive % k] if k == 2 else range(k)
    return [_ranking(outcomes, c) for c in wanted if (outcomes.labels == c).any()]


def rank_metrics(ranked: list[Ranking], weights: Indices) -> dict[str, Values]:
    """Return ROC AUC and average precision, each (rows,), the mean over the classes defined in each row."""
    if not ranked:
        undefined = np.full(len(weights), np.nan)
        return {"roc_auc": undefined, "average_precision": undefined}
    found = np.array([ranking.auc_and_ap(weights) for ranking in ranked])  # (classes, 2, rows)
    defined = ~np.isnan(found[:, 0])
    number = defined.sum(axis=0)
    means = np.where(defined[:, None], found, 0.0).sum(axis=0) / np.where(number == 0, np.nan, number)
    return {"roc_auc": means[0], "average_precision": means[1]}


def _ranking(outcomes: Outcomes, wanted: int) -> Ranking:
    scores = outcomes.probabilities[:, wanted]
    order = np.argsort(-scores, kind="stable")
    members = np.flatnonzero(outcomes.labels[order] == wanted)
    falling = scores[order]
    starts = np.flatnonzero(np.diff(falling, prepend=np.inf))
    steps = np.searchsorted(starts, members, side="right") - 1
    last_member = np.flatnonzero(np.diff(steps, append=len(starts)))
    used = steps[last_member]
    ends = np.append(starts[1:], len(falling))
    return Ranking(order, members, starts[used], ends[used], last_member)
