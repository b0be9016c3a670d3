"""One explained prediction in words, for a terminal: the parts of the post by their effect, the picture as a grid."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from siaga.post import Prediction

MOST_WORDS = 15
LONGEST_BAR, LONGEST_NAME = 24, 40
_JOINER = "\u200d"  # It makes one sign of several emoji.
Explained = Mapping[str, Any]  # Any: an explanation, or a part of it, as plain values.


def in_words(prediction: Prediction) -> str:
    """Return what was answered, and what of the post speaks for it (+) and against it (-), the strongest first.

    The prediction must be explained.
    """
    found: Explained = prediction.explanation or {}
    strongest = sorted(found["words"], key=lambda word: -abs(word["effect"]))
    rows = {
        "words" if found["words_each"] == 1 else f"words, {found['words_each']} at a time": [
            (word["text"], word["effect"]) for word in strongest[:MOST_WORDS]
        ],
        "fields": found["fields"].items(),
        "modalities": found["modalities"].items(),
        "members": found["members"].items(),
    }
    head = f"{prediction.label}, probability {found['probability']:.3f}"
    error = [prediction.error] if prediction.error else []
    about = (
        ["What its log-odds lose when a part is taken away: + speaks for it, - against it."]
        if any(rows.values())
        else []
    )
    blocks = [_bars(title, list(effects)) for title, effects in rows.items()]
    return "\n".join([head, *error, *about, *filter(None, [*blocks, _grid(found["patches"])])])


def _bars(title: str, rows: Sequence[tuple[str, float]]) -> str:
    """Return a line for each effect: its figure, its bar, its name."""
    most = max((abs(effect) for _, effect in rows), default=0.0) or 1.0
    lines = [f"  {effect:+7.2f}  {_bar(effect / most):{LONGEST_BAR}}  {_printable(name)}" for name, effect in rows]
    return "\n".join([f"\n{title}", *lines]) if rows else ""


def _bar(share: float) -> str:
    return ("+" if share > 0 else "-") * round(abs(share) * LONGEST_BAR)


def _grid(patches: Sequence[Explained]) -> str:
    """Return the picture as rows of signs: two for an effect of at least half of the strongest, one from an eighth."""
    most = max((abs(patch["effect"]) for patch in patches), default=0.0) or 1.0
    rows = [_signs(row, most) for _, row in groupby(patches, key=lambda patch: patch["top"])]
    return "\n".join([f"\npicture, strongest patch {most:.2g}", *rows]) if rows else ""


def _signs(row: Iterable[Explained], most: float) -> str:
    shares = [patch["effect"] / most for patch in row]
    signs = [
        "." if abs(share) < 1 / 8 else ("+" if share > 0 else "-") * (1 + (abs(share) >= 1 / 2)) for share in shares
    ]
    return "  " + " ".join(f"{sign:2}" for sign in signs).rstrip()


def _printable(name: str) -> str:
    shown = "".join(sign if sign.isprintable() or sign == _JOINER else "�" for sign in name)
    return shown if len(shown) <= LONGEST_NAME else f"{shown[: LONGEST_NAME - 1]}…"
