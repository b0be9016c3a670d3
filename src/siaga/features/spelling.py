"""The words of many texts as they are read, numbered as they are first met, and all renumbered by a vocabulary."""

import tempfile
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import IO

import numpy as np

from siaga.features.documents import IN_MEMORY, Documents, mapped, no_room, offsets_of, room_for
from siaga.features.vocabulary import Pair, Vocabulary, join
from siaga.features.word_streams import Pairs, pairs_of, renumbered, stream_of


@dataclass(frozen=True)
class Spelt:
    """Texts as they were read: `documents` holds numbers of `words`, which stand in the order first met."""

    documents: Documents
    words: list[str]


class Speller:
    """Collects the words of texts as numbers, text by text; beyond 64 MB they wait on disk."""

    def __init__(self) -> None:
        self._numbers = _Numbers()
        self._lengths = array("q")
        self._tokens = array("i")
        self._file: IO[bytes] | None = None

    def add(self, words: Sequence[str]) -> None:
        """Append one text. Raises DataError where the disk is full."""
        self._lengths.append(len(words))
        self._tokens.extend(map(self._numbers.__getitem__, words))
        if len(self._tokens) * self._tokens.itemsize > IN_MEMORY:
            self._file = self._file or tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open for texts to come.
            self._flush(self._file)

    def spelt(self) -> Spelt:
        """Return all texts that were added; no more can be added then."""
        offsets = offsets_of(np.array(self._lengths, dtype=np.int64))
        tokens = np.array(self._tokens, dtype=np.int32)
        if self._file is not None:
            self._flush(self._file)
            with self._file:
                tokens = mapped(self._file, int(offsets[-1]))
        return Spelt(Documents(tokens, offsets), list(self._numbers))

    def _flush(self, file: IO[bytes]) -> None:
        left = memoryview(self._tokens).cast("B")
        try:
            while left:
                left = left[file.write(left) :]
        except OSError as error:
            file.close()
            raise no_room(error) from None
        self._tokens = array("i")


def numbered_pairs(words: Sequence[str], pairs: Iterable[Pair]) -> tuple[Pairs, list[str]]:
    """Return those pairs whose words are both among `words`, by number, and each as one word."""
    numbers = {word: number for number, word in enumerate(words)}
    found = sorted((numbers[a], numbers[b], join((a, b))) for a, b in pairs if a in numbers and b in numbers)
    return pairs_of(len(words), ((first, second) for first, second, _ in found)), [phrase for _, _, phrase in found]


def recode(spelt: Spelt, vocabulary: Vocabulary) -> Documents:
    """Return the same texts as numbers of the vocabulary's words: what `Vocabulary.encode` gives for each."""
    pairs, phrases = numbered_pairs(spelt.words, vocabulary.phrases)
    numbers = np.array([vocabulary.numbers.get(unit, -1) for unit in (*spelt.words, *phrases)], dtype=np.int32)
    tokens = room_for(len(spelt.documents.tokens))
    offsets = offsets_of(renumbered(stream_of(spelt.documents), pairs, numbers, tokens))
    return Documents(tokens[: offsets[-1]], offsets)


class _Numbers(dict[str, int]):
    """Numbers in the order in which they are asked for."""

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        return number
