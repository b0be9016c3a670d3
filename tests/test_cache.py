import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from siaga.features.cache import Cache, Row, cache_root

WIDTH = 16


def key(number: int) -> bytes:
    return sha256(str(number).encode()).digest()


def row(number: int) -> Row:
    return np.random.default_rng(number).normal(size=WIDTH).astype(np.float32)


def rows(*numbers: int) -> dict[bytes, Row]:
    return {key(number): row(number) for number in numbers}


def check(found: dict[bytes, Row], *numbers: int) -> None:
    assert found.keys() == {key(number) for number in numbers}
    for number in numbers:
        np.testing.assert_array_equal(found[key(number)], row(number))


def test_what_was_put_is_found_by_the_next_run(tmp_path: Path) -> None:
    Cache("a", root=tmp_path).put(rows(*range(1200)))
    found = Cache("a", root=tmp_path).get([key(number) for number in range(1500)])
    check(found, *range(1200))
    assert found[key(1)].dtype == np.float32
    assert Cache("b", root=tmp_path).get([key(1)]) == {}


def test_nothing_asked_is_nothing_found(tmp_path: Path) -> None:
    cache = Cache("a", root=tmp_path)
    cache.put({})
    assert cache.get([]) == {}


def test_the_root_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIAGA_CACHE", str(tmp_path / "here"))
    Cache("a").put(rows(1))
    assert (tmp_path / "here" / "a.sqlite").is_file()
    monkeypatch.delenv("SIAGA_CACHE")
    assert cache_root() == Path.home() / ".cache" / "siaga"


def damage_file(path: Path) -> None:
    path.write_bytes(b"no database at all " * 100)


def damage_pages(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:12288] = b"\xff" * 8192
    path.write_bytes(content)


def damage_row(path: Path) -> None:
    database = sqlite3.connect(path)
    (sealed,) = database.execute("SELECT row FROM rows WHERE key = ?", [key(2)]).fetchone()
    with database:
        database.execute("UPDATE rows SET row = ? WHERE key = ?", [sealed[:-1] + bytes([sealed[-1] ^ 1]), key(2)])
    database.close()


@pytest.mark.parametrize("damage", [damage_file, damage_pages, damage_row])
def test_a_damaged_file_is_set_aside_with_a_warning(
    damage: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = Cache("a", root=tmp_path)
    cache.put(rows(*range(300)))
    cache.close()
    assert callable(damage)
    damage(tmp_path / "a.sqlite")
    cache = Cache("a", root=tmp_path)
    found = cache.get([key(number) for number in range(300)])
    for number in range(300):
        assert key(number) not in found or (found[key(number)] == row(number)).all()
    assert "is damaged" in caplog.text
    assert len(list(tmp_path.glob("a.sqlite.*.corrupt"))) == 1
    cache.put(rows(7))
    check(Cache("a", root=tmp_path).get([key(7), key(8)]), 7)


def test_a_folder_that_cannot_be_made_is_a_warning_and_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = Cache("a", root=tmp_path / "file")
    for _ in range(3):
        cache.put(rows(1))
        assert cache.get([key(1)]) == {}
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "cannot be used" in caplog.text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_a_warning_and_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tmp_path.chmod(0o500)
    cache = Cache("a", root=tmp_path)
    cache.put(rows(1))
    assert cache.get([key(1)]) == {}
    assert "cannot be used" in caplog.text


FULL_DISK = """
import resource, sys
from pathlib import Path
from tests.test_cache import Cache, key, rows
cache = Cache("a", root=Path(sys.argv[1]))
cache.put(rows(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
for start in range(0, 10_000, 500):
    cache.put(rows(*range(start, start + 500)))
print(len(cache.get([key(1)])))
"""


def test_a_full_disk_is_a_warning_and_no_error(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    here = Path(__file__).parents[1]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, cwd=here)
    assert (run.returncode, run.stdout) == (0, "0\n")
    assert run.stderr.count("cannot be used") == 1
    found = Cache("a", root=tmp_path).get([key(number) for number in range(500)])
    check({k: v for k, v in found.items() if k == key(1)}, 1)


def _write(root: Path, start: int) -> None:
    cache = Cache("a", root=root)
    for number in range(start, start + 100):
        cache.put(rows(number, number + 1))


def test_several_processes_write_at_once_and_lose_nothing(tmp_path: Path) -> None:
    workers = [get_context("spawn").Process(target=_write, args=(tmp_path, start)) for start in (0, 50, 100, 150)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    check(Cache("a", root=tmp_path).get([key(number) for number in range(251)]), *range(251))


def test_a_fork_opens_its_own_connection(tmp_path: Path) -> None:
    cache = Cache("a", root=tmp_path)
    cache.put(rows(1))
    child = os.fork()
    if child == 0:
        cache.put(rows(2))
        os._exit(0 if len(cache._connections) == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0
    check(cache.get([key(1), key(2)]), 1, 2)


WRITE_FOR_EVER = """
import sys
from pathlib import Path
from tests.test_cache import Cache, rows
cache = Cache("a", root=Path(sys.argv[1]))
number = int(sys.argv[2])
while True:
    cache.put(rows(number, number + 1, number + 2))
    print(number, flush=True)
    number += 3
"""


def test_a_killed_writer_leaves_a_whole_cache(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    written = 0
    for _ in range(4):
        command = [sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path), str(written)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.05)
            writer.send_signal(signal.SIGKILL)
            written = max(int(line) for line in [str(written), *writer.stdout.read().splitlines()]) + 3
        found = Cache("a", root=tmp_path).get([key(number) for number in range(written)])
        check(found, *range(written))
    assert caplog.text == ""
