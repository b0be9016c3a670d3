"""Prints of texts: equal where the texts count as the same, and short whatever the text."""

import unicodedata
from functools import cache
from hashlib import blake2b

from siaga.features.text import normalised

_GAPS = "“”„–—‐…•’‘€"  # Beyond Latin-1, and each of them parts words.
_HARD = 0  # The byte of a sign of Latin-1 whose normal form is not one such sign.
_TELLING = ("&", "http", "www.", "pic.twitter.com/")


def text_print(text: str) -> str:
    """Return 32 hexadecimal digits that two texts share where their `normalised` forms are equal, and only there.

    The normal form of a text of plain Latin letters is found by a table, many times faster than by `normalised`.
    """
    form = _plain_form(text) or normalised(text).encode("utf-8", "surrogatepass")
    return blake2b(form, digest_size=16).hexdigest()


def _plain_form(text: str) -> bytes | None:
    """Return the normal form in UTF-8; None for what the table cannot tell, nothing where no letter is left."""
    if not text.isascii():
        for gap in _GAPS:
            if gap in text:
                text = text.replace(gap, " ")
    lower = text.lower()
    if any(sign in lower for sign in _TELLING):
        return None
    try:
        coded = lower.encode("latin-1").translate(_latin_1())
    except UnicodeEncodeError:
        return None
    form = b" ".join(coded.split())
    if _HARD in form:
        return None
    return form if form.isascii() else form.decode("latin-1").encode()


@cache
def _latin_1() -> bytes:
    return bytes(_normal_byte(chr(i)) for i in range(256))


def _normal_byte(sign: str) -> int:
    """Return the byte of a sign's normal form, a space for what parts words, `_HARD` for what is more than a sign."""
    form = unicodedata.normalize("NFKC", sign).casefold()
    if not any(part.isalnum() or unicodedata.combining(part) for part in form):
        return ord(" ")
    return ord(form) if len(form) == 1 and form.isalnum() and ord(form) < 256 else _HARD
