"""The store on a server: it goes away and comes back, and what it says never holds a password."""

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import errors

from siaga.errors import DataError, StoreAway
from siaga.serving.store import open_store
from siaga.serving.store.postgres import Postgres
from tests.servers import PostgresServer, free_port
from tests.stored import batch, exit_codes, post, started


def test_a_server_that_goes_away_is_waited_for_and_found_again(postgres_server: PostgresServer) -> None:
    url = postgres_server.emptied()
    with open_store(url) as store:
        store.write(batch(range(1000), offset="1"))
        reading = store.posts()
        next(reading)
        postgres_server.stop()
        try:
            with pytest.raises(StoreAway, match="cannot be reached"):
                list(reading)
            for _ in range(2):
                with pytest.raises(StoreAway, match="cannot be reached"):
                    store.write(batch(range(1000, 1010)))
            with pytest.raises(StoreAway, match="cannot be reached"):
                open_store(url)
        finally:
            postgres_server.start()
        assert store.write(batch(range(1000, 1010))).fresh == 10
        assert store.counts()["posts"] == 1010


def test_a_connection_that_is_cut_is_made_anew(postgres_server: PostgresServer) -> None:
    with open_store(postgres_server.emptied()) as store:
        store.write(batch([1]))
        cut(postgres_server)
        with pytest.raises(StoreAway):
            store.write(batch([2]))
        assert store.write(batch([2])).fresh == 1
        cut(postgres_server)
        with pytest.raises(StoreAway):
            store.attempt("in", "model", "part", "1")
        assert store.attempt("in", "model", "part", "1") == 1


def cut(server: PostgresServer) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'siaga'")


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        (
            "postgresql://siaga:hush@127.0.0.1:{port}/missing?password=hush",
            DataError,
            'database "missing" does not exist',
        ),
        ("postgres://nobody:hush@127.0.0.1:{port}/postgres", DataError, 'role "nobody" does not exist'),
        ("postgresql://siaga:hush@127.0.0.1:{free}/postgres", StoreAway, "cannot be reached: .*refused"),
        ("postgresql://siaga:hu@sh@127.0.0.1:port/postgres", DataError, "Write it as postgresql://user:password@host"),
        ("postgresql://siaga:hush@127.0.0.1:{port}", DataError, "Write it as postgresql://user:password@host"),
        ("postgresql://siaga:hush@127.0.0.1:{port}/postgres?sslmode=some", DataError, "sslmode"),
        ("postgresql://siaga:hush@127.0.0.1:{port}/postgres?colour=red", DataError, "colour"),
    ],
)
def test_what_cannot_be_opened_is_said_without_the_password(
    url: str, error: type[Exception], message: str, postgres_server: PostgresServer
) -> None:
    with pytest.raises(error, match=message) as raised:
        open_store(url.format(port=postgres_server.port, free=free_port()))
    assert "hush" not in str(raised.value)


def test_the_name_of_a_store_has_no_password(postgres_server: PostgresServer) -> None:
    url = postgres_server.emptied().replace("siaga@", "siaga:hush@") + "?connect_timeout=3&password=hush"
    with open_store(url) as store:
        assert store.name == f"postgresql://siaga@127.0.0.1:{postgres_server.port}/postgres"


def test_other_tables_may_stand_beside_ours_unless_they_have_our_names(postgres_server: PostgresServer) -> None:
    url = postgres_server.emptied()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE spatial_ref_sys (id BIGINT)")
        open_store(url).close()
        connection.execute("DROP TABLE schema_version")
        with pytest.raises(DataError, match="of something else: it has the tables attempts, dead_letters"):
            open_store(url)


def test_a_user_without_rights_is_told(postgres_server: PostgresServer) -> None:
    url = postgres_server.emptied()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE ROLE guest LOGIN")
    guest = url.replace("siaga@", "guest@")
    with pytest.raises(DataError, match="does not let this user write"):
        open_store(guest)


def test_a_store_must_exist_where_it_is_only_read(postgres_server: PostgresServer) -> None:
    url = postgres_server.emptied()
    with pytest.raises(DataError, match="holds no posts yet"):
        open_store(url, must_exist=True)
    open_store(url).close()
    open_store(url, must_exist=True).close()


def test_many_may_open_a_new_database_at_once(postgres_server: PostgresServer) -> None:
    url = postgres_server.emptied()
    assert exit_codes([started(open_and_close, url) for _ in range(6)]) == [0] * 6


def open_and_close(url: str) -> None:
    open_store(url).close()


def test_a_nul_is_refused_and_nothing_of_the_batch_is_kept(postgres_server: PostgresServer) -> None:
    with open_store(postgres_server.emptied()) as store:
        for row in (post(2, text="a\0b"), post(2, user="\0")):
            bad = batch([1, 2])
            bad.posts[1] = row
            with pytest.raises(DataError, match="cannot keep what a post holds"):
                store.write(bad)
        assert store.counts()["posts"] == 0


def test_a_full_disk_is_named() -> None:
    fault = Postgres("postgresql://siaga@127.0.0.1/x").fault(errors.DiskFull("could not extend file: No space left"))
    assert isinstance(fault, DataError)
    assert str(fault) == (
        "postgresql://siaga@127.0.0.1/x cannot be written: could not extend file: No space left. Make room on its disk."
    )


def test_of_two_that_wait_for_each_other_the_store_gives_way_and_begins_again(postgres_server: PostgresServer) -> None:
    url = postgres_server.emptied()
    insert = "INSERT INTO posts (source, id, is_repost) VALUES ('twitter', %s, FALSE)"
    with open_store(url, wait_s=30) as store, psycopg.connect(url) as other, ThreadPoolExecutor(1) as pool:
        other.execute(insert, ["1"])
        written = pool.submit(store.write, batch([2, 1]))
        while not waits(postgres_server):
            time.sleep(0.01)
        other.execute(insert, ["2"])
        other.commit()
        assert written.result(30).fresh == 2
        assert store.counts() | {"posts": 2, "predictions": 2} == store.counts()


def waits(server: PostgresServer) -> bool:
    """Whether the store waits for somebody's lock."""
    query = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'siaga' AND wait_event_type = 'Lock'"
    with psycopg.connect(server.url()) as connection:
        return connection.execute(query).fetchone() is not None
