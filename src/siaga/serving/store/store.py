"""The store: what the stream writes into it, and what is read from it."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Self

from sqlalchemy import Connection, text

from siaga.errors import DataError
from siaga.extras import require
from siaga.serving.failpoints import reach
from siaga.serving.store import reading
from siaga.serving.store.database import Database, Dialect
from siaga.serving.store.migrations import migrate
from siaga.serving.store.rows import (
    Batch,
    MinuteRow,
    Offset,
    PlaceRow,
    PostRow,
    PredictionRow,
    StoredDeadLetter,
    Written,
)
from siaga.serving.store.statements import ATTEMPT
from siaga.serving.store.tables import OFFSETS
from siaga.serving.store.writing import write_batch

_LETTERS_AT_ONCE = 4  # One may have megabytes.


def opened(url: str, *, must_exist: bool, wait_s: float, clock: Callable[[], float]) -> "Store":
    """Open a store; see `open_store`."""
    database = Database(_dialect(url, must_exist=must_exist), wait_s=wait_s)
    store = Store(database, clock=clock)
    try:
        migrate(database, now_ms=store.now_ms(), must_exist=must_exist)
    except BaseException:
        store.close()
        raise
    return store


def _dialect(url: str, *, must_exist: bool) -> Dialect:
    scheme = url.partition("://")[0] if "://" in url else "sqlite"
    match scheme:
        case "sqlite":
            from siaga.serving.store.sqlite import SQLite, sqlite_path

            path = sqlite_path(url)
            if must_exist and not path.is_file():
                raise DataError(f"{path} does not exist. Check the path.")
            return SQLite(path)
        case "postgresql" | "postgres":
            require("psycopg", extra="stream")
            from siaga.serving.store.postgres import Postgres

            return Postgres(url)
        case _:
            what = f"{scheme}:// is no store"
            raise DataError(f"{what}. Use a file such as mood.db, or postgresql://user@host/database.")


class Store:
    """Posts, predictions, dead letters and offsets. It belongs to the process that opened it.

    All of it raises StoreAway when the database is out of reach or others write for too long (the same call may succeed
    later), and DataError for what someone has to mend, such as a full disk.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float]) -> None:
        self._database, self._clock = database, clock
        self.name = database.name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def now_ms(self) -> int:
        """Return the time that the store writes beside things, in milliseconds since 1970."""
        return int(self._clock() * 1000)

    def write(self, batch: Batch) -> Written:
        """Keep a batch: all of it, on disk, or nothing.

        What was kept before stays as it was, so the same batch may come any number of times. Minutes count what is
        new, once. A deletion takes from the stored post what it says, by whom and where; its predictions stay. One that
        comes before its post finds nothing to take.
        """
        tries = count()
        now_ms, dialect = self.now_ms(), self._database.dialect

        def work(connection: Connection) -> Written:
            written = write_batch(connection, batch, dialect, now_ms=now_ms, is_careful=next(tries) > 0)
            reach("before_commit")
            return written

        written = self._database.write(work)
        reach("after_commit")
        return written

    def attempt(self, input: str, model: str, part: str, position: str) -> int:  # noqa: A002 - The column's name.
        """Count one more delivery of what begins at a position, for good; return how many there were."""
        key = {"input": input, "model": model, "part": part, "position": position}
        return int(self._database.write(lambda connection: connection.execute(text(ATTEMPT), key).scalar_one()))

    def offsets(self, input: str, model: str) -> dict[str, Offset]:  # noqa: A002 - The column's name.
        """Return how far each part of an input was read for a model."""
        query = OFFSETS.select().where(OFFSETS.c.input == input, OFFSETS.c.model == model)
        return {row.part: Offset(row.part, row.position, row.is_done) for row in self._database.stream(query)}

    def posts(self, *, since_ms: int | None = None, until_ms: int | None = None) -> Iterator[PostRow]:
        """Yield the posts that are not deleted; of a time from `since_ms` to before `until_ms` where that is given."""
        query = reading.select_posts(since_ms=since_ms, until_ms=until_ms)
        return map(PostRow._make, self._database.stream(query))

    def predictions(
        self, *, model: str | None = None, since_ms: int | None = None, until_ms: int | None = None
    ) -> Iterator[PredictionRow]:
        """Yield the predictions, of one model or all; the times are those of their posts."""
        query = reading.select_predictions(model=model, since_ms=since_ms, until_ms=until_ms)
        return map(PredictionRow._make, self._database.stream(query))

    def dead_letters(self, *, input: str | None = None) -> Iterator[StoredDeadLetter]:  # noqa: A002 - As above.
        """Yield the dead letters with their bytes, of one input or all."""
        query = reading.select_dead_letters(input=input)
        return map(StoredDeadLetter._make, self._database.stream(query, at_once=_LETTERS_AT_ONCE))

    def minutes(
        self, *, model: str | None = None, since_ms: int | None = None, until_ms: int | None = None
    ) -> Iterator[MinuteRow]:
        """Yield what was counted by minute, language, country, place and label, in order of time."""
        query = reading.select_minutes(model=model, since_ms=since_ms, until_ms=until_ms)
        return map(MinuteRow._make, self._database.stream(query))

    def timeless(self, model: str) -> Iterator[MinuteRow]:
        """Yield what minutes count, for the posts without a time; the times in it mean nothing."""
        return map(MinuteRow._make, self._database.stream(reading.select_timeless(model=model)))

    def places(self, model: str, *, since_ms: int | None = None, until_ms: int | None = None) -> Iterator[PlaceRow]:
        """Yield the places with a point and what a model says of the posts there, a row a language and label."""
        query = reading.select_places(model=model, since_ms=since_ms, until_ms=until_ms)
        return map(PlaceRow._make, self._database.stream(query))

    def span(self, model: str) -> tuple[int, int] | None:
        """Return the times of the first and the last post of which a model said something, in milliseconds."""
        query = reading.select_span(model=model)
        first_ms, last_ms = self._database.read(lambda connection: connection.execute(query).one())
        return None if first_ms is None else (first_ms, last_ms)

    def models(self) -> list[str]:
        """Return the models of which there are minutes, by name."""
        return [row.model for row in self._database.stream(reading.select_models())]

    def counts(self) -> dict[str, int]:
        """Return how many posts, predictions and dead_letters there are, posts_without_time and posts_deleted."""
        queries = reading.select_counts()
        return self._database.read(
            lambda connection: {name: connection.execute(query).scalar_one() for name, query in queries.items()}
        )
