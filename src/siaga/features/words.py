"""Texts as words: cleaned, without stop words and boilerplate, in the order written."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import dropwhile

from siaga.features.word_signs import POINT, RawWords
from siaga.post import Post
from siaga.schema import Words

_LONGEST = 50  # Letters; a longer run is no word of any language but a code or a slip.
_LONGEST_RAW = 4 * _LONGEST  # With marks and apostrophes; what is longer is not looked at.
_LONGEST_NAME = 200  # Characters of a field's value that is left out; a longer one is no name.
_REMEMBERED, _NAMED = 1 << 19, 1 << 12  # Raw words, and lists of names, whose reading is remembered at once.
_CLITICS = ("'s", "'ll", "'ve", "'re", "'d", "'m")
_ACCENTED = re.compile("([A-Za-z\u00c0-\u02af\u0370-\u03ff\u1e00-\u1fff])[\u0300-\u036f]+")
_BARE = str.maketrans(
    {"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "ħ": "h", "Ħ": "H", "ı": "i"}
    | {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "þ": "th", "Þ": "TH"}
)
_WHOLE = {"\u0e4d\u0e32": "\u0e33", "\u0ecd\u0eb2": "\u0eb3"}  # A vowel of Thai and of Lao, which that form parts.

_Phrase = tuple[str, ...]
_Anchored = tuple[int, _Phrase]  # A phrase, and the place in it of its longest word.


def text_of(post: Post, fields: Sequence[str]) -> str | None:
    """Return what `fields` hold of a post, each on a line of its own; None where all are missing or blank."""
    found = [value for name in fields if (value := post.get(name)) and not value.isspace()]
    return "\n".join(found) or None


class WordReader:
    """Reads the words of texts, built once from the recipe's choices; it remembers what it met.

    A word is a run of letters of any script (of digits too, where numbers are kept), with the apostrophes inside. The
    English endings 's, 'll, 've, 're, 'd and 'm are not read, U.S. is one word, `u.s.`, and a run of more than 50
    letters is none. No word holds an underline or a space.
    """

    def __init__(self, spec: Words) -> None:
        self._spec = spec
        self._raw = RawWords(spec.cleaning)
        self._keys = _Remembered(lambda raw: _key(self._plain(raw)) if len(raw) <= _LONGEST_RAW else "")
        self._kept = _Remembered(self._word)
        self._named: dict[tuple[str, ...], Mapping[str, Sequence[_Anchored]]] = {}
        own = [self._phrase(text) for text in spec.left_out]
        self._own = [phrase for phrase in own if len(phrase) > 1]
        self._stop_words = stop_words(spec.stop_words) | {phrase[0] for phrase in own if len(phrase) == 1}

    def words(self, text: str, *, left_out: Sequence[str] = ()) -> list[str]:
        """Return the words of a text that count, in the order written; `left_out` are further phrases to leave out.

        Phrases are compared without case, accents and punctuation, and before stop words go: "the times" leaves
        "Times Square" as it is. A phrase of more than 200 characters in `left_out` is no name and leaves nothing out.
        """
        raw = self._raw(text)
        if self._own or left_out:
            raw = self._without(raw, self._phrases(tuple(left_out)))
        return list(filter(None, map(self._kept.__getitem__, raw)))

    def _without(self, raw: list[str], phrases: Mapping[str, Sequence[_Anchored]]) -> list[str]:
        """Return the raw words without these phrases; where several begin, the longest goes."""
        keys = list(map(self._keys.__getitem__, raw))
        lengths: dict[int, int] = {}
        for anchor in phrases.keys() & set(keys):
            at = -1
            for _ in range(keys.count(anchor)):
                at = keys.index(anchor, at + 1)
                for place, phrase in phrases[anchor]:
                    start = at - place
                    if start >= 0 and tuple(keys[start : start + len(phrase)]) == phrase:
                        lengths[start] = max(lengths.get(start, 0), len(phrase))
        kept: list[str] = []
        end = 0
        for start in sorted(lengths):
            if start >= end:
                kept += raw[end:start]
                end = start + lengths[start]
        return kept + raw[end:]

    def _phrases(self, left_out: tuple[str, ...]) -> Mapping[str, Sequence[_Anchored]]:
        """Return the phrases of the recipe and of these texts by their longest words, which few texts have."""
        if left_out not in self._named:
            if len(self._named) >= _NAMED:
                self._named.clear()
            further = (self._phrase(text) for text in left_out if len(text) <= _LONGEST_NAME)
            found: dict[str, list[_Anchored]] = defaultdict(list)
            for phrase in {*self._own, *further} - {()}:
                place = max(range(len(phrase)), key=[len(word) for word in phrase].__getitem__)
                found[phrase[place]].append((place, phrase))
            self._named[left_out] = dict(found)
        return self._named[left_out]

    def _phrase(self, text: str) -> _Phrase:
        return tuple(filter(None, map(self._keys.__getitem__, self._raw(text))))

    def _word(self, raw: str) -> str:
        """Return the word that a raw one is read as; empty where it does not count."""
        if len(raw) > _LONGEST_RAW:
            return ""
        word = self._plain(raw)
        key = _key(word)
        letters = len(word) if word.isalpha() else sum(map(str.isalnum, word))
        is_long_enough = self._spec.min_letters <= letters <= _LONGEST
        is_negation = "en" in self._spec.stop_words and key.endswith("n't")
        return word if is_long_enough and not is_negation and key not in self._stop_words else ""

    def _plain(self, raw: str) -> str:
        """Return a raw word as it is known: without clitics and, if so chosen, without accents."""
        word = raw
        if "'" in word:
            word = word.rstrip("'")
            word = next((word[: -len(end)] for end in _CLITICS if word.lower().endswith(end)), word).strip("'")
        if not word.isascii():
            word = _compatible(word, lower=self._spec.cleaning.lower)
            word = without_accents(word) if self._spec.accents == "drop" else word
        return word.replace(POINT, ".") + "." if POINT in word else word


def stop_words(languages: Iterable[str]) -> frozenset[str]:
    """Return the commonest words of these languages (en, es, id), in lower case and without accents."""
    return frozenset().union(*map(_stop_words, languages))


def without_accents(word: str) -> str:
    """Return a word with bare Latin and Greek letters: é is e, ø is o, ß is ss; other scripts keep their marks."""
    if word.isascii():
        return word
    parted = _ACCENTED.sub(r"\1", unicodedata.normalize("NFD", word))
    return unicodedata.normalize("NFC", parted).translate(_BARE)


class _Remembered(dict[str, str]):
    """What a function makes of strings, each asked for once; forgets all when it holds too many."""

    def __init__(self, function: Callable[[str], str]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, key: str) -> str:
        value = self._function(key)
        if len(self) >= _REMEMBERED:
            self.clear()
        if len(key) <= _LONGEST_RAW:
            self[key] = value
        return value


def _key(word: str) -> str:
    """Return what words are compared by where case and accents do not count."""
    return without_accents(word.lower())


def _compatible(word: str, *, lower: bool) -> str:
    """Return a word in the compatible form of Unicode, where ﬁ is fi; what this parts by spaces stays one word."""
    word = unicodedata.normalize("NFKC", word)
    for parts, one in _WHOLE.items():
        word = word.replace(parts, one)
    begun = dropwhile(_is_mark, word)
    kept = "".join(sign for sign in begun if sign.isalnum() or sign in f"'{POINT}.,#@" or _is_mark(sign))
    return kept.lower() if lower else kept


def _is_mark(sign: str) -> bool:
    return unicodedata.category(sign)[0] == "M"


@cache
def _stop_words(language: str) -> frozenset[str]:
    listed = (files("siaga.features") / "stop_words" / f"{language}.txt").read_text(encoding="utf-8")
    return frozenset(map(_key, listed.split()))
