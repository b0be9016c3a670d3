"""What topics are compared with: one topic for all texts, and a factorisation of their TF-IDF."""

from typing import Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from siaga.evaluation.intervals import Interval
from siaga.evaluation.topics.coherences import measure_coherence
from siaga.evaluation.topics.intervals import perplexity_interval
from siaga.evaluation.topics.measured import Measured
from siaga.features.documents import Documents
from siaga.models.topics.agreement import diversity, top_words
from siaga.models.topics.completion import halves, log_likelihoods
from siaga.models.topics.factorisation import factorised
from siaga.schema import TopicQuality

Baseline = Literal["unigram", "nmf"]


def measure_baselines(measured: Measured, spec: TopicQuality, *, seed: int) -> dict[str, dict[str, Interval]]:
    """Return each baseline's metrics on the test texts, as far as it has them.

    A factorisation gives no probabilities, so it has no perplexity; it needs as many texts as topics, so without those
    that were learned from, as when a bundle is measured on new posts, there is none.
    """
    learned = measured.part_of_train(spec.seed_words, seed=seed)
    has_texts = len(learned) >= len(measured.classifier.classes_)
    names = [name for name in spec.baselines if name == "unigram" or has_texts]
    return {name: _measured(name, measured, learned, spec=spec, seed=seed) for name in names}


def _measured(
    name: Baseline, measured: Measured, learned: Documents, *, spec: TopicQuality, seed: int
) -> dict[str, Interval]:
    texts = measured.documents.take(measured.test)
    match name:
        case "unigram":
            phi = _unigram(measured)
            _, hidden = halves(texts)
            likelihoods = log_likelihoods(hidden, np.ones((len(texts), 1)), phi)
            perplexity = perplexity_interval(likelihoods, hidden.lengths(), resamples=spec.resamples, seed=seed)
            return {"perplexity": perplexity, **measure_coherence(top_words(phi, spec.top_words), texts)[0]}
        case "nmf":
            topics = len(measured.classifier.classes_)
            n_words = len(measured.classifier.vocabulary_.words)
            phi = factorised(learned, n_words, topics=topics, seed=seed, sweeps=100).astype(np.float32)
            coherence = measure_coherence(top_words(phi, spec.top_words), texts)[0]
            return {**coherence, "diversity": {"value": diversity(phi), "low": None, "high": None}}
        case _:
            assert_never(name)


def _unigram(measured: Measured) -> NDArray[np.float32]:
    """Return the frequencies of words in what was learned from, (1, words), each counted once more than it was met."""
    counts = measured.classifier.learned_.counts.astype(np.float64).sum(axis=0) + 1.0
    phi: NDArray[np.float32] = (counts / counts.sum()).astype(np.float32)[None]
    return phi
