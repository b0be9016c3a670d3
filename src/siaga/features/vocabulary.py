"""The words that are known: chosen by the posts they stand in, with pairs of words that are read as one."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

JOINT = "_"  # No word holds one, so that a phrase is never taken for a word.

Pair = tuple[str, str]


@dataclass(frozen=True)
class Vocabulary:
    """Words by their number, phrases among them as `new_york`, and the pairs of words that are read as one.

    Every phrase is among the words.
    """

    words: tuple[str, ...]
    phrases: tuple[Pair, ...] = ()

    def __len__(self) -> int:
        """Return how many words are known."""
        return len(self.words)

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """The number of each word."""
        return {word: number for number, word in enumerate(self.words)}

    def encode(self, words: Sequence[str]) -> list[int]:
        """Return the numbers of the words that are known; of words that could pair twice the first two do."""
        known = self.numbers
        return [number for word in self._joined(words) if (number := known.get(word)) is not None]

    def extended(self, words: Iterable[str], phrases: Iterable[Pair] = ()) -> Self:
        """Return a vocabulary that knows more: the words of this one keep their numbers, new ones come after them."""
        return type(self)(tuple(dict.fromkeys([*self.words, *words])), tuple(dict.fromkeys([*self.phrases, *phrases])))

    def to_dict(self) -> dict[str, Any]:  # Any: JSON.
        """Return the words and the pairs, for JSON."""
        return {"words": list(self.words), "phrases": [list(pair) for pair in self.phrases]}

    @classmethod
    def from_dict(cls, found: object) -> Self:
        """Return what `to_dict` wrote. Raises ValueError for anything else."""
        match found:
            case {"words": list(words), "phrases": list(phrases), **others} if not others:
                pairs = tuple(map(_pair, phrases))
            case _:
                raise ValueError("it is not an object of words and phrases")
        if not all(isinstance(word, str) and word for word in words) or len(set(words)) < len(words):
            raise ValueError("its words are not texts that differ")
        if not {join(pair) for pair in pairs} <= set(words) or len(set(pairs)) < len(pairs):
            raise ValueError("its phrases are not among its words, or stand twice")
        return cls(tuple(words), pairs)

    @cached_property
    def _seconds(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for first, second in self.phrases:
            found[first].add(second)
        return {first: frozenset(seconds) for first, seconds in found.items()}

    def _joined(self, words: Sequence[str]) -> Sequence[str]:
        """Return the words with each pair that is a phrase as one."""
        seconds = self._seconds
        if seconds.keys().isdisjoint(words):
            return words
        joined: list[str] = []
        first = ""  # The word that may still find its second one.
        for word in words:
            if first and word in seconds.get(first, ()):
                joined[-1], first = join((first, word)), ""
            else:
                joined.append(word)
                first = word
        return joined


def join(pair: Pair) -> str:
    """Return a phrase as one word."""
    return JOINT.join(pair)


def _pair(found: object) -> Pair:
    match found:
        case [str(first), str(second)] if first and second:
            return first, second
        case _:
            raise ValueError("its phrases are not pairs of words")
