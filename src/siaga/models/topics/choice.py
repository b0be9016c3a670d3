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
from siaga.models.topics.completion import halves, log_likelihoods, perplexity
from siaga.models.topics.fold_in import FoldIn
from siaga.models.topics.gibbs import Learned, Sampling, learn

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
) -> tuple[list[Tried], Learned]:
    """Learn with each sampling; return how each did on texts that were held out, and what the chosen one learned.

    Raises DataError where no text that was held out has two words, of which one is hidden.
    """
    if not (held_out.lengths() > 1).any():
        what = "model.topics = 'auto' compares numbers of topics on validation posts, and none has two known words"
        raise DataError(f"{what}. Raise split.validation, or set model.topics to a number.")
    tried, learned = [], []
    for sampling in sorted(samplings, key=lambda each: each.topics):
        started = time.perf_counter()
        learned.append(learn(train, n_words, sampling, progress=progress.within(topics=sampling.topics)))
        surprise, coherence = _measured(learned[-1], held_out)
        tried.append(Tried(sampling.topics, surprise, coherence, time.perf_counter() - started))
        progress({"step": "choice", "topics": sampling.topics, "perplexity": surprise, "npmi": coherence})
    found = scored(tried)
    return found, next(each for each, row in zip(learned, found, strict=True) if row.chosen)


def scored(tried: Sequence[Tried]) -> list[Tried]:
    """Return what was tried with its scores, the best one chosen."""
    good = _scaled([-np.log(each.perplexity) for each in tried]) + _scaled([each.npmi for each in tried])
    best = int(good.argmax())
    return [replace(each, score=float(good[i]) / 2, chosen=i == best) for i, each in enumerate(tried)]


def _scaled(values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    found = np.array(values, dtype=np.float64)
    width = found.max() - found.min()
    return (found - found.min()) / width if width > 0 else np.ones_like(found)


def _measured(learned: Learned, held_out: Documents) -> tuple[float, float]:
    """Return the perplexity of every second word of texts, and the mean NPMI of topics in them."""
    phi = learned.phi()
    seen, hidden = halves(held_out)
    likelihoods = log_likelihoods(hidden, FoldIn(phi, learned.alpha)(seen), phi)
    coherence = float(np.mean(npmi(top_words(phi, TOP_WORDS), held_out)))
    return perplexity(likelihoods, hidden.lengths()), coherence
