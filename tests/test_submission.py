"""A file of answers for a competition, and the command line on files of arrays."""

import gzip
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from siaga.bundle import Bundle, build_classifier, load_bundle, save_bundle
from siaga.cli.main import main
from siaga.errors import DataError, RecipeError
from siaga.features.images import read_image
from siaga.post import Pixels, Post, Prediction
from siaga.recipe import check_recipe
from siaga.schema import ArraysSource, Recipe, Submission
from siaga.serving.batch import read_output
from siaga.serving.submission import check_submission, write_submission

SIDE = 8
HEADER = ",".join(f"pixel{i}" for i in range(SIDE * SIDE))


def recipe(**changed: object) -> Recipe:
    table: dict[str, object] = {
        "name": "bars",
        "source": {"kind": "arrays", "path": "train.csv", "level": "fine", "labels": {"0": "flat", "1": "upright"}},
        "model": {"kind": "convnet", "image_size": SIDE, "grey": True, "training": {"epochs": 4, "batch_size": 16}},
        "submission": {"id": "ImageId", "label": "Label", "numbered": True},
    }
    return check_recipe({**table, **changed}, where="test")


def bars(n: int) -> tuple[NDArray[np.uint8], list[int]]:
    """Pictures (n, 8, 8) of a bar, flat (0) and upright (1) in turn."""
    random = np.random.default_rng(0)
    pictures = random.integers(0, 40, (n, SIDE, SIDE), dtype=np.uint8)
    for number, at in enumerate(random.integers(1, SIDE - 1, n)):
        pictures[number, *((slice(None), at) if number % 2 else (at, slice(None)))] = 255
    return pictures, [number % 2 for number in range(n)]


def posts_of(n: int) -> list[Post]:
    pictures, labels = bars(n)
    return [
        Post(str(i), image=Pixels(SIDE, SIDE, 1, picture.tobytes()), label=("flat", "upright")[label])
        for i, (picture, label) in enumerate(zip(pictures, labels, strict=True))
    ]


def write_csv(path: Path, n: int, *, labelled: bool = False) -> Path:
    pictures, labels = bars(n)
    rows = [
        ",".join(map(str, [*([label] if labelled else []), *picture.ravel().tolist()]))
        for picture, label in zip(pictures, labels, strict=True)
    ]
    path.write_text("\n".join([f"{'label,' if labelled else ''}{HEADER}", *rows]) + "\n")
    return path


def write_idx(path: Path, n: int) -> Path:
    pictures, _ = bars(n)
    sizes = b"".join(size.to_bytes(4, "big") for size in pictures.shape)
    path.write_bytes(gzip.compress(b"\0\0\x08\x03" + sizes + pictures.tobytes()))
    return path


def write_parquet(path: Path, n: int) -> Path:
    images = [{"bytes": read_image(post.image), "path": None} for post in posts_of(n) if post.image is not None]
    pq.write_table(pa.table({"img": images, "label": bars(n)[1]}), path)
    return path


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bars") / "bundle"
    trained = build_classifier(recipe())
    trained.fit(posts_of(96), validation=posts_of(16))
    save_bundle(Bundle(recipe(), trained), folder)
    return folder


