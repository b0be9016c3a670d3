"""What is wanted of a stream: posts with certain words, with an image, in certain languages."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from siaga.errors import DataError
from siaga.sources.items import Item
from siaga.sources.items.languages import language_of

NO_WORD, NO_IMAGE, OTHER_LANGUAGE = "none of the words", "no image", "another language"
_SIGNS = "#"
# Scripts that put no space between words, so that a word of theirs is found wherever it stands.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")


@dataclass(frozen=True)
class Wanted:
    """Which items are wanted: with any of the `keywords`, and in any of the `languages`, where some are named.

    A keyword is found as a whole word, or several in a row, in upper or lower case, and as the beginning of a hashtag:
    "banjir" in "Banjir!" and "#banjirjakarta", not in "kebanjiran"; "#banjir" in hashtags alone. Raises DataError for
    a blank keyword, and for what is no language's code.
    """

    keywords: Sequence[str] = ()
    only_with_image: bool = False
    languages: Sequence[str] = ()
    _words: tuple[str, ...] = field(init=False, repr=False)
    _hashtags: tuple[str, ...] = field(init=False, repr=False)
    _languages: frozenset[str | None] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        plain = [_folded(keyword) for keyword in self.keywords]
        hashtags = tuple("".join(keyword.removeprefix(_SIGNS).split()) for keyword in plain)
        if "" in hashtags:
            raise DataError("--keyword is blank. Name a word, or leave it away to get every post.")
        codes = [language_of(code) for code in self.languages]
        if None in codes:
            wrong = self.languages[codes.index(None)]
            raise DataError(f"--language {wrong[:80]!r} is not a language's code. Give one such as id or en.")
        object.__setattr__(self, "_words", tuple(word for word in plain if not word.startswith(_SIGNS)))
        object.__setattr__(self, "_hashtags", hashtags)
        object.__setattr__(self, "_languages", frozenset(codes))

    def __call__(self, item: Item) -> bool:
        """Whether an item is wanted."""
        return self.refusal(item) is None

    def refusal(self, item: Item) -> str | None:
        """Return why an item is not wanted: NO_IMAGE, OTHER_LANGUAGE or NO_WORD; None where it is."""
        if self.only_with_image and item.image_url is None:
            return NO_IMAGE
        if self._languages and item.language not in self._languages:
            return OTHER_LANGUAGE
        if self._hashtags and not self._has_word(item):
            return NO_WORD
        return None

    def _has_word(self, item: Item) -> bool:
        text = _folded(item.text or "")
        if any(_stands_in(text, word) for word in self._words):
            return True
        if any(_begins_hashtag(text, hashtag) for hashtag in self._hashtags):
            return True
        return any(_folded(given).startswith(self._hashtags) for given in item.hashtags)


def _folded(text: str) -> str:
    """Return a text without upper case, in one spelling of each character, with single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _stands_in(text: str, word: str) -> bool:
    """Whether a word stands in a text with no further letter on either side of it."""
    at = text.find(word)
    while at >= 0:
        end = at + len(word)
        before, behind = text[at - 1 : at], text[end : end + 1]
        if not (_go_together(before, word[0]) or _go_together(behind, word[-1])):
            return True
        at = text.find(word, at + 1)
    return False


def _begins_hashtag(text: str, hashtag: str) -> bool:
    """Whether a hashtag of a text begins with what is asked for."""
    at = text.find(_SIGNS + hashtag)
    while at > 0 and _is_of_word(text[at - 1]):  # No hashtag, but the end of an address such as a.example/b#banjir.
        at = text.find(_SIGNS + hashtag, at + 1)
    return at >= 0


def _go_together(neighbour: str, own: str) -> bool:
    """Whether a neighbour makes one word with the first or last character of a keyword."""
    return bool(neighbour) and _is_of_word(neighbour) and _is_of_word(own) and not _is_unspaced(own)


def _is_of_word(character: str) -> bool:
    return character.isalnum() or character == "_" or unicodedata.category(character).startswith("M")


def _is_unspaced(character: str) -> bool:
    return unicodedata.name(character, "").startswith(_UNSPACED)
