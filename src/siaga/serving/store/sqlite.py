"""SQLite: one file, one writer at a time, and readers who never wait for it."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from siaga.errors import DataError, SiagaError, StoreAway
from siaga.serving.store.database import UNKEPT, Types, said_by

_SETTINGS = (
    "PRAGMA synchronous = FULL",  # What is acknowledged to a broker has to be on disk.
    "PRAGMA wal_autocheckpoint = 8192",  # Pages, 32 MiB: a checkpoint for every few batches, not for each.
    "PRAGMA cache_size = -16384",  # KiB.
)
# sqlite3 asks for an adapter of each None and bool, which takes longer than all else about a value. An empty blob is
# equal to nothing that a post can hold.
_BOUND: dict[object, object] = {None: bytearray(), True: 1, False: 0}
_FULL = "cannot be written: {said}. Make room on its disk, or choose another."
_CLOSED = "cannot be opened for writing: {said}. Check the rights of the file and of its folder."
_FAULTS = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR: _FULL,
    sqlite3.SQLITE_CANTOPEN: _CLOSED,
    sqlite3.SQLITE_PERM: _CLOSED,
    sqlite3.SQLITE_READONLY: _CLOSED,
    sqlite3.SQLITE_NOTADB: "is not a SQLite database. Choose another name for the store.",
    sqlite3.SQLITE_CORRUPT: "is damaged: {said}. Get a copy of it, or begin a new store.",
    sqlite3.SQLITE_TOOBIG: "cannot keep so long a text: {said}. Leave the post out.",
}


class SQLite:
    """A store in a file."""

    error = sqlite3.Error
    is_alone = True
    types = Types(key="TEXT", raw="BLOB", by_key="WITHOUT ROWID")
    among_ids = "IN (SELECT value FROM json_each(:ids))"

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.engine = _engine(path)

    def prepare(self) -> None:
        """Let readers read while one writes; the file remembers it. Other people's files are left as they are."""
        with closing(self.engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA journal_mode = WAL")

    def lock(self, connection: Connection) -> None:
        """Do nothing: BEGIN IMMEDIATE did."""

    def insert(self, connection: Connection, table: Table, rows: Sequence[tuple[object, ...]]) -> None:
        """Insert rows."""
        if rows:
            names = table.columns.keys()[: len(rows[0])]
            values = ", ".join(["NULLIF(?, x'')"] * len(names))
            columns = ", ".join(f'"{name}"' for name in names)
            statement = f"INSERT INTO {table.name} ({columns}) VALUES ({values})"  # noqa: S608 - Ours.
            connection.exec_driver_sql(statement, list(_bound(rows)))

    def is_passing(self, error: Exception) -> bool:
        """Whether others write, or a key is there."""
        return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CONSTRAINT)

    def fault(self, error: Exception) -> SiagaError | None:
        """Return what an error means to the user."""
        if isinstance(error, UNKEPT):
            return DataError(f"{self.name} cannot keep what a post holds: {error}. Leave it out.")
        if _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StoreAway(f"{self.name} is busy: other processes write into it without a pause.")
        what = _FAULTS.get(_code(error))
        return None if what is None else DataError(f"{self.name} {what.format(said=said_by(error))}")


def sqlite_path(url: str) -> Path:
    """Return the file of a store. Raises DataError for a place where no file can be."""
    path = Path(url.removeprefix("sqlite:///"))
    if (url.startswith("sqlite:") and not url.startswith("sqlite:///")) or url in ("", "sqlite:///", ":memory:"):
        raise DataError(f"{url!r} names no file. Write the store's file as sqlite:///mood.db or mood.db.")
    if path.is_dir():
        raise DataError(f"{path} is a folder. Give the name of a file in it, such as {path / 'store.db'}.")
    if not path.parent.is_dir():
        raise DataError(f"{path.parent} does not exist, so {path.name} cannot be made there. Make the folder first.")
    return path


def _engine(path: Path) -> Engine:
    # The driver waits for others only shortly: its own waiting sleeps ever longer, and starves whoever came last.
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": 0.01})

    @event.listens_for(engine, "connect")
    def set_up(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # Transactions begin where we say so.
        cursor = connection.cursor()
        for setting in _SETTINGS:
            cursor.execute(setting)
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        is_writing = connection.get_execution_options().get("is_writing")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")

    return engine


def _bound(rows: Iterable[Sequence[object]]) -> Iterator[tuple[object, ...]]:
    look_up = _BOUND.get
    for row in rows:
        yield tuple(map(look_up, row, row))


def _code(error: Exception) -> int:
    """Return the primary code of SQLite's error; 0 for another error."""
    return int(getattr(said_by(error), "sqlite_errorcode", 0)) & 0xFF