def siaga(*arguments: object, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["siaga", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_the_bundle_keeps_what_its_source_and_its_submission_say_of_other_files(bundle: Path) -> None:
    kept = load_bundle(bundle).recipe
    labels = {"0": "flat", "1": "upright"}
    assert kept.source == ArraysSource(path=Path("-"), labels=labels)
    assert kept.submission == Submission(id="ImageId", label="Label", numbered=True)


@pytest.mark.parametrize(
    ("name", "write"), [("test.csv", write_csv), ("t10k-images.gz", write_idx), ("t.parquet", write_parquet)]
)
def test_a_file_of_arrays_is_answered_in_the_form_of_the_competition(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, write: Callable[[Path, int], Path]
) -> None:
    posts, output = write(tmp_path / name, 12), tmp_path / "submission.csv"
    assert siaga("predict", bundle, posts, "--format", "kaggle", "-o", output, monkeypatch=monkeypatch) == 0
    answers = [prediction.label for prediction in load_bundle(bundle).predict(posts_of(12))]
    assert set(answers) == {"flat", "upright"}
    expected = [f"{number},{label}" for number, label in enumerate(answers, 1)]
    assert output.read_bytes() == ("\n".join(["ImageId,Label", *expected]) + "\n").encode()


def test_without_the_format_the_suffix_decides(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    posts, output = write_csv(tmp_path / "test.csv", 3), tmp_path / "out.jsonl"
    assert siaga("predict", bundle, posts, "-o", output, monkeypatch=monkeypatch) == 0
    assert [prediction.id for prediction in read_output(output)] == ["test:1", "test:2", "test:3"]


def test_a_bundle_is_measured_on_a_file_of_arrays(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    posts = write_csv(tmp_path / "test.csv", 20, labelled=True)
    assert siaga("evaluate", bundle, posts, "--json", monkeypatch=monkeypatch) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["n"], report["classes"]) == (20, ["flat", "upright"])
    assert [sum(row) for row in report["confusion"]] == [10, 10]


def test_an_ordinary_table_is_still_one(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.png").write_bytes(read_image(Pixels(SIDE, SIDE, 1, bytes(SIDE * SIDE))))
    (tmp_path / "t.csv").write_text("id,image\nx,a.png\n")
    assert siaga("predict", bundle, tmp_path / "t.csv", "--format", "kaggle", monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out.startswith("ImageId,Label\n1,")


def test_numbers_with_a_gap_are_never_written(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    posts, output = write_csv(tmp_path / "test.csv", 3), tmp_path / "submission.csv"
    lines = posts.read_text().splitlines()
    posts.write_text("\n".join([lines[0], lines[1], "x" + lines[2], lines[3]]))
    arguments = ("predict", bundle, posts, "--format", "kaggle", "-o", output)
    assert siaga(*arguments, monkeypatch=monkeypatch) == 1
    assert "1 rows of" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if path != posts] == ["submission.csv.quarantine.jsonl"]


def made(name: str, label: str = "a") -> Prediction:
    return Prediction(name, label, 1.0, {label: 1.0}, ("image",))


def test_ids_are_the_posts_own_unless_they_are_numbered_and_labels_are_called_as_the_file_calls_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "out.csv"
    write_submission([made("-7"), made("=1+1", "b"), made('x,"\ud800', "b")], str(path), Submission(labels={"b": "1"}))
    assert path.read_text() == 'id,label\n-7,a\n\'=1+1,1\n"x,""\\ud800",1\n'
    write_submission([made("k"), made("l")], str(path), Submission(id="n", label="t", numbered=True))
    assert path.read_text() == "n,t\n1,a\n2,a\n"


def test_a_writing_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("before")

    def failing() -> Iterator[Prediction]:
        yield made("a")
        raise DataError("gone")

    with pytest.raises(DataError, match="gone"):
        write_submission(failing(), str(path), Submission())
    assert path.read_text() == "before"


def test_what_cannot_be_submitted_is_said_before_any_work() -> None:
    with pytest.raises(RecipeError, match=r"bars, has no \[submission\].*train again"):
        check_submission(recipe(submission=None), "out.csv")
    with pytest.raises(DataError, match=r"Give it the suffix \.csv"):
        check_submission(recipe(), "out.jsonl")


@pytest.mark.parametrize(
    ("submission", "said"),
    [
        ({"id": "x", "label": "x"}, "two different names"),
        ({"id": ""}, "at least 1 character"),
        ({"labels": {"flatt": "0"}}, "'flatt' is not among the classes"),
    ],
)
def test_a_submission_that_makes_no_sense_is_refused(submission: dict[str, object], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        recipe(submission=submission, classes=["flat", "upright"])
