"""Bad input: every row is accepted or listed with its line and reason, and every hopeless file is one clear line."""

import bz2
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siaga.errors import DataError
from siaga.post import Post
from siaga.quarantine import Quarantine
from siaga.schema import Columns, TableSource
from siaga.sources import lines, read_posts, read_source, reading, records, table


def read(path: Path, data: bytes, columns: Columns | None = None) -> tuple[list[Post], list[tuple[int, str]]]:
    """Write and read a table; return the posts, and the line and reason of each row that was listed."""
    path.write_bytes(data)
    quarantine = Quarantine()
    posts = list(read_posts(path, columns=columns or Columns(), quarantine=quarantine))
    return posts, [(row.line, row.reason) for row in quarantine.rows]


CSV_FAULTS = [
    pytest.param(b"caf\xe9,1", "Not UTF-8: it holds the byte 0xe9. Save the file as UTF-8.", id="latin-1"),
    pytest.param(b"a\x00b,1", "NUL: it holds a NUL character. Remove it.", id="nul"),
    pytest.param(b"a,1,2", "Ragged row: 3 cells where the header names 2.", id="too-many-cells"),
    pytest.param(b"a", "Ragged row: 1 cells where the header names 2.", id="too-few-cells"),
    pytest.param(b'"a,1', "Broken row: unexpected end of data. Check its quotes.", id="open-quote"),
    pytest.param(b'"a"b,1', "Broken row: ',' expected after '\"'. Check its quotes.", id="text-after-quote"),
    pytest.param(b"x" * 10_000_000 + b",1", "Text too long: 10,000,000 characters, 1,000,000 at most.", id="10-MB"),
    pytest.param(b"x" * 17_000_000 + b",1", "Line too long: it has more than 16,777,216 bytes.", id="17-MB"),
]


@pytest.mark.parametrize(("row", "reason"), CSV_FAULTS)
def test_a_bad_csv_row_is_listed_and_its_neighbours_are_read(tmp_path: Path, row: bytes, reason: str) -> None:
    data = b"text,n\none,1\n" + row + b"\ntwo,2\nthree,3\n"
    posts, listed = read(tmp_path / "t.csv", data, Columns(fields=("n",)))
    assert [post.text for post in posts] == ["one", "two", "three"]
    assert listed == [(3, reason)]


JSON_FAULTS = [
    pytest.param(b'{"text": "caf\xe9"}', "Not UTF-8: it holds the byte 0xe9. Save the file as UTF-8.", id="latin-1"),
    pytest.param(b'{"text": "\\ud83d"}', "Not JSON: ", id="lone-surrogate"),
    pytest.param(b'{"text": "a\\u0000"}', "NUL: it holds a NUL character. Remove it.", id="nul"),
    pytest.param(b'["text"]', "Not a JSON object: Expected `object`, got `array`.", id="array"),
    pytest.param(b'"text"', "Not a JSON object: Expected `object`, got `str`.", id="string"),
    pytest.param(b'{"text": "a"', "Not JSON: Input data was truncated.", id="cut"),
    pytest.param(b'{"text": ' + b"[" * 100_000, "Not JSON: it is nested too deeply.", id="deep"),
    pytest.param(b'{"text": "' + b"x" * 2_000_000 + b'"}', "Text too long: 2,000,000 characters", id="long"),
    pytest.param(b'{"text": "' + b"x" * 17_000_000 + b'"}', "Line too long: ", id="17-MB"),
]


@pytest.mark.parametrize(("row", "reason"), JSON_FAULTS)
def test_a_bad_json_row_is_listed_and_its_neighbours_are_read(tmp_path: Path, row: bytes, reason: str) -> None:
    posts, listed = read(tmp_path / "t.jsonl", b'{"text": "one"}\n' + row + b'\n\n{"text": "two"}\n')
    assert posts == [Post("t:1", "one"), Post("t:4", "two")]
    assert len(listed) == 1
    assert listed[0][0] == 2
    assert listed[0][1].startswith(reason)


