"""How well topics guess the half of a text that they have not read: document completion (Wallach et al. 2009)."""

import numpy as np
from numpy.typing import NDArray

from siaga.features.compiled import compiled
from siaga.features.documents import Documents, offsets_of
from siaga.models.topics.fold_in import check_words

FLOOR = 1e-12  # Least probability of a word, so that one which no topic has does not make the whole infinite.


def halves(documents: Documents) -> tuple[Documents, Documents]:
    """Return what is read and what is hidden: of every text the 1st, 3rd, 5th … word, and the 2nd, 4th, 6th …

    Both have all texts, in their order; of a text of one word nothing is hidden.
    """
    lengths = documents.lengths()
    places = np.arange(len(documents.tokens)) - np.repeat(documents.offsets[:-1], lengths)
    hides = places % 2 == 1
    tokens = np.asarray(documents.tokens)
    seen = Documents(tokens[~hides], offsets_of((lengths + 1) // 2))
    return seen, Documents(tokens[hides], offsets_of(lengths // 2))


def log_likelihoods(hidden: Documents, shares: NDArray[np.float64], phi: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return ln of the probability of all hidden words of each text, (texts,).

    `shares` are the weights of the topics, (texts, topics), learned from the other half; `phi` is (topics, words).
    A word counts as at least `FLOOR` probable. A text of which nothing is hidden has 0.
    """
    _check(hidden, shares, phi)
    rows = np.ascontiguousarray(phi.T, dtype=np.float64)
    return _log_likelihoods(hidden.tokens, hidden.offsets, shares.astype(np.float64), rows)


def perplexity(log_likelihoods: NDArray[np.float64], n_hidden: NDArray[np.int64]) -> float:
    """Return exp(−mean ln probability) of a hidden word: so many words stand to choice on average; NaN without any.

    `n_hidden` is the number of hidden words of each text, (texts,).
    """
    total = int(n_hidden.sum())
    return float(np.exp(-log_likelihoods.sum() / total)) if total else float("nan")


def _check(hidden: Documents, shares: NDArray[np.float64], phi: NDArray[np.float32]) -> None:
    check_words(hidden, phi.shape[1])
    if shares.shape != (len(hidden), len(phi)):
        raise ValueError(f"shares is {shares.shape}. Give {(len(hidden), len(phi))}, (texts, topics)")


@compiled
def _log_likelihoods(
    tokens: NDArray[np.int32], offsets: NDArray[np.int64], shares: NDArray[np.float64], rows: NDArray[np.float64]
) -> NDArray[np.float64]:
    found = np.zeros(len(offsets) - 1, dtype=np.float64)
    for text in range(len(found)):
        for place in range(offsets[text], offsets[text + 1]):
            probability = 0.0
            for k in range(rows.shape[1]):
                probability += shares[text, k] * rows[tokens[place], k]
            found[text] += np.log(max(probability, FLOOR))
    return found
