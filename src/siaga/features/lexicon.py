"""A list of words with whole numbers, and what a text sums up to by it.

An entry is a word, or a phrase: words with white space or one hyphen between them, as the list has it; what a word is
stands in `siaga.features.word_bytes`. From left to right the longest entry wins, and its words are not counted again.
Any other sign parts phrases: "It is not. Good morning!" holds no "not good".
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path

from siaga.errors import DataError
from siaga.features.word_bytes import stretches_of, text_bytes, words_of
from siaga.features.word_lists import LISTS, read_word_list

_SPECIAL = 1 << 60  # Added to the value of a word that may tell of a phrase: more than any text sums up to.
_UNKNOWN = 2 * _SPECIAL  # The value of such a word that is not in the list by itself.


@dataclass(frozen=True)
class Lexicon:
    """Words and phrases with their values, folded; `siaga.features.word_lists` makes and checks them."""

    words: Mapping[str, int]
    phrases: Mapping[str, int]
    name: str = ""

    @classmethod
    def of(cls, entries: Mapping[str, int], *, name: str = "") -> "Lexicon":
        """Return the lexicon of folded entries."""
        phrases = {entry: value for entry, value in entries.items() if " " in entry or "-" in entry}
        return cls({entry: value for entry, value in entries.items() if entry not in phrases}, phrases, name)

    def score(self, text: str) -> int:
        """Return the sum of the values of a text's words and phrases; 0 where none is known."""
        return self.score_known(text) or 0

    def score_known(self, text: str) -> int | None:
        """Return the score of a text, or None if it holds no word and no phrase of the list.

        Most texts hold no two words with which a phrase begins, so that their words can be summed up as they are.
        """
        data = text_bytes(text)
        words = words_of(data)
        values = [*filter(None, map(self._get, words))]
        if not values:
            return None
        total = sum(values)
        if total < _SPECIAL >> 1:
            return total
        if not self._beginnings.isdisjoint(pairwise(words)):
            return self._look_closer(data)
        if values.count(_UNKNOWN) == len(values):
            return None
        return (total + (_SPECIAL >> 1)) % _SPECIAL - (_SPECIAL >> 1)

    def _look_closer(self, data: bytes) -> int | None:
        """Return the score of a text that may hold phrases."""
        values = [value for pieces in stretches_of(data) for value in self._values_in(pieces)]
        return sum(values) if values else None

    def _values_in(self, pieces: list[bytes]) -> list[int]:
        values, i = [], 0
        while i < len(pieces):
            n, value = self._longest(pieces, i)
            if value is not None:
                values.append(value)
            i += n + 1
        return values

    def _longest(self, pieces: list[bytes], i: int) -> tuple[int, int | None]:
        """Return how many pieces the longest entry at i has, and its value, if there is any."""
        for n in self._lengths.get(pieces[i], ()):
            value = self._values[n].get(b"".join(pieces[i : i + n]))
            if value is not None:
                return n, value
        return 1, self._values[1].get(pieces[i])

    @cached_property
    def _values(self) -> dict[int, dict[bytes, int]]:
        """The values of entries by the number of pieces: words, and what is between them."""
        values: dict[int, dict[bytes, int]] = {1: {word.encode(): value for word, value in self.words.items()}}
        for phrase, value in self.phrases.items():
            [pieces] = stretches_of(phrase.encode())
            values.setdefault(len(pieces), {})[b"".join(pieces)] = value
        return values

    @cached_property
    def _lengths(self) -> dict[bytes, tuple[int, ...]]:
        """The numbers of pieces that phrases have, longest first, by their first word."""
        lengths: dict[bytes, set[int]] = {}
        for phrase in self.phrases:
            [pieces] = stretches_of(phrase.encode())
            lengths.setdefault(pieces[0], set()).add(len(pieces))
        return {word: tuple(sorted(found, reverse=True)) for word, found in lengths.items()}

    @cached_property
    def _beginnings(self) -> frozenset[tuple[bytes, ...]]:
        """The first two words of each phrase."""
        return frozenset(tuple(words_of(phrase.encode())[:2]) for phrase in self.phrases)

    @cached_property
    def _get(self) -> Callable[[bytes], int | None]:
        """Look up the value of a word; it has _SPECIAL added for a word that tells of a phrase, or counts 0.

        A phrase is told by its longest word, which is seldom a common one.
        """
        words = self._values[1]
        tellers = {max(words_of(phrase.encode()), key=len) for phrase in self.phrases}
        special = {word: words[word] + _SPECIAL if word in words else _UNKNOWN for word in tellers}
        return ({word: value or _SPECIAL for word, value in words.items()} | special).get


def load_lexicon(spec: str) -> Lexicon:
    """Return the lexicon of a list that comes with the `afinn` package (`afinn-111`), or of a file.

    A file holds a word or phrase, a tab and a whole number a line, in UTF-8. Raises MissingExtra where the package is
    missing, and DataError naming each line that is at fault.
    """
    return Lexicon.of(read_word_list(spec), name=spec if spec in LISTS else Path(spec).name)


def score_texts(texts: Iterable[str | None], *, words: str = "afinn-111") -> list[int]:
    """Return the score of each text by a list of words: AFINN-111, or another that `load_lexicon` knows.

    The sum of the values of the words and phrases in it; 0 for a text without any, and for None. Raises as
    `load_lexicon` does, and DataError for one text instead of several.
    """
    if isinstance(texts, str):
        raise DataError(f"score_texts takes a list of texts. For one text: score_texts([{texts[:20]!r}]).")
    lexicon = _kept(words) if words in LISTS else load_lexicon(words)
    return [lexicon.score(text) if text else 0 for text in texts]


@cache
def _kept(spec: str) -> Lexicon:
    return load_lexicon(spec)
