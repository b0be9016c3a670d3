"""Servers of our own for tests: PostgreSQL and Redis, each in a temporary folder and on a free port.

They start when a test first asks for them, one of each for a process of tests, and die with it.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import pytest

WITHIN_S = 60.0
_POSTGRES_USERS = ("postgres", "nobody")  # PostgreSQL refuses to run as root.


class Server:
    """A process that listens on a port of its own; it can be stopped, killed and started again over the same files."""

    _stop_signal = signal.SIGTERM
    _kill_signal = signal.SIGKILL

    def __init__(self, command: Sequence[str], *, folder: Path, port: int, is_up: Callable[[], bool]) -> None:
        self.folder, self.port = folder, port
        self._command, self._is_up = list(command), is_up
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def log(self) -> str:
        """What the server said."""
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start the process and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, cwd=self.folder)
        until = time.monotonic() + WITHIN_S
        while not self._is_up():
            if self._process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise RuntimeError(f"{self._command} does not run:\n{self.log}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop the process as its keeper would, with connections cut."""
        self._end(self._stop_signal)

    def kill(self) -> None:
        """End the process at once."""
        self._end(self._kill_signal)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(WITHIN_S)


class PostgresServer(Server):
    """PostgreSQL, for the user `siaga`, who needs no password."""

    _stop_signal = signal.SIGINT  # SIGTERM waits for the clients.
    _kill_signal = signal.SIGQUIT  # Ends the processes that serve clients, too, and flushes nothing.

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database."""
        return f"postgresql://siaga@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Make an empty database; return its address."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            name = f"test_{time.time_ns()}"
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        return self.url(name)

    def emptied(self) -> str:
        """Return the address of the one database whose tables are dropped now: quicker than a new one."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            others = "FROM pg_stat_activity WHERE usename = 'siaga' AND pid <> pg_backend_pid()"
            connection.execute(f"SELECT pg_terminate_backend(pid) {others}".encode())
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return self.url()


class RedisServer(Server):
    """Redis, without a password."""

    def url(self, database: int = 0) -> str:
        """Return the address of a numbered database."""
        return f"redis://127.0.0.1:{self.port}/{database}"


@contextmanager
def run_postgres(*settings: str) -> Iterator[PostgresServer]:
    """Run PostgreSQL with settings such as "fsync=off". Skips the test, or fails it, where it is not installed."""
    program = _found("postgres", *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
    folder, port = Path(tempfile.mkdtemp(prefix="siaga-postgres-")), free_port()
    run_as: list[str] = []
    if os.geteuid() == 0:
        user = next(user for user in _POSTGRES_USERS if _is_user(user))
        shutil.chown(folder, user)
        run_as = ["setpriv", f"--reuid={user}", f"--regid={_group_of(user)}", "--clear-groups"]
    data = folder / "data"
    initdb = [str(program.with_name("initdb")), "-D", str(data), "-U", "siaga", "-A", "trust", "-E", "UTF8"]
    subprocess.run(
        [*run_as, *initdb, "--locale=C.UTF-8", "--no-sync"], check=True, cwd=folder, stdout=subprocess.DEVNULL
    )
    where = [f"port={port}", f"unix_socket_directories={folder}", "listen_addresses=127.0.0.1"]
    options = [word for setting in (*where, *settings) for word in ("-c", setting)]
    command = [*_dies_with_us(run_as), str(program), "-D", str(data), *options]
    with PostgresServer(command, folder=folder, port=port, is_up=lambda: _accepts(port, _is_postgres)) as server:
        server.start()
        yield server


@contextmanager
def run_redis(*settings: str) -> Iterator[RedisServer]:
    """Run Redis; `settings` are its own ("--appendonly", "yes"), by default it keeps nothing on disk."""
    program = _found("redis-server")
    folder, port = Path(tempfile.mkdtemp(prefix="siaga-redis-")), free_port()
    where = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command = [*_dies_with_us([]), str(program), *where, *(settings or ("--save", ""))]
    with RedisServer(command, folder=folder, port=port, is_up=lambda: _accepts(port, _is_redis)) as server:
        server.start()
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """PostgreSQL for all tests of a process. It does not flush to disk: they kill processes, not the machine."""
    with run_postgres("fsync=off", "max_connections=50") as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Redis for all tests of a process."""
    with run_redis() as server:
        yield server


def free_port() -> int:
    """Return a port on which nobody listens now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _found(program: str, *folders: Path) -> Path:
    search = os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")])
    if (path := shutil.which(program, path=search)) is not None:
        return Path(path)
    reason = f"{program} is not installed. Run: apt-get install postgresql redis-server"
    if os.environ.get("SIAGA_REQUIRE_SERVERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def _dies_with_us(run_as: Sequence[str]) -> list[str]:
    """Return the words before a command that make it end when the process of tests does, however that ends."""
    if shutil.which("setpriv") is None:
        return list(run_as)
    return [*(run_as or ["setpriv"]), "--pdeathsig=KILL"]


def _is_user(name: str) -> bool:
    import pwd

    with suppress(KeyError):
        return bool(pwd.getpwnam(name))
    return False


def _group_of(name: str) -> int:
    import pwd

    return pwd.getpwnam(name).pw_gid


def _accepts(port: int, question: Callable[[socket.socket], bool]) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        return question(connection)
    return False


def _is_redis(connection: socket.socket) -> bool:
    connection.sendall(b"PING\r\n")
    return connection.recv(64).startswith(b"+PONG")


def _is_postgres(connection: socket.socket) -> bool:
    """Whether the server takes a session: it answers one that gives a user with R, and with E while it starts."""
    parameters = b"user\0siaga\0database\0postgres\0\0"
    connection.sendall((8 + len(parameters)).to_bytes(4, "big") + (196608).to_bytes(4, "big") + parameters)
    return connection.recv(1) == b"R"
