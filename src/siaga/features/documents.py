"""Texts as numbers of words, end to end in one array; beyond 64 MB it lies on disk."""

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from siaga.errors import DataError

IN_MEMORY = 64 << 20  # Bytes of an array that is held in memory; a larger one is a temporary file.
_AT_ONCE = 4096  # Texts that are copied at once.


@dataclass(frozen=True)
class Documents:
    """Texts as numbers of words: those of text i are `tokens[offsets[i]:offsets[i + 1]]`, in the order written.

    `tokens` is int32, (words in all,), and may be a map of a file; `offsets` is int64, (texts + 1,), from 0 up.
    """

    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        """Return how many texts there are."""
        return len(self.offsets) - 1

    @classmethod
    def of(cls, texts: Iterable[Sequence[int] | NDArray[np.int32] | NDArray[np.int64]]) -> Self:
        """Return the texts whose words have these numbers."""
        arrays = [np.asarray(text, dtype=np.int32) for text in texts]
        return cls(np.concatenate([np.empty(0, np.int32), *arrays]), offsets_of(list(map(len, arrays))))

    def lengths(self) -> NDArray[np.int64]:
        """Return how many words each text has, (texts,)."""
        return np.diff(self.offsets)

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> "Documents":
        """Return these texts, in this order; a text may be named twice."""
        wanted = np.asarray(rows, dtype=np.int64)
        offsets = offsets_of(self.lengths()[wanted])
        tokens = room_for(int(offsets[-1]))
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            goals = offsets[start : start + len(part) + 1]
            shifts = np.repeat(self.offsets[part] - goals[:-1], np.diff(goals))
            tokens[goals[0] : goals[-1]] = self.tokens[np.arange(goals[0], goals[-1]) + shifts]
        return Documents(tokens, offsets)

    def counts(self, n_words: int) -> csr_matrix:
        """Return how often each of `n_words` words stands in each text: sparse int32, (texts, n_words)."""
        ones = np.ones(len(self.tokens), dtype=np.int32)
        found = csr_matrix((ones, self.tokens.copy(), self.offsets.copy()), shape=(len(self), n_words))
        found.sum_duplicates()
        return found


def offsets_of(lengths: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where texts of these lengths begin, and where the last one ends: (texts + 1,)."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(np.asarray(lengths, dtype=np.int64))])


def room_for(count: int) -> NDArray[np.int32]:
    """Return an array for so many words, (count,), with any content; beyond 64 MB it maps a temporary file.

    The file has no name and vanishes with the array. Raises DataError where the disk has no room for it.
    """
    if 4 * count <= IN_MEMORY:
        return np.empty(count, dtype=np.int32)
    with tempfile.TemporaryFile() as file:
        try:
            _reserve(file, 4 * count)
        except OSError as error:
            raise no_room(error) from None
        return mapped(file, count)


def mapped(file: IO[bytes], count: int) -> NDArray[np.int32]:
    """Return the first numbers of a file as an array, (count,), which outlives the open file."""
    return np.asarray(np.memmap(file, np.int32, "r+", shape=(count,)))


def no_room(error: OSError) -> DataError:
    """Return why words cannot be put on disk."""
    what = f"The words of the posts cannot be put into {tempfile.gettempdir()}: {error.strerror}"
    return DataError(f"{what}. Make room there, or name another folder by the environment variable TMPDIR.")


def _reserve(file: IO[bytes], size: int) -> None:
    """Make a file so large; where the system can say so, at once, since a disk full later would end the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)
