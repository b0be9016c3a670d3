"""What a text sums up to by a list of words, worked out slowly and plainly: character by character, entry by entry."""

import unicodedata
from collections.abc import Mapping

BREAK = "\0"


def reference_score(text: str, entries: Mapping[str, int]) -> int | None:
    """Return the sum over a text, or None if no entry is in it; `entries` are in lower case, NFC, with `'` for `’`."""
    units = units_of(without_links(folded(text)))
    found, i = [], 0
    while i < len(units):
        longest = max((n for n in range(1, len(units) - i + 1) if "".join(units[i : i + n]) in entries), default=0)
        if longest and is_word(units[i]):
            found.append(entries["".join(units[i : i + longest])])
        i += longest or 1
    return sum(found) if found else None


def folded(text: str) -> str:
    """Return a text without case, its letters composed; a mark that stands on no letter, or is rare, is a break."""
    plain = without_stray_marks(text.replace("’", "'").casefold())
    return without_stray_marks(unicodedata.normalize("NFC", plain))


def without_stray_marks(text: str) -> str:
    kept = ""
    for sign in text:
        is_stray = unicodedata.category(sign) in ("Mn", "Mc") and not (is_mark(sign) and is_part(kept[-1:]))
        kept += BREAK if is_stray else sign
    return kept


def without_links(text: str) -> str:
    """Put a break in the place of each link."""
    kept, i = "", 0
    while i < len(text):
        before = text[i - 1] if i else " "
        is_bare = text.startswith("www.", i) and not (before.isascii() and (before.isalnum() or before == "_"))
        if text.startswith(("http://", "https://"), i) or is_bare:
            while i < len(text) and ("!" <= text[i] <= "~" or is_part(text[i])):
                i += 1
            kept += BREAK
        else:
            kept += text[i]
            i += 1
    return kept


def units_of(text: str) -> list[str]:
    """Return words, and between them a space for any white space, a hyphen, or a break for anything else."""
    kinds = [kind_of(sign, before=text[:i][-1:], after=text[i + 1 : i + 2]) for i, sign in enumerate(text)]
    units: list[str] = []
    for sign, kind in zip(text, kinds, strict=True):
        if kind == "w" and units and is_word(units[-1]):
            units[-1] += sign
        elif kind == "w":
            units.append(sign)
        elif not (kind == " " and units and units[-1] == " "):
            units.append({" ": " ", "-": "-"}.get(kind, BREAK))
    return joined_hyphens(units)


def kind_of(sign: str, *, before: str, after: str) -> str:
    """Return w for a part of a word, a space for white space, a hyphen, or ! for anything else."""
    if is_part(sign) or (sign == "'" and is_part(before) and is_part(after)):
        return "w"
    return " " if sign.isspace() else sign if sign == "-" else "!"


def is_part(sign: str) -> bool:
    """Whether a sign, if there is one, is a letter, a digit, _, @, or a mark."""
    return bool(sign) and (sign.isalnum() or sign in "_@" or is_mark(sign))


def is_mark(sign: str) -> bool:
    is_selector = "\ufe00" <= sign <= "\ufe0f"
    return unicodedata.category(sign) in ("Mn", "Mc") and sign < "\U00010000" and not is_selector


def is_word(unit: str) -> bool:
    return unit not in (" ", "-", BREAK)


def joined_hyphens(units: list[str]) -> list[str]:
    """A hyphen with white space or another hyphen beside it joins nothing."""
    around = [" ", *units, " "]
    lonely = [
        around[i] == "-" and not (is_word(around[i - 1]) and is_word(around[i + 1])) for i in range(1, len(around) - 1)
    ]
    return [BREAK if is_lonely else unit for unit, is_lonely in zip(units, lonely, strict=True)]
