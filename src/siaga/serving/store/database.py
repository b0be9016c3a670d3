"""A database under a store: transactions that are tried again while others write, and faults that people understand."""

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection, CursorResult, Engine, Row, Select, Table
from sqlalchemy.exc import DBAPIError

from siaga.errors import SiagaError

T = TypeVar("T")
ROWS_AT_ONCE = 1000
_PAUSE_S = 0.01
UNKEPT = (UnicodeEncodeError, OverflowError)  # What Python raises for values that fit into no column.


class Types(NamedTuple):
    """How tables are made: the types of keys and of bytes, and what follows a table that is sorted by its key."""

    key: str
    raw: str
    by_key: str


class Dialect(Protocol):
    """What differs between SQLite and PostgreSQL."""

    @property
    def name(self) -> str:
        """The store as the user gave it, without passwords."""
        ...

    @property
    def engine(self) -> Engine: ...  # noqa: D102 - See SQLAlchemy.

    @property
    def error(self) -> type[Exception]:
        """What the driver raises where it is asked without SQLAlchemy."""
        ...

    @property
    def is_alone(self) -> bool:
        """Whether nobody else's tables may stand beside ours."""
        ...

    @property
    def types(self) -> Types:
        """How tables are made."""
        ...

    @property
    def among_ids(self) -> str:
        """The comparison of a column with all of :ids, a JSON list of texts."""
        ...

    def prepare(self) -> None:
        """Set what the database keeps of its own settings, once it is known to be ours."""
        ...

    def lock(self, connection: Connection) -> None:
        """Hold off other processes that migrate until the transaction ends."""
        ...

    def insert(self, connection: Connection, table: Table, rows: Sequence[tuple[object, ...]]) -> None:
        """Insert rows, which begin as the table's columns do. Raises what `is_passing` for a key that is there."""
        ...

    def is_passing(self, error: Exception) -> bool:
        """Whether the same transaction may succeed at once: others were in the way, or a key was there."""
        ...

    def fault(self, error: Exception) -> SiagaError | None:
        """Return what an error of the driver means to the user; None for one that is our bug."""
        ...


def said_by(error: Exception) -> BaseException:
    """Return the driver's own error."""
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


class Database:
    """What a store asks a database for. It belongs to the process that made it."""

    def __init__(self, dialect: Dialect, *, wait_s: float) -> None:
        self.dialect, self.name = dialect, dialect.name
        self._wait_s, self._process = wait_s, os.getpid()
        self._engine = dialect.engine
        self._writing = self._engine.execution_options(is_writing=True)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in one transaction and commit it. It may be begun several times, and is kept once or not at all.

        Raises StoreAway when the database is out of reach or others write for too long, DataError for a full disk.
        """

        def transaction() -> T:
            with self._writing.begin() as connection:
                return work(connection)

        return self._patiently(transaction)

    def read(self, work: Callable[[Connection], T]) -> T:
        """Do `work`, which changes nothing, in one transaction. Raises as `write`."""

        def transaction() -> T:
            with self._engine.connect() as connection:
                return work(connection)

        return self._patiently(transaction)

    def stream(self, statement: Select[Any], *, at_once: int = ROWS_AT_ONCE) -> Iterator[Row[Any]]:  # Any: any columns.
        """Yield the rows of a query, all of one moment; only `at_once` of them are in memory. Raises as `write`."""

        def begin() -> tuple[Connection, CursorResult[Any]]:
            connection = self._engine.connect()
            try:
                return connection, connection.execution_options(yield_per=at_once).execute(statement)
            except BaseException:
                connection.close()
                raise

        connection, result = self._patiently(begin)
        with self._explained(), connection, _closing_cursor(result):
            yield from result

    def prepare(self) -> None:
        """Set what a database keeps of its own settings. Raises as `write`."""
        self._patiently(self.dialect.prepare)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _patiently(self, do: Callable[[], T]) -> T:
        """Do something again and again while others are in the way, at random moments, so that all get their turn."""
        if os.getpid() != self._process:
            raise RuntimeError("A store belongs to the process that opened it. Open it again in this one.")
        until = time.monotonic() + self._wait_s
        pause_s = 0.0
        while True:
            with self._explained():
                try:
                    return do()
                except (DBAPIError, self.dialect.error) as error:
                    if time.monotonic() > until or not self.dialect.is_passing(error):
                        raise
            time.sleep(random.uniform(0, pause_s))  # noqa: S311 - It is no secret.
            pause_s = _PAUSE_S

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise what people can mend in place of the driver's errors."""
        try:
            yield
        except (DBAPIError, self.dialect.error, *UNKEPT) as error:
            if (fault := self.dialect.fault(error)) is None:
                raise
            raise fault from error


@contextmanager
def _closing_cursor(result: CursorResult[Any]) -> Iterator[None]:
    """Close the cursor of a result, also where SQLAlchemy does not: on a connection that was lost."""
    cursor = result.cursor
    try:
        yield
    finally:
        if cursor is not None:
            cursor.close()
