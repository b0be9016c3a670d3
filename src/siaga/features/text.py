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
_PERCENT_CODES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_NUMBER = re.compile(r"\d(?:[\d.,]*\d)?")
_URL = re.compile(r"https?://\S*|\bwww\.\S+|\bpic\.twitter\.com/\S*", re.IGNORECASE)
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u2300-\u23ff\ufe0f\u20e3\u200d\U000e0020-\U000e007f]+",
)
_UNNAMED = re.compile("[\ufe0f\u20e3\u200d\U000e0020-\U000e007f\U0001f3fb-\U0001f3ff]")
_CLUSTERS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u309f\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_LONG_ENTITY = re.compile(r"&#[0-9]{8,};?")
_SPACE = re.compile(r"\s+")


def clean_text(text: str, cleaning: Cleaning) -> str:
    """Return `text` as a classifier reads it; may be empty. Takes time linear in the text's length."""
    text = _normal_form(text, "NFC")
    if cleaning.urls == "drop":
        text = _URL.sub(" ", text)
    if cleaning.percent_codes:
        text = _composed(_PERCENT_CODES.sub(_undone, text), "NFC")
    if cleaning.mentions == "drop":
        text = _words().mention.sub(" ", text)
    text = _words().hashtag.sub(lambda match: _hashtag(match[1], cleaning), text)
    if cleaning.emoji != "keep":
        text = _EMOJI.sub(_name_of_each if cleaning.emoji == "name" else " ", text)
    if cleaning.numbers != "keep":
        text = _NUMBER.sub("0" if cleaning.numbers == "mask" else " ", text)
    if cleaning.lower:
        text = text.lower()
    return _SPACE.sub(" ", text).strip()


def hashtags(text: str) -> list[str]:
    """Return the hashtags of a text without their sign, in order, as written (entities undone)."""
    return _words().hashtag.findall(_normal_form(text, "NFC"))


def word_spans(text: str) -> list[tuple[int, int]]:
    """Return where the words of a raw text start and end, in order.

    Words part as by the default rules of Unicode (UAX #29): an apostrophe or a point between letters parts nothing,
    and scripts without spaces part at every sign. A link, a mention, a hashtag and a row of emoji are one word each.
    """
    return [match.span() for match in _words().word.finditer(text)]


def clean_hashtags(text: str, cleaning: Cleaning) -> list[str]:
    """Return the hashtags of a raw text as a classifier reads them on their own: each as words, whatever is kept."""
    alone = cleaning.model_copy(update={"hashtags": "word"})
    found = (clean_text(_hashtag(tag, alone), alone) for tag in hashtags(text))
    return [tag for tag in found if tag]


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
    word: re.Pattern[str]


@cache
def _words() -> _Words:
    everything = "".join("m" if unicodedata.category(chr(i)) in ("Mn", "Mc") else "-" for i in range(0x1F000))
    marks = "".join(f"{chr(run.start())}-{chr(run.end() - 1)}" for run in re.finditer("m+", everything))
    marks += "\uff9e\uff9f"  # These two become marks in NFKC.
    run = rf"(?:(?![{_CLUSTERS}])[\w{marks}])+"
    one = rf"{run}(?:(?:['’.]|(?<=\d),(?=\d)){run})*|[{_CLUSTERS}][{marks}]*"
    return _Words(
        word=re.compile(rf"{_URL.pattern}|{_EMOJI.pattern}|(?<!\w)[@#][\w{marks}]+|{one}", re.IGNORECASE),
        mention=re.compile(rf"(?<!\w)@[\w{marks}]+"),
        hashtag=re.compile(rf"(?<!\w)#([\w{marks}]+)"),
        gap=re.compile(rf"[^\w{marks}]+[{marks}]*"),
        pile=re.compile(rf"([{marks}]{{30}})[{marks}]+"),
    )


def _normal_form(text: str, form: Literal["NFC", "NFKC"]) -> str:
    if "&" in text:
        text = html.unescape(_LONG_ENTITY.sub("\ufffd", text))
    return _composed(text, form)


def _composed(text: str, form: Literal["NFC", "NFKC"]) -> str:
    return text if text.isascii() else unicodedata.normalize(form, _words().pile.sub(r"\1", text))


def _undone(codes: re.Match[str]) -> str:
    """Return what percent codes spell in UTF-8; those that spell nothing stay as they are."""
    written, spelt, at = codes[0], [], 0
    for letter in bytes.fromhex(written.replace("%", "")).decode(errors="surrogateescape"):
        is_stray = "\udc80" <= letter <= "\udcff"
        spelt.append(written[at : at + 3] if is_stray else letter)
        at += 3 if is_stray else 3 * len(letter.encode())
    return "".join(spelt)


def _name_of_each(emoji: re.Match[str]) -> str:
    """Return the names of emoji as words; a flag is named by its letters."""
    names = (unicodedata.name(sign, " ") for sign in _UNNAMED.sub("", emoji[0]))
    words = (name.lower().replace("-", " ").removeprefix("regional indicator symbol letter ") for name in names)
    return f" {''.join(word if len(word) == 1 else f' {word} ' for word in words)} "


def _hashtag(tag: str, cleaning: Cleaning) -> str:
    for word in cleaning.hashtag_words:
        if tag.lower().startswith(word.lower()):
            return word
    match cleaning.hashtags:
        case "drop":
            return " "
        case "word":
            return _parted(tag) if cleaning.split_hashtags else tag
        case "keep":
            return f"#{tag}"


def _parted(tag: str) -> str:
    """Return a hashtag with a space wherever a word of it seems to begin: ForestFire, USAToday, forest_fire."""
    letters = tag.replace("_", " ")
    parted = [letters[:1]]
    for before, letter, after in zip(letters, letters[1:], letters[2:] + " ", strict=False):
        begins = letter.isupper() and (before.islower() or (before.isupper() and after.islower()))
        parted.append(f" {letter}" if begins else letter)
    return "".join(parted)
