"""Which words and phrases become known: by the posts they stand in, and by how often they are neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siaga.features.spelling import Spelt, numbered_pairs
from siaga.features.vocabulary import Pair, Vocabulary, join
from siaga.features.word_streams import (
    Counts,
    Mask,
    Stream,
    counted,
    neighbours,
    pairs_of,
    posts_of_buckets,
    stream_of,
    table_of,
)
from siaga.schema import Words

Facts = dict[str, Any]  # Any: JSON.

_BUCKETS = 1 << 22  # At most.
_SLOTS = 1 << 16  # Of the table of neighbours, at first.


def learn_vocabulary(
    spelt: Spelt, rows: Sequence[int] | NDArray[np.int64], spec: Words, start: Vocabulary | None = None
) -> tuple[Vocabulary, Facts]:
    """Return the words and phrases that stand in enough of these rows and not in too many, and what was left out.

    Words come by the number of posts they stand in, the most frequent first, then by the alphabet; those of `start`
    stay and keep their numbers. Neighbours are a phrase from `spec.phrases` NPMI on if, read as one, they are a word
    that is known. Facts are `words`, `phrases`, `posts`, `tokens` (known words in these rows) and `left_out`, the
    words that are not known by the reason.
    """
    known = start or Vocabulary(())
    stream = stream_of(spelt.documents, rows)
    pairs = [] if spec.phrases is False else _close_neighbours(spelt, stream, spec.min_posts, spec.phrases)
    pairs = sorted(set(pairs) - set(known.phrases))
    while True:
        found = _standing(spelt, stream, [*known.phrases, *pairs])
        chosen, left_out = _chosen(found, spec, len(stream.rows), known)
        vocabulary = known.extended(chosen)
        kept = [pair for pair in pairs if join(pair) in vocabulary.numbers]
        if len(kept) == len(pairs):
            break
        pairs = kept  # The others are read as two words, which changes the counts.
    vocabulary = known.extended(chosen, pairs)
    sizes = {"words": len(vocabulary), "phrases": len(vocabulary.phrases), "posts": len(stream.rows)}
    return vocabulary, {**sizes, "tokens": int(found.counts[found.among(vocabulary)].sum()), "left_out": left_out}


def npmi(both: Counts, first: Counts, second: Counts, *, n_words: int, n_pairs: int) -> NDArray[np.float64]:
    """Return the normalised pointwise mutual information of neighbours, (pairs,), from −1 to 1 (Bouma, 2009).

    `both` says how often the words of each pair follow each other among all `n_pairs` neighbours, `first` and
    `second` how often each stands among all `n_words` words.
    """
    together = both / n_pairs
    information = np.log(together * n_words / first * n_words / second)
    surprise = -np.log(together)
    found = np.divide(information, surprise, out=np.ones(len(both)), where=surprise > 0)
    return np.clip(found, -1.0, 1.0)


@dataclass(frozen=True)
class _Standing:
    """Words and phrases, in how many posts each stands, and how often."""

    units: list[str]
    posts: Counts
    counts: Counts

    def among(self, known: Vocabulary) -> Mask:
        """Return which of them a vocabulary has."""
        return np.fromiter(map(known.numbers.__contains__, self.units), dtype=bool, count=len(self.units))


def _standing(spelt: Spelt, stream: Stream, phrases: Sequence[Pair]) -> _Standing:
    pairs, joined = numbered_pairs(spelt.words, phrases)
    return _Standing([*spelt.words, *joined], *counted(stream, pairs))


def _chosen(found: _Standing, spec: Words, n_posts: int, known: Vocabulary) -> tuple[list[str], dict[str, int]]:
    """Return the new words in their order, and how many are left out and why."""
    is_new = (found.posts > 0) & ~found.among(known)
    is_frequent = is_new & (found.posts >= spec.min_posts)
    is_fitting = is_frequent & (found.posts <= spec.max_share * n_posts)
    fitting = sorted((-int(found.posts[i]), found.units[i]) for i in np.flatnonzero(is_fitting))
    chosen = fitting[: max(0, spec.most - len(known))]
    return [unit for _, unit in chosen], {
        "in too few posts": int(is_new.sum() - is_frequent.sum()),
        "in too many posts": int(is_frequent.sum() - is_fitting.sum()),
        "beyond the most": len(fitting) - len(chosen),
    }


def _close_neighbours(spelt: Spelt, stream: Stream, min_posts: int, least: float) -> list[Pair]:
    """Return the words that follow each other in `min_posts` posts, at least, and reach the least NPMI.

    So that the table of neighbours stays small, those of buckets that stand in too few posts are not counted
    (Park, Chen & Yu, 1995).
    """
    posts, counts = counted(stream, pairs_of(len(spelt.words), []))
    is_common = posts >= min_posts
    enough = 2 << int(counts.sum()).bit_length()
    is_open = posts_of_buckets(stream, is_common, min(_BUCKETS, enough)) >= min_posts
    slots = min(_SLOTS, enough)
    while not neighbours(stream, is_common, is_open, table := table_of(slots)):
        slots *= 4
    is_frequent = table.posts >= min_posts
    keys, both = table.keys[is_frequent], table.counts[is_frequent]
    first, second = np.divmod(keys, max(1, len(spelt.words)))
    n_pairs = np.maximum(np.diff(stream.offsets)[stream.rows] - 1, 0).sum()
    score = npmi(both, counts[first], counts[second], n_words=int(counts.sum()), n_pairs=int(n_pairs))
    close = score >= least
    return [(spelt.words[a], spelt.words[b]) for a, b in zip(first[close], second[close], strict=True)]
