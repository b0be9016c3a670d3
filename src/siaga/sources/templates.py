"""Sentences from templates: a slot in braces is filled by one of its phrases, which may name slots again."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

Phrases = Mapping[str, Sequence[str]]

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_SLOT = re.compile(r"\{(\w+)\}")


def fill(template: str, phrases: Phrases, rng: np.random.Generator) -> str:
    """Return the template with its slots filled by chance; `{number}` is one from 2 to 99. Raises KeyError.

    The same state of `rng` gives the same sentence.
    """

    def chosen(slot: re.Match[str]) -> str:
        if slot[1] == "number":
            return str(rng.integers(2, 100))
        return fill(pick(phrases[slot[1]], rng), phrases, rng)

    return _SLOT.sub(chosen, template)


def pick(phrases: Sequence[str], rng: np.random.Generator) -> str:
    """Return one of the phrases, each as likely."""
    return phrases[int(rng.integers(len(phrases)))]


def letters(length: int, rng: np.random.Generator) -> str:
    """Return so many letters and digits, as in a name or a short link."""
    return "".join(_LETTERS[i] for i in rng.integers(len(_LETTERS), size=length))
