"""Texts as bytes in which a list's words and phrases are found quickly: folded, without links, words parted.

A word is a run of letters, digits, marks upon them, `_` and `@`, and of apostrophes with one of these on both sides;
`’` is `'`, and case does not matter (Unicode's full case folding, NFC). Names after an @ and addresses are thus words
that no list holds. Links count for nothing: they run from http://, https:// or www. to the next white space, emoji or
other sign outside ASCII. All of it takes time linear in the text's length.
"""

import re
import unicodedata
from functools import cache
from typing import NamedTuple

BREAK, SPACE, HYPHEN = b"\n", b" ", b"-"

_ASCII = bytes(range(128))
_SIGN = "\0"  # Stands for what is no part of a word, nor white space.
_ENGLISH = _ASCII.lower() + 128 * _SIGN.encode()
_APOSTROPHE = ord("'")
_LINK = re.compile(r"https?://[^\x00-\x20\x7f]*")
_BARE_LINK = re.compile(r"(?<![a-z0-9_])www\.[^\x00-\x20\x7f]*")
_EDGE = re.compile(rb"(?<![^ \n'-])'|'(?![^ \n'-])")
_BETWEEN = re.compile(rb"([ -]+)")
_SPACE = re.compile(r"[^\S\x00-\x7f]+")


def _table(*, hyphen: bytes, other: bytes) -> bytes:
    """Return the table that keeps the bytes of words, and makes SPACE of white space."""
    made = bytearray(range(256))
    for code in range(128):
        sign = chr(code)
        if sign.isspace():
            made[code] = SPACE[0]
        elif not (sign.isalnum() or sign in "_@'"):
            made[code] = hyphen[0] if sign == "-" else other[0]
    return bytes(made)


_ONLY_WORDS = _table(hyphen=SPACE, other=SPACE)
_PARTED = _table(hyphen=HYPHEN, other=BREAK)


def text_bytes(text: str) -> bytes:
    """Return a text without links in UTF-8; of what is not ASCII, only what belongs to words is left."""
    text = text.lower() if text.isascii() else _folded(text)
    if "://" in text:
        text = _LINK.sub(_SIGN, text)
    if "www." in text:
        text = _BARE_LINK.sub(_SIGN, text)
    return text.encode()


def words_of(data: bytes) -> list[bytes]:
    """Return the words of what `text_bytes` made, in order, whatever stands between them."""
    data = data.translate(_ONLY_WORDS)
    if _APOSTROPHE in data:
        data = b" %b " % data.replace(b"''", b"  ")
        data = data.replace(b"' ", b"  ").replace(b" '", b"  ")
    return data.split()


def stretches_of(data: bytes) -> list[list[bytes]]:
    """Return the words of each stretch without another sign, and what stands between them: SPACE, HYPHEN or BREAK.

    In turn: a word, what is between, a word; the first and the last word may be empty.
    """
    parted = _EDGE.sub(BREAK, data.translate(_PARTED))
    return [_pieces(stretch) for stretch in parted.split(BREAK)]


def _pieces(stretch: bytes) -> list[bytes]:
    pieces = _BETWEEN.split(stretch)
    pieces[1::2] = [between if between == HYPHEN else _space(between) for between in pieces[1::2]]
    return pieces


def _space(between: bytes) -> bytes:
    return BREAK if HYPHEN in between else SPACE


class _Signs(NamedTuple):
    """The patterns that know which characters outside ASCII belong to words."""

    word: re.Pattern[str]
    other: re.Pattern[str]
    mark: re.Pattern[str]
    stray: re.Pattern[str]
    pile: re.Pattern[str]


@cache
def _signs() -> _Signs:
    """Return the patterns; marks are those of Unicode's first plane, which keeps patterns fast, but no selectors."""
    kinds = "".join("m" if unicodedata.category(chr(i)) in ("Mn", "Mc") else "-" for i in range(1 << 16))
    kinds = kinds[:0xFE00] + "-" * 16 + kinds[0xFE10:]  # These choose the look of the emoji before them.
    marks = "".join(f"{chr(run.start())}-{chr(run.end() - 1)}" for run in re.finditer("m+", kinds))
    return _Signs(
        word=re.compile(rf"[\w\s{marks}]"),
        other=re.compile(rf"[^\x00-\x7f\w\s{marks}]"),
        mark=re.compile(rf"[{marks}]"),
        stray=re.compile(rf"(?<![\w{marks}@])[{marks}]+"),
        pile=re.compile(rf"([{marks}]{{30}})[{marks}]+"),
    )


def _folded(text: str) -> str:
    """Return a text of which what is not ASCII belongs to words; in most, that is nothing: emoji and quotes."""
    text = text.replace("’", "'")
    if text.isascii():
        return text.lower()
    signs = _signs()
    data = text.encode(errors="surrogatepass")
    if not signs.word.search(data.translate(None, _ASCII).decode(errors="replace")):
        return data.translate(_ENGLISH).decode()
    text = signs.other.sub(_SIGN, text.casefold())
    if signs.mark.search(text):
        text = signs.pile.sub(r"\1", signs.stray.sub(_SIGN, text))  # Piles of marks cost the square of their height.
    return _SPACE.sub(" ", unicodedata.normalize("NFC", text))
