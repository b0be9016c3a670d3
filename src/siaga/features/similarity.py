"""Pairs of near-equal texts (MinHash, verified) and pictures (difference hashes), found without trying all pairs."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray

Pairs = NDArray[np.int64]
Words = NDArray[np.uint64]

MIN_JACCARD = 0.8
MAX_BITS = 4
_GRAM = 4  # Characters of a shingle.
_READ = 10_000  # Characters of a text that are compared.
_BANDS, _ROWS = 16, 4  # A pair with a Jaccard index of .8 shares a band with probability .9998.
_NEIGHBOURS = 16  # Within a crowded bucket a text is compared with so many that follow it in the alphabet.
_CHUNK = 1 << 17  # Characters whose shingles are hashed at once: small enough for the processor's cache.


def similar_texts(texts: Sequence[str]) -> Pairs:
    """Return pairs of rows, (m, 2), that link all distinct texts whose shingles have a Jaccard index of at least .8.

    What is linked already, by a chain of pairs, is not named again. Shingles are of four characters, of the first
    10,000; candidates come from MinHash with banding (A. Broder, 1997; Leskovec, Rajaraman & Ullman, 2014, ch. 3) and
    are verified. The links do not depend on the order of the texts, which have at least four characters.
    """
    order = np.array(sorted(range(len(texts)), key=lambda i: texts[i]), dtype=np.int64)
    ordered = [texts[i][:_READ] for i in order]
    signatures = _signatures(ordered)
    found = [_bucket_pairs(_mixed(signatures[:, b : b + _ROWS])) for b in range(0, _BANDS * _ROWS, _ROWS)]
    candidates = _distinct(found)
    likely = [
        part[(signatures[part[:, 0]] == signatures[part[:, 1]]).mean(axis=1) >= MIN_JACCARD - 0.2]
        for part in np.array_split(candidates, 1 + len(candidates) // 100_000)
    ]
    verified = _verified(ordered, np.concatenate(likely))
    return np.sort(order[verified], axis=1)


def similar_pictures(hashes: Words) -> Pairs:
    """Return every pair of rows, (m, 2), whose 64-bit hashes differ in at most four bits.

    Of five bands of bits one must be equal when four bits differ, so only pairs that share a band are compared.
    """
    shifts = [0, 13, 26, 39, 52]
    found = [
        pairs[np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]]) <= MAX_BITS]
        for shift in shifts
        for pairs in _sharing((hashes >> np.uint64(shift)) & np.uint64((1 << 13) - 1))
    ]
    return _distinct([np.empty((0, 2), dtype=np.int64), *found])


def _signatures(texts: Sequence[str]) -> Words:
    """Return the MinHash signatures, (n, 64), of texts of at least four characters."""
    random = np.random.default_rng(0)  # A fixed family of hash functions; no choice of the user.
    factors = random.integers(1 << 63, size=_BANDS * _ROWS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    masks = random.integers(1 << 63, size=_BANDS * _ROWS, dtype=np.uint64)
    signatures = np.empty((len(texts), len(factors)), dtype=np.uint64)
    for start, end in _chunks(texts):
        shingles, offsets = _shingles(texts[start:end])
        for column, (factor, mask) in enumerate(zip(factors, masks, strict=True)):
            signatures[start:end, column] = np.minimum.reduceat((shingles ^ mask) * factor, offsets)
    return signatures


def _chunks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the bounds of runs of texts of about `_CHUNK` characters."""
    start = size = 0
    for i, text in enumerate(texts):
        size += len(text)
        if size >= _CHUNK or i + 1 == len(texts):
            yield start, i + 1
            start, size = i + 1, 0


def _shingles(texts: Sequence[str]) -> tuple[Words, NDArray[np.int64]]:
    """Return the hashed shingles of all texts, end to end, and where each text's begin."""
    lengths = np.array([len(text) for text in texts])
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    owners = np.repeat(np.arange(len(texts)), lengths)
    grams = np.stack([codes[i : len(codes) - _GRAM + 1 + i] for i in range(_GRAM)], axis=1)
    inside = owners[: len(grams)] == owners[_GRAM - 1 :]
    counts = lengths - _GRAM + 1
    return _mixed(grams[inside]), np.concatenate([[0], np.cumsum(counts)[:-1]])


def _mixed(rows: Words) -> Words:
    """Return one well-mixed number a row, (n,), of (n, k) numbers."""
    mixed = np.zeros(len(rows), dtype=np.uint64)
    for column in rows.T:
        mixed = (mixed ^ column) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(32)
    return mixed


def _bucket_pairs(keys: Words) -> Pairs:
    """Return pairs of rows with equal keys, each row with at most `_NEIGHBOURS` that follow it."""
    pairs: Pairs = np.concatenate([np.empty((0, 2), dtype=np.int64), *islice(_sharing(keys), _NEIGHBOURS)])
    return pairs


def _sharing(keys: Words) -> Iterator[Pairs]:
    """Yield every pair of rows with equal keys, by growing distance among the sorted rows; at most n pairs at once."""
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    left = np.arange(len(keys))
    distance = 1
    while len(left := left[left + distance < len(keys)]):
        left = left[keys[left] == keys[left + distance]]
        if len(left):
            yield np.stack([order[left], order[left + distance]], axis=1)
        distance += 1


def _distinct(pairs: Sequence[Pairs]) -> Pairs:
    """Return the pairs in order, each once; np.unique sorts numbers much faster than rows."""
    coded = np.unique(np.concatenate([(part[:, 0] << 32) | part[:, 1] for part in pairs]))
    return np.stack([coded >> 32, coded & 0xFFFFFFFF], axis=1)


def _verified(texts: Sequence[str], pairs: Pairs) -> Pairs:
    """Return the pairs that are alike, passing over those that earlier pairs have linked already."""
    heads = list(range(len(texts)))

    def head(row: int) -> int:
        while heads[row] != row:
            heads[row] = row = heads[heads[row]]
        return row

    @cache
    def shingles(row: int) -> frozenset[str]:
        return frozenset(texts[row][i : i + _GRAM] for i in range(len(texts[row]) - _GRAM + 1))

    kept = []
    for a, b in pairs.tolist():
        if (first := head(a)) != (second := head(b)) and _jaccard(shingles(a), shingles(b)) >= MIN_JACCARD:
            heads[second] = first
            kept.append((a, b))
    return np.array(kept, dtype=np.int64).reshape(-1, 2)


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)
