"""Queries: what people and pages want to know of a store."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Table,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
    true,
)

from siaga.serving.store.rows import MinuteRow, PostRow, PredictionRow, StoredDeadLetter
from siaga.serving.store.tables import DEAD_LETTERS, MINUTES, POSTS, PREDICTIONS

_OF_POST = and_(PREDICTIONS.c.source == POSTS.c.source, PREDICTIONS.c.post_id == POSTS.c.id)

_LANGUAGE, _COUNTRY = (func.coalesce(POSTS.c[name], literal_column("''")) for name in ("language", "country"))
_PLACE = case((POSTS.c.lon.is_(None), literal_column("''")), else_=func.coalesce(POSTS.c.place, literal_column("''")))
_SCORE = PREDICTIONS.c.score
_SUMS = [
    func.count(),
    func.count(PREDICTIONS.c.error),
    func.coalesce(cast(func.sum(_SCORE), BigInteger), 0),
    func.coalesce(cast(func.sum(_SCORE * _SCORE), BigInteger), 0),
]


def select_posts(*, since_ms: int | None, until_ms: int | None) -> Select[Any]:  # Any: rows of these columns.
    """Return the query of posts that are not deleted."""
    return _columns(POSTS, PostRow._fields).where(POSTS.c.deleted_ms.is_(None), _within(POSTS, since_ms, until_ms))


def select_predictions(*, model: str | None, since_ms: int | None, until_ms: int | None) -> Select[Any]:
    """Return the query of predictions; times are their posts'."""
    query = _columns(PREDICTIONS, PredictionRow._fields).where(_is(PREDICTIONS, "model", model))
    if since_ms is None and until_ms is None:
        return query
    return query.join(POSTS, _OF_POST).where(_within(POSTS, since_ms, until_ms))


def select_dead_letters(*, input: str | None) -> Select[Any]:  # noqa: A002 - The column's name.
    """Return the query of dead letters."""
    return _columns(DEAD_LETTERS, StoredDeadLetter._fields).where(_is(DEAD_LETTERS, "input", input))


def select_minutes(*, model: str | None, since_ms: int | None, until_ms: int | None) -> Select[Any]:
    """Return the query of minutes, in their order."""
    within = _within(MINUTES, since_ms, until_ms, time="minute_ms")
    query = _columns(MINUTES, MinuteRow._fields).where(_is(MINUTES, "model", model), within)
    return query.order_by(
        MINUTES.c.minute_ms, *(MINUTES.c[name] for name in ("model", "language", "country", "place", "label"))
    )


def select_timeless(*, model: str) -> Select[Any]:
    """Return the query that counts as minutes do the posts without a time, as if it were 1970."""
    key = [PREDICTIONS.c.model, _LANGUAGE, _COUNTRY, _PLACE, PREDICTIONS.c.label]
    name, *others = key
    query = select(name, literal(0), *others, *_SUMS, literal(0), literal(0)).join_from(POSTS, PREDICTIONS, _OF_POST)
    return query.where(POSTS.c.time_ms.is_(None), PREDICTIONS.c.model == model).group_by(*key).order_by(*key)


def select_places(*, model: str, since_ms: int | None, until_ms: int | None) -> Select[Any]:
    """Return the query of places with a point, in the order of their names."""
    where = [POSTS.c[name] for name in ("place", "country", "lon", "lat", "place_method", "radius_m")]
    key = [*where, _LANGUAGE, PREDICTIONS.c.model, PREDICTIONS.c.label]
    query = select(*key, *_SUMS).join_from(POSTS, PREDICTIONS, _OF_POST).where(_within(POSTS, since_ms, until_ms))
    return query.where(POSTS.c.lon.is_not(None), PREDICTIONS.c.model == model).group_by(*key).order_by(*key)


def select_span(*, model: str) -> Select[Any]:
    """Return the query of the first and the last time of a model's posts."""
    return select(func.min(MINUTES.c.first_ms), func.max(MINUTES.c.last_ms)).where(MINUTES.c.model == model)


def select_models() -> Select[Any]:
    """Return the query of the models that answered."""
    return select(MINUTES.c.model).distinct().order_by(MINUTES.c.model)


def select_counts() -> dict[str, Select[Any]]:
    """Return the queries that count."""
    tables = {table.name: select(func.count()).select_from(table) for table in (POSTS, PREDICTIONS, DEAD_LETTERS)}
    timeless = select(func.count()).select_from(POSTS).where(POSTS.c.time_ms.is_(None))
    deleted = select(func.count()).select_from(POSTS).where(POSTS.c.deleted_ms.is_not(None))
    return {**tables, "posts_without_time": timeless, "posts_deleted": deleted}


def _columns(table: Table, names: tuple[str, ...]) -> Select[Any]:
    return select(*(table.c[name] for name in names))


def _is(table: Table, column: str, value: str | None) -> ColumnElement[bool]:
    return true() if value is None else table.c[column] == value


def _within(table: Table, since_ms: int | None, until_ms: int | None, *, time: str = "time_ms") -> ColumnElement[bool]:
    since = true() if since_ms is None else table.c[time] >= since_ms
    return and_(since, true() if until_ms is None else table.c[time] < until_ms)
