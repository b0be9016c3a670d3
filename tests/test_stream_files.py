"""Files as a stream: every line comes once, whatever the cuts, and a stream goes on where it was left."""

import bz2
import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga.errors import DataError
from siaga.serving.store.rows import Offset
from siaga.serving.stream import files
from siaga.serving.stream.files import FilesInput, list_segments, read_blocks
from siaga.serving.stream.messages import Messages

LINES = st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"x")), max_size=30)


@given(LINES, st.booleans(), st.integers(1, 300), st.integers(1, 300))
def test_every_byte_comes_once_whatever_the_cuts(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], ends: bool, segment_bytes: int, block_bytes: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "lines.jsonl"
    content = b"\n".join(lines) + (b"\n" if lines and ends else b"")
    path.write_bytes(content)
    blocks = [
        block
        for segment in list_segments(path, segment_bytes=segment_bytes)
        for block in read_blocks(segment, block_bytes=block_bytes)
    ]
    assert b"".join(block for _, block in sorted(blocks)) == content
    assert all(content[at : at + len(block)] == block for at, block in blocks)
    assert all(block.endswith(b"\n") or at + len(block) == len(content) for at, block in blocks)


def test_a_line_belongs_to_the_segment_in_which_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"12345\n789\nab\n")
    first, second, third = list_segments(path, segment_bytes=6)
    assert [block for _, block in read_blocks(first, block_bytes=3)] == [b"12345\n"]
    assert b"".join(block for _, block in read_blocks(second, block_bytes=3)) == b"789\nab\n"
    assert list(read_blocks(third, block_bytes=3)) == []


def test_messages_say_where_each_line_begins(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"a\nbcd\n\ne\n")
    [messages] = _messages(path, {})
    assert messages.lines == [b"a", b"bcd", b"", b"e"]
    assert [messages.positions[i] for i in range(4)] == ["0", "2", "6", "7"]
    assert messages.end == Offset("lines.jsonl", "9")


@pytest.mark.parametrize("deliveries", [1, 2])
def test_a_last_line_comes_again_while_it_has_no_end(tmp_path: Path, deliveries: int) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"a\nbc")
    source = FilesInput("x", list_segments(path), read={})
    found = [messages for messages in source.messages(lambda *_: deliveries) if messages is not None]
    assert [list(messages.lines) for messages in found] == [[b"a"], [b"bc"]]
    end = found[-1].end
    assert end == Offset("lines.jsonl", "2")
    with path.open("ab") as stream:
        stream.write(b"d\n")
    assert [messages.lines for messages in _messages(path, {"lines.jsonl": end})] == [[b"bcd"]]


def test_positions_of_very_many_lines_are_found_at_once(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"x\n" * 400_000)
    [messages] = _messages(path, {})
    assert list(messages.positions) == [str(2 * i) for i in range(400_000)]


def test_after_a_line_beyond_all_measure_a_stream_goes_on_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LINE_BYTES", 1 << 17)
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"x" * (1 << 20) + b"\nb\n")
    source = FilesInput("x", list_segments(path), read={}, block_bytes=1 << 16)
    first = next(messages for messages in source.messages(lambda *_: 1) if messages is not None)
    assert first.end == Offset("lines.jsonl", str(1 << 17))
    assert [messages.lines for messages in _messages(path, {"lines.jsonl": first.end})] == [[b"b"]]


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2"])
def test_a_stream_goes_on_where_it_was_left(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"lines.jsonl{suffix}"
    content = b"a\nbcd\ne\n"
    path.write_bytes({"": content, ".gz": gzip.compress(content), ".bz2": bz2.compress(content)}[suffix])
    lines = [line for messages in _messages(path, {path.name: Offset(path.name, "2")}) for line in messages.lines]
    assert lines == [b"bcd", b"e"]


def test_a_compressed_file_that_was_read_is_not_unpacked_again(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl.gz"
    path.write_bytes(gzip.compress(b"a\n"))
    last = _messages(path, {})[-1]
    assert last.end is not None
    assert last.end.is_done
    path.write_bytes(b"no gzip any more")
    assert _messages(path, {path.name: last.end}) == []


def test_what_was_added_to_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"a\n")
    end = _messages(path, {})[-1].end
    assert end is not None
    with path.open("ab") as stream:
        stream.write(b"b\n")
    assert [messages.lines for messages in _messages(path, {end.part: end})] == [[b"b"]]


def test_a_file_that_became_shorter_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"a\n")
    assert [messages.lines for messages in _messages(path, {path.name: Offset(path.name, "50")})] == [[b"a"]]


def test_after_a_death_lines_come_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"a\nb\nc\n")
    asked: list[tuple[str, str]] = []

    def attempt(part: str, position: str) -> int:
        asked.append((part, position))
        return 3 if position == "0" else 1

    source = FilesInput("x", list_segments(path), read={})
    found = [messages for messages in source.messages(attempt) if messages is not None]
    assert [(messages.lines, messages.deliveries) for messages in found] == [([b"a"], 3), ([b"b"], 1), ([b"c"], 1)]
    assert [messages.end.position for messages in found if messages.end] == ["2", "4", "6"]
    assert asked == [("lines.jsonl", position) for position in ("0", "2", "4")]


def test_a_line_beyond_all_measure_does_not_delay_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LINE_BYTES", 1 << 17)
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"a\n" + b"x" * (1 << 20) + b"\nb\n")
    source = FilesInput("x", list_segments(path), read={}, block_bytes=1 << 16)
    lines = [line for messages in source.messages(lambda *_: 1) if messages for line in messages.lines]
    assert [len(line) for line in lines] == [1, 1 << 17, 1]


def test_a_folder_gives_its_files_by_name(tmp_path: Path) -> None:
    for name in ("b.json", "a.json.bz2", "sub/c.jsonl", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [segment.name for segment in list_segments(tmp_path)] == ["a.json.bz2", "b.json", "sub/c.jsonl"]


def test_a_folder_without_posts_and_a_path_that_is_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no file of posts"):
        list_segments(tmp_path)
    (tmp_path / "stream.jsonl").write_bytes(b"")
    with pytest.raises(DataError, match=r"does not exist\. Check the path\. Did you mean 'stream.jsonl'"):
        list_segments(tmp_path / "steam.jsonl")


def test_a_file_that_breaks_off_is_told(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl.gz"
    path.write_bytes(gzip.compress(b"a\n" * 1000)[:-12])
    with pytest.raises(DataError, match="damaged or cut short"):
        _messages(path, {})


def _messages(path: Path, read: dict[str, Offset]) -> list[Messages]:
    source = FilesInput("x", list_segments(path), read=read)
    return [messages for messages in source.messages(lambda *_: 1) if messages is not None]
