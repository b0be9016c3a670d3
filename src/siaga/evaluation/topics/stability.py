"""Do the same topics come back when chance falls otherwise? Topics are learned again with other seeds, and matched."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from siaga.evaluation.intervals import Interval, ends, resample_weights
from siaga.evaluation.topics.measured import Measured
from siaga.models.classifier import silent
from siaga.models.topics.agreement import matched, top_words
from siaga.models.topics.gibbs import Sampling, learn
from siaga.schema import TopicQuality


def measure_stability(
    measured: Measured, spec: TopicQuality, *, seed: int
) -> tuple[Interval | None, list[float | None]]:
    """Return how much of the topics' first words comes back with other seeds, and each topic's own share of that.

    It is the Jaccard index of a topic's words and those of its match, over all seeds (Greene, O'Callaghan and
    Cunningham 2014), with an interval over topics. Nothing for no seeds, and for topics that went on from others,
    whose chance fell long ago.
    """
    classifier = measured.classifier
    topics = len(classifier.classes_)
    if not spec.seeds or measured.learning.start is not None:
        return None, [None] * topics
    texts = measured.part_of_train(spec.seed_words, seed=seed)
    if (texts.lengths() > 0).sum() < topics:
        return None, [None] * topics
    words = _sets(top_words(classifier.phi_, spec.top_words))
    again = []
    for step in range(1, spec.seeds + 1):
        other = learn(texts, len(classifier.vocabulary_.words), _sampling(measured, seed + step), progress=silent)
        again.append(matched(words, _sets(top_words(other.phi(), spec.top_words)))[1])
    by_topic = np.mean(again, axis=0)
    return _interval(by_topic, spec.resamples, seed), by_topic.tolist()


def _sampling(measured: Measured, seed: int) -> Sampling:
    sampling = measured.classifier.sampling(len(measured.classifier.classes_))
    return replace(sampling, seed=seed % 2**32)


def _sets(words: NDArray[np.int64]) -> list[set[int]]:
    return [set(row) for row in words.tolist()]


def _interval(values: NDArray[np.float64], resamples: int, seed: int) -> Interval:
    n = len(values)
    drawn = np.concatenate([rows @ values / n for rows in resample_weights(n, resamples=resamples, seed=seed)])
    low, high = ends(drawn)
    return {"value": float(values.mean()), "low": low, "high": high}
