"""TF-IDF of word and character n-grams, side by side, kept as a vocabulary and weights instead of a pickle."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

from siaga.files import write_text, write_whole
from siaga.schema.texts import NGrams

_NOTHING_LEFT = ("empty vocabulary", "no terms remain", "max_df corresponds to < documents than min_df")


class TfIdf:
    """Sublinear TF-IDF; each of the two n-gram spaces has rows of unit length, and accents are folded.

    Stop words are left out of the word n-grams, before these are formed.
    """

    def __init__(
        self,
        *,
        words: NGrams | Literal[False],
        characters: NGrams | Literal[False],
        min_posts: int,
        stop_words: Literal[False, "english"] = False,
    ) -> None:
        self._stop_words = sorted(ENGLISH_STOP_WORDS) if words and stop_words else None
        self._spaces: dict[str, Any] = {}  # Any: scikit-learn is untyped.
        common = {"min_df": min_posts, "sublinear_tf": True, "strip_accents": "unicode", "lowercase": True}
        if words:
            pattern = r"(?u)\b\w+\b"
            self._spaces["words"] = TfidfVectorizer(
                ngram_range=words, token_pattern=pattern, stop_words=self._stop_words, **common
            )
        if characters:
            self._spaces["characters"] = TfidfVectorizer(analyzer="char_wb", ngram_range=characters, **common)

    def fit(self, texts: Sequence[str]) -> Self:
        """Learn vocabulary and weights; a space in which no n-gram stands often enough takes every n-gram."""
        for name, vectoriser in self._spaces.items():
            if not _fits(vectoriser, texts) and not _fits(vectoriser.set_params(min_df=1), texts):
                vectoriser.vocabulary_ = {f"\0{name}": 0}  # No text holds a NUL, so the column stays empty.
                vectoriser.idf_ = np.ones(1)
        return self

    def transform(self, texts: Sequence[str]) -> csr_matrix:
        """Return the sparse matrix (texts, n-grams), float64."""
        if not texts:
            return csr_matrix((0, sum(len(space.vocabulary_) for space in self._spaces.values())))
        rows: csr_matrix = hstack([space.transform(texts) for space in self._spaces.values()], format="csr")
        return rows

    def save(self, folder: Path) -> None:
        """Write `words.json`, `characters.json` (n-grams in column order), `idf.npz`, and `stop_words.json` if any."""
        if self._stop_words is not None:
            write_text(folder / "stop_words.json", json.dumps(self._stop_words))
        for name, vectoriser in self._spaces.items():
            terms = sorted(vectoriser.vocabulary_, key=vectoriser.vocabulary_.__getitem__)
            write_text(folder / f"{name}.json", json.dumps(terms, ensure_ascii=True))
        with write_whole(folder / "idf.npz") as stream:
            np.savez(stream, **{name: vectoriser.idf_ for name, vectoriser in self._spaces.items()})

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote."""
        if self._stop_words is not None:  # Those of the time: scikit-learn's list may change.
            self._stop_words = json.loads((folder / "stop_words.json").read_text(encoding="utf-8"))
            self._spaces["words"].set_params(stop_words=self._stop_words)
        with np.load(folder / "idf.npz", allow_pickle=False) as weights:
            for name, vectoriser in self._spaces.items():
                terms = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
                vectoriser.vocabulary_ = {term: column for column, term in enumerate(terms)}
                vectoriser.idf_ = weights[name]
        return self


def _fits(vectoriser: Any, texts: Sequence[str]) -> bool:  # Any: scikit-learn is untyped.
    try:
        vectoriser.fit(texts)
    except ValueError as error:  # scikit-learn has no type for them.
        if not any(said in str(error) for said in _NOTHING_LEFT):
            raise
        return False
    return True
