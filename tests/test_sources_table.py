"""Tables in every format become the posts that stand in them, row by row."""

import csv
import gzip
import io
import json
import lzma
import os
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siaga.errors import DataError
from siaga.post import Place, Post
from siaga.quarantine import Quarantine
from siaga.schema import Columns, TableSource
from siaga.sources import read_posts, read_source

ROWS = [
    {"id": "a1", "text": "Banjir 60cm di Kemang", "label": "INFO"},
    {"id": "a2", "text": 'banjir "diskon", cuma\nhari ini 😂', "label": "NO_INFO"},
]
POSTS = [Post(row["id"], text=row["text"], label=row["label"]) for row in ROWS]


def as_csv(rows: list[dict[str, str]], delimiter: str = ",") -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


def as_jsonl(rows: list[dict[str, Any]]) -> bytes:  # Any: whatever JSON holds.
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def as_parquet(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


def posts_of(path: Path, **options: Any) -> list[Post]:  # Any: the options of read_posts.
    """Read a table in which nothing is wrong."""
    quarantine = Quarantine()
    posts = list(read_posts(path, quarantine=quarantine, **options))
    assert quarantine.rows == []
    return posts


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("p.csv", as_csv(ROWS)),
        ("p.tsv", as_csv(ROWS, "\t")),
        ("p.jsonl", as_jsonl(ROWS)),
        ("p.ndjson", as_jsonl(ROWS).rstrip(b"\n")),
        ("P.CSV", as_csv(ROWS).replace(b"\r\n", b"\n")),
        ("p.csv.gz", gzip.compress(as_csv(ROWS), mtime=0)),
        ("p.jsonl.xz", lzma.compress(as_jsonl(ROWS))),
        ("bom.csv", b"\xef\xbb\xbf" + as_csv(ROWS)),
        ("bom.jsonl", b"\xef\xbb\xbf" + as_jsonl(ROWS)),
        ("wide-le.csv", as_csv(ROWS).decode().encode("utf-16")),
        ("wide-be.jsonl", b"\xfe\xff" + as_jsonl(ROWS).decode().encode("utf-16-be")),
        ("p.parquet", as_parquet(pa.Table.from_pylist(ROWS))),
    ],
)
def test_every_format_and_encoding_gives_the_same_posts(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert posts_of(tmp_path / name) == POSTS


def test_columns_are_mapped_and_the_others_are_taken_by_name(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("guid,tweet,label,lang,lon,lat,when,keyword\n7,air naik, INFO ,id,106.8,-6.2,1580515200,rob\n")
    columns = Columns(id="guid", text="tweet", language="lang", time="when", fields=("keyword", "lang"))
    assert posts_of(path, columns=columns) == [
        Post(
            "7",
            text="air naik",
            label="INFO",
            language="id",
            time=datetime(2020, 2, 1, tzinfo=UTC),
            place=Place(106.8, -6.2, "given", 0.0),
            fields={"keyword": "rob", "lang": "id"},
        )
    ]


def test_a_post_without_an_id_is_named_after_its_file_and_the_line_where_it_starts(tmp_path: Path) -> None:
    path = tmp_path / "my.posts.csv.gz"
    path.write_bytes(gzip.compress(b'text\n"two\nlines"\n\nthree\n'))
    assert [post.id for post in posts_of(path)] == ["my.posts:2", "my.posts:5"]


def test_files_of_one_name_give_ids_that_differ(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "data.csv").write_text("text\nbanjir\n")
    spec = TableSource(train=tmp_path / "a/data.csv", test=tmp_path / "b/data.csv")
    parts = {key: [post.id for post in posts] for key, posts in read_source(spec, quarantine=Quarantine()).items()}
    assert parts == {"train": ["train/data:2"], "test": ["test/data:2"]}


def test_the_parts_are_those_that_the_source_names_and_unlabelled_posts_have_no_label(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\nx,yes\n")
    (tmp_path / "u.csv").write_text("text,label\ny,yes\n")
    spec = TableSource(path=tmp_path / "a.csv", unlabelled=tmp_path / "u.csv", columns=Columns(label="label"))
    parts = {key: list(posts) for key, posts in read_source(spec, quarantine=Quarantine()).items()}
    assert parts == {"posts": [Post("a:2", "x", label="yes")], "unlabelled": [Post("u:2", "y")]}


def test_an_unlabelled_file_needs_no_label_column(tmp_path: Path) -> None:
    (tmp_path / "u.csv").write_text("text\ny\n")
    assert posts_of(tmp_path / "u.csv", columns=Columns(label="target"), labels=None) == [Post("u:2", "y")]


@pytest.mark.parametrize(
    ("raw", "label"),
    [("Related", "INFO"), (" Related ", "INFO"), ("Off topic", "NO_INFO"), ("", None), (None, None), ([], None)],
)
def test_labels_are_mapped_and_the_star_stands_for_the_rest(tmp_path: Path, raw: object, label: str | None) -> None:
    (tmp_path / "t.jsonl").write_bytes(as_jsonl([{"text": "x", "label": raw}]))
    posts = posts_of(tmp_path / "t.jsonl", labels={"Related": "INFO", "*": "NO_INFO"})
    assert [post.label for post in posts] == [label]


@pytest.mark.parametrize(
    ("raw", "label"),
    [(1, "1"), (True, "true"), (2.0, "2"), (0.5, "0.5"), (["somewhat harmful", "x"], "somewhat harmful")],
)
def test_labels_of_every_type_are_text(tmp_path: Path, raw: object, label: str) -> None:
    (tmp_path / "t.jsonl").write_bytes(as_jsonl([{"text": "x", "label": raw}]))
    assert [post.label for post in posts_of(tmp_path / "t.jsonl")] == [label]


def test_only_rows_of_where_are_read_and_the_others_are_no_faults(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,event,label\na,jakarta,INFO\nb,bandung,??\nc,bandung,??\nd,jakarta,INFO\n")
    quarantine = Quarantine()
    spec = TableSource(path=path, where={"event": ("jakarta", "semarang")}, labels={"INFO": "INFO"})
    posts = list(read_source(spec, quarantine=quarantine)["posts"])
    assert [post.text for post in posts] == ["a", "d"]
    assert not quarantine


def test_parquet_values_keep_their_meaning(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": pa.array([123, 9007199254740993]),
            "text": ["a", None],
            "img": [{"bytes": b"GIF89a", "path": "x"}, None],
            "label": pa.array([1.0, None]),
            "time": pa.array([1_580_515_200_000_000_001, None], pa.timestamp("ns", "Asia/Jakarta")),
            "day": pa.array([date(2020, 2, 1), None]),
        }
    )
    (tmp_path / "t.parquet").write_bytes(as_parquet(table))
    first, second = posts_of(tmp_path / "t.parquet", columns=Columns(image="img", fields=("day",)))
    moment = datetime(2020, 2, 1, tzinfo=UTC)
    assert first == Post("123", "a", image=b"GIF89a", label="1", time=moment, fields={"day": "2020-02-01"})
    assert second == Post("9007199254740993")


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: {"bytes": data, "path": None}])
def test_parquet_images_are_bytes(tmp_path: Path, wrap: Callable[[bytes], object]) -> None:
    (tmp_path / "t.parquet").write_bytes(as_parquet(pa.table({"image": [wrap(b"\x89PNG"), wrap(b"")]})))
    assert [post.image for post in posts_of(tmp_path / "t.parquet")] == [b"\x89PNG", None]


@pytest.mark.parametrize("data", [as_jsonl(ROWS), as_csv(ROWS)])
def test_a_pipe_may_hold_jsonl_or_csv(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert list(read_posts("-", quarantine=Quarantine())) == POSTS


def test_a_post_comes_out_of_a_pipe_before_the_next_one_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    out, into = os.pipe()
    with os.fdopen(out) as stdin, os.fdopen(into, "wb", buffering=0) as pipe:
        monkeypatch.setattr("sys.stdin", stdin)
        pipe.write(b'{"text": "one"}\n')
        posts = read_posts("-", quarantine=Quarantine())
        assert next(posts) == Post("stdin:1", "one")
        pipe.write(b'{"text": "two"}\n')
        assert next(posts) == Post("stdin:2", "two")


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(as_jsonl([{"text": "banjir " * 100}]) * 20_000)

    def peak(count: int) -> int:
        tracemalloc.start()
        for _, _ in zip(range(count), read_posts(path, quarantine=Quarantine()), strict=False):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert path.stat().st_size > 14_000_000
    assert peak(20_000) < peak(100) + 200_000


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=8))
def test_what_a_csv_writer_writes_is_read_back_exactly(rows: list[tuple[str, str]]) -> None:
    data = as_csv([{"text": "first", "note": "x"}, *({"text": text, "note": note} for text, note in rows)])
    posts = list(_read_bytes(data, "t.csv", Columns(fields=("note",))))[1:]
    assert [post.text for post in posts] == [text if text.strip() else None for text, _ in rows]
    assert [post.fields.get("note", "") for post in posts] == [note for _, note in rows]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(["text", "label", "x"]), TEXTS), max_size=6))
def test_what_json_holds_is_read_back_exactly(rows: list[dict[str, str]]) -> None:
    data = b'{"text": "first"}\n' + "".join(json.dumps(row) + "\n" for row in rows).encode()
    posts = list(_read_bytes(data, "t.jsonl"))[1:]
    texts = [row.get("text", "") for row in rows]
    assert [post.text for post in posts] == [text if text.strip() else None for text in texts]
    assert [post.label for post in posts] == [row.get("label", "").strip() or None for row in rows]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["t.csv", "t.jsonl", "t.tsv", "t.parquet"]), st.binary(max_size=200), st.booleans())
def test_no_bytes_bring_the_reader_down(name: str, data: bytes, has_header: bool) -> None:
    start = b"" if not has_header else b'{"text":"a"}\n' if name == "t.jsonl" else b"text\n"
    with suppress(DataError):
        list(_read_bytes(start + data, name))


def _read_bytes(data: bytes, name: str, columns: Columns = Columns()) -> Iterator[Post]:  # noqa: B008  # Frozen.
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        yield from read_posts(path, columns=columns, quarantine=Quarantine())
