"""One run that finds topics: posts read once into numbers, topics learned and measured, a folder that is filled."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siaga.bundle import Bundle, build_classifier, load_bundle, save_bundle, seal_bundle
from siaga.dataset.corpus import Corpus, excerpt, read_corpus, split_corpus
from siaga.environment import environment
from siaga.errors import DataError
from siaga.evaluation.predictions import write_predictions
from siaga.evaluation.topics.measure import measure_topics
from siaga.evaluation.topics.measured import Measured
from siaga.evaluation.topics.page import write_topics_page
from siaga.evaluation.topics.report import TopicReport
from siaga.extras import require
from siaga.features.learned_words import learn_vocabulary
from siaga.features.spelling import recode
from siaga.features.words import text_of
from siaga.models.topics.classifier import Learning, TopicsClassifier
from siaga.post import Post, Prediction
from siaga.quarantine import Quarantine
from siaga.run_record import Record
from siaga.schema import GroupedSplit, Recipe, Topics
from siaga.sources import read_source

Parts = dict[str, NDArray[np.int64]]


def prepare_corpus(recipe: Recipe, *, quarantine: Quarantine) -> tuple[Corpus, Parts, dict[str, Any]]:
    """Return the recipe's posts as numbers of words, read once, the rows of each split, and facts of both as JSON.

    Raises DataError for what cannot be learned from, RecipeError for a field that no post has, and MissingExtra.
    """
    spec = topics_of(recipe)
    for library in ("numba", "tomotopy"):
        require(library, extra="topics")
    keep = [recipe.split.column] if isinstance(recipe.split, GroupedSplit) else []
    corpus = read_corpus(read_source(recipe.source, quarantine=quarantine), spec, quarantine=quarantine, keep=keep)
    parts, facts = split_corpus(corpus, recipe.split, seed=recipe.seed)
    return corpus, {name: np.array(rows, dtype=np.int64) for name, rows in parts.items()}, facts


def known_words(recipe: Recipe, corpus: Corpus, parts: Parts) -> int:
    """Return how many words and phrases would be known."""
    return len(learn_vocabulary(corpus.spelt, parts["train"], topics_of(recipe).words)[0].words)


def measure_bundle(bundle: Bundle, posts: Iterable[Post]) -> tuple[TopicReport, list[Post], list[Prediction]]:
    """Measure a bundle of topics on posts that it was not learned from; return these and their answers as well.

    Labels are not needed. Raises DataError where no post has a word that the topics know.
    """
    started = time.perf_counter()
    classifier, found = found_topics(bundle), list(posts)
    documents = classifier.documents(found)
    if not len(documents.tokens):
        raise DataError(
            f"None of the {len(found):,} posts has a word that these topics know. Check the column of text."
        )
    nowhere, rows = np.empty(0, dtype=np.int64), np.arange(len(found))
    light = [replace(post, text=excerpt(text_of(post, classifier.spec.fields) or "")) for post in found]
    measured = Measured(classifier, light, documents, nowhere, rows, Learning())
    predictions = bundle.decided(found, classifier.answer_documents(documents))
    facts = {"seconds": {"predict": time.perf_counter() - started}, "environment": environment()}
    return measure_topics(measured, recipe=bundle.recipe, facts=facts), found, predictions


def found_topics(bundle: Bundle) -> TopicsClassifier:
    """Return the topics of a bundle."""
    if not isinstance(bundle.classifier, TopicsClassifier):
        raise TypeError(f"{type(bundle.classifier).__name__} finds no topics")
    return bundle.classifier


def topics_of(recipe: Recipe) -> Topics:
    """Return the recipe's model, which finds topics."""
    if not isinstance(recipe.model, Topics):
        raise TypeError(f"the model is {recipe.model.kind!r}, which finds no topics")
    return recipe.model


@dataclass
class TopicRun:
    """The posts of a recipe, and what is found and measured of their topics, into the folder of the record."""

    record: Record

    def finish(self) -> TopicReport:
        """Read, learn, measure and write everything; return the report."""
        record, recipe = self.record, self.record.recipe
        corpus, parts, facts = record.timed("prepare", lambda: prepare_corpus(recipe, quarantine=record.quarantine))
        record.hear({"step": "split", **{name: len(rows) for name, rows in parts.items()}})
        bundle, learning = record.timed("fit", lambda: self._fit(corpus, parts))
        return record.timed("evaluate", lambda: self._measure(bundle, learning, (corpus, parts, facts)))

    def _fit(self, corpus: Corpus, parts: Parts) -> tuple[Bundle, Learning]:
        """Learn, save, and return the bundle as it loads from disk, so that what is measured is what is shipped."""
        recipe, folder = self.record.recipe, self.record.folder / "bundle"
        bundle = Bundle(recipe, build_classifier(recipe))
        classifier = found_topics(bundle)
        classifier.fit_spelt(corpus.spelt, parts["train"], parts["validation"], progress=self.record.heard)
        save_bundle(bundle, folder)
        return load_bundle(folder), classifier.learning_

    def _measure(
        self, bundle: Bundle, learning: Learning, prepared: tuple[Corpus, Parts, dict[str, Any]]
    ) -> TopicReport:
        corpus, parts, facts = prepared
        record, recipe, classifier = self.record, self.record.recipe, found_topics(bundle)
        documents = recode(corpus.spelt, classifier.vocabulary_)
        measured = Measured(classifier, corpus.posts, documents, parts["train"], parts["test"], learning)
        report = measure_topics(measured, recipe=recipe, facts=record.facts(facts))
        posts = [corpus.posts[row] for row in parts["test"].tolist()]
        answer = classifier.answer_documents(documents.take(parts["test"]))
        group = recipe.split.column if isinstance(recipe.split, GroupedSplit) else None
        write_predictions(record.folder / "predictions.parquet", posts, bundle.decided(posts, answer), group=group)
        report.write(record.folder / "report.json")
        write_topics_page(report, record.folder / "report.html")
        seal_bundle(bundle, record.folder / "bundle", report=report.to_dict())
        record.write()
        return report
