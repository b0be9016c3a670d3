"""A stream from end to end: raw messages in; scores, lines or a store out; stopped, gone on with, and played again."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from siaga.errors import DataError, RecipeError, SiagaError
from siaga.serving.store import open_store
from siaga.serving.stream import files
from siaga.serving.stream.messages import Attempt, Messages
from siaga.serving.stream.replay import Replay
from siaga.serving.stream.run import Plan, run
from siaga.serving.stream.status import Status
from siaga.sources.items import ItemReader
from siaga.sources.wanted import Wanted

AFINN = "stream-sentiment"


def raw(number: int, text: str | None, *, language: str | None = "en", second: int = 0) -> bytes:
    """Return a tweet as Twitter's API v1.1 writes it, cut to what matters."""
    tweet = {"id_str": str(number), "text": text, "lang": language, "timestamp_ms": str(1562135340000 + second * 1000)}
    return json.dumps(tweet).encode()


DELETE = b'{"delete":{"status":{"id":7,"id_str":"7","user_id":1},"timestamp_ms":"1562135340000"}}'
STREAM = [
    raw(1, "I love this, awesome"),
    DELETE,
    raw(2, "so sad", second=1),
    raw(3, "kok sedih", language="in", second=2),
    b"{broken",
    raw(4, None, second=3),
    b"",
    raw(5, "does not work", second=64),
]


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    path = tmp_path / "stream.json"
    path.write_bytes(b"\n".join(STREAM) + b"\n")
    return path


def test_scores_come_one_a_line_in_order(stream: Path, tmp_path: Path) -> None:
    status = run(Plan(str(stream), str(tmp_path / "scores.txt"), AFINN, format="scores"))
    assert (tmp_path / "scores.txt").read_text() == "7\n-2\n0\n0\n-3\n"
    assert (status.messages, status.posts, status.dead) == (8, 5, 1)
    assert status.counts == Counter({"delete": 1, "keep-alive": 1, "Not JSON": 1})


def test_lines_hold_language_place_text_and_score(stream: Path, tmp_path: Path) -> None:
    placed = {"id_str": "9", "text": "bad\tday\n&amp; night", "lang": "en", "user": {"location": "Jakarta"}}
    stream.write_bytes(json.dumps(placed).encode() + b"\n" + raw(3, "kok sedih", language="in") + b"\n")
    run(Plan(str(stream), str(tmp_path / "lines.tsv"), AFINN, format="lines"))
    assert (tmp_path / "lines.tsv").read_text() == "en\tJakarta\tbad day & night\t-3\nid\t\tkok sedih\t0\n"


def test_json_lines_are_predictions_that_keep_the_reason(stream: Path, tmp_path: Path) -> None:
    run(Plan(str(stream), str(tmp_path / "out.jsonl"), AFINN))
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(one["id"], one["label"], one["score"], one["error"]) for one in found] == [
        ("1", "positive", 7, None),
        ("2", "negative", -2, None),
        ("3", "neutral", 0, "other language"),
        ("4", "neutral", 0, "no text"),
        ("5", "negative", -3, None),
    ]


def test_what_cannot_be_read_is_set_aside_with_its_line(stream: Path, tmp_path: Path) -> None:
    run(Plan(str(stream), str(tmp_path / "scores.txt"), AFINN, format="scores"))
    [row] = map(json.loads, (tmp_path / "scores.txt.quarantine.jsonl").read_text().splitlines())
    assert (row["file"], row["line"], row["raw"]) == ("stream.json", 5, "{broken")
    assert row["reason"].startswith("Not JSON: ")


def test_a_limit_counts_posts(stream: Path, tmp_path: Path) -> None:
    run(Plan(str(stream), str(tmp_path / "scores.txt"), AFINN, format="scores", limit=2))
    assert (tmp_path / "scores.txt").read_text() == "7\n-2\n"


