"""The store as a file: other writers, full disks, and files that are no store."""

import os
import resource
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from siaga.errors import DataError, StoreAway
from siaga.serving.store import open_store
from siaga.serving.store.database import Database
from siaga.serving.store.migrations import migrate
from siaga.serving.store.rows import Batch
from siaga.serving.store.sqlite import SQLite
from siaga.serving.store.store import Store
from tests.stored import MODEL, batch, exit_codes, letter, post, prediction, started

TMPFS_BYTES = 2 << 20


def test_what_is_committed_is_on_the_disk(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "store.db")) as store:
        pragma = "SELECT synchronous, journal_mode FROM pragma_synchronous, pragma_journal_mode"
        settings = store._database.read(lambda connection: tuple(connection.exec_driver_sql(pragma).one()))
    assert settings == (2, "wal")  # 2 is FULL.


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    path = tmp_path / "mood 100% #1?.db"
    for name in (str(path), f"sqlite:///{path}"):
        with open_store(name) as store:
            assert store.name == str(path)
            store.write(batch([1]))
    assert path.is_file()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "names no file"),
        (":memory:", "names no file"),
        ("sqlite://", "names no file"),
        (".", "is a folder. Give the name of a file in it"),
        ("missing/store.db", "Make the folder first"),
        ("text.db", "is not a SQLite database. Choose another name"),
        ("torn.db", "is damaged"),
        ("other.db", "a database of something else: it has the tables moz_places"),
        ("versioned.db", "a database of something else"),
        ("newer.db", "made by a newer Siaga .version 9 of its tables; this one knows"),
        ("mysql://host/db", "mysql:// is no store"),
    ],
)
def test_what_is_no_store_is_refused(name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.db").write_text("id,text\n" * 200)
    for file, statement in {
        "other.db": "CREATE TABLE moz_places (id)",
        "versioned.db": "CREATE TABLE schema_version (version, script)",
        "newer.db": "CREATE TABLE schema_version (version, applied_ms)",
    }.items():
        with sqlite3.connect(file) as connection:
            connection.execute(statement)
    with sqlite3.connect("newer.db") as connection:
        connection.execute("INSERT INTO schema_version VALUES (9, 0)")
    open_store("torn.db").close()
    Path("torn.db").write_bytes(Path("torn.db").read_bytes()[:100] + os.urandom(8000))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(DataError, match=message):
        open_store(name)
    assert {path: path.read_bytes() for path in before} == before


def test_a_mistyped_name_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        open_store(str(tmp_path / "moood.db"), must_exist=True)
    (tmp_path / "empty.db").touch()
    with pytest.raises(DataError, match="holds no posts yet"):
        open_store(str(tmp_path / "empty.db"), must_exist=True)
    assert [path.name for path in tmp_path.iterdir()] == ["empty.db"]


def test_an_old_store_is_brought_up_to_date_and_keeps_its_posts(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    old = Database(SQLite(path), wait_s=1)
    migrate(old, now_ms=5, to=1)
    old.close()
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO posts (source, id, text, is_repost) VALUES ('twitter', '1', 'Banjir', 0)")
    connection.close()
    assert exit_codes([started(open_and_close, str(path)) for _ in range(4)]) == [0] * 4
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT version FROM schema_version ORDER BY version").fetchall() == [(1,), (2,)]
        assert connection.execute("SELECT COUNT(*) FROM reviews").fetchall() == [(0,)]
    connection.close()
    with open_store(str(path)) as store:
        assert [row.text for row in store.posts()] == ["Banjir"]


def open_and_close(path: str) -> None:
    open_store(path).close()


def test_many_may_open_a_new_store_at_once(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    assert exit_codes([started(open_and_close, path) for _ in range(8)]) == [0] * 8


def test_a_store_that_others_keep_busy_is_away_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with open_store(str(path), wait_s=0.2) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreAway, match="is busy: other processes write"):
            store._database.write(lambda _: pytest.fail("Work has begun that has to be done again."))
        assert store.counts()["posts"] == 0
        other.execute("COMMIT")
        other.close()
        assert store.write(batch([1])).fresh == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", str(folder)]
    mount = subprocess.run(command, capture_output=True, check=False)
    if mount.returncode:
        pytest.skip(f"No file system can be mounted here: {mount.stderr.decode()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_named_and_leaves_no_half_batch(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(TMPFS_BYTES // 4))
    with open_store(str(small_disk / "store.db")) as store:
        written = fill(store.name)
        assert store.counts() | {"posts": 100 * written, "predictions": 100 * written} == store.counts()
        ballast.unlink()
        assert store.write(batch(range(100 * written, 100 * written + 100))).fresh == 100


def test_a_limit_on_the_size_of_files_is_a_full_disk(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    open_store(path).close()
    assert exit_codes([started(fill_up_to_a_limit, path)]) == [0]
    with open_store(path) as store:
        written = int(store.offsets("stream.jsonl", MODEL)["part"].position)
        assert store.counts() | {"posts": 100 * written, "predictions": 100 * written} == store.counts()
        assert store.write(batch(range(100 * written, 100 * written + 100))).fresh == 100


def fill_up_to_a_limit(path: str) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    fill(path)


def fill(path: str) -> int:
    """Write batches until there is no room for one; return how many were written."""
    with open_store(path) as store:
        with pytest.raises(DataError) as raised:
            write_without_end(store)
        written = int(store.offsets("stream.jsonl", MODEL)["part"].position)
    assert str(raised.value).startswith(f"{path} cannot be written: ")
    assert str(raised.value).endswith(". Make room on its disk, or choose another.")
    return written


def write_without_end(store: Store) -> None:
    for number in range(1000):
        store.write(batch(range(100 * number, 100 * number + 100), offset=str(number + 1)))


def test_a_nul_and_no_text_are_kept_as_they_are(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "store.db")) as store:
        rows = [post(1, text="a\0b"), post(2, text=""), post(3, text="\0")]
        store.write(Batch("in", MODEL, rows, [prediction(1)], [letter(1, raw=b"\0")]))
        assert [row.text for row in store.posts()] == ["a\0b", "", "\0"]