def test_bad_utf16_is_listed_row_by_row(tmp_path: Path) -> None:
    data = "text\none\nhalf \ud800 pair\ntwo\n".encode("utf-16", "surrogatepass") + b"x"
    posts, listed = read(tmp_path / "t.csv", data)
    assert [post.text for post in posts] == ["one", "two"]
    assert [line for line, _ in listed] == [3, 5]


def test_a_bad_parquet_string_costs_its_row(tmp_path: Path) -> None:
    good_and_bad = pa.array([b"one", b"caf\xe9", b"two"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": good_and_bad}), tmp_path / "t.parquet")
    quarantine = Quarantine()
    posts = list(read_posts(tmp_path / "t.parquet", quarantine=quarantine))
    assert posts == [Post("t:1", "one"), Post("t:3", "two")]
    assert [row.line for row in quarantine.rows] == [2]


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.sampled_from(["plain", '"quoted, cell"', '"two\nlines"', '"a ""b"" c"']), min_size=1, max_size=12),
    at=st.integers(0, 11),
)
def test_a_broken_quote_costs_one_row(tmp_path_factory: pytest.TempPathFactory, rows: list[str], at: int) -> None:
    at = min(at, len(rows))
    data = "\n".join(["text,n", *(f"{row},1" for row in rows[:at]), '"broken,1', *(f"{row},1" for row in rows[at:])])
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    posts, listed = read(path, data.encode(), Columns(fields=("n",)))
    assert len(posts) == len(rows)
    assert len(listed) == 1


def test_a_quote_that_never_closes_is_given_up_after_a_limit(tmp_path: Path) -> None:
    data = b'text\n"open\n' + b"row\n" * (records.RECORD_LINES + 5)
    posts, listed = read(tmp_path / "t.csv", data + b'"closed"\n')
    assert len(posts) == records.RECORD_LINES + 6
    assert listed == [
        (2, "Broken row: a quote is not closed within 10,000 lines and 16,777,216 bytes. Check its quotes.")
    ]


def test_a_ragged_row_over_several_lines_says_which(tmp_path: Path) -> None:
    _, listed = read(tmp_path / "t.csv", b'text,n\n"a\nb\nc",1,2\n', Columns(fields=("n",)))
    reason = "Ragged row: 3 cells where the header names 2. It reaches from line 2 to line 4: check its quotes."
    assert listed == [(2, reason)]


def test_every_row_is_accepted_or_listed(tmp_path: Path) -> None:
    rows = [{"id": str(i), "text": "x", "label": "INFO"} for i in range(50)]
    lines_ = [json.dumps(row).encode() for row in rows]
    lines_[7:7] = [b"{", b"\xff", lines_[3], b'{"text": "y", "label": "INF"}', b"[]"]
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"\n".join(lines_))
    quarantine = Quarantine()
    posts = list(read_posts(path, labels={"INFO": "INFO"}, quarantine=quarantine))
    assert len(posts) + len(quarantine) == len(lines_)
    assert [row.line for row in quarantine.rows] == [8, 9, 10, 11, 12]
    assert [row.reason for row in quarantine.rows[2:4]] == [
        "Repeated id: '3' stands in an earlier row.",
        "Unknown label: 'INF' is not among INFO. Did you mean 'INFO'?",
    ]


def test_a_rejected_row_does_not_claim_its_id(tmp_path: Path) -> None:
    data = b'{"id": "1", "text": "\\u0000"}\n{"id": "1", "text": "good"}\n'
    posts, listed = read(tmp_path / "t.jsonl", data)
    assert [post.text for post in posts] == ["good"]
    assert [line for line, _ in listed] == [1]


