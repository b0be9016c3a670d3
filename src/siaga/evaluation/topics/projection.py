"""Where topics stand on a map, and which words show what a topic is about."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Row = dict[str, Any]  # Any: a value of report.json.
RELEVANCE = 0.6  # People told topics apart best near it (Sievert & Shirley 2014, section 3.2).
LAMBDAS = tuple(step / 10 for step in range(11))
SHOWN, IN_CLOUD, MOST_WORDS = 15, 40, 80
EASY = 20_000_000  # Logarithms that are taken in a second.
FEWEST_WORDS = 200
SMALLEST = 1e-12
DECIMALS = 9  # Of what is compared: equals stay equal, here, in the page's script and on every machine.


def projection(phi: NDArray[np.floating[Any]]) -> Floats:
    """Return a point for each topic, (topics, 2) float64, so that topics of like words stand near each other.

    `phi` is (topics, words), its rows sum to 1. Distances are roots of Jensen–Shannon divergences in bits (Endres &
    Schindelin 2003), brought to two axes by classical scaling (Torgerson 1952). On each axis the topic farthest out
    stands on the positive side. Of very many topics, the words that are rare in all of them are taken as one.
    """
    squares = divergences(phi)
    centring = np.eye(len(phi)) - 1.0 / len(phi)
    values, vectors = np.linalg.eigh(-0.5 * centring @ squares @ centring)
    points = np.zeros((len(phi), 2))
    for axis, column in enumerate(np.argsort(-values, kind="stable")[:2]):
        points[:, axis] = vectors[:, column] * np.sqrt(max(values[column], 0.0))
        farthest = np.argmax(np.round(np.abs(points[:, axis]), DECIMALS))
        points[:, axis] *= -1.0 if points[farthest, axis] < 0 else 1.0
    return np.round(points, DECIMALS) + 0.0


def divergences(phi: NDArray[np.floating[Any]]) -> Floats:
    """Return the Jensen–Shannon divergence of each two topics in bits, (topics, topics), 0 where they are equal."""
    topics = _lumped(np.asarray(phi, dtype=np.float64))
    entropies = _entropy(topics)
    found = np.zeros((len(topics), len(topics)))
    for i in range(len(topics) - 1):
        middles = _entropy((topics[i] + topics[i + 1 :]) / 2)
        found[i, i + 1 :] = middles - (entropies[i] + entropies[i + 1 :]) / 2
    found = found.clip(0.0)
    return found + found.T


def relevant_words(
    phi: NDArray[np.floating[Any]], weights: Sequence[float] | Floats, words: Sequence[str]
) -> list[list[Row]]:
    """Return for each topic its words among the first 15 for some λ or 40 for .6, as {word, probability, overall}.

    `phi` is (topics, words), `weights` the topics' shares of all words. Overall is a word's probability in all texts.
    The most relevant for λ = .6 stands first; of more than 80 words, those are kept that reach the higher places.
    """
    shares = np.asarray(weights, dtype=np.float64) / np.sum(weights)
    overall = shares @ phi
    found = []
    for row in np.asarray(phi, dtype=np.float64):
        chosen = _chosen(row, overall)
        rows = [
            {"word": words[i], "probability": _short(row[i]), "overall": _short(overall[i])} for i in sorted(chosen)
        ]
        found.append(by_relevance(rows))
    return found


def by_relevance(rows: Iterable[Row], weight: float = RELEVANCE) -> list[Row]:
    """Return words, {word, probability, overall} each, the most relevant first.

    Relevance is λ ln p(w | topic) + (1 - λ) ln(p(w | topic) / p(w)), λ being `weight` (Sievert & Shirley 2014). Of
    equals the more probable stands first, then the alphabet decides.
    """
    return sorted(rows, key=lambda row: (-_relevance(row, weight), -row["probability"], row["word"]))


def _relevance(row: Row, weight: float) -> float:
    inside, overall = max(row["probability"], SMALLEST), max(row["overall"], SMALLEST)
    return round(float(np.log(inside) - (1 - weight) * np.log(overall)), DECIMALS)


def _chosen(row: Floats, overall: Floats) -> list[int]:
    inside, everywhere = np.log(row.clip(SMALLEST)), np.log(overall.clip(SMALLEST))
    relevances = {weight: (inside - (1 - weight) * everywhere).round(DECIMALS) for weight in LAMBDAS}
    places = [_first(relevances[weight], inside, SHOWN) for weight in LAMBDAS]
    in_turn = [each[place] for place in range(len(places[0])) for each in places]
    in_turn += _first(relevances[RELEVANCE], inside, IN_CLOUD)
    return list(dict.fromkeys(in_turn))[:MOST_WORDS]


def _first(relevance: Floats, inside: Floats, n: int) -> list[int]:
    """Return the words of the n highest relevances, the highest first; of equals the more probable."""
    if len(relevance) > n:
        candidates = np.flatnonzero(relevance >= np.partition(relevance, -n)[-n])
    else:
        candidates = np.arange(len(relevance))
    order = np.lexsort((candidates, -inside[candidates], -relevance[candidates]))
    return [int(each) for each in candidates[order[:n]]]


def _lumped(topics: Floats) -> Floats:
    """Return the topics with as many words as can be afforded, and one column for the rest."""
    pairs = max(1, len(topics) * (len(topics) - 1) // 2)
    kept = max(FEWEST_WORDS, EASY // pairs)
    if topics.shape[1] <= kept + 1:
        return topics
    order = np.argsort(-topics.max(axis=0), kind="stable")
    rest = topics[:, order[kept:]].sum(axis=1, keepdims=True)
    return np.hstack([topics[:, order[:kept]], rest])


def _entropy(rows: Floats) -> Floats:
    from scipy.special import xlogy

    bits: Floats = -xlogy(rows, rows).sum(axis=1) / np.log(2.0)
    return bits


def _short(value: float) -> float:
    return float(f"{value:.4g}")
