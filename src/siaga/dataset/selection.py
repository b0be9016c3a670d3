"""Which labelled posts are used: the most confident of each class, or as many of each."""

from collections import defaultdict
from hashlib import blake2b
from math import inf, isfinite, nan

from siaga.dataset.pool import Pool
from siaga.errors import DataError, did_you_mean
from siaga.schema import Selection

LEFT_OUT = "left out"  # The role of such a post, which no split takes.
_OPEN = ("train", "posts")  # The roles to choose from; what the source gives for testing stays.


def select_posts(pool: Pool, spec: Selection, *, seed: int) -> None:
    """Leave out the labelled posts that are not chosen, and note it in the pool.

    Of equally confident posts a hash of seed and content decides, so nothing depends on the order in which they
    come. A post without a number as its confidence is the least confident. Raises DataError where no post has one.
    """
    open_rows = pool.rows(*_OPEN)
    classes: dict[str | None, list[int]] = defaultdict(list)
    for row in sorted(open_rows, key=_ranks(pool, open_rows, spec.confidence, seed).__getitem__):
        classes[pool.posts[row].label].append(row)
    limits = [spec.per_class] if spec.per_class is not None else []
    if spec.balance:
        limits.append(min(map(len, classes.values()), default=0))
    most = min(limits, default=len(pool.posts))
    chosen = {row for rows in classes.values() for row in rows[:most]}
    how = f"{most:,} of each class" if spec.balance else f"at most {most:,} of a class"
    how += ", the most confident first" if spec.confidence is not None else ""
    for role in _OPEN:
        out = [row for row in pool.rows(role) if row not in chosen]
        pool.note(role, f"are left out, for the selection keeps {how}", out)
        for row in out:
            pool.roles[row] = LEFT_OUT


def _ranks(pool: Pool, rows: list[int], name: str | None, seed: int) -> dict[int, tuple[float, bytes, str]]:
    """Return what the rows are sorted by: how unsure the annotators were, then chance, then the id."""
    key = str(seed).encode()
    sure = dict.fromkeys(rows, 0.0) if name is None else _confidences(pool, rows, name)
    return {
        row: (-sure[row], blake2b(pool.prints[row].content, key=key, digest_size=16).digest(), pool.posts[row].id)
        for row in rows
    }


def _confidences(pool: Pool, rows: list[int], name: str) -> dict[int, float]:
    found = {row: number for row in rows if isfinite(number := _number(pool.posts[row].fields.get(name)))}
    if rows and not found:
        known = sorted({field for row in rows for field in pool.posts[row].fields})
        what = f"No labelled post has a number in the field {name!r}, which selection.confidence names"
        fields = f"The posts have: {', '.join(known)}" if known else "The posts have no fields"
        raise DataError(f"{what}.{did_you_mean(name, known)} {fields}. Name it in source.columns.fields as well.")
    for role in _OPEN:
        without = [row for row in pool.rows(role) if row not in found]
        pool.note(role, f"have no number as {name} and count as the least confident", without)
    return {row: found.get(row, -inf) for row in rows}


def _number(text: str | None) -> float:
    """Return a text as a number; not a number where it is none."""
    try:
        return float(text or "nan")
    except ValueError:
        return nan
