"""Writing a batch: quick for what is new, and careful once something turns out to be there already.

New rows are inserted as they are. Where one meets a key that is there, or stands twice in the batch, the database
refuses and the transaction is begun again; then only the rows that are not there are inserted. So nearly everything,
which comes for the first time, pays nothing for the little that came before.
"""

import json
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, CursorResult, text

from siaga.serving.store import statements
from siaga.serving.store.database import Dialect
from siaga.serving.store.minutes import Key, minutes_of
from siaga.serving.store.rows import Batch, PostRow, PredictionRow, Written
from siaga.serving.store.tables import POSTS, PREDICTIONS


def write_batch(connection: Connection, batch: Batch, dialect: Dialect, *, now_ms: int, is_careful: bool) -> Written:
    """Do all that a batch asks for, up to the commit. Unless careful, a key that is there raises the driver's error."""
    posts, predictions = batch.posts, batch.predictions
    known: dict[Key, PostRow] = {}
    if is_careful:
        known = _stored(connection, {(row.source, row.id) for row in posts}, dialect)
        posts = _new_posts(posts, known)
        predictions = _new_predictions(connection, predictions, dialect)
    dialect.insert(connection, POSTS, posts)
    dialect.insert(connection, PREDICTIONS, predictions)
    _drop_answered(connection, predictions, dialect)
    dead = _keep_dead(connection, batch, now_ms)
    _count(connection, predictions, {**known, **_by_key(posts)}, dialect)
    _purge(connection, batch.deleted, dialect, now_ms)
    _keep_offset(connection, batch)
    if not batch.predictions:
        return Written(len(posts), len(batch.posts) - len(posts), dead)
    return Written(len(predictions), len(batch.predictions) - len(predictions), dead)


def _by_key(posts: Iterable[PostRow]) -> dict[Key, PostRow]:
    return {(row.source, row.id): row for row in posts}


def _new_posts(posts: Sequence[PostRow], known: Container[Key]) -> list[PostRow]:
    """Return the posts that are not known, each once; of two the first."""
    first = _by_key(reversed(posts))
    return [row for key, row in reversed(first.items()) if key not in known]


def _stored(connection: Connection, keys: Iterable[Key], dialect: Dialect) -> dict[Key, PostRow]:
    """Return the posts that are there, as far as minutes need them."""
    found = {}
    for source, ids in _by_source(keys).items():
        for row in _of_ids(connection, statements.POSTS_KNOWN, dialect, source=source, ids=ids):
            found[source, row.id] = PostRow(source, **row._mapping)
    return found


def _new_predictions(
    connection: Connection, predictions: Sequence[PredictionRow], dialect: Dialect
) -> list[PredictionRow]:
    """Return the predictions that are not there, each once; of two the first."""
    first = {(row.source, row.post_id, row.model): row for row in reversed(predictions)}
    known = set()
    for source, ids in _by_source(row[:2] for row in first).items():
        rows = _of_ids(connection, statements.PREDICTIONS_KNOWN, dialect, source=source, ids=ids)
        known |= {(source, row.post_id, row.model) for row in rows}
    return [row for key, row in reversed(first.items()) if key not in known]


def _drop_answered(connection: Connection, predictions: Sequence[PredictionRow], dialect: Dialect) -> None:
    """Remove the dead letters of posts that are answered now."""
    if not predictions or not _has_dead_letters(connection):
        return
    for model in {row.model for row in predictions}:
        keys = _by_source((row.source, row.post_id) for row in predictions if row.model == model)
        for source, ids in keys.items():
            _of_ids(connection, statements.ANSWERED, dialect, source=source, ids=ids, model=model)


def _keep_dead(connection: Connection, batch: Batch, now_ms: int) -> int:
    """Keep the dead letters that are new and that no prediction answers; return how many those are."""
    if not batch.dead:
        return 0
    rows = [{"input": batch.input, "model": batch.model, "kept_ms": now_ms, **row._asdict()} for row in batch.dead]
    options = {"preserve_rowcount": True}
    return connection.execute(text(statements.DEAD_LETTER), rows, execution_options=options).rowcount


def _count(
    connection: Connection, predictions: Sequence[PredictionRow], posts: Mapping[Key, PostRow], dialect: Dialect
) -> None:
    """Count new predictions into the minutes of their posts, as those are stored; `posts` are some of them."""
    others = {key for row in predictions if (key := (row.source, row.post_id)) not in posts}
    if others:
        posts = {**posts, **_stored(connection, others, dialect)}
    if rows := [row._asdict() for row in minutes_of(predictions, posts)]:
        connection.execute(text(statements.MINUTE), rows)


def _purge(connection: Connection, keys: Sequence[Key], dialect: Dialect, now_ms: int) -> None:
    """Forget what posts say, by whom and where."""
    if not keys:
        return
    has_dead_letters = _has_dead_letters(connection)
    for source, ids in _by_source(keys).items():
        _of_ids(connection, statements.PURGE, dialect, source=source, ids=ids, now_ms=now_ms)
        if has_dead_letters:
            _of_ids(connection, statements.PURGE_DEAD_LETTERS, dialect, source=source, ids=ids, nothing=b"")


def _has_dead_letters(connection: Connection) -> bool:
    """Whether any dead letter names its post."""
    return connection.execute(text(statements.HAS_DEAD_LETTERS)).first() is not None


def _keep_offset(connection: Connection, batch: Batch) -> None:
    """Keep how far the input was read, and forget the attempts that came to something."""
    key = {"input": batch.input, "model": batch.model}
    if batch.offset is not None:
        connection.execute(text(statements.OFFSET), {**key, **batch.offset._asdict()})
    if batch.settled is not None:
        part, position = batch.settled
        connection.execute(text(statements.SETTLED), {**key, "part": part, "position": position})


def _of_ids(
    connection: Connection, statement: str, dialect: Dialect, *, ids: Sequence[str], **values: object
) -> CursorResult[Any]:  # Any: the statement's columns.
    return connection.execute(text(statement.format(among_ids=dialect.among_ids)), {"ids": json.dumps(ids), **values})


def _by_source(keys: Iterable[Key]) -> dict[str, list[str]]:
    """Return ids by their source: a stream has one, or few."""
    found = defaultdict(list)
    for source, key in keys:
        found[source].append(key)
    return found