def test_several_workers_write_what_one_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SEGMENT_BYTES", 1000)
    path = tmp_path / "stream.json"
    path.write_bytes(b"\n".join([*(raw(i, "good " * (i % 7)) for i in range(200)), b"{", DELETE]))
    for workers in (1, 3):
        status = run(Plan(str(path), str(tmp_path / f"{workers}.txt"), AFINN, format="scores", workers=workers))
        assert (status.posts, status.messages, status.dead) == (200, 202, 1)
    assert (tmp_path / "3.txt").read_bytes() == (tmp_path / "1.txt").read_bytes()
    assert (tmp_path / "1.txt").read_text().splitlines() == [str(3 * (i % 7)) for i in range(200)]
    rows = [json.loads((tmp_path / f"{n}.txt.quarantine.jsonl").read_text()) for n in (1, 3)]
    assert rows[0] == rows[1]
    assert rows[0]["line"] == 201


def test_a_store_holds_posts_predictions_and_dead_letters(stream: Path, tmp_path: Path) -> None:
    status = run(Plan(str(stream), str(tmp_path / "mood.db"), AFINN))
    assert (status.posts, status.kept, status.repeated, status.dead) == (5, 5, 0, 1)
    with open_store(str(tmp_path / "mood.db")) as store:
        assert [(post.id, post.language) for post in store.posts()] == [
            *(("1", "en"), ("2", "en"), ("3", "id"), ("4", "en"), ("5", "en"))
        ]
        assert [(one.post_id, one.score, one.used) for one in store.predictions()] == [
            *(("1", 7, "text"), ("2", -2, "text"), ("3", 0, ""), ("4", 0, ""), ("5", -3, "text"))
        ]
        [letter] = store.dead_letters()
    assert (letter.raw, letter.part, letter.position) == (
        b"{broken",
        "stream.json",
        str(len(b"\n".join(STREAM[:4])) + 1),
    )


def test_the_same_command_again_adds_nothing_and_reads_what_is_new(stream: Path, tmp_path: Path) -> None:
    plan = Plan(str(stream), str(tmp_path / "mood.db"), AFINN)
    run(plan)
    assert run(plan).messages == 0
    with stream.open("ab") as out:
        out.write(raw(6, "good") + b"\n")
    status = run(plan)
    assert (status.messages, status.kept) == (1, 1)


def test_without_a_model_posts_are_collected(stream: Path, tmp_path: Path) -> None:
    run(Plan(str(stream), str(tmp_path / "posts.db")))
    with open_store(str(tmp_path / "posts.db")) as store:
        assert [post.id for post in store.posts()] == ["1", "2", "3", "4", "5"]
        assert list(store.predictions()) == []
    run(Plan(str(stream), str(tmp_path / "posts.jsonl")))
    again = run(Plan(str(tmp_path / "posts.jsonl"), str(tmp_path / "scores.txt"), AFINN, format="scores"))
    assert again.posts == 5
    assert (tmp_path / "scores.txt").read_text() == "7\n-2\n0\n0\n-3\n"


def test_only_wanted_posts_are_taken(stream: Path, tmp_path: Path) -> None:
    plan = Plan(str(stream), str(tmp_path / "s.txt"), AFINN, format="scores", wanted=Wanted(languages=["id"]))
    status = run(plan)
    assert (tmp_path / "s.txt").read_text() == "0\n"
    assert status.counts["not asked for"] == 4


