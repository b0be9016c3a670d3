"""Which row goes into which split; rows that are tied as exact duplicates are never parted."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from math import floor
from typing import assert_never

import numpy as np

from siaga.dataset.pool import Pool
from siaga.errors import DataError, did_you_mean
from siaga.features.duplicates import Groups, merged
from siaga.schema import EventSplit, GivenSplit, GroupedSplit, RandomSplit, SplitSpec, TimeSplit

Rows = list[int]


def choose_parts(pool: Pool, split: SplitSpec, *, seed: int) -> dict[str, Rows]:
    """Return the rows of train, validation, test and unlabelled; what repeats a held-out post is left out.

    Given test and validation posts stay, and are refused by splits that choose the test posts themselves.
    """
    given = {name: pool.rows(name) for name in ("test", "validation")}
    if isinstance(split, GroupedSplit | TimeSplit | EventSplit) and (names := [name for name in given if given[name]]):
        what = f"The split {split.kind!r} chooses the test posts itself, but the source gives {' and '.join(names)}"
        raise DataError(f"{what}. Set split.kind to 'given', or give one file as source.path.")
    pooled = pool.rows("train", "posts")
    test = given["test"] or _test(pool, split, pooled, seed)
    rest = _apart(pool, "train", _without(pooled, test), test, "test")
    share = _validation_share(split, is_test_given=bool(given["test"]))
    validation = _apart(pool, "validation", given["validation"], test, "test")
    validation = validation or _chosen(pool, split, rest, share, seed)
    unlabelled = _allowed(pool, split, pool.rows("unlabelled"), test)
    unlabelled = _apart(pool, "unlabelled", unlabelled, test, "test")
    return {
        "train": _apart(pool, "train", _without(rest, validation), validation, "validation"),
        "validation": validation,
        "test": test,
        "unlabelled": _apart(pool, "unlabelled", unlabelled, validation, "validation"),
    }


def _test(pool: Pool, split: SplitSpec, rows: Rows, seed: int) -> Rows:
    match split:
        case GivenSplit():
            what = "The split is 'given', but the source gives no labelled test post"
            raise DataError(f"{what}. Set source.test to a file with labels, or split.kind to 'random'.")
        case EventSplit():
            return _held_out(pool, rows, split.held_out)
        case RandomSplit() | GroupedSplit() | TimeSplit():
            if split.test + split.validation >= 1:
                shares = f"split.test = {split.test} and split.validation = {split.validation}"
                raise DataError(f"{shares} leave nothing to train on. Together they must stay below 1.")
            if isinstance(split, GroupedSplit):
                _check_column(pool, rows, split.column)
            return _chosen(pool, split, rows, split.test, seed)
        case _:
            assert_never(split)


def _validation_share(split: SplitSpec, *, is_test_given: bool) -> float:
    """Return the validation share of what the test leaves; a recipe's shares are of all labelled posts."""
    match split:
        case GivenSplit() | EventSplit():
            return split.validation
        case RandomSplit() | GroupedSplit() | TimeSplit():
            return split.validation if is_test_given else split.validation / (1 - split.test)
        case _:
            assert_never(split)


def _chosen(pool: Pool, split: SplitSpec, rows: Rows, share: float, seed: int) -> Rows:
    """Return about `share` of the rows, in the manner of the split."""
    match split:
        case RandomSplit() | GivenSplit() | EventSplit():
            return _carved(pool, rows, share, groups=pool.duplicates.exact, seed=seed)
        case GroupedSplit():
            return _carved_groups(pool, rows, share, groups=_column_groups(pool, rows, split.column), seed=seed)
        case TimeSplit():
            return _newest(pool, rows, share)
        case _:
            assert_never(split)


def _carved(pool: Pool, rows: Rows, share: float, *, groups: Groups, seed: int) -> Rows:
    """Return whole groups, stratified: of each label its share of posts, as far as the sizes of the groups allow.

    A group counts for its most frequent label. Groups come in an order that is random by seed and content.
    """
    units = [(_main_label(pool, unit), unit) for unit in _units(pool, rows, groups, seed)]
    sizes: Counter[str] = Counter()
    for label, unit in units:
        sizes[label] += len(unit)
    room = _quotas(sizes, share)
    chosen: Rows = []
    for label, unit in units:
        if len(unit) <= room[label]:
            room[label] -= len(unit)
            chosen += unit
    return chosen


def _carved_groups(pool: Pool, rows: Rows, share: float, *, groups: Groups, seed: int) -> Rows:
    """Return whole groups until `share` of the rows is filled; at least one group, at least one stays."""
    units = _units(pool, rows, groups, seed)
    room = floor(share * len(rows) + 0.5)
    chosen: Rows = []
    for unit in units:
        if len(unit) <= room - len(chosen):
            chosen += unit
    if not chosen and share > 0 and len(units) > 1:
        chosen = min(units, key=len)
    return chosen


