"""Compiled loops over the words of texts: what stands where and how often, and words renumbered."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siaga.features.compiled import compiled
from siaga.features.documents import Documents

Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]

_FACTOR = 0x9E3779B97F4A7C15 - (1 << 64)  # Odd and without a pattern; products wrap around.


class Stream(NamedTuple):
    """The arrays of `Documents`, and the rows to read."""

    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]
    rows: NDArray[np.int64]


class Pairs(NamedTuple):
    """Pairs of words by number: `seconds[starts[w]:starts[w + 1]]`, rising, follow word w; starts is (words + 1,)."""

    starts: NDArray[np.int64]
    seconds: NDArray[np.int64]


class Table(NamedTuple):
    """Neighbours by the slot of their key, first · words + second: how often, in how many rows, and the last row."""

    keys: Counts
    counts: Counts
    posts: Counts
    last: Counts


def stream_of(documents: Documents, rows: Sequence[int] | NDArray[np.int64] | None = None) -> Stream:
    """Return these rows, or all, as the loops take them."""
    wanted = np.arange(len(documents)) if rows is None else np.asarray(rows)
    return Stream(documents.tokens, documents.offsets, wanted.astype(np.int64))


def pairs_of(n_words: int, pairs: Iterable[tuple[int, int]]) -> Pairs:
    """Return pairs, in rising order, of words from 0 to below `n_words`."""
    found = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    starts = np.searchsorted(found[:, 0], np.arange(n_words + 1)).astype(np.int64)
    return Pairs(starts, found[:, 1].copy())


def table_of(slots: int) -> Table:
    """Return an empty table; the slots are a power of two."""
    keys, counts = np.full((2, slots), -1, dtype=np.int64), np.zeros((2, slots), dtype=np.int64)
    return Table(keys[0], counts[0], counts[1], keys[1])


@compiled
def renumbered(
    stream: Stream, pairs: Pairs, numbers: NDArray[np.int32], tokens: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Fill `tokens` with the numbers of words and pairs that are known, and return how many each row has, (rows,).

    `numbers`, (words + pairs,), holds −1 for what is not known. Pairs are read from the left, and no word twice.
    """
    lengths = np.zeros(len(stream.rows), dtype=np.int64)
    filled = 0
    for i in range(len(stream.rows)):
        before = filled
        at, end = stream.offsets[stream.rows[i]], stream.offsets[stream.rows[i] + 1]
        while at < end:
            unit, width = _unit(stream.tokens, pairs, at, end)
            if numbers[unit] >= 0:
                tokens[filled] = numbers[unit]
                filled += 1
            at += width
        lengths[i] = filled - before
    return lengths


@compiled
def counted(stream: Stream, pairs: Pairs) -> tuple[Counts, Counts]:
    """Return in how many rows each word and then each pair stands, and how often in all: (words + pairs,) each."""
    n_units = len(pairs.starts) - 1 + len(pairs.seconds)
    posts, counts = np.zeros(n_units, dtype=np.int64), np.zeros(n_units, dtype=np.int64)
    last = np.full(n_units, -1, dtype=np.int64)
    for i in range(len(stream.rows)):
        at, end = stream.offsets[stream.rows[i]], stream.offsets[stream.rows[i] + 1]
        while at < end:
            unit, width = _unit(stream.tokens, pairs, at, end)
            counts[unit] += 1
            if last[unit] != i:
                last[unit] = i
                posts[unit] += 1
            at += width
    return posts, counts


@compiled
def posts_of_buckets(stream: Stream, is_common: Mask, n_buckets: int) -> NDArray[np.int32]:
    """Return in how many rows neighbours of each bucket stand, (buckets, a power of two): no pair of it in more."""
    posts = np.zeros(n_buckets, dtype=np.int32)
    last = np.full(n_buckets, -1, dtype=np.int64)
    for i in range(len(stream.rows)):
        for at in range(stream.offsets[stream.rows[i]] + 1, stream.offsets[stream.rows[i] + 1]):
            first, second = stream.tokens[at - 1], stream.tokens[at]
            if is_common[first] and is_common[second]:
                bucket = _slot(first * len(is_common) + second, n_buckets)
                if last[bucket] != i:
                    last[bucket] = i
                    posts[bucket] += 1
    return posts


@compiled
def neighbours(stream: Stream, is_common: Mask, is_open: Mask, table: Table) -> bool:
    """Fill an empty table with the neighbours of open buckets; False where it is too small, so that it is half full."""
    used, slots = 0, len(table.keys)
    for i in range(len(stream.rows)):
        for at in range(stream.offsets[stream.rows[i]] + 1, stream.offsets[stream.rows[i] + 1]):
            first, second = stream.tokens[at - 1], stream.tokens[at]
            key = first * len(is_common) + second
            if not (is_common[first] and is_common[second] and is_open[_slot(key, len(is_open))]):
                continue
            slot = _slot(key, slots)
            while table.keys[slot] >= 0 and table.keys[slot] != key:
                slot = (slot + 1) & (slots - 1)
            if table.keys[slot] < 0:
                table.keys[slot] = key
                used += 1
                if 2 * used > slots:
                    return False
            table.counts[slot] += 1
            if table.last[slot] != i:
                table.last[slot] = i
                table.posts[slot] += 1
    return True


@compiled
def _unit(tokens: NDArray[np.int32], pairs: Pairs, at: int, end: int) -> tuple[int, int]:
    """Return what begins at a place, a word or a pair (numbered after all words), and how many words it takes."""
    word, n_words = int(tokens[at]), len(pairs.starts) - 1
    low, high = pairs.starts[word], pairs.starts[word + 1]
    if low == high or at + 1 == end:
        return word, 1
    while high - low > 1:
        middle = (low + high) // 2
        if pairs.seconds[middle] <= tokens[at + 1]:
            low = middle
        else:
            high = middle
    return (n_words + int(low), 2) if pairs.seconds[low] == tokens[at + 1] else (word, 1)


@compiled
def _slot(key: int, slots: int) -> int:
    """Return the place of a key among a power of two of them."""
    return ((key * _FACTOR) >> 32) & (slots - 1)
