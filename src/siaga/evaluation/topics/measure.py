"""What topics are worth, on posts they were not learned from: `measure_topics` fills a TopicReport."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siaga.evaluation.intervals import Interval
from siaga.evaluation.topics.baselines import measure_baselines
from siaga.evaluation.topics.coherences import measure_coherence
from siaga.evaluation.topics.intervals import nmi_and_purity, perplexity_interval, ratio_interval
from siaga.evaluation.topics.measured import Measured, Shares
from siaga.evaluation.topics.prevalence import prevalence
from siaga.evaluation.topics.projection import projection
from siaga.evaluation.topics.report import TopicReport
from siaga.evaluation.topics.shown import shown_topics
from siaga.evaluation.topics.stability import measure_stability
from siaga.evaluation.written import as_json
from siaga.features.documents import Documents
from siaga.models.topics.agreement import diversity, matched_cosine, top_words
from siaga.models.topics.classifier import TopicsClassifier
from siaga.models.topics.completion import halves, log_likelihoods
from siaga.schema import Recipe, TopicQuality

LABELS = 200  # So many labels stand in the table, the commonest; the figures are of all.

Table = dict[str, Any]  # Any: the value of a JSON object.


def measure_topics(measured: Measured, *, recipe: Recipe, facts: Mapping[str, Any]) -> TopicReport:  # Any: JSON.
    """Return the report of topics on the test rows, each figure with its interval.

    `facts` are what only the caller knows, each optional: `data`, `environment`, `seconds`, `events`, `recipe_toml`.
    """
    spec, classifier = _quality(recipe), measured.classifier
    texts = measured.documents.take(measured.test)
    shares = classifier.fold_in(texts)
    coherence, by_topic = measure_coherence(top_words(classifier.phi_, spec.top_words), texts)
    stable, by_topic["stability"] = measure_stability(measured, spec, seed=recipe.seed)
    by_topic["similarity"] = _similarity(measured)
    return TopicReport(
        recipe=recipe.name,
        seed=recipe.seed,
        n=len(texts),
        classes=classifier.classes_,
        metrics={
            "perplexity": completion(classifier, texts, resamples=spec.resamples, seed=recipe.seed),
            **coherence,
            "diversity": _exact(diversity(classifier.phi_)),
            **({"stability": stable} if stable else {}),
            "unclear": _unclear(classifier, texts, shares, recipe),
        },
        baselines=measure_baselines(measured, spec, seed=recipe.seed),
        topics=as_json(shown_topics(measured, shares, by_topic, spec)),
        map=as_json(projection(classifier.phi_).tolist()),
        prevalence=as_json(_over_time(measured, spec)),
        labels=_labels(measured, shares, recipe),
        choice=[_tried(asdict(each)) for each in measured.learning.tried],
        update=_update(measured, by_topic["similarity"]),
        vocabulary=as_json(_vocabulary(measured)),
        settings=as_json(spec.model_dump(mode="json")),
        **_of_run(facts, len(classifier.classes_)),
    )


def completion(classifier: TopicsClassifier, texts: Documents, *, resamples: int, seed: int) -> Interval:
    """Return the perplexity of every second word of the texts, whose topics are told by the words between."""
    seen, hidden = halves(texts)
    likelihoods = log_likelihoods(hidden, classifier.fold_in(seen), classifier.phi_)
    return perplexity_interval(likelihoods, hidden.lengths(), resamples=resamples, seed=seed)


def _quality(recipe: Recipe) -> TopicQuality:
    if not isinstance(recipe.evaluation, TopicQuality):
        raise TypeError(f"evaluation is {recipe.evaluation.kind!r}, and topics are measured by 'topics'")
    return recipe.evaluation


def _exact(value: float) -> Interval:
    """Return a figure that no other posts would change."""
    return {"value": value, "low": None, "high": None}


def _unclear(classifier: TopicsClassifier, texts: Documents, shares: Shares, recipe: Recipe) -> Interval:
    spec = _quality(recipe)
    unclear = classifier.fold_in.unclear(texts, shares, spec.clear)
    return ratio_interval(unclear, texts.lengths(), resamples=spec.resamples, seed=recipe.seed)


def _over_time(measured: Measured, spec: TopicQuality) -> Table:
    """Return the prevalence among all posts with a time and a known word; nothing where there is none."""
    known = np.flatnonzero(measured.documents.lengths())
    timed = [row for row in known.tolist() if measured.posts[row].time is not None]
    if not timed:
        return {}
    times = [time for row in timed if (time := measured.posts[row].time) is not None]
    return prevalence(times, measured.classifier.fold_in(measured.documents.take(timed)), bins=spec.bins)


def _labels(measured: Measured, shares: Shares, recipe: Recipe) -> Table:
    """Return how the main topics of labelled test posts go with their labels, where posts share labels."""
    labels = [measured.posts[row].label for row in measured.test.tolist()]
    rows = [i for i, label in enumerate(labels) if label is not None]
    given, topics = [str(labels[i]) for i in rows], shares[rows].argmax(axis=1)
    sizes = Counter(given)
    if not 2 <= len(sizes) <= len(given) // 2:  # Nearly as many as posts: they are names or numbers.
        return {}
    agreement = nmi_and_purity(given, topics, resamples=_quality(recipe).resamples, seed=recipe.seed)
    names = sorted(sorted(sizes, key=lambda name: (-sizes[name], name))[:LABELS])
    counts = np.zeros((len(measured.classifier.classes_), len(names)), dtype=np.int64)
    for topic, name in zip(topics.tolist(), given, strict=True):
        if name in names:
            counts[topic, names.index(name)] += 1
    return {"n": len(rows), **agreement, "names": names, "counts": counts.tolist()}


def _similarity(measured: Measured) -> list[float | None]:
    """Return the cosine of each topic and the topic of that number it went on from; None where there was none."""
    start, phi = measured.learning.start, measured.classifier.phi_
    if start is None:
        return [None] * len(phi)
    before = _widened(start, phi.shape[1])
    products = (phi * before).sum(axis=1)
    cosines: list[float | None] = (products / np.linalg.norm(phi, axis=1) / np.linalg.norm(before, axis=1)).tolist()
    return cosines


def _update(measured: Measured, similarity: list[float | None]) -> Table:
    start, classifier = measured.learning.start, measured.classifier
    if start is None:
        return {}
    phi = classifier.phi_
    pairs, _ = matched_cosine(phi, _widened(start, phi.shape[1]))
    return {
        "start": measured.learning.start_version,
        "new_words": phi.shape[1] - start.phi_.shape[1],
        "similarity": similarity,
        "moved": [int(new) + 1 for new, old in pairs.tolist() if new != old],
    }


def _widened(start: TopicsClassifier, n_words: int) -> NDArray[np.float32]:
    """Return the topics that were gone on from, (topics, words), over the words of today."""
    before = np.zeros((len(start.phi_), n_words), dtype=np.float32)
    before[:, : start.phi_.shape[1]] = start.phi_
    return before


def _tried(row: Table) -> Table:
    """Return what was tried as a row of the report; on one validation split there are no intervals."""
    return {**row, "perplexity": _exact(row["perplexity"]), "npmi": _exact(row["npmi"])}


def _vocabulary(measured: Measured) -> Table:
    known, lengths = measured.classifier.vocabulary_, measured.documents.lengths()
    facts = {"words": len(known.words), "phrases": len(known.phrases), **measured.learning.facts}
    return {**facts, "tokens": int(lengths.sum()), "posts": int((lengths > 0).sum())}


def _of_run(facts: Mapping[str, Any], topics: int) -> Table:  # Any: JSON.
    """Return what the run says of itself; of several numbers of topics, the sweeps of the one that was chosen."""
    sweeps = [event for event in facts.get("events", ()) if event["step"] == "sweep"]
    events = [event for event in sweeps if event.get("topics", topics) == topics]
    return {
        "data": as_json(dict(facts.get("data") or {})),
        "environment": as_json(dict(facts.get("environment") or {})),
        "seconds": as_json(facts.get("seconds")),
        "training": [{"iteration": event["done"], "log_likelihood": event["log_likelihood"]} for event in events],
        "recipe_toml": str(facts.get("recipe_toml") or ""),
    }
