"""Learning topics: collapsed Gibbs sampling for latent Dirichlet allocation, by `tomotopy`.

Blei, Ng and Jordan 2003 (the model); Griffiths and Steyvers 2004 (the sampler); Wallach, Mimno and McCallum 2009 (why
the prior of topics is asymmetric, and learned).
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siaga.errors import DataError
from siaga.extras import require
from siaga.features.documents import Documents
from siaga.models.classifier import Progress
from siaga.models.topics.factorisation import factorised

STEP = 10  # Sweeps between two looks at the likelihood; the prior of topics is learned anew as often.
_LEAN = 0.5  # Of a topic's prior, the part that leans; more makes topics tidier and perplexity worse (measured).
_LEAN_SWEEPS = 8
_LEAN_TEXTS = 20_000  # What the factorisation sees, at most.
_FLAT = 2  # So many steps are compared with the ones before them.


@dataclass(frozen=True)
class Sampling:
    """How the sampler runs: see the fields of the same names of `siaga.schema.Topics`."""

    topics: int
    iterations: int
    tolerance: float
    workers: int
    doubt: float
    seed: int


@dataclass(frozen=True)
class Learned:
    """What was learned: `counts` (topics, words) float32, how many words were drawn from each topic; `alpha` (topics,)
    float64, the prior of topics; `doubt`, the prior of each word in a topic."""

    counts: NDArray[np.float32]
    alpha: NDArray[np.float64]
    doubt: float

    def phi(self) -> NDArray[np.float32]:
        """Return the probability of each word in each topic, (topics, words); rows sum to 1."""
        weights = self.counts.astype(np.float64) + self.doubt
        rows: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
        return rows

    def by_size(self) -> "Learned":
        """Return the same topics, the largest first."""
        order = np.argsort(-self.counts.sum(axis=1), kind="stable")
        return Learned(self.counts[order], self.alpha[order], self.doubt)


def learn(
    documents: Documents,
    n_words: int,
    sampling: Sampling,
    *,
    before: NDArray[np.float32] | None = None,
    progress: Progress,
) -> Learned:
    """Learn topics of texts, whose words are numbers below `n_words`.

    `before` (topics, words) are counts that the topics start from, and that stand beside those of these texts in what
    is learned (AlSumait, Barbará and Domeniconi 2008: what was learned is the prior of what comes). Without them the
    sampler starts from words that lean towards the topic that a factorisation finds them in: from a start by chance
    alone it often ends with two topics in one. Equal input and sampling give equal topics. Raises DataError for fewer
    texts with words than topics, or fewer words.
    """
    rows = np.flatnonzero(documents.lengths())
    _check_size(len(rows), n_words, sampling.topics)
    names = [str(number) for number in range(n_words)]
    model = _model(sampling)
    _add(model, documents, rows.tolist(), names)
    priors = before + sampling.doubt if before is not None else _leaning(documents, rows, n_words, sampling)
    for name, prior in zip(names, priors.T, strict=True):
        model.set_word_prior(name, prior.tolist())
    for told in _sweeps(model, sampling):
        progress({"step": "sweep", **told})
    counts = np.zeros((sampling.topics, n_words), dtype=np.float32) if before is None else before.astype(np.float32)
    used = np.array([int(name) for name in model.used_vocabs], dtype=np.int64)
    for topic in range(sampling.topics):
        counts[topic, used] += np.rint(model.get_topic_word_dist(topic, normalize=False) - sampling.doubt)
    return Learned(counts, np.array(model.alpha, dtype=np.float64), sampling.doubt)


def _check_size(n_posts: int, n_words: int, topics: int) -> None:
    for count, what in ((n_posts, "posts with a known word"), (n_words, "known words")):
        if count < topics:
            found = f"To learn from there are {count:,} {what}, too few for {topics:,} topics"
            raise DataError(f"{found}. Lower model.topics or model.words.min_posts, or give more posts.")


def _leaning(documents: Documents, rows: NDArray[np.int64], n_words: int, sampling: Sampling) -> NDArray[np.float64]:
    """Return the prior of each word in each topic, (topics, words): in all, a topic's weighs what an even one does."""
    if len(rows) > _LEAN_TEXTS:
        rows = np.sort(np.random.default_rng(sampling.seed).choice(rows, size=_LEAN_TEXTS, replace=False))
    parts = factorised(documents.take(rows), n_words, topics=sampling.topics, seed=sampling.seed, sweeps=_LEAN_SWEEPS)
    priors: NDArray[np.float64] = sampling.doubt * (_LEAN * n_words * parts + (1 - _LEAN))
    return priors


def _model(sampling: Sampling) -> Any:  # Any: tomotopy's model, here and below; it has no type hints of use.
    tomotopy = require("tomotopy", extra="topics")
    return tomotopy.LDAModel(k=sampling.topics, seed=sampling.seed, alpha=0.1, eta=sampling.doubt)


def _add(model: Any, documents: Documents, rows: list[int], names: list[str]) -> None:
    tokens, offsets = documents.tokens, documents.offsets.tolist()
    for row in rows:
        model.add_doc([names[word] for word in tokens[offsets[row] : offsets[row + 1]].tolist()])


def _sweeps(model: Any, sampling: Sampling) -> Iterator[dict[str, float]]:
    """Sweep until the likelihood is flat, or the sweeps are used up; tell of each step."""
    told: list[float] = []
    ends = [*range(0, sampling.iterations, STEP), sampling.iterations]
    for before, after in pairwise(ends):
        _sweep(model, after - before, sampling.workers)
        told.append(float(model.ll_per_word))
        may_stop = sampling.tolerance > 0 and len(told) > _FLAT
        is_flat = may_stop and told[-1] - told[-1 - _FLAT] < sampling.tolerance
        yield {"done": after, "total": after if is_flat else sampling.iterations, "log_likelihood": told[-1]}
        if is_flat:
            return


def _sweep(model: Any, iterations: int, workers: int) -> None:
    tomotopy = require("tomotopy", extra="topics")
    with warnings.catch_warnings():
        # It warns that several workers give other results each time, which is so of its other scheme, COPY_MERGE.
        warnings.filterwarnings("ignore", message="The training result may differ", category=RuntimeWarning)
        model.train(iterations, workers=workers, parallel=tomotopy.ParallelScheme.PARTITION)
