"""Topics by non-negative factorisation of TF-IDF: where the sampler starts from, and what it is compared with."""

import warnings

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # It ships no types.

from siaga.features.documents import Documents


def factorised(texts: Documents, n_words: int, *, topics: int, seed: int, sweeps: int) -> NDArray[np.float64]:
    """Return the parts of texts, (topics, words), rows sum to 1 (Lee and Seung 1999); it takes at most so many sweeps.

    It starts from the singular vectors (Boutsidis and Gallopoulos 2008), so that chance has next to no say. Equal input
    gives equal parts, whatever the number of threads.
    """
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfTransformer

    weighted = TfidfTransformer(sublinear_tf=True).fit_transform(texts.counts(n_words)).astype(np.float32)
    model = NMF(n_components=topics, init="nndsvda", random_state=seed % 2**32, max_iter=sweeps)
    with warnings.catch_warnings(), np.errstate(invalid="ignore"), threadpool_limits(1, user_api="blas"):
        # It is stopped early on purpose; where texts repeat, singular values that are 0 may come out below it; and
        # sums in another order, as more threads make them, would lead the sampler to other topics.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(weighted)
    parts = model.components_.astype(np.float64) + 1e-12
    rows: NDArray[np.float64] = parts / parts.sum(axis=1, keepdims=True)
    return rows
