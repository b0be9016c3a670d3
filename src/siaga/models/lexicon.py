"""A list of words with whole numbers as a classifier: by the sign of the score, or by how classes went with scores.

Unfitted it is a rule: below zero negative, zero neutral, above zero positive, each answered with probability 1, which
is what the rule says and no measured probability. Fitted on labelled posts, it has their classes, and probabilities.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from siaga.errors import BundleError, DataError
from siaga.features.lexicon import Lexicon, load_lexicon
from siaga.features.word_lists import Row, checked_entries
from siaga.files import write_text
from siaga.models.classifier import Answer, Features, Prior, Probabilities, Progress, class_indices, silent
from siaga.post import Post
from siaga.schema import Lexicon as LexiconSpec

SIGNS = ["negative", "neutral", "positive"]
REASON_OTHER_LANGUAGE = "other language"
REASON_NO_LANGUAGE = "no language"
REASON_NO_TEXT = "no text"
REASON_NO_WORD = "no word known"
UNREAD = frozenset({REASON_OTHER_LANGUAGE, REASON_NO_LANGUAGE, REASON_NO_TEXT})
Mood = tuple[int, str | None]
_OTHER_LANGUAGE: Mood = (0, REASON_OTHER_LANGUAGE)
_NO_LANGUAGE: Mood = (0, REASON_NO_LANGUAGE)
_NO_TEXT: Mood = (0, REASON_NO_TEXT)
_NO_WORD: Mood = (0, REASON_NO_WORD)
_MOST_LANGUAGES = 1000
_LARGEST = 5  # Scores beyond it are rare, and count as it.


def sign(score: int) -> str:
    """Return the class of a score by its sign."""
    return SIGNS[1 if not score else 2 if score > 0 else 0]


class LexiconClassifier:
    """Reads the text of posts in the languages of its spec; of other posts the score is 0, and a fault says why.

    `fit` learns how often each class goes with each score, scores cut to -5…5, among the posts that could be read:
    (posts of the class with that score + K × frequency of the class) / (posts with that score + K), for K classes, is
    the probability (Laplace's smoothing towards the class frequencies). Posts that cannot be read get the class
    frequencies once it is fitted, and are neutral before.
    """

    def __init__(self, spec: LexiconSpec, *, seed: int = 0) -> None:
        self.spec = spec
        self.seed = seed
        self.classes_ = list(SIGNS)
        self._prior: Prior | None = None
        self._counts = np.zeros((len(SIGNS), 2 * _LARGEST + 1), dtype=np.int64)
        self._refusals: dict[str | None, Mood | None] = {}

    @cached_property
    def lexicon(self) -> Lexicon:
        """The list, read when it is first needed; of a loaded bundle, the bundle's own."""
        return load_lexicon(self.spec.words)

    def mood(self, text: str | None, language: str | None) -> Mood:
        """Return the score of a text, and where that is 0 for want of evidence, the reason."""
        if not text:
            return _NO_TEXT
        try:
            refusal = self._refusals[language]
        except KeyError:
            refusal = self._meet(language)
        if refusal:
            return refusal
        score = self.lexicon.score_known(text)
        if score is None:
            return _NO_TEXT if text.isspace() else _NO_WORD
        return score, None

    def _meet(self, language: str | None) -> Mood | None:
        """Remember why texts in a language are not read; those of the spec are, also as `EN` or `en-GB`."""
        refusal = None if self._reads(language) else _OTHER_LANGUAGE if language else _NO_LANGUAGE
        if len(self._refusals) < _MOST_LANGUAGES:
            self._refusals[language] = refusal
        return refusal

    def _reads(self, language: str | None) -> bool:
        known = self.spec.languages
        if not language:
            return self.spec.unknown_language or not known
        return not known or language in known or language.replace("_", "-").partition("-")[0].lower() in known

    def fit(
        self,
        posts: Sequence[Post],
        *,
        validation: Sequence[Post] = (),  # noqa: ARG002 - part of the protocol; nothing here stops early.
        unlabelled: Sequence[Post] = (),  # noqa: ARG002 - part of the protocol.
        classes: Sequence[str] | None = None,
        progress: Progress = silent,
    ) -> Self:
        """Learn how classes go with scores."""
        self.classes_, labels = class_indices(posts, classes)
        scores, reasons = self._moods(posts)
        seen = _seen(reasons)
        self._prior = Prior.of(labels, len(self.classes_))
        self._counts = np.zeros((len(self.classes_), 2 * _LARGEST + 1), dtype=np.int64)
        np.add.at(self._counts, (labels[seen], _bins(scores)[seen]), 1)
        progress({"step": "fit", "posts": int(seen.sum())})
        return self

    def answer(self, posts: Sequence[Post]) -> Answer:
        """Answer for each post, with its score; see the protocol."""
        scores, reasons = self._moods(posts)
        seen = _seen(reasons)
        faults = {i: reason for i, reason in enumerate(reasons) if reason}
        if self._prior is None:
            rows = np.eye(len(SIGNS))[np.sign(scores) + 1]
            answer = Answer(rows, [("text",) if is_seen else () for is_seen in seen.tolist()], faults=faults)
        else:
            rows, present = self._shares()[_bins(scores)[seen]], np.arange(len(self.classes_))
            answer = self._prior.complete(rows, present, seen=seen, modality="text", faults=faults)
        return replace(answer, scores=dict(enumerate(scores.tolist())))

    def predict_proba(self, posts: Sequence[Post]) -> Probabilities:
        """Return the probabilities, (n, classes)."""
        return self.answer(posts).probabilities

    def features(self, posts: Sequence[Post]) -> dict[str, Features]:
        """Return the scores, cut to -5…5 and divided by 5, as rows of one number; see the protocol."""
        scores, reasons = self._moods(posts)
        seen = _seen(reasons)
        rows = (scores.clip(-_LARGEST, _LARGEST) / _LARGEST).astype(np.float32)[seen, None]
        return {"": Features(rows, seen)} if seen.any() else {}

    def save(self, folder: Path) -> None:
        """Write the list, the frequencies and the counts; raises DataError for what was not fitted."""
        if self._prior is None:
            raise DataError("A list of words that was not fitted has nothing to save. Train it on labelled posts.")
        self._prior.save(folder, self.classes_)
        held = {"name": self.lexicon.name, "words": dict(self.lexicon.words), "phrases": dict(self.lexicon.phrases)}
        write_text(folder / "lexicon.json", json.dumps(held, ensure_ascii=True, indent=1))
        write_text(folder / "counts.json", json.dumps(self._counts.tolist()))

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote; the list that the spec names is not needed. Raises BundleError for anything else."""
        self._prior, self.classes_ = Prior.load(folder)
        self.lexicon = _loaded_lexicon(folder / "lexicon.json")
        self._counts = _loaded_counts(folder / "counts.json", len(self.classes_))
        return self

    def _shares(self) -> Probabilities:
        """Return the probabilities of the classes for each score from -5 to 5, (scores, classes)."""
        k = len(self.classes_)
        frequencies = self._prior.frequencies if self._prior else np.full(k, 1 / k)
        shares: Probabilities = (self._counts.T + k * frequencies) / (self._counts.sum(axis=0)[:, None] + k)
        return shares

    def _moods(self, posts: Sequence[Post]) -> tuple[NDArray[np.int64], list[str | None]]:
        moods = [self.mood(post.text, post.language) for post in posts]
        return np.array([score for score, _ in moods], dtype=np.int64), [reason for _, reason in moods]


def _seen(reasons: Sequence[str | None]) -> NDArray[np.bool_]:
    return np.array([reason not in UNREAD for reason in reasons], dtype=bool)


def _bins(scores: NDArray[np.int64]) -> NDArray[np.int64]:
    return scores.clip(-_LARGEST, _LARGEST) + _LARGEST


def _loaded_lexicon(path: Path) -> Lexicon:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        entries = {**held["words"], **held["phrases"]}
        if {type(value) for value in entries.values()} != {int} or not isinstance(held["name"], str):
            raise ValueError("its values are no whole numbers")
        rows = [Row(repr(entry), entry, str(value)) for entry, value in entries.items()]
        lexicon = Lexicon.of(checked_entries(rows, where="it"), name=held["name"])
        if (lexicon.words, lexicon.phrases) != (held["words"], held["phrases"]):
            raise ValueError("its entries are not folded")
    except (OSError, ValueError, KeyError, TypeError, DataError) as error:
        raise BundleError(f"{path} does not hold a list of words: {error}. Train or copy it again.") from None
    return lexicon


def _loaded_counts(path: Path, n_classes: int) -> NDArray[np.int64]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        if any(type(count) is not int or not 0 <= count < 2**53 for row in rows for count in row):
            raise ValueError("a count is no whole number from 0 on")
        counts = np.array(rows, dtype=np.int64)
        if counts.shape != (n_classes, 2 * _LARGEST + 1):
            raise ValueError(f"it has the shape {counts.shape}")
    except (OSError, ValueError, TypeError) as error:
        raise BundleError(f"{path} does not hold counts by class and score: {error}. Train or copy it again.") from None
    return counts
