"""Topics as a classifier: it ignores labels, and its classes are the topics it finds.

Read `topic 3` as the third topic of this bundle; a bundle that goes on from another keeps the numbers.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from siaga.errors import BundleError, DataError
from siaga.features.documents import Documents
from siaga.features.learned_words import learn_vocabulary
from siaga.features.spelling import Speller, Spelt, recode
from siaga.features.vocabulary import Vocabulary
from siaga.features.words import WordReader, text_of
from siaga.files import write_text
from siaga.models.arrays import read_arrays, write_arrays
from siaga.models.classifier import Answer, Features, Probabilities, Progress, silent
from siaga.models.topics.choice import Tried, choose_topics
from siaga.models.topics.fold_in import FoldIn
from siaga.models.topics.gibbs import Learned, Sampling, learn
from siaga.post import Post
from siaga.schema import Topics

log = logging.getLogger(__name__)
NO_WORD = "no word of it is known"
_LEAST, _MOST = 1e-30, 1e30  # Of a prior in a bundle, and of any number there.


@dataclass(frozen=True)
class Learning:
    """How a fit went: `facts` of the vocabulary, the numbers of topics that were `tried`, what it went on from."""

    facts: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON.
    tried: Sequence[Tried] = ()
    start: "TopicsClassifier | None" = None
    start_version: str = ""


class TopicsClassifier:
    """Latent Dirichlet allocation: learned by Gibbs sampling, asked by folding each text in on its own.

    `learned_` holds what the sampler found, `vocabulary_` the known words, `learning_` how the fit went; that is not
    saved. `start` is a fitted classifier that the next fit goes on from, `start_version` that of its bundle.
    """

    def __init__(self, spec: Topics, *, seed: int = 0, start: "TopicsClassifier | None" = None) -> None:
        self.spec = spec
        self.seed = seed
        self.start = start
        self.start_version = ""
        self.learning_ = Learning()
        self._vocabulary: Vocabulary | None = None
        self._learned: Learned | None = None

    @property
    def classes_(self) -> list[str]:
        """The topics by number: topic 1, topic 2 …"""
        return [f"topic {number}" for number in range(1, len(self.learned_.alpha) + 1)]

    @property
    def learned_(self) -> Learned:
        """What the sampler found. Raises DataError before a fit."""
        if self._learned is None:
            raise DataError("These topics were not learned yet. Train them on posts with text.")
        return self._learned

    @property
    def vocabulary_(self) -> Vocabulary:
        """The known words. Raises DataError before a fit."""
        if self._vocabulary is None:
            raise DataError("These topics were not learned yet. Train them on posts with text.")
        return self._vocabulary

    @cached_property
    def phi_(self) -> NDArray[np.float32]:
        """The probability of each known word in each topic, (topics, words)."""
        return self.learned_.phi()

    @cached_property
    def fold_in(self) -> FoldIn:
        """What reads topics from texts."""
        return FoldIn(self.phi_, self.learned_.alpha)

    @cached_property
    def reader(self) -> WordReader:
        """What makes words of a text."""
        return WordReader(self.spec.words)

    def fit(
        self,
        posts: Sequence[Post],
        *,
        validation: Sequence[Post] = (),
        unlabelled: Sequence[Post] = (),
        classes: Sequence[str] | None = None,  # noqa: ARG002 - part of the protocol; the classes are what is found.
        progress: Progress = silent,
    ) -> Self:
        """Learn topics from the texts of posts, labelled or not; labels and `classes` are not read.

        `validation` serves the choice of the number of topics. Raises DataError for too few posts or words.
        """
        together = [*posts, *unlabelled, *validation]
        n_train = len(posts) + len(unlabelled)
        speller = Speller()
        for post in together:
            speller.add(self.words(post))
        rows = np.arange(len(together))
        return self.fit_spelt(speller.spelt(), rows[:n_train], rows[n_train:], progress=progress)

    def fit_spelt(
        self,
        spelt: Spelt,
        rows: NDArray[np.int64],
        validation: NDArray[np.int64],
        *,
        progress: Progress = silent,
    ) -> Self:
        """Learn from the texts of these rows, as `fit` does from posts."""
        start = self.start
        if start and (start.spec.fields, start.spec.words) != (self.spec.fields, self.spec.words):
            log.warning("These posts are not read as those that model.start was learned from: its words may be missed.")
        vocabulary, facts = learn_vocabulary(spelt, rows, self.spec.words, start=start.vocabulary_ if start else None)
        progress({"step": "vocabulary", "words": len(vocabulary.words), "posts": len(rows)})
        documents = recode(spelt, vocabulary)
        train, n_words = documents.take(rows), len(vocabulary.words)
        counts = _remembered(start.learned_, self.spec, n_words) if start else None
        if self.spec.topics == "auto":
            samplings = [self.sampling(topics) for topics in self.spec.choices]
            tried, learned = choose_topics(train, documents.take(validation), n_words, samplings, progress=progress)
        else:
            sampling = self.sampling(self.spec.topics)
            tried, learned = [], learn(train, n_words, sampling, before=counts, progress=progress)
        self._take(learned if start else learned.by_size(), vocabulary)
        self.learning_ = Learning(facts, tried, start, self.start_version)
        return self

    def sampling(self, topics: int) -> Sampling:
        """Return how the sampler runs for so many topics."""
        spec = self.spec
        return Sampling(topics, spec.iterations, spec.tolerance, spec.workers, spec.doubt, self.seed)

    def documents(self, posts: Sequence[Post]) -> Documents:
        """Return the texts of posts as numbers of known words."""
        return Documents.of([self.vocabulary_.encode(self.words(post)) for post in posts])

    def words(self, post: Post) -> list[str]:
        """Return the words of a post that count, known or not, in the order written."""
        text = text_of(post, self.spec.fields)
        left_out = [value for name in self.spec.words.left_out_fields if (value := post.get(name))]
        return self.reader.words(text, left_out=left_out) if text is not None else []

    def answer(self, posts: Sequence[Post]) -> Answer:
        """Answer with the share of each topic in each text; see the protocol."""
        answer = self.answer_documents(self.documents(posts))
        faults = {i: why for i, why in answer.faults.items() if text_of(posts[i], self.spec.fields) is not None}
        return replace(answer, faults=faults)

    def answer_documents(self, documents: Documents) -> Answer:
        """Answer for texts that are numbers of known words already; one without any gets the prior, and why."""
        seen = (documents.lengths() > 0).tolist()
        faults = {i: NO_WORD for i, is_seen in enumerate(seen) if not is_seen}
        return Answer(self.fold_in(documents), [("text",) if is_seen else () for is_seen in seen], faults=faults)

    def predict_proba(self, posts: Sequence[Post]) -> Probabilities:
        """Return the shares of topics, (n, topics)."""
        return self.answer(posts).probabilities

    def features(self, posts: Sequence[Post]) -> dict[str, Features]:
        """Return the shares of topics as features; see the protocol."""
        documents = self.documents(posts)
        seen = documents.lengths() > 0
        return {"": Features(self.fold_in(documents)[seen].astype(np.float32), seen)} if seen.any() else {}

    def save(self, folder: Path) -> None:
        """Write `vocabulary.json` and `topics.npz`."""
        learned = self.learned_
        write_text(folder / "vocabulary.json", json.dumps(self.vocabulary_.to_dict(), ensure_ascii=True))
        doubt = np.array([learned.doubt])
        write_arrays(folder / "topics.npz", {"counts": learned.counts, "alpha": learned.alpha, "doubt": doubt})

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote. Raises BundleError for anything else."""
        path = folder / "vocabulary.json"
        try:
            vocabulary = Vocabulary.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError) as error:
            raise BundleError(f"{path} does not hold a vocabulary: {error}. Train or copy it again.") from None
        arrays = read_arrays(folder / "topics.npz", ("counts", "alpha", "doubt"))
        _check_arrays(folder / "topics.npz", arrays, len(vocabulary.words))
        self._take(Learned(arrays["counts"], arrays["alpha"], float(arrays["doubt"][0])), vocabulary)
        return self

    def _take(self, learned: Learned, vocabulary: Vocabulary) -> None:
        self._learned, self._vocabulary = learned, vocabulary
        for name in ("phi_", "fold_in"):
            self.__dict__.pop(name, None)


