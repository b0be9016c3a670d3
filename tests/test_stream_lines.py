"""Lines of a stream: nothing is lost to a limit, no text commands a terminal, and no process outlives its parent."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import redis

from siaga.serving.stream.run import Plan, run
from tests.servers import RedisServer, redis_server

__all__ = ["redis_server"]  # A fixture.
AFINN = "stream-sentiment"


def test_what_a_limit_leaves_out_comes_another_time(redis_server: RedisServer, tmp_path: Path) -> None:
    url, out = f"redis://127.0.0.1:{redis_server.port}/limit?group=g", tmp_path / "out.jsonl"
    with redis.Redis(port=redis_server.port, protocol=2) as client:
        for i in range(9):  # Five at once: three posts, and then more than the two that are still asked for.
            message = {"delete": {"status": {"id_str": "7"}}} if i in (1, 3) else {"id_str": str(i), "text": "good"}
            client.xadd("limit", {"post": json.dumps(message)})
        run(Plan(url, str(out), AFINN, limit=5))
        run(Plan(url, str(out), AFINN, limit=4))
    found = [json.loads(line)["id"] for line in out.read_text().splitlines()]
    assert found == ["0", "2", "4", "5", "6", "5", "6", "7", "8"]


def test_a_text_cannot_command_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "1", "text": "a\x1b]0;b\x07c\x9bd\u2028é", "language": "en"}))
    run(Plan(str(tmp_path / "a.jsonl"), str(tmp_path / "lines.tsv"), AFINN, format="lines"))
    assert (tmp_path / "lines.tsv").read_text() == "en\t\ta ]0;b c d é\t0\n"


def test_processes_end_with_their_parent_however_it_dies(tmp_path: Path) -> None:
    script = "import sys; from siaga.cli.main import main; sys.argv[0] = 'siaga'; main()"
    given = ["stream", "--from", "-", "--with", AFINN, "--format", "scores", "--workers", "3"]
    command = [sys.executable, "-c", script, *given]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=tmp_path
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(2 * (json.dumps({"id_str": "1", "text": "good", "lang": "en"}).encode() + b"\n"))
        process.stdin.flush()
        children = _children(process.pid, 3)
        process.kill()
        try:
            assert [pid for pid in children if not _is_gone(pid)] == []
        finally:
            for pid in children:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _children(pid: int, count: int) -> list[int]:
    """Wait for so many children of a process."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    until = time.monotonic() + 20
    while len(found := [int(child) for child in path.read_text().split()]) < count and time.monotonic() < until:
        time.sleep(0.02)
    assert len(found) == count
    return found


def _is_gone(pid: int) -> bool:
    until = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "Z":
            return True
        time.sleep(0.02)
    return not Path(f"/proc/{pid}").exists()


def test_what_was_done_is_told_as_json_with_its_reasons(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "1", "text": "good", "language": "en"}\n{broken\n')
    script = "import sys; from siaga.cli.main import main; sys.argv[0] = 'siaga'; main()"
    given = ["stream", "--from", "a.jsonl", "--with", AFINN, "--to", "scores.txt", "--format", "scores", "--json"]
    done = subprocess.run([sys.executable, "-c", script, *given], cwd=tmp_path, capture_output=True, check=True)
    told = json.loads(done.stdout)
    assert (told["posts"], told["dead"], told["counts"]) == (1, 1, {"Not JSON": 1})


def test_a_file_that_was_fed_is_named_in_full(tmp_path: Path) -> None:
    script = "import sys; from siaga.cli.main import main; sys.argv[0] = 'siaga'; main()"
    given = ["feed", "synthetic", "a@b.jsonl", "--limit", "2"]
    done = subprocess.run([sys.executable, "-c", script, *given], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout == b"2 lines went to a@b.jsonl.\n"


def test_a_store_is_one_file_when_its_stream_has_ended(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "1", "text": "good", "language": "en"}\n')
    run(Plan(str(tmp_path / "a.jsonl"), str(tmp_path / "mood.db"), AFINN))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "mood.db"]