def test_ids_beyond_the_limit_are_read_and_no_longer_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(table, "REMEMBERED_IDS", 2)
    posts, listed = read(tmp_path / "t.csv", b"id,text\n1,a\n2,b\n3,c\n3,d\n1,e\n")
    assert [post.text for post in posts] == ["a", "b", "c", "d"]
    assert [line for line, _ in listed] == [6]
    assert "are not compared" in caplog.text


PARTS = [
    ({"time": "yesterday"}, "Kept without time: 'yesterday' is neither ISO 8601 nor seconds since 1970."),
    ({"lon": 200, "lat": 1}, "Kept without place: lon 200 and lat 1 are out of range (±180, ±90). Are they swapped?"),
    ({"lon": "east", "lat": 1}, "Kept without place: lon 'east' and lat '1' are not two numbers."),
    ({"lat": 1}, "Kept without place: lon None and lat '1' are not two numbers."),
    ({"lon": "nan", "lat": "nan"}, "Kept without place: lon nan and lat nan are out of range (±180, ±90)."),
    ({"image": "https://x.id/a.jpg"}, "Kept without image: 'https://x.id/a.jpg' is a URL"),
    ({"image": "gone.jpg"}, "Kept without image: 'gone.jpg' is not a file in "),
    ({"image": "."}, "Kept without image: '.' is not a file in "),
    ({"image": "x" * 5000}, "Kept without image: 'xxx"),
    ({"image": "../secret.jpg"}, "Kept without image: '../secret.jpg' lies outside "),
    ({"image": "/etc/passwd"}, "Kept without image: '/etc/passwd' lies outside "),
    ({"image": "link.jpg"}, "Kept without image: 'link.jpg' lies outside "),
    ({"image": "a\0.jpg"}, "Kept without image: NUL"),
]


@pytest.mark.parametrize(("part", "reason"), PARTS, ids=[str(part)[:40] for part, _ in PARTS])
def test_a_post_is_kept_without_the_part_that_cannot_be_read(
    tmp_path: Path, part: dict[str, object], reason: str
) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    posts, listed = read(folder / "t.jsonl", json.dumps({"id": "1", "text": "x", **part}).encode())
    assert posts == [Post("1", "x")]
    assert len(listed) == 1
    assert listed[0][1].startswith(reason)


