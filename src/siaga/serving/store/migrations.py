"""Migrations: the steps that lead from an empty database to the tables of today, numbered from 1.

A step that was released is never changed; the next one goes to the end. Each is done in one transaction and under a
lock, so several processes may open an old store at once.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from siaga.errors import DataError
from siaga.serving.store.tables import METADATA, SCHEMA_VERSION

if TYPE_CHECKING:
    from siaga.serving.store.database import Database, Types


def migrate(database: "Database", *, now_ms: int, must_exist: bool = False, to: int | None = None) -> None:
    """Bring the tables of `database` up to date (or up to step `to`).

    Raises DataError for tables of something else, for those of a newer Siaga, and for none where they `must_exist`.
    """
    newest = len(MIGRATIONS) if to is None else to
    version = database.read(lambda connection: _version(connection, database))
    if not version and must_exist:
        raise DataError(f"{database.name} holds no posts yet. Fill it first: siaga stream … --to {database.name}")
    database.prepare()
    for number in range(version + 1, newest + 1):
        database.write(partial(_step, database=database, number=number, now_ms=now_ms))


def _step(connection: Connection, database: "Database", number: int, now_ms: int) -> None:
    database.dialect.lock(connection)
    if _version(connection, database) >= number:
        return  # Another process was faster.
    for statement in MIGRATIONS[number - 1](database.dialect.types):
        connection.exec_driver_sql(statement)
    connection.execute(SCHEMA_VERSION.insert().values(version=number, applied_ms=now_ms))


def _version(connection: Connection, database: "Database") -> int:
    """Return the number of the last step that was done."""
    inspector = inspect(connection)
    names = set(inspector.get_table_names())
    if "schema_version" not in names:
        if foreign := names if database.dialect.is_alone else names & set(METADATA.tables):
            what = f"{database.name} is a database of something else: it has the tables {', '.join(sorted(foreign))}"
            raise DataError(f"{what}. Choose a place of its own for the store.")
        return 0
    if "applied_ms" not in {column["name"] for column in inspector.get_columns("schema_version")}:
        raise DataError(f"{database.name} is a database of something else. Choose a place of its own for the store.")
    version = connection.execute(text("SELECT MAX(version) FROM schema_version")).scalar() or 0
    if version > len(MIGRATIONS):
        what = f"{database.name} was made by a newer Siaga (version {version} of its tables"
        raise DataError(f"{what}; this one knows {len(MIGRATIONS)}). Run: pip install --upgrade siaga")
    return int(version)


def _stream(types: "Types") -> list[str]:
    """What streams write."""
    key, raw, by_key = types
    return [
        "CREATE TABLE schema_version (version BIGINT NOT NULL PRIMARY KEY, applied_ms BIGINT NOT NULL)",
        f"""CREATE TABLE posts (source {key} NOT NULL, id {key} NOT NULL, text TEXT, language TEXT, time_ms BIGINT,
            lon DOUBLE PRECISION, lat DOUBLE PRECISION, place_method TEXT, radius_m DOUBLE PRECISION, place TEXT,
            country TEXT, "user" TEXT, image_url TEXT, hashtags TEXT, is_repost BOOLEAN NOT NULL, fields TEXT,
            deleted_ms BIGINT, PRIMARY KEY (source, id))""",
        "CREATE INDEX posts_with_a_point ON posts (source, id) WHERE lon IS NOT NULL",
        "CREATE INDEX posts_without_time ON posts (source, id) WHERE time_ms IS NULL",
        f"""CREATE TABLE predictions (source {key} NOT NULL, post_id {key} NOT NULL, model {key} NOT NULL,
            label TEXT NOT NULL, confidence DOUBLE PRECISION, score BIGINT, used TEXT NOT NULL, probabilities TEXT,
            members TEXT, error TEXT, PRIMARY KEY (source, post_id, model)) {by_key}""",
        f"""CREATE TABLE dead_letters (input {key} NOT NULL, model {key} NOT NULL, part {key} NOT NULL,
            position {key} NOT NULL, reason TEXT NOT NULL, raw {raw} NOT NULL, source {key}, post_id {key},
            kept_ms BIGINT NOT NULL, PRIMARY KEY (input, model, part, position))""",
        """CREATE INDEX dead_letters_of_a_post ON dead_letters (source, post_id) WHERE post_id IS NOT NULL""",
        f"""CREATE TABLE offsets (input {key} NOT NULL, model {key} NOT NULL, part {key} NOT NULL,
            position TEXT NOT NULL, is_done BOOLEAN NOT NULL, PRIMARY KEY (input, model, part)) {by_key}""",
        f"""CREATE TABLE attempts (input {key} NOT NULL, model {key} NOT NULL, part {key} NOT NULL,
            position {key} NOT NULL, attempts BIGINT NOT NULL, PRIMARY KEY (input, model, part, position)) {by_key}""",
        f"""CREATE TABLE minutes (model {key} NOT NULL, minute_ms BIGINT NOT NULL, language {key} NOT NULL,
            country {key} NOT NULL, place {key} NOT NULL, label {key} NOT NULL, posts BIGINT NOT NULL,
            errors BIGINT NOT NULL, score_sum BIGINT NOT NULL, score_squares BIGINT NOT NULL,
            first_ms BIGINT NOT NULL, last_ms BIGINT NOT NULL,
            PRIMARY KEY (model, minute_ms, language, country, place, label)) {by_key}""",
    ]


def _reviews(types: "Types") -> list[str]:
    """What people said of predictions."""
    key, _, by_key = types
    return [
        f"""CREATE TABLE reviews (source {key} NOT NULL, post_id {key} NOT NULL, at_ms BIGINT NOT NULL,
            who {key} NOT NULL, action TEXT NOT NULL, label TEXT, model TEXT, note TEXT,
            PRIMARY KEY (source, post_id, at_ms, who)) {by_key}""",
    ]


MIGRATIONS: tuple[Callable[["Types"], list[str]], ...] = (_stream, _reviews)
