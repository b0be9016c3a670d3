"""PostgreSQL: a server of its own, for several machines and many writers."""

from collections.abc import Sequence

import psycopg
from psycopg import errors
from sqlalchemy import URL, Connection, Table, create_engine, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.types import BigInteger, Boolean, Double, Text

from siaga.errors import DataError, SiagaError, StoreAway
from siaga.serving.store.database import UNKEPT, Types, said_by

_LOCK = 0x51A6A  # Any number that nobody else locks.
_BINARY = {Text: "text", BigInteger: "int8", Double: "float8", Boolean: "bool"}
# A server that vanished is noticed in half a minute, not when the kernel gives up after fifteen.
_LINK = {"connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4}
_PASSING = (errors.DeadlockDetected, errors.SerializationFailure, errors.UniqueViolation)
_AWAY = (
    *_PASSING,
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.TooManyConnections,
    errors.ReadOnlySqlTransaction,  # What was the primary became a standby.
    errors.OutOfMemory,
    errors.LockNotAvailable,
)
_REFUSED = ("does not exist", "authentication failed", "no pg_hba.conf entry", "no password supplied", "invalid ")
_FAULTS: list[tuple[tuple[type[Exception], ...], str]] = [
    ((psycopg.DataError, errors.ProgramLimitExceeded, *UNKEPT), "cannot keep what a post holds: {said}. Leave it out."),
    ((errors.DiskFull, errors.ConfigurationLimitExceeded), "cannot be written: {said}. Make room on its disk."),
    (
        (errors.InsufficientPrivilege, errors.InvalidSchemaName),
        "does not let this user write: {said}. Give it the right to make tables there.",
    ),
]


class Postgres:
    """A store in a database of PostgreSQL."""

    error = psycopg.Error
    is_alone = False
    types = Types(key='TEXT COLLATE "C"', raw="BYTEA", by_key="")
    # An array is looked up in the index; of a subquery PostgreSQL makes a scan of the table.
    among_ids = "= ANY(ARRAY(SELECT json_array_elements_text(CAST(:ids AS json))))"

    def __init__(self, url: str) -> None:
        address = _address(url)
        self.name = URL.create(
            "postgresql", address.username, None, address.host, address.port, address.database
        ).render_as_string()
        link = {**_LINK, "tcp_user_timeout": 30_000, "application_name": "siaga"}
        self.engine = create_engine(address, connect_args={k: v for k, v in link.items() if k not in address.query})

    def prepare(self) -> None:
        """Do nothing."""

    def lock(self, connection: Connection) -> None:
        """Wait until no other process migrates."""
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))

    def insert(self, connection: Connection, table: Table, rows: Sequence[tuple[object, ...]]) -> None:
        """Insert rows by COPY, past SQLAlchemy."""
        if not rows:
            return
        columns = list(table.columns)[: len(rows[0])]
        names = ", ".join(f'"{column.name}"' for column in columns)
        raw = connection.connection.cursor()
        with raw.copy(f"COPY {table.name} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types([_BINARY[type(column.type)] for column in columns])
            for row in rows:
                copy.write_row(row)

    def is_passing(self, error: Exception) -> bool:
        """Whether transactions met, or a key is there."""
        return isinstance(said_by(error), _PASSING)

    def fault(self, error: Exception) -> SiagaError | None:
        """Return what an error means to the user."""
        said = said_by(error)
        what = str(said).partition("\n")[0].strip().rstrip(".")
        for kinds, sentence in _FAULTS:
            if isinstance(said, kinds):
                return DataError(f"{self.name} {sentence.format(said=what)}")
        # Where no session came about, or it is gone, the driver gives no code.
        is_link = isinstance(said, psycopg.Error) and said.sqlstate is None
        if is_link and any(word in str(said) for word in _REFUSED):
            return DataError(f"{self.name} cannot be opened: {what}. Check the address, the user and the database.")
        is_away = isinstance(said, _AWAY) or (is_link and isinstance(said, psycopg.OperationalError))
        return StoreAway(f"{self.name} cannot be reached: {what}.") if is_away else None


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):  # What they say may hold the password.
        address = None
    if address is None or not address.database or "@" in (address.host or ""):  # Then it is the end of a password.
        how = "Write it as postgresql://user:password@host:5432/database; in a password, write @ as %40 and / as %2F"
        raise DataError(f"The address of the PostgreSQL store cannot be read. {how}.") from None
    return address.set(drivername="postgresql+psycopg")