def test_image_paths_are_relative_to_the_table_or_to_the_image_root(tmp_path: Path) -> None:
    for name in ("a/x.jpg", "b/x.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "a/t.csv").write_text("image\nx.jpg\n")
    inside = list(read_posts(tmp_path / "a/t.csv", quarantine=Quarantine()))
    source = TableSource(path=tmp_path / "a/t.csv", image_root=tmp_path / "b")
    rooted = list(read_source(source, quarantine=Quarantine())["posts"])
    assert [inside[0].image, rooted[0].image] == [tmp_path / "a/x.jpg", tmp_path / "b/x.jpg"]


FILES = [
    ("t.csv", b"", "is empty. A table needs at least a header (CSV, TSV) or one object (JSONL)."),
    ("t.jsonl", b"", "is empty."),
    ("t.parquet", b"", "is empty."),
    ("t.csv.gz", gzip.compress(b"", mtime=0), "is empty."),
    ("t.csv", b"\n\n", "has no header. Its first line must name the columns."),
    ("t.csv", b"te\xffxt\na\n", "the header (line 1) cannot be read. Not UTF-8: it holds the byte 0xff."),
    ("t.csv", "text\na\n".encode("utf-16-le"), "looks like UTF-16 without a byte-order mark. Save it as UTF-8."),
    ("t.jsonl", '{"text": "a"}\n'.encode("utf-16-be"), "looks like UTF-16 without a byte-order mark."),
    ("t.csv", "text\na\n".encode("utf-32"), "holds UTF-32 text; save it as UTF-8."),
    ("t.csv", gzip.compress(b"text\na\n", mtime=0), "holds gzip data; its name must end in .gz."),
    ("t.csv", b"PK\x03\x04rest", "holds a zip archive or an Excel file; save it as CSV in UTF-8."),
    ("t.csv.gz", b"text\na\n", "cannot be read beyond line 0"),
    ("t.parquet", b"text\na\n", "is not a readable Parquet file"),
    (
        "t.csv",
        b"title,Text\nx,a\n",
        "lacks the columns 'text', 'image'. Did you mean 'Text'? It has: title, Text. Set ",
    ),
    ("t.jsonl", b'{"title": "x"}\n', "lacks the columns 'text', 'image'. It has: title."),
    ("t.csv", b"text,text\na,b\n", "has 2 columns 'text'. Rename all but one."),
    ("t.xlsx", b"", "is not named like a table. The known suffixes are .csv, .tsv, .tab, .jsonl, .ndjson, .parquet; "),
    ("t", b"", "is not named like a table."),
    ("t.gz", b"", "is not named like a table."),
    ("t.parquet.gz", b"", "is not named like a table."),
]


@pytest.mark.parametrize(("name", "data", "message"), FILES)
def test_a_hopeless_file_is_one_clear_line(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path / name, data)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "data"), [("t.csv", b"id,txt\n1,a\n"), ("t.jsonl", b'{"id": 1, "txt": "a"}\n')])
def test_all_missing_columns_are_named_with_what_there_is(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    spec = TableSource(
        path=tmp_path / name, columns=Columns(text="text", id="id", fields=("keyword",)), where={"event": ("x",)}
    )
    with pytest.raises(DataError) as caught:
        list(read_source(spec, quarantine=Quarantine())["posts"])
    assert str(caught.value) == (
        f"{tmp_path / name} lacks the columns 'text', 'keyword', 'event'. Did you mean 'txt'? It has: id, txt. "
        "Set source.columns.text (or --column text=NAME) or source.columns.fields or source.where."
    )


def test_a_jsonl_column_may_come_late_but_not_too_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ROWS_TO_FIND_COLUMNS", 3)
    row, late = b'{"text": "a"}\n', b'{"text": "b", "event": "x"}\n'
    columns = Columns(event="event")
    assert len(read(tmp_path / "t.jsonl", row * 2 + late, columns)[0]) == 3
    with pytest.raises(DataError, match="lacks the column 'event'"):
        read(tmp_path / "t.jsonl", row * 3 + late, columns)


def test_a_broken_archive_gives_its_posts_and_then_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.bz2"
    data = b"text\n" + b"".join(b"%d %d\n" % (i, i * i) for i in range(150_000))
    path.write_bytes(bz2.compress(data)[:-2_000])
    posts = read_posts(path, quarantine=Quarantine())
    assert next(posts).text == "0 0"
    with pytest.raises(DataError, match=r"cannot be read beyond line \d+: .* damaged or cut short"):
        list(posts)


def test_a_wrong_path_is_refused_at_once_with_the_name_that_was_meant(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text\na\n")
    with pytest.raises(DataError, match=r"trian.csv does not exist. Check the path. Did you mean 'train.csv'\?"):
        read_posts(tmp_path / "trian.csv", quarantine=Quarantine())
    with pytest.raises(DataError, match="does not exist, nor does the folder"):
        read_posts(tmp_path / "no" / "train.csv", quarantine=Quarantine())
    with pytest.raises(DataError, match=r"is a folder, not a table\. Name a file in it"):
        read_posts(tmp_path, quarantine=Quarantine())


def test_an_empty_pipe_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(DataError, match="stdin is empty"):
        list(read_posts("-", quarantine=Quarantine()))


def test_a_file_is_closed_when_its_posts_are_left_half_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text\na\nb\n")
    posts = read_posts(tmp_path / "t.csv", quarantine=Quarantine())
    next(posts)
    del posts  # A file left open would be a ResourceWarning, which pytest turns into an error.


def test_the_line_limit_counts_bytes_and_not_less(tmp_path: Path) -> None:
    assert lines.LINE_BYTES >= 4 * 1_000_000  # A text of the greatest length fits, whatever its script.
