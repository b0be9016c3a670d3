"""Predictions in files: what is written is read back exactly, whole or not at all, and no cell is a formula."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siaga.errors import DataError
from siaga.post import Modality, Prediction
from siaga.serving.batch import CHUNK, FORMATS, read_output, write_output

DANGEROUS = ("=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "＝1", "'=1", "'", "''", "'tis")
USED: tuple[tuple[Modality, ...], ...] = ((), ("text",), ("image",), ("text", "image"))

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.floats(0, 1)
classes = st.lists(names, min_size=1, max_size=3, unique=True)


def made(name: str, *, error: str | None = None) -> Prediction:
    row = {"INFO": 0.7, "NO_INFO": 0.3}
    return Prediction(name, "INFO", 0.7, row, ("text",), members={"text": row}, model="m@1", error=error)


@st.composite
def predictions(draw: st.DrawFn) -> list[Prediction]:
    labels, members = draw(classes), draw(st.lists(names, max_size=2, unique=True))
    scores = draw(st.sampled_from([st.none(), st.integers(-(10**9), 10**9)]))

    def row() -> dict[str, float]:
        return {label: draw(numbers) for label in labels}

    return [
        Prediction(
            id=draw(names),
            label=draw(st.sampled_from(labels)),
            confidence=draw(numbers),
            probabilities=row(),
            used=draw(st.sampled_from(USED)),
            members={member: row() for member in members},
            model=draw(names),
            error=draw(st.none() | names.filter(bool)),
            score=draw(scores),
        )
        for _ in range(draw(st.integers(1, 3)))
    ]


@pytest.mark.parametrize("suffix", FORMATS)
@given(written=predictions())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_is_written_is_read_back_exactly(tmp_path: Path, suffix: str, written: list[Prediction]) -> None:
    path = tmp_path / f"out{suffix}"
    write_output(written, str(path))
    assert list(read_output(path)) == written


@given(name=st.text(st.sampled_from("'=+-@\t\r\n\",; a＝"), max_size=6))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_cell_of_a_csv_file_is_a_formula_and_the_id_comes_back(tmp_path: Path, name: str) -> None:
    path = tmp_path / "out.csv"
    write_output([made(name, error=name or None)], str(path))
    with path.open(newline="") as stream:
        cells = [cell for row in csv.reader(stream) for cell in row]
    assert not [cell for cell in cells if cell.startswith(tuple("=+-@\t\r\n＝＋－＠"))]
    assert [each.id for each in read_output(path)] == [name]


def test_a_guarded_cell_has_exactly_one_apostrophe_in_front(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    write_output(map(made, DANGEROUS), str(path))
    with path.open(newline="") as stream:
        assert [row["id"] for row in csv.DictReader(stream)] == [f"'{name}" for name in DANGEROUS]
    assert [each.id for each in read_output(path)] == list(DANGEROUS)


def test_a_table_from_elsewhere_keeps_its_apostrophes(tmp_path: Path) -> None:
    from siaga.quarantine import Quarantine
    from siaga.sources import read_posts

    (tmp_path / "posts.csv").write_text("id,text\n'1,'tis raining\n")
    [post] = read_posts(tmp_path / "posts.csv", quarantine=Quarantine())
    assert (post.id, post.text) == ("'1", "'tis raining")


def scored(name: str, score: int | None) -> Prediction:
    return Prediction(name, "positive", 1.0, {"positive": 1.0}, ("text",), score=score)


def test_a_score_is_a_column_and_a_key_only_where_there_is_one(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    for suffix in FORMATS:
        write_output([scored("1", -3), scored("2", None)], str(tmp_path / f"out{suffix}"))
        write_output([made("1")], str(tmp_path / f"plain{suffix}"))
    header = '"id","label","confidence","used","model","error"'
    assert (tmp_path / "out.csv").read_text().splitlines() == [
        f'{header},"score","probability_positive"',
        '"1","positive",1.0,"text","","",-3,1.0',
        '"2","positive",1.0,"text","","","",1.0',
    ]
    assert (tmp_path / "plain.csv").read_text().startswith(f'{header},"probability_INFO"')
    assert str(pq.read_schema(tmp_path / "out.parquet").field("score").type) == "int64"
    assert "score" not in pq.read_schema(tmp_path / "plain.parquet").names
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line.get("score", "absent") for line in lines] == [-3, "absent"]
    assert "score" not in json.loads((tmp_path / "plain.jsonl").read_text())
    for suffix in FORMATS:
        assert [each.score for each in read_output(tmp_path / f"out{suffix}")] == [-3, None]


@pytest.mark.parametrize("name", ["score", "probability_score", "whole"])
def test_a_class_or_member_may_be_called_score(tmp_path: Path, name: str) -> None:
    row = {name: 0.5, "x": 0.5}
    for suffix in FORMATS:
        for score in (None, 2):
            written = [Prediction("1", "x", 0.5, row, (), {name: row}, "m", None, score=score)]
            write_output(written, str(tmp_path / f"out{suffix}"))
            assert list(read_output(tmp_path / f"out{suffix}")) == written


def test_classes_and_members_may_be_called_anything(tmp_path: Path) -> None:
    row = {"used": 0.5, "probability_used": 0.25, "=x": 0.25}
    members = {"probability": row, "a_probability_used": row, "=cmd": row}
    written = [Prediction("1", "used", 0.5, row, (), members, "m", None)]
    for suffix in FORMATS:
        write_output(written, str(tmp_path / f"out{suffix}"))
        assert list(read_output(tmp_path / f"out{suffix}")) == written


@pytest.mark.parametrize("suffix", FORMATS)
def test_no_predictions_give_a_file_that_reads_as_none(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    write_output([], str(path))
    assert list(read_output(path)) == []


def test_an_empty_table_still_names_its_columns(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    for suffix in (".csv", ".parquet"):
        write_output([], str(tmp_path / f"out{suffix}"))
    assert (tmp_path / "out.csv").read_text() == '"id","label","confidence","used","model","error"\n'
    assert pq.read_schema(tmp_path / "out.parquet").names == ["id", "label", "confidence", "used", "model", "error"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_more_predictions_than_a_chunk_keep_their_order(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    written = [made(str(i), error="no image" if i > CHUNK else None) for i in range(CHUNK + 5)]
    write_output(iter(written), str(path))
    assert list(read_output(path)) == written


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_writing_that_fails_leaves_what_was_there(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    write_output([made("old")], str(path))
    before = path.read_bytes()

    def broken() -> Iterator[Prediction]:
        for i in range(CHUNK + 1):
            yield made(str(i))
        raise DataError("The pipe broke.")

    with pytest.raises(DataError, match="The pipe broke"):
        write_output(broken(), str(path))
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_predictions_go_to_stdout_as_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    write_output([made("é\n1"), made("2")], "-")
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["é\n1", "2"]
    assert all(line.isascii() for line in lines)


@pytest.mark.parametrize(("output", "said"), [("out.cvs", "Did you mean '.csv'"), ("out", "Choose one of .jsonl")])
def test_a_suffix_that_cannot_be_written_is_said_before_any_work(tmp_path: Path, output: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        write_output(iter([made("1")]), str(tmp_path / output))
    assert not list(tmp_path.iterdir())


FOREIGN = {
    "a.csv": b"id,text\n1,x\n",
    "b.csv": b"",
    "c.csv": b"id,label,confidence,used,model,error\n1,INFO\n",
    "d.csv": b"id,label,confidence,used,model,error\n1,INFO,much,text,m,\n",
    "e.csv": b"\xff\xfe",
    "a.jsonl": b'{"id": "1"}\n',
    "b.jsonl": b"[1]\n",
    "c.jsonl": b"no json\n",
    "a.parquet": b"PAR1",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_of_something_else_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(FOREIGN[name])
    with pytest.raises(DataError, match="does not hold predictions of siaga"):
        list(read_output(tmp_path / name))


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no file"):
        list(read_output(tmp_path / "out.csv"))
