"""What tests of killed streams share in a process: a parent of `siaga` processes, and an empty store of each kind."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers import PostgresServer
from tests.zygote import Zygote

MODULES = (
    *("siaga.cli.main", "siaga.cli.stream", "siaga.serving.stream.keeping", "siaga.serving.stream.redis"),
    *("siaga.serving.stream.kafka", "siaga.serving.store.store", "siaga.serving.store.sqlite"),
    *("siaga.serving.store.postgres", "siaga.models.lexicon", "redis", "hiredis", "confluent_kafka.admin", "afinn"),
)


@pytest.fixture(scope="session")
def stream_zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """A parent of processes of `siaga stream`, for all tests of a process."""
    with Zygote(tmp_path_factory.mktemp("logs"), modules=MODULES) as zygote:
        yield zygote


@pytest.fixture
def sqlite_store() -> Iterator[str]:
    """The name of a SQLite store that is not there yet."""
    with memory_folder() as folder:
        yield str(folder / "store.db")


@pytest.fixture
def postgres_store(postgres_server: PostgresServer) -> str:
    """The address of an empty PostgreSQL store."""
    return postgres_server.emptied()


@pytest.fixture(params=["sqlite", "postgres"])
def either_store(request: pytest.FixtureRequest) -> str:
    """An empty store, of both kinds in turn."""
    return str(request.getfixturevalue(f"{request.param}_store"))


@contextmanager
def memory_folder() -> Iterator[Path]:
    """Give a folder in memory where there is one: who kills processes needs no disk, which is slow."""
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - mkdtemp makes names of its own.
    folder = Path(tempfile.mkdtemp(prefix="siaga-store-", dir=where))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
