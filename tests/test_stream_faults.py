"""Streams under wrong use: places that cannot be read or written, closed pipes, limits, and what a message shows."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from siaga.cli.main import app
from siaga.errors import DataError
from siaga.serving.store import open_store
from siaga.serving.stream import files
from siaga.serving.stream.run import Plan, run
from tests.test_stream import AFINN, raw, stream

__all__ = ["stream"]  # A fixture.


def test_stdin_goes_into_a_store(tmp_path: Path) -> None:
    done = _siaga(tmp_path, "stream --from - --with stream-sentiment --to mood.db", stdin=raw(1, "good") + b"\n")
    assert (done.returncode, done.stderr.split(b" in ")[0]) == (0, b"1 post of 1 message")
    assert _stored(tmp_path / "mood.db") == ["1"]


@pytest.mark.parametrize(
    ("closed", "words"),
    [("--to mood.db <&-", b"stdin is closed"), ("<&-", b"stdin is closed"), (">&-", b"stdout is closed")],
)
def test_a_closed_pipe_is_told_in_one_line(tmp_path: Path, closed: str, words: bytes) -> None:
    done = _siaga(tmp_path, f"stream --from - --with stream-sentiment {closed}")
    assert done.returncode == 1
    assert done.stderr.startswith(b"siaga: " + words)
    assert done.stderr.count(b"\n") == 1


def test_a_full_stdout_is_told_in_one_line(stream: Path, tmp_path: Path) -> None:
    done = _siaga(tmp_path, f"stream --from {stream} --with stream-sentiment > /dev/full")
    assert done.returncode == 1
    assert done.stderr == b"siaga: stdout cannot be written: No space left on device. Make room where it goes.\n"


def _stored(path: Path) -> list[str]:
    with open_store(str(path)) as store:
        return [post.id for post in store.posts()]


def _siaga(folder: Path, arguments: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    script = "import sys; from siaga.cli.main import main; sys.argv[0] = 'siaga'; main()"
    command = ["sh", "-c", f'exec "$0" -c "$1" {arguments}', sys.executable, script]
    return subprocess.run(command, check=False, input=stdin, capture_output=True, cwd=folder, timeout=60)


def test_what_is_read_is_never_written_over(stream: Path, tmp_path: Path) -> None:
    before = stream.read_bytes()
    with pytest.raises(DataError, match=r"stream\.json is what is read, and would be lost"):
        run(Plan(str(stream), str(tmp_path / "." / "stream.json"), AFINN))
    with pytest.raises(DataError, match="would be read as a part of it"):
        run(Plan(str(tmp_path), str(tmp_path / "out.jsonl"), AFINN))
    done = CliRunner().invoke(app, ["feed", str(stream), str(stream), "--limit", "1"])
    assert "is what is read" in str(done.exception)
    done = CliRunner().invoke(app, ["mood", str(tmp_path), "--out", str(tmp_path / "mood")])
    assert "would be read as a part of it" in str(done.exception)
    assert stream.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["stream.json"]


def test_a_store_is_no_file_of_lines(stream: Path, tmp_path: Path) -> None:
    run(Plan(str(stream), str(tmp_path / "mood.db"), AFINN))
    with pytest.raises(DataError, match=r"mood\.db is a database, and no file of JSON lines"):
        run(Plan(str(tmp_path / "mood.db"), str(tmp_path / "mood.db"), AFINN))


def test_no_message_shows_the_password_of_a_url(stream: Path) -> None:
    with pytest.raises(DataError, match=r"--to mysql://… is not known"):
        run(Plan(str(stream), "mysql://me:secret@host/x", AFINN))
    with pytest.raises(DataError, match=r"The address of the PostgreSQL store cannot be read"):
        run(Plan(str(stream), "postgresql://me:se@cret@host/x", AFINN))
    with pytest.raises(DataError, match=r"--from redis://… is live"):
        run(Plan("redis://me:secret@host/x", "-", AFINN, replay=2))


def test_a_limit_of_a_store_is_passed_by_a_block_at_most(tmp_path: Path) -> None:
    path = tmp_path / "stream.json"
    path.write_bytes(b"".join(raw(i, "good " * 200) + b"\n" for i in range(500)))
    status = run(Plan(str(path), str(tmp_path / "mood.db"), AFINN, limit=10))
    assert 10 <= status.posts < 100


def test_the_summary_names_the_file_of_what_could_not_be_read(stream: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, f"stream --from {stream} --with {AFINN} --to {tmp_path}/s.txt --format scores".split()
    )
    assert "5 posts of 8 messages" in done.stderr
    assert f"What could not be read is in {tmp_path}/s.txt.quarantine.jsonl." in done.stderr


def test_an_interrupt_in_the_middle_of_an_import_ends_the_command(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from siaga.cli.interrupts import leaving_at_once
with leaving_at_once():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        pass  # As libraries written in other languages do.
sys.exit(0)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False, cwd=tmp_path).returncode == 130


@pytest.mark.parametrize("to", ["scores.txt", "mood.db"])
def test_a_mark_of_utf_8_at_the_start_of_a_file_costs_no_post(tmp_path: Path, to: str) -> None:
    (tmp_path / "stream.json").write_bytes(b"\xef\xbb\xbf" + raw(1, "good") + b"\n" + raw(2, "bad") + b"\n")
    status = run(Plan(str(tmp_path / "stream.json"), str(tmp_path / to), AFINN, format="scores"))
    assert (status.posts, status.dead) == (2, 0)


def test_a_limit_holds_for_all_workers_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SEGMENT_BYTES", 1 << 16)
    path = tmp_path / "stream.json"
    path.write_bytes(b"".join(raw(i, "good " * 200) + b"\n" for i in range(500)))
    status = run(Plan(str(path), str(tmp_path / "mood.db"), AFINN, limit=60, workers=4))
    assert 60 <= status.posts < 180


def test_what_was_set_aside_is_not_read_again(stream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        status = run(Plan(".", "scores.txt", AFINN, format="scores"))
        assert (status.messages, status.dead) == (8, 1)
    assert (tmp_path / "scores.txt.quarantine.jsonl").exists()


def test_a_table_is_no_stream_and_that_is_told(tmp_path: Path) -> None:
    (tmp_path / "posts.csv").write_text("id,text\n1,good\n")
    done = _siaga(tmp_path, "stream --from posts.csv --with stream-sentiment --format scores")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"No post could be read from posts.csv (2 messages cannot be read, most for: Not" in done.stderr
