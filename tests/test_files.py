"""Files are whole or absent, whatever happens while they are written."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from siaga.files import file_sha256, sweep, write_text, write_whole
from siaga.quarantine import Quarantine


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(TypeError), write_whole(path) as stream:
        stream.write(b"half" + "half")  # type: ignore[operator]  # the error is the point.
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_kill_while_writing_leaves_no_file_of_that_name_and_the_rest_is_swept(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    code = f"""
import time
from pathlib import Path
from siaga.files import write_whole
with write_whole(Path({str(path)!r})) as stream:
    stream.write(b"x" * 100_000); stream.flush(); print("writing", flush=True); time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        os.kill(child.pid, signal.SIGKILL)
    assert not path.exists()
    assert len(sweep(tmp_path)) == 1
    assert list(tmp_path.iterdir()) == []


def test_sweeping_leaves_every_other_file(tmp_path: Path) -> None:
    (tmp_path / ".hidden").write_text("mine")
    assert sweep(tmp_path) == []
    assert sweep(tmp_path / "absent") == []


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_quarantine_keeps_file_line_reason_and_counts_beyond_what_it_keeps(tmp_path: Path) -> None:
    quarantine = Quarantine(keep=2)
    for line in range(1, 4):
        quarantine.add("posts.csv", line, "ragged row: 3 cells, 4 columns", raw="a,b,c")
    quarantine.write(tmp_path / "q.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "q.jsonl").read_text().splitlines()]
    assert lines[0] == {"file": "posts.csv", "line": 1, "reason": "ragged row: 3 cells, 4 columns", "raw": "a,b,c"}
    assert len(lines) == 2
    assert quarantine.counts == {"ragged row": 3}
    assert len(quarantine) == 3


def test_an_empty_quarantine_leaves_no_file_and_removes_an_older_one(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text("old")
    Quarantine().write(tmp_path / "q.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_is_said_and_leaves_no_half_file(tmp_path: Path) -> None:
    code = f"""
import resource
from pathlib import Path
from siaga.files import write_text
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
write_text(Path({str(tmp_path / "out.txt")!r}), "x" * 100_000)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "DataError" in done.stderr.splitlines()[-1]
    assert "out.txt cannot be written" in done.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
