"""The cache on disk: float32 rows by the hash of what they were computed from, one SQLite file a fingerprint.

A cache may vanish, break or refuse to be written; then a warning is logged and rows are computed again. It lies in
the folder that the environment variable SIAGA_CACHE names, or in ~/.cache/siaga.
"""

import logging
import os
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from threading import RLock

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

Row = NDArray[np.float32]

_AT_ONCE = 500  # Keys in one question; SQLite allows 999 in its older builds.
_WAIT_S = 30.0
_SETUP = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, row BLOB NOT NULL);
"""


class Cache:
    """Rows of one fingerprint; safe for threads and for several processes, before and after a fork.

    Each row is stored with its checksum. A file in which anything is wrong is renamed to `….corrupt` and begun anew.
    """

    def __init__(self, fingerprint: str, *, root: Path | None = None) -> None:
        self._path = (cache_root() if root is None else root) / f"{fingerprint}.sqlite"
        self._usable = True
        self._lock = RLock()
        # By process: a connection must not be used, nor even closed, by a fork of the process that opened it.
        self._connections: dict[int, sqlite3.Connection] = {}

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Row]:
        """Return the rows that are there, by key."""
        found: dict[bytes, Row] = {}
        with self._guarded():
            for start in range(0, len(keys) if self._usable else 0, _AT_ONCE):
                part = keys[start : start + _AT_ONCE]
                marks = ",".join("?" * len(part))
                question = f"SELECT key, row FROM rows WHERE key IN ({marks})"  # noqa: S608 - only question marks.
                found |= {key: _unsealed(sealed) for key, sealed in self._connection().execute(question, part)}
        return found

    def put(self, rows: Mapping[bytes, Row]) -> None:
        """Store rows, (width,) each, in one transaction; a key that is there keeps its row."""
        sealed = [(key, _sealed(row)) for key, row in rows.items()]
        with self._guarded():
            if self._usable and sealed:
                connection = self._connection()
                connection.execute("BEGIN IMMEDIATE")
                with connection:
                    connection.executemany("INSERT OR IGNORE INTO rows VALUES (?, ?)", sealed)

    def close(self) -> None:
        """Close this process's connection; the next use opens another."""
        with self._lock:
            if connection := self._connections.pop(os.getpid(), None):
                connection.close()

    def _connection(self) -> sqlite3.Connection:
        process = os.getpid()
        if process not in self._connections:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
            self._connections[process] = connection
            connection.executescript(_SETUP)
        return self._connections[process]

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Turn every trouble with the file into a warning."""
        with self._lock:
            try:
                yield
            except (OSError, sqlite3.OperationalError) as error:
                self._usable = False
                log.warning("The cache %s cannot be used (%s): embeddings are computed anew.", self._path, error)
            except (sqlite3.DatabaseError, _Damaged) as error:
                self._set_aside(error)

    def _set_aside(self, error: Exception) -> None:
        self.close()
        aside = f"{self._path}.{token_hex(4)}.corrupt"
        log.warning("The cache %s is damaged (%s): it is set aside as %s and begun anew.", self._path, error, aside)
        try:
            for suffix in ("", "-wal", "-shm"):
                if (part := Path(f"{self._path}{suffix}")).exists():
                    part.rename(f"{aside}{suffix}")
        except OSError as failure:
            self._usable = False
            log.warning("The cache %s cannot be set aside (%s): it is not used.", self._path, failure)


def cache_root() -> Path:
    """Return the folder of all caches."""
    if named := os.environ.get("SIAGA_CACHE"):
        return Path(named)
    return Path(os.path.expanduser("~")) / ".cache" / "siaga"  # noqa: PTH111 - Path.home raises where there is none.


class _Damaged(Exception):
    """A row does not match its checksum."""


def _sealed(row: Row) -> bytes:
    content = np.ascontiguousarray(row, dtype="<f4").tobytes()
    return zlib.crc32(content).to_bytes(4, "little") + content


def _unsealed(sealed: object) -> Row:
    if not isinstance(sealed, bytes) or zlib.crc32(sealed[4:]) != int.from_bytes(sealed[:4], "little"):
        raise _Damaged("a row does not match its checksum")
    return np.frombuffer(sealed, dtype="<f4", offset=4).astype(np.float32)