def _units(pool: Pool, rows: Rows, groups: Groups, seed: int) -> list[Rows]:
    """Return the rows by group, in a random order that depends on the seed and on the content of each group."""
    members: dict[int, Rows] = defaultdict(list)
    for row in sorted(rows):
        members[int(groups[row])].append(row)
    key = str(seed).encode()

    def rank(unit: Rows) -> bytes:  # Rows are sorted by content, so a group's first row is its own.
        return blake2b(pool.prints[unit[0]].content, key=key[:64], digest_size=16).digest()

    return sorted(members.values(), key=rank)


def _main_label(pool: Pool, rows: Rows) -> str:
    counts = Counter(pool.labels(rows))
    return min(counts, key=lambda label: (-counts[label], label))


def _quotas(sizes: Mapping[str, int], share: float) -> Counter[str]:
    """Return how many posts of each label make up the share: whole numbers by largest remainder, one always stays."""
    total = floor(share * sum(sizes.values()) + 0.5)
    quotas = Counter({label: floor(share * size) for label, size in sizes.items()})
    by_remainder = sorted(sizes, key=lambda label: (floor(share * sizes[label]) - share * sizes[label], label))
    for label in by_remainder:
        if quotas.total() < total and quotas[label] < sizes[label] - 1:
            quotas[label] += 1
    return quotas


def _check_column(pool: Pool, rows: Rows, column: str) -> None:
    without = [row for row in rows if not pool.posts[row].get(column)]
    if len(without) == len(rows):
        known = sorted({"event", "language", *(name for row in rows for name in pool.posts[row].fields)})
        hint = did_you_mean(column, known)
        raise DataError(f"No post has a value in the column {column!r}.{hint} Name it in source.columns.fields too.")
    groups = _column_groups(pool, rows, column)
    if len({groups[row] for row in rows}) < 2:
        raise DataError(f"All posts hang together by the column {column!r} (or as duplicates): none can be held out.")
    pool.note("train", f"have no {column} and are each a group of its own", without)


def _column_groups(pool: Pool, rows: Rows, column: str) -> Groups:
    """Return the groups of exact duplicates, joined where labelled posts share a value in the column."""
    keys: list[str | None] = [None] * len(pool.posts)
    for row in rows:
        keys[row] = pool.posts[row].get(column) or None
    return merged(pool.duplicates.exact, keys)


def _newest(pool: Pool, rows: Rows, share: float) -> Rows:
    timed = [(time, row) for row in rows if (time := pool.posts[row].time) is not None]
    if len(timed) < len(rows):
        what = f"{len(rows) - len(timed):,} of {len(rows):,} labelled posts have no time, which a split by time needs"
        raise DataError(f"{what}. Set source.columns.time, or choose another split.kind.")
    count = max(1, floor(share * len(rows) + 0.5)) if share > 0 else 0
    return [row for _, row in sorted(timed)[len(timed) - count :]]


def _held_out(pool: Pool, rows: Rows, event: str | None) -> Rows:
    known = sorted({name for row in rows if (name := pool.posts[row].event) is not None})
    if not known:
        raise DataError("No labelled post names its event. Set source.columns.event, or choose another split.kind.")
    if event not in known:
        what = "split.held_out is not set" if event is None else f"No labelled post is of the event {event!r}"
        hint = did_you_mean(event, known) if event is not None else ""
        raise DataError(f"{what}.{hint} The events are: {', '.join(known)}.")
    pool.note("train", "name no event and stay", [row for row in rows if pool.posts[row].event is None])
    return [row for row in rows if pool.posts[row].event == event]


def _allowed(pool: Pool, split: SplitSpec, rows: Rows, test: Rows) -> Rows:
    """Return the unlabelled rows without those from the time, the event or a group that training must not know."""
    match split:
        case TimeSplit():
            start = min((time for row in test if (time := pool.posts[row].time) is not None), default=None)
            late = [row for row in rows if (time := pool.posts[row].time) and start and time >= start]
            pool.note("unlabelled", "are left out, for they are not older than the test posts", late)
        case EventSplit():
            late = [row for row in rows if pool.posts[row].event == split.held_out]
            pool.note("unlabelled", "are left out, for they are of the event that is held out", late)
        case GroupedSplit():
            held_out = {pool.posts[row].get(split.column) for row in test} - {None, ""}
            late = [row for row in rows if pool.posts[row].get(split.column) in held_out]
            pool.note("unlabelled", f"are left out, for the test posts hold their {split.column}", late)
        case RandomSplit() | GivenSplit():
            late = []
        case _:
            assert_never(split)
    return _without(rows, late)


def _apart(pool: Pool, split: str, rows: Rows, kept: Rows, name: str) -> Rows:
    """Return the rows without those that are tied to a row of `kept`, the split of that name."""
    groups = pool.duplicates.exact
    tied = np.isin(groups[rows], groups[kept]).tolist() if rows and kept else [False] * len(rows)
    out = [row for row, is_tied in zip(rows, tied, strict=True) if is_tied]
    pool.note(split, f"are left out, for they repeat a text or a picture of the {name} split", out)
    return _without(rows, out)


def _without(rows: Rows, others: Sequence[int]) -> Rows:
    gone = set(others)
    return [row for row in rows if row not in gone]