def _remembered(before: Learned, spec: Topics, n_words: int) -> NDArray[np.float32]:
    """Return the counts to start from, (topics, words); words that are new have none."""
    if len(before.counts) != spec.topics:
        what = f"model.start has {len(before.counts)} topics, and model.topics is {spec.topics}"
        raise DataError(f"{what}. Set model.topics = {len(before.counts)}.")
    counts = np.zeros((len(before.counts), n_words), dtype=np.float32)
    counts[:, : before.counts.shape[1]] = spec.memory * before.counts
    return counts


def _check_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], n_words: int) -> None:  # Any: of several types.
    counts, alpha, doubt = arrays["counts"], arrays["alpha"], arrays["doubt"]
    fits = (
        counts.ndim == 2
        and len(counts) > 0
        and counts.dtype == np.float32
        and counts.shape[1] == n_words
        and alpha.shape == (len(counts),)
        and doubt.shape == (1,)
        and alpha.dtype == doubt.dtype == np.float64
    )
    if not (fits and _is_within(counts, 0.0) and _is_within(alpha, _LEAST) and _is_within(doubt, _LEAST)):
        raise BundleError(f"{path} does not hold topics of {n_words} words. Train or copy it again.")


def _is_within(values: NDArray[Any], least: float) -> bool:  # Any: of either size.
    """Whether all are numbers that single precision can hold the sums of, and none is below the least one."""
    return bool(((values >= least) & (values <= _MOST)).all())
