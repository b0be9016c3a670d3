"""Topics by factorisation are the same bits whatever the threads, and finite whatever the texts."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # It ships no types.

from siaga.features.documents import Documents
from siaga.models.topics.factorisation import factorised


def test_the_number_of_threads_changes_no_bit() -> None:
    rng = np.random.default_rng(0)
    phi = rng.dirichlet(np.full(2000, 0.05), 10)
    texts = Documents.of([rng.choice(2000, size=60, p=phi[i % 10]) for i in range(1000)])
    found = []
    for threads in (1, 4):
        with threadpool_limits(threads, user_api="blas"):
            found.append(factorised(texts, 2000, topics=10, seed=0, sweeps=8))
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize("seed", range(40))
def test_texts_that_repeat_have_parts_all_the_same(seed: int) -> None:
    """Some of their singular values are 0, and come out below it: warnings are errors here."""
    rng = np.random.default_rng(seed)
    texts = Documents.of([rng.integers(0, 5, size=4)] * 6)
    parts = factorised(texts, 5, topics=4, seed=seed, sweeps=8)
    assert (parts > 0).all()
    np.testing.assert_allclose(parts.sum(axis=1), 1.0)
