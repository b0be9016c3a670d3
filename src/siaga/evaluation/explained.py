"""An explanation as the page prints it: the text in pieces, patches over the picture, bars for the larger parts."""

from collections.abc import Mapping, Sequence
from typing import Any

from siaga.post import Post

LEAST = 0.1  # Nats; effects that are all below it stay pale.
FAINT, SIGNED = 0.05, 0.25  # Of the strongest effect: a fainter one has no colour, and a weaker word no sign.
LONGEST_VALUE = 24
Explained = Mapping[str, Any]  # Any: values of report.json.
Shown = dict[str, Any]  # Any: what the template prints.


def shown_explanation(post: Post, explanation: Explained, *, longest: int) -> Shown:
    """Return `label`, the `pieces` of the post's text (cut to `longest`), the `patches` and the `bars`.

    Each has its `effect`, its `strength` (0 to 1: its size beside the strongest of its kind) and its `side`: "for",
    "against", or "" where it has hardly an effect.
    """
    parts = [*explanation["modalities"].items()]
    parts += [(f"{name}: {_cut(post.fields[name])}", effect) for name, effect in explanation["fields"].items()]
    parts += [(f"member {name}", effect) for name, effect in explanation["members"].items()]
    sizes = [{"name": name, "effect": effect} for name, effect in parts]
    return {
        "label": explanation["label"],
        "words_each": explanation["words_each"],
        "pieces": _pieces(post.text or "", _weighed(explanation["words"]), longest),
        "patches": _weighed(explanation["patches"]),
        "bars": _weighed(sizes),
    }


def _cut(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else f"{value[: LONGEST_VALUE - 1]}…"


def _weighed(parts: Sequence[Explained]) -> list[Shown]:
    most = max([LEAST, *(abs(part["effect"]) for part in parts)])
    return [{**part, **_weight(part["effect"] / most)} for part in parts]


def _weight(share: float) -> Shown:
    side = "" if abs(share) < FAINT else "for" if share > 0 else "against"
    return {"strength": abs(share), "side": side, "is_signed": abs(share) >= SIGNED}


def _pieces(text: str, words: Sequence[Shown], longest: int) -> list[Shown]:
    """Return the words and what stands between them, in order."""
    pieces, at = [], 0
    for word in words:
        if word["end"] > longest:
            break
        pieces += [{"text": text[at : word["start"]], "side": ""}, word]
        at = word["end"]
    rest = text[at:] if len(text) <= longest else text[at:longest].rstrip() + "…"
    return [piece for piece in [*pieces, {"text": rest, "side": ""}] if piece["text"]]
