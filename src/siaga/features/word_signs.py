"""Which signs make a word: a text as runs of them, as it is written."""

import re
import unicodedata
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from siaga.features.text import clean_text
from siaga.schema import Cleaning

POINT = "_"  # What a point inside an abbreviation is until the word is done; an underline in a text parts words.

# Scripts that part no words by spaces: Thai, Lao, Burmese, Khmer, hiragana, and the signs of Chinese.
_SPACELESS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u309f\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_BEHIND = "\u0e30\u0e32\u0e33\u0e45\u0eb0\u0eb2\u0eb3"  # Their vowels that stand behind a letter and belong to it.
_ASCII_SIGNS = {"`": "'", "_": " "}
_SIGNS = {
    **dict.fromkeys("’‘ʼ´＇", "'"),
    **dict.fromkeys("“”„–—‐‑…•€™", " "),
    **dict.fromkeys("\u00ad\u200b\u200c\u2060\ufeff", ""),  # These say where a line may break, and where not.
}
_URL_STARTS = ("http", "www.", "pic.twitter")
_DECOMPOSED = re.compile("[\u0300-\u036f]")
# The point between two single letters: U.S., a.m.
_INNER_POINT = re.compile(r"\.(?<![^\W\d_]{2}\.)(?<=[^\W\d_]\.)(?=[^\W\d_](?![^\W\d_]))")


class RawWords:
    """Texts as runs of letters, marks, apostrophes and, where these are kept, digits; cleaned as the recipe says.

    In scripts without spaces each two signs that follow each other are a word, the usual stand-in where there is no
    list of words (Nie, Gao, Zhang & Zhou, 2000). Takes time linear in the text's length.
    """

    def __init__(self, cleaning: Cleaning) -> None:
        self._cleaning = cleaning
        signs = ("@" if cleaning.mentions == "keep" else "") + ("#" if cleaning.hashtags == "keep" else "")
        self._pattern = (signs, cleaning.numbers != "drop") if signs or cleaning.numbers != "drop" else None
        self._telling = ("&", "@", "#", *_URL_STARTS, *("%" * cleaning.percent_codes))

    def __call__(self, text: str) -> list[str]:
        """Return the raw words of a text; there may be apostrophes and marks around one."""
        written = _unified(text)
        lower = written.lower()
        if self._is_touched(lower):
            written = _unified(clean_text(text, self._cleaning))
        elif self._cleaning.lower:
            written = lower
        return _parted(written, self._pattern)

    def _is_touched(self, lower: str) -> bool:
        """Return whether cleaning may change more than case and what stands between words."""
        if self._pattern is not None or any(sign in lower for sign in self._telling):
            return True
        if lower.isascii():
            return False
        return self._cleaning.emoji == "name" or _DECOMPOSED.search(lower) is not None


def _unified(text: str) -> str:
    """Return a text with one sign for all apostrophes and none for soft hyphens; two apostrophes are a quote."""
    for sign, other in _ASCII_SIGNS.items():
        if sign in text:
            text = text.replace(sign, other)
    if not text.isascii():
        for sign, other in _SIGNS.items():
            if sign in text:
                text = text.replace(sign, other)
    return text.replace("''", "  ") if "''" in text else text


def _parted(written: str, pattern: tuple[str, bool] | None) -> list[str]:
    """Return the words of a clean text: its runs of letters by a table, or what a pattern finds."""
    if "." in written:
        written = _INNER_POINT.sub(POINT, written)
    if pattern is None:
        try:
            return written.encode("latin-1").translate(_latin_1()).decode("latin-1").split()
        except UnicodeEncodeError:
            found = written.translate(_any_sign()).split()
    else:
        found = _pattern(*pattern).findall(written)
    is_spaced = written.isascii() or _signs().spaceless.search(written) is None
    return found if is_spaced else [word for run in found for word in _pairs(run)]


def _pairs(run: str) -> list[str]:
    """Return each two signs that follow each other in a script without spaces; what else there is stays whole."""
    words = []
    for part in _signs().parts.findall(run):
        signs = _signs().spaceless.findall(part)
        words += [a + b for a, b in pairwise(signs)] or [part]
    return words


def _belongs(sign: str) -> bool:
    return sign.isalpha() or sign in f"'{POINT}" or unicodedata.category(sign) in ("Mn", "Mc")


@cache
def _latin_1() -> bytes:
    """Return what becomes of each byte of Latin-1: what cannot be in a word becomes a space."""
    return bytes(i if _belongs(chr(i)) else ord(" ") for i in range(256))


class _Table(dict[int, int]):
    """What becomes of any sign, by its code: what cannot be in a word becomes a space."""

    def __missing__(self, code: int) -> int:
        self[code] = code if _belongs(chr(code)) else ord(" ")
        return self[code]


@cache
def _any_sign() -> _Table:
    """Return the one table that there is; it fills with what is met."""
    return _Table()


class _Signs(NamedTuple):
    """Letters and marks as insides of character classes, one sign of a script without spaces, and runs of such."""

    letters: str
    marks: str
    spaceless: re.Pattern[str]
    parts: re.Pattern[str]


@cache
def _signs() -> _Signs:
    kinds = "".join(_kind(chr(i)) for i in range(0x20000))
    letters, marks = (
        "".join(f"{chr(run.start())}-{chr(run.end() - 1)}" for run in re.finditer(f"{kind}+", kinds)) for kind in "LM"
    )
    one = rf"[{_SPACELESS}][{_BEHIND}{marks}]*"
    parts = re.compile(rf"(?:{one})+|[^{_SPACELESS}]+")
    return _Signs(letters + "\U00020000-\U0003ffff", marks, re.compile(one), parts)


def _kind(sign: str) -> str:
    return "L" if sign.isalpha() else "M" if unicodedata.category(sign) in ("Mn", "Mc") else "."


@cache
def _pattern(signs: str, has_digits: bool) -> re.Pattern[str]:
    """Return the pattern of a raw word; `signs` are read with the word that they stand before."""
    letters, marks, *_ = _signs()
    digit = r"\d" if has_digits else ""
    run = rf"[{letters}{digit}][{letters}{digit}{marks}]*"
    joint = rf"['{POINT}]" + (r"|(?<=\d)[.,](?=\d)" if has_digits else "")
    before = rf"(?:(?<!\w)[{signs}]|')?" if signs else "'?"
    return re.compile(rf"{before}{run}(?:(?:{joint}){run})*")
