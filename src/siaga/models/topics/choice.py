"""How many topics: those numbers are tried that the recipe names, and perplexity and coherence decide together."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from siaga.errors import DataError
from siaga.features.documents import Documents
from siaga.models.classifier import Progress
from siaga.models.topics.agreement import top_words
from siaga.models.topics.coherence import npmi
from siaga.models.topics.completion import halves, log_likelihoods
from siaga.models.topics.fold_in import FoldIn
from siaga.models.topics.gibbs import Sampling, learn

TOP_WORDS = 10


@dataclass(frozen=True)
class Tried:
    """One number of topics that was tried, measured on posts that it was not learned from.

    `perplexity` of hidden words, `npmi` the mean coherence of topics, `score` their mean once both are scaled to 0 … 1
    over all that was tried, 1 being best; `chosen` is the one with the best score, of equal ones the fewest topics.
    """

    topics: int
    perplexity: float
    npmi: float
    seconds: float
    score: float = 0.0
    chosen: bool = False


def choose_topics(
    train: Documents, held_out: Documents, n_words: int, samplings: Sequence[Sampling], *, progress: Progress
) -> list[Tried]:
    """Learn with each sampling, and return how each did on texts that were held out, the chosen one marked.

    Raises DataError where nothing was held out.
    """
    if not held_out.lengths().sum():
        what = "model.topics = 'auto' compares numbers of topics on validation posts, and there are none with known"
        raise DataError(f"{what} words. Raise split.validation, or set model.topics to a number.")
    tried = []
    for sampling in sorted(samplings, key=lambda each: each.topics):
        tried.append(_tried(train, held_out, n_words, sampling, progress.within(topics=sampling.topics)))
        told = {"perplexity": tried[-1].perplexity, "npmi": tried[-1].npmi}
        progress({"step": "choice", "topics": sampling.topics, **told})
    return scored(tried)


def scored(tried: Sequence[Tried]) -> list[Tried]:
    """Return what was tried with its scores, the best one chosen."""
    good = _scaled([-np.log(each.perplexity) for each in tried]) + _scaled([each.npmi for each in tried])
    best = int(good.argmax())
    return [replace(each, score=float(good[i]) / 2, chosen=i == best) for i, each in enumerate(tried)]


def _scaled(values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    found = np.array(values, dtype=np.float64)
    width = found.max() - found.min()
    return (found - found.min()) / width if width > 0 else np.ones_like(found)


def _tried(train: Documents, held_out: Documents, n_words: int, sampling: Sampling, progress: Progress) -> Tried:
    started = time.perf_counter()
    learned = learn(train, n_words, sampling, progress=progress)
    phi = learned.phi()
    seen, hidden = halves(held_out)
    likelihoods = log_likelihoods(hidden, FoldIn(phi, learned.alpha)(seen), phi)
    perplexity = float(np.exp(-likelihoods.sum() / len(hidden.tokens)))
    coherence = float(np.mean(npmi(top_words(phi, TOP_WORDS), held_out)))
    return Tried(sampling.topics, perplexity, coherence, time.perf_counter() - started)
