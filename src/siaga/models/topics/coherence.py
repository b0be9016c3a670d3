"""Do the first words of a topic stand together in texts? NPMI and C_v, as gensim's `CoherenceModel` tells them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siaga.features.documents import Documents
from siaga.models.topics.windows import count_windows

NPMI_WINDOW = 10
C_V_WINDOW = 110
_RARE = 1e-12  # Added to the probability of two words, as by gensim: its logarithm is defined for those never together.

Longs = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Cooccurrences:
    """How many windows have the first words of topics, counted apart in groups of texts.

    `windows` is (groups,); `together` is (groups, topics, n, n): windows that have both of two words of a topic, on
    the diagonal those that have the one.
    """

    windows: Longs
    together: Longs

    def without(self, group: int) -> "Cooccurrences":
        """Return the counts of all other groups, each apart."""
        return Cooccurrences(np.delete(self.windows, group), np.delete(self.together, group, axis=0))

    def npmi(self) -> Values:
        """Return the mean NPMI of two different words of each topic, (topics,), −1 to 1; 0 for topics of one word."""
        pairs = self._pairs()[:, *np.triu_indices(self.together.shape[2], k=1)]
        result: Values = pairs.sum(axis=1) / max(pairs.shape[1], 1)
        return result

    def c_v(self) -> Values:
        """Return the mean cosine of each word's NPMIs with the topic's words and the sum of all these, (topics,).

        It is C_v of Röder, Both & Hinneburg (2015). A word that never occurs counts as 0.
        """
        pairs = self._pairs()
        whole = pairs.sum(axis=1)
        lengths = np.linalg.norm(pairs, axis=2) * np.linalg.norm(whole, axis=1)[:, None]
        products = np.einsum("kij,kj->ki", pairs, whole)
        result: Values = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0).mean(axis=1)
        return result

    def _pairs(self) -> Values:
        """Return the NPMI of every two words of a topic, (topics, n, n); 0 where one of them never occurs."""
        p = self.together.sum(axis=0) / max(int(self.windows.sum()), 1)
        alone = np.diagonal(p, axis1=1, axis2=2)
        apart = alone[:, :, None] * alone[:, None, :]
        ratio = np.divide(p + _RARE, apart, out=np.ones_like(p), where=apart > 0)
        result: Values = np.log(ratio) / -np.log(p + _RARE)
        return result


def npmi(top_words: Longs, documents: Documents, window: int = NPMI_WINDOW) -> Values:
    """Return the NPMI coherence of each topic, (topics,), from its first words, (topics, n).

    That is the mean over its pairs of words of ln(p(a, b) / (p(a) p(b))) / −ln p(a, b) (Bouma 2009; Lau, Newman &
    Baldwin 2014), p being shares of windows. A pair that never stands together has p(a, b) = 1e-12, which is about
    −.6 to −.9 for words that are not rare. A pair with a word that never occurs says nothing, 0: gensim makes the
    topic infinite there (C_v: NaN), and leaves words out that its dictionary lacks.
    """
    return count_together(top_words, documents, window=window).npmi()


def c_v(top_words: Longs, documents: Documents, window: int = C_V_WINDOW) -> Values:
    """Return the C_v coherence of each topic, (topics,), from its first words, (topics, n); see `npmi`."""
    return count_together(top_words, documents, window=window).c_v()


def count_together(top_words: Longs, documents: Documents, *, window: int, groups: int = 1) -> Cooccurrences:
    """Count how many windows have the words of each topic, (topics, n), and every two of them.

    Texts are dealt to `groups` of equal size by chance, equally each time. Raises ValueError for numbers below 0.
    """
    owners = np.random.default_rng(0).permutation(len(documents)) % groups
    together = count_windows(top_words, documents, window=window, owners=owners, groups=groups)
    windows = np.zeros(groups, dtype=np.int64)
    np.add.at(windows, owners, np.maximum(documents.lengths() - window + 1, 1))
    return Cooccurrences(windows, together)
