"""What counts as the same post: equal ones that must not be parted, near-equal ones, and those with other labels.

Two posts are *tied* (exact duplicates) when they repeat a text or a picture: equal normalised texts, or equal decoded
pixels. Ties are passed on, so a group holds whatever is linked by a chain of them, and neither a text nor a picture
can stand in two groups. One exception: a short text (below 20 letters, digits and spaces), such as "banjir!", is what
many people write by themselves; it ties posts without a picture, but not posts whose pictures differ.
*Near* groups are linked by near-equal texts or pictures as well. Posts that are equal as a whole, text and picture,
are *the same*; only these contradict each other by their labels.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from siaga.errors import ImageError
from siaga.features.similarity import Pairs, similar_pictures, similar_texts
from siaga.features.text import normalised
from siaga.post import Picture, Pixels, Post

Groups = NDArray[np.int64]

LISTED_GROUPS, LISTED_POSTS, LISTED_TEXT = 50, 20, 200
_ORDER = ("posts", "train", "validation", "test", "unlabelled")
_SHORT = 20  # A normalised text with fewer characters is no evidence of copying.
_SMALL = 32  # A picture below so many pixels a side (a drawn digit) is too coarse for an outline of 9 × 8 cells.
_QUICK_BYTES = 16 << 10  # A smaller file is decoded sooner than threads have taken turns over it.
_FEW_EDGES = 8  # Of 64 bits of outline: a picture with fewer set, or unset, is nearly of one colour.


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is compared of a post: normalised text, hash of the pixels, outline (difference hash), width and height.

    What is missing is None, and so is the outline of a picture that is too small for one. `fault` says why an image
    could not be decoded; it then counts as missing.
    """

    text: str | None = None
    pixels: bytes | None = None
    outline: int | None = None
    size: tuple[int, int] | None = None
    fault: str | None = None

    @property
    def content(self) -> bytes:
        """A hash of text and pixels: equal for posts that are the same, whatever their id, row or label."""
        text = (self.text or "").encode("utf-8", "surrogatepass")
        return blake2b(text + b"\0" + (self.pixels or b""), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Duplicates:
    """The group of each post, (n,) each: `same` posts are `exact` duplicates, and these are `near` ones as well."""

    same: Groups
    exact: Groups
    near: Groups


def fingerprints(posts: Sequence[Post], *, threads: int = 2) -> list[Fingerprint]:
    """Return one fingerprint a post; each distinct image is decoded once, large ones `threads` at a time."""
    seen: dict[Picture | None, Fingerprint] = {}
    large: dict[Picture, None] = {}
    for image in dict.fromkeys(post.image for post in posts):
        if isinstance(image, Path) or (isinstance(image, bytes) and len(image) > _QUICK_BYTES):
            large[image] = None
        else:
            seen[image] = _look(image)
    with ThreadPoolExecutor(threads) as pool:
        seen.update(zip(large, pool.map(_look, large), strict=True))
    return [
        Fingerprint(
            normalised(post.text) if post.text else None,
            *(picture.pixels, picture.outline, picture.size, picture.fault),
        )
        for post, picture in ((post, seen[post.image]) for post in posts)
    ]


def find_duplicates(prints: Sequence[Fingerprint]) -> Duplicates:
    """Return the groups of equal and of near-equal posts. Takes seconds for 60,000 posts."""
    n = len(prints)
    same = _ties(print_.content for print_ in prints)
    exact = [same, _ties(_text_key(print_) for print_ in prints), _ties(print_.pixels for print_ in prints)]
    near = [*exact, _near_texts(prints), _near_pictures(prints)]
    return Duplicates(_joined(n, [same]), _joined(n, exact), _joined(n, near))


def merged(groups: Groups, keys: Iterable[Hashable]) -> Groups:
    """Return the groups (n,) with those joined that share a key; None joins nothing."""
    return _joined(len(groups), [_ties(groups.tolist()), _ties(keys)])


def rows_by_group(groups: Groups) -> list[list[int]]:
    """Return the rows of each group of two posts or more."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    sizes = np.diff(starts, append=len(order))
    large = sizes > 1
    return [order[start : start + size].tolist() for start, size in zip(starts[large], sizes[large], strict=True)]


def contradictory(groups: Iterable[Sequence[int]], posts: Sequence[Post]) -> list[Sequence[int]]:
    """Return the groups whose posts carry more than one label; posts without a label do not count."""
    return [rows for rows in groups if len({posts[row].label for row in rows} - {None}) > 1]


def duplicate_facts(
    posts: Sequence[Post], splits: Sequence[str], duplicates: Duplicates
) -> dict[str, Any]:  # Any: JSON.
    """Return counts, and up to 50 listed groups each, of exact, near and contradictory duplicates, for JSON.

    `splits` names each post's split; `across` counts the groups that stand in two splits at once (of
    posts, train, validation, test, unlabelled; any other name is none of them). A near group holds
    posts that are not exact duplicates of each other; the posts of `contradictory` are the same as a whole.
    """
    exact = rows_by_group(duplicates.exact)
    near = [rows for rows in rows_by_group(duplicates.near) if len({duplicates.exact[row] for row in rows}) > 1]
    kinds: Mapping[str, Sequence[Sequence[int]]] = {
        "exact": exact,
        "near": near,
        "contradictory": contradictory(rows_by_group(duplicates.same), posts),
        "contradictory_near": contradictory(rows_by_group(duplicates.near), posts),
    }
    return {
        **{kind: _listing(groups, posts, splits) for kind, groups in kinds.items()},
        "across": _across({"exact": exact, "near": near}, splits),
    }


def _look(image: Picture | None) -> Fingerprint:
    if image is None:
        return Fingerprint()
    from siaga.features.images import difference_hash, open_image, pixel_hash

    try:
        picture = image if isinstance(image, Pixels) else open_image(image)
    except ImageError as error:
        return Fingerprint(fault=str(error))
    size = picture.width, picture.height
    outline = difference_hash(picture) if min(size) >= _SMALL else None
    return Fingerprint(pixels=pixel_hash(picture), outline=outline, size=size)


def _text_key(print_: Fingerprint) -> str | None:
    is_short = print_.text is not None and len(print_.text) < _SHORT
    return None if is_short and print_.pixels is not None else print_.text


def _near_texts(prints: Sequence[Fingerprint]) -> Pairs:
    rows: dict[str, int] = {}
    for row, print_ in enumerate(prints):
        if print_.text is not None and len(print_.text) >= _SHORT:
            rows.setdefault(print_.text, row)
    return np.array(list(rows.values()), dtype=np.int64)[similar_texts(list(rows))]


def _near_pictures(prints: Sequence[Fingerprint]) -> Pairs:
    rows: dict[int, int] = {}
    ties = []
    for row, print_ in enumerate(prints):
        if print_.outline is not None and _FEW_EDGES <= print_.outline.bit_count() <= 64 - _FEW_EDGES:
            ties.append((rows.setdefault(print_.outline, row), row))
    outlines = np.array(list(rows), dtype=np.uint64)
    near = np.array(list(rows.values()), dtype=np.int64)[similar_pictures(outlines)]
    return np.concatenate([np.array(ties, dtype=np.int64).reshape(-1, 2), near])


def _ties(keys: Iterable[Hashable]) -> Pairs:
    """Return a pair of rows, (m, 2), for each row whose key stood in an earlier row; None ties nothing."""
    first: dict[Hashable, int] = {}
    pairs = [(first.setdefault(key, row), row) for row, key in enumerate(keys) if key is not None]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _joined(n: int, ties: Sequence[Pairs]) -> Groups:
    pairs = np.concatenate(ties)
    links = coo_matrix((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    groups: Groups = connected_components(links, directed=False)[1].astype(np.int64) if n else np.empty(0, np.int64)
    return groups


def _listing(groups: Sequence[Sequence[int]], posts: Sequence[Post], splits: Sequence[str]) -> dict[str, object]:
    def entry(rows: Sequence[int]) -> dict[str, object]:
        rows = sorted(rows, key=lambda row: (splits[row], posts[row].id))
        return {
            "text": next((text[:LISTED_TEXT] for row in rows if (text := posts[row].text)), None),
            "labels": dict(sorted(Counter(label for row in rows if (label := posts[row].label)).items())),
            "posts": [
                {"id": posts[row].id, "split": splits[row], "label": posts[row].label} for row in rows[:LISTED_POSTS]
            ],
            "size": len(rows),
        }

    ordered = sorted(groups, key=lambda rows: (-len(rows), min(posts[row].id for row in rows)))
    return {
        "groups": len(groups),
        "posts": sum(map(len, groups)),
        "listed": [entry(rows) for rows in ordered[:LISTED_GROUPS]],
    }


def _across(kinds: Mapping[str, Sequence[Sequence[int]]], splits: Sequence[str]) -> list[dict[str, object]]:
    """Return for each pair of splits how many groups of each kind stand in both."""
    names = [name for name in _ORDER if name in splits]
    standing = {kind: [{splits[row] for row in rows} for rows in groups] for kind, groups in kinds.items()}
    return [
        {"splits": [a, b], **{kind: sum(a in found and b in found for found in standing[kind]) for kind in kinds}}
        for a, b in combinations(names, 2)
    ]
