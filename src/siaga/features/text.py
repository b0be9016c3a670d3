"""Text cleaning: entities undone, links, mentions, hashtags and emoji treated as the recipe says."""

import html
import re
import unicodedata
from functools import cache
from typing import Literal, NamedTuple

from siaga.schema import Cleaning

# Every pattern is a few literals and one character class under one quantifier, so matching takes linear time on any
# text. What normalisation costs grows with the square of the combining marks in a row, so these are cut to 30, as in
# Unicode's stream-safe format (UAX #15, section 13).
_URL = re.compile(r"https?://\S*|\bwww\.\S+|\bpic\.twitter\.com/\S*", re.IGNORECASE)
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u2300-\u23ff\ufe0f\u20e3\u200d\U000e0020-\U000e007f]+",
)
_LONG_ENTITY = re.compile(r"&#[0-9]{8,};?")
_SPACE = re.compile(r"\s+")


def clean_text(text: str, cleaning: Cleaning) -> str:
    """Return `text` as a classifier reads it; may be empty. Takes time linear in the text's length."""
    text = _normal_form(text, "NFC")
    if cleaning.urls == "drop":
        text = _URL.sub(" ", text)
    if cleaning.mentions == "drop":
        text = _words().mention.sub(" ", text)
    text = _words().hashtag.sub(lambda match: _hashtag(match[1], cleaning), text)
    if cleaning.emoji == "drop":
        text = _EMOJI.sub(" ", text)
    if cleaning.lower:
        text = text.lower()
    return _SPACE.sub(" ", text).strip()


def hashtags(text: str) -> list[str]:
    """Return the hashtags of a text without their sign, in order, as written (entities undone)."""
    return _words().hashtag.findall(_normal_form(text, "NFC"))


def normalised(text: str) -> str:
    """Return what two texts must share to count as the same: letters and digits, case and links aside.

    A text without any letter or digit is its own normal form (white space folded).
    """
    text = _normal_form(text, "NFKC")
    plain = " " + _URL.sub(" ", text.casefold()).replace("_", " ")
    words = _words().gap.sub(" ", plain).strip()
    return words or _SPACE.sub(" ", text).strip()


class _Words(NamedTuple):
    """The patterns that know what a word is: letters, digits, and in many scripts marks upon them."""

    mention: re.Pattern[str]
    hashtag: re.Pattern[str]
    gap: re.Pattern[str]
    pile: re.Pattern[str]


@cache
def _words() -> _Words:
    everything = "".join("m" if unicodedata.category(chr(i)) in ("Mn", "Mc") else "-" for i in range(0x1F000))
    marks = "".join(f"{chr(run.start())}-{chr(run.end() - 1)}" for run in re.finditer("m+", everything))
    marks += "\uff9e\uff9f"  # These two become marks in NFKC.
    return _Words(
        mention=re.compile(rf"(?<!\w)@[\w{marks}]+"),
        hashtag=re.compile(rf"(?<!\w)#([\w{marks}]+)"),
        gap=re.compile(rf"[^\w{marks}]+[{marks}]*"),
        pile=re.compile(rf"([{marks}]{{30}})[{marks}]+"),
    )


def _normal_form(text: str, form: Literal["NFC", "NFKC"]) -> str:
    if "&" in text:
        text = html.unescape(_LONG_ENTITY.sub("\ufffd", text))
    return text if text.isascii() else unicodedata.normalize(form, _words().pile.sub(r"\1", text))


def _hashtag(tag: str, cleaning: Cleaning) -> str:
    for word in cleaning.hashtag_words:
        if tag.lower().startswith(word.lower()):
            return word
    match cleaning.hashtags:
        case "drop":
            return " "
        case "word":
            return tag
        case "keep":
            return f"#{tag}"
