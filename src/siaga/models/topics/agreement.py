"""Topics beside topics, and beside labels: how much two sets of topics are the same, how different topics are."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

Pairs = NDArray[np.int64]
Values = NDArray[np.float64]


def top_words(phi: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    """Return the `n` most probable words of each topic, (topics, n), the most probable first; ties by number.

    Of fewer words than `n`, all.
    """
    n = min(n, phi.shape[1])
    return np.array([_largest(row, n) for row in phi], dtype=np.int64).reshape(len(phi), n)


def diversity(phi: NDArray[np.float32], n: int = 25) -> float:
    """Return the share of different words among the `n` most probable ones of all topics (Dieng, Ruiz & Blei 2020)."""
    words = top_words(phi, n)
    return len(np.unique(words)) / words.size


def matched(a: Sequence[AbstractSet[object]], b: Sequence[AbstractSet[object]]) -> tuple[Pairs, Values]:
    """Return the one-to-one pairs of topics, (m, 2), m the fewer, that share most words, and each pair's Jaccard index.

    A topic is the set of its words: strings, or numbers of one vocabulary. Pairs are in the order of the first column.
    The assignment is optimal (Kuhn 1955); stability by it is that of Greene, O'Callaghan & Cunningham (2014).
    """
    return _assigned(np.array([[_jaccard(left, right) for right in b] for left in a]).reshape(len(a), len(b)))


def matched_cosine(phi_a: NDArray[np.float32], phi_b: NDArray[np.float32]) -> tuple[Pairs, Values]:
    """Return the one-to-one pairs of topics, (m, 2), with the largest cosines, and these, (m,).

    Both are (topics, words) over the same words; the number of topics may differ.
    """
    return _assigned(_directions(phi_a) @ _directions(phi_b).T)


def contingency(labels: Sequence[str], topics: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many posts have each label and each topic, (labels in order of the alphabet, topics that occur)."""
    _, left = np.unique(np.asarray(labels), return_inverse=True)
    _, right = np.unique(topics, return_inverse=True)
    table = np.zeros((left.max(initial=-1) + 1, right.max(initial=-1) + 1), dtype=np.int64)
    np.add.at(table, (left, right), 1)
    return table


def nmi(tables: NDArray[np.int64]) -> Values:
    """Return the mutual information of labels and topics over the mean of their entropies, of (…, labels, topics).

    It is 1 where each tells the other, and 0 where they are independent or one of them never varies (Strehl & Ghosh
    2002; the mean is that of scikit-learn).
    """
    p = tables / tables.sum(axis=(-2, -1), keepdims=True)
    left, right = _entropy(p.sum(axis=-1)), _entropy(p.sum(axis=-2))
    both = _entropy(p.reshape(*p.shape[:-2], -1))
    mean = (left + right) / 2.0
    shared = np.maximum(left + right - both, 0.0)
    result: Values = np.divide(shared, mean, out=np.zeros_like(mean), where=(left > 0) & (right > 0))
    return result


def purity(tables: NDArray[np.int64]) -> Values:
    """Return the share of posts that have the commonest label of their topic, of (…, labels, topics).

    See Zhao & Karypis (2001); the more topics there are, the easier it is.
    """
    result: Values = tables.max(axis=-2).sum(axis=-1) / tables.sum(axis=(-2, -1))
    return result


def _largest(row: NDArray[np.float32], n: int) -> Pairs:
    """Return the places of the `n` largest numbers, the largest first, of equal ones the first: no sort of all."""
    least = np.partition(row, len(row) - n)[len(row) - n]
    places = np.flatnonzero(row >= least)
    return places[np.argsort(-row[places], kind="stable")][:n]


def _directions(phi: NDArray[np.float32]) -> Values:
    """Return the rows at length 1; one of zeros stays."""
    lengths = np.linalg.norm(phi.astype(np.float64), axis=1, keepdims=True)
    result: Values = np.divide(phi, lengths, out=np.zeros(phi.shape), where=lengths > 0)
    return result


def _assigned(values: Values) -> tuple[Pairs, Values]:
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(values, maximize=True)
    return np.stack([rows, columns], axis=1).astype(np.int64), values[rows, columns]


def _jaccard(a: AbstractSet[object], b: AbstractSet[object]) -> float:
    either = len(a | b)
    return len(a & b) / either if either else 0.0


def _entropy(p: Values) -> Values:
    from scipy.special import entr

    result: Values = entr(p).sum(axis=-1)
    return result