def test_a_pipe_is_read_as_it_comes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "siaga.cli.main", "stream", "--from", "-", "--with", AFINN, "--format", "scores"]
    script = "import sys; from siaga.cli.main import main; sys.argv[0] = 'siaga'; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", script, *command[3:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        process.stdin.write(raw(1, "good") + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"3\n"  # Before the pipe has ended.
        process.stdin.write(raw(2, "bad"))
        process.stdin.close()
        assert process.stdout.readline() == b"-3\n"
    assert process.returncode == 0


def test_faults_of_the_user_are_told_before_anything_is_written(stream: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="has to learn before it can answer"):
        run(Plan(str(stream), str(tmp_path / "x.txt"), "disaster-tweets"))
    with pytest.raises(RecipeError, match="Did you mean 'stream-sentiment'"):
        run(Plan(str(stream), str(tmp_path / "x.txt"), "stream-sentimant"))
    with pytest.raises(DataError, match=r"--to .*x\.csv is not known"):
        run(Plan(str(stream), str(tmp_path / "x.csv"), AFINN))
    with pytest.raises(DataError, match="Did you mean 'redis'"):
        run(Plan("reddis://h/s", str(tmp_path / "x.txt"), AFINN))
    with pytest.raises(DataError, match="--replay is for what was recorded"):
        run(Plan("-", str(tmp_path / "x.txt"), AFINN, replay=60))
    with pytest.raises(SiagaError, match="does not exist"):
        run(Plan(str(tmp_path / "none.json"), str(tmp_path / "x.db"), AFINN))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stream.json"]


def test_a_fault_in_a_worker_ends_the_run_with_its_message(stream: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.json.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match="damaged or cut short"):
        run(Plan(str(tmp_path / "cut.json.gz"), str(tmp_path / "x.db"), AFINN))


def test_a_stop_leaves_a_store_that_the_next_run_completes(tmp_path: Path) -> None:
    path, store = tmp_path / "stream.json", str(tmp_path / "mood.db")
    path.write_bytes(b"".join(raw(i, "good", second=i) + b"\n" for i in range(30)))
    script = "import sys; from siaga.cli.main import main; sys.argv[0] = 'siaga'; main()"
    given = ["stream", "--from", str(path), "--with", AFINN, "--to", store, "--replay", "20x"]
    process = subprocess.Popen([sys.executable, "-c", script, *given], stderr=subprocess.DEVNULL, cwd=tmp_path)
    while not Path(store).exists() or not _count(store):
        time.sleep(0.05)
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert time.monotonic() - asked < 10
    first = _count(store)
    assert 0 < first < 30
    status = run(Plan(str(path), store, AFINN))
    assert status.kept == 30 - first
    assert _count(store) == 30


@dataclass
class _Recorded:
    """Messages that are there at once."""

    lines: Sequence[bytes]
    name: str = "recorded"
    asked: list[str] = field(default_factory=list)

    def messages(self, attempt: Attempt) -> Iterator[Messages | None]:
        yield Messages("part", self.lines, [str(i) for i in range(len(self.lines))])

    def acknowledge(self, messages: Messages) -> None: ...

    def lag(self) -> int | None:
        return None

    def close(self) -> None: ...


def test_a_replay_keeps_the_pace_of_the_recording() -> None:
    now = 100.0
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += seconds

    lines = [raw(1, "a"), DELETE, raw(2, "b", second=6), raw(3, "c", second=66), b"{", raw(4, "d", second=66)]
    replay = Replay(_Recorded(lines), ItemReader(), 60.0, clock=lambda: now, sleep=sleep)
    at = [(round(now - 100, 3), messages.lines) for messages in replay.messages(lambda *_: 1) if messages is not None]
    assert at == [(0.0, lines[:3]), (1.1, lines[3:])]
    assert sum(slept) == pytest.approx(1.1)


def test_a_status_adds_up_what_workers_tell(stream: Path, tmp_path: Path) -> None:
    heard: list[Status] = []
    last = run(Plan(str(stream), str(tmp_path / "mood.db"), AFINN), hear=heard.append)
    assert heard[-1].posts == last.posts == 5
    assert last.deaths == 0


def _count(store: str) -> int:
    with open_store(store) as opened:
        return sum(1 for _ in opened.predictions())


def test_what_a_killed_process_left_half_written_is_cut_off(tmp_path: Path) -> None:
    from siaga.serving.stream.writing import end_at_a_line

    path = tmp_path / "out.jsonl"
    path.write_bytes(b"a\nb" + b"c" * 100_000)
    with path.open("ab+") as out:
        end_at_a_line(out)
        out.write(b"d\n")
    assert path.read_bytes() == b"a\nd\n"
