"""Pictures that come as arrays: IDX, CSV of pixels, CIFAR's python files, Parquet; bad ones are told, never a crash."""

import bz2
import gzip
import io
import json
import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from siaga.dataset import build_dataset, gather
from siaga.errors import DataError
from siaga.features.images import open_image
from siaga.post import Pixels, Post
from siaga.quarantine import Quarantine
from siaga.schema import ArraysSource, GivenSplit
from siaga.sources import read_source
from siaga.sources.arrays import ArrayReading, holds_arrays, read_array_posts

SHARED = Path(os.environ.get("SIAGA_SHARED", Path(__file__).parents[2] / "shared"))
DIGITS = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)  # Three pictures, four pixels high, five wide.


def said(value: object) -> str:
    """Name a case by what is said of it, not by its bytes."""
    return value if isinstance(value, str) else "bytes"


def idx(pictures: NDArray[np.uint8]) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in pictures.shape)
    return bytes([0, 0, 8, pictures.ndim]) + sizes + pictures.tobytes()


def write_mnist(folder: Path) -> Path:
    """The four files, gzip: three pictures to train on, two to test on."""
    folder.mkdir(exist_ok=True)
    for part, n in (("train", 3), ("t10k", 2)):
        labels = np.array([5, 0, 4][:n], dtype=np.uint8)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(DIGITS[:n])))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return folder


def colours(n: int) -> NDArray[np.uint8]:
    """Pictures (n, 2, 2, 3), all different."""
    return np.arange(n * 12, dtype=np.uint8).reshape(n, 2, 2, 3)


def planes(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (n, 12): all red values of a picture, then green, then blue, as CIFAR has them."""
    return pictures.transpose(0, 3, 1, 2).reshape(len(pictures), -1)


def write_cifar100(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for part, n in (("train", 4), ("test", 2)):
        batch = {
            b"filenames": [b"a.png"] * n,
            b"fine_labels": [2, 0, 1, 2][:n],
            b"coarse_labels": [1, 0, 0, 1][:n],
            b"data": planes(colours(n)),
        }
        (folder / part).write_bytes(pickle.dumps(batch, 2))
    meta = {b"fine_label_names": [b"apple", b"pear", b"whale"], b"coarse_label_names": [b"fruit", b"animal"]}
    (folder / "meta").write_bytes(pickle.dumps(meta, 2))
    return folder


def webp(picture: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "WEBP", lossless=True)
    return stream.getvalue()


def write_parquet(path: Path, columns: dict[str, Any], *, names: dict[str, list[str]] | None = None) -> Path:
    table = pa.table(columns)
    if names is not None:
        features = {column: {"names": of, "_type": "ClassLabel"} for column, of in names.items()}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path)
    return path


def posts_of(path: Path, **choices: Any) -> list[Post]:  # Any: settings of the source.
    """Read a source in which nothing is wrong."""
    quarantine = Quarantine()
    posts = list(read_source(ArraysSource(path=path, **choices), quarantine=quarantine)["posts"])
    assert quarantine.rows == []
    return posts


def pixels(picture: NDArray[np.uint8]) -> Pixels:
    return Pixels(picture.shape[1], picture.shape[0], 3 if picture.ndim == 3 else 1, picture.tobytes())


def labels_of(posts: list[Post]) -> list[str | None]:
    return [post.label for post in posts]


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz"),
        ("train-images-idx3-ubyte.gz", "train-labels.idx1-ubyte"),
    ],
)
def test_idx_files_are_read_with_the_labels_beside_them(tmp_path: Path, images: str, labels: str) -> None:
    for name, content in ((images, idx(DIGITS)), (labels, idx(np.array([5, 0, 4], dtype=np.uint8)))):
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    stem = images.removesuffix(".gz")
    assert posts_of(tmp_path / images) == [
        Post(f"{stem}:{number}", image=pixels(picture), label=label)
        for number, picture, label in zip((1, 2, 3), DIGITS, ("5", "0", "4"), strict=True)
    ]


def test_idx_is_told_by_content_and_without_labels_it_is_unlabelled(tmp_path: Path) -> None:
    (tmp_path / "digits.bin").write_bytes(bz2.compress(idx(DIGITS)))
    posts = posts_of(tmp_path / "digits.bin")
    assert [(post.id, post.label) for post in posts] == [(f"digits.bin:{number}", None) for number in (1, 2, 3)]


def test_the_lines_of_classes_txt_name_the_classes_up_to_their_first_comma(tmp_path: Path) -> None:
    folder = write_mnist(tmp_path)
    (folder / "classes.txt").write_text("shirt, t-shirt\ntrouser\ncoat\ncoat\n shirt \n\n")
    quarantine = Quarantine()
    posts = list(read_source(ArraysSource(train=folder, test=folder), quarantine=quarantine)["train"])
    assert [(post.id[-1], post.label) for post in posts] == [("2", "shirt"), ("3", "shirt 4")]
    assert [(row.line, row.reason) for row in quarantine.rows] == [
        (1, "Unknown class: label is 5, but there are 5 names of classes, from 0 on.")
    ]


def test_labels_are_mapped_and_those_of_an_unlabelled_file_are_not_read(tmp_path: Path) -> None:
    folder = write_mnist(tmp_path)
    spec = ArraysSource(
        train=folder, test=folder, unlabelled=folder / "t10k-images-idx3-ubyte.gz", labels={"0": "round", "*": "other"}
    )
    posts = {key: list(found) for key, found in read_source(spec, quarantine=Quarantine()).items()}
    assert {key: labels_of(found) for key, found in posts.items()} == {
        "train": ["other", "round", "other"],
        "test": ["other", "round"],
        "unlabelled": [None, None],
    }
    assert [posts["test"][0].id, posts["unlabelled"][0].id] == [
        "test/t10k-images-idx3-ubyte:1",
        "unlabelled/t10k-images-idx3-ubyte:1",
    ]


def test_a_folder_stands_for_its_training_files_its_test_files_or_all(tmp_path: Path) -> None:
    folder = write_mnist(tmp_path)
    (folder / "train-images-idx3-ubyte").write_bytes(idx(DIGITS))  # Unpacked beside the packed one: read once.
    given_ = read_source(ArraysSource(train=folder, test=folder), quarantine=Quarantine())
    assert {key: len(list(posts)) for key, posts in given_.items()} == {"train": 3, "test": 2}
    assert len(posts_of(folder)) == 5
    assert [post.id for post in read_array_posts(folder, ArrayReading(), quarantine=Quarantine())] == [
        "t10k-images-idx3-ubyte:1",
        "t10k-images-idx3-ubyte:2",
    ]


def test_a_folder_of_cifar_10_is_read_batch_by_batch(tmp_path: Path) -> None:
    for number in (1, 2):
        batch = {b"data": planes(colours(2)), b"labels": [1, 0]}
        (tmp_path / f"data_batch_{number}").write_bytes(pickle.dumps(batch, 2))
    (tmp_path / "test_batch").write_bytes(pickle.dumps({b"data": planes(colours(1)), b"labels": [1]}, 2))
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({b"label_names": [b"airplane", b"bird"]}, 2))
    found = read_source(ArraysSource(train=tmp_path, test=tmp_path), quarantine=Quarantine())
    assert [(post.id, post.label) for post in found["train"]] == [
        ("data_batch_1:1", "bird"),
        ("data_batch_1:2", "airplane"),
        ("data_batch_2:1", "bird"),
        ("data_batch_2:2", "airplane"),
    ]
    assert list(found["test"]) == [Post("test_batch:1", image=pixels(colours(1)[0]), label="bird")]


def write_mnist_in(folder: Path) -> None:
    folder.mkdir()
    write_mnist(folder / "mnist")


@pytest.mark.parametrize(
    ("key", "make", "said"),
    [
        ("validation", write_mnist, "Name a file in it"),
        ("unlabelled", write_mnist, "Name a file in it"),
        ("test", lambda folder: (write_mnist(folder) / "t10k-images-idx3-ubyte.gz").unlink(), "holds nothing to test"),
        ("test", lambda folder: folder.mkdir(), "holds no file that is named"),
        ("test", write_mnist_in, "It holds the folders mnist: is it one of them?"),
        (
            "test",
            lambda folder: (folder.parent / "fodler").mkdir(),
            "does not exist. Check the path. Did you mean 'fodler'",
        ),
    ],
)
def test_a_folder_that_does_not_say_what_is_meant_is_refused_at_once(
    tmp_path: Path, key: str, make: Callable[[Path], object], said: str
) -> None:
    train = write_mnist(tmp_path / "train")
    make(tmp_path / "folder")
    with pytest.raises(DataError, match=said.replace("?", r"\?")):
        read_source(ArraysSource(**{"train": train, key: tmp_path / "folder"}), quarantine=Quarantine())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (idx(DIGITS)[:-1], "ends 1 bytes before"),
        (idx(DIGITS) + b"\0", "goes on behind"),
        (idx(DIGITS)[:10], "no whole header"),
        (gzip.compress(idx(DIGITS))[:-12], "damaged|ends"),
        (gzip.compress(idx(DIGITS) + bytes(9)), "goes on behind"),
        (idx(DIGITS)[:8] + bytes(8), "not a file of grey pictures"),
        (idx(DIGITS)[:8] + b"\xff" * 8, "not a file of grey pictures"),
        (b"\0\0\x08\x03\xff\xff\xff\xff\0\0\0\x1c\0\0\0\x1c", "at most 8 GiB"),
        (b"\0\0\x08\x03\0\0\xff\xff\0\0\0\x1c\0\0\0\x1c", "16 cannot hold"),
        (gzip.compress(b"\0\0\x08\x03\0\1\xff\xff\0\0\0\x1c\0\0\0\x1c" + bytes(784 * 3)), "cannot hold"),
        (idx(np.array([1, 2], dtype=np.uint8)), "holds labels, not images"),
        (b"", "is empty"),
    ],
    ids=said,
)
def test_an_idx_file_that_does_not_keep_what_its_header_says_is_refused(
    tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(DataError, match=said):
        posts_of(tmp_path / "train-images-idx3-ubyte")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (idx(np.array([1, 2], dtype=np.uint8)), "promises 2 labels, but .* 3 images"),
        (idx(np.array([1, 2, 3], dtype=np.uint8))[:-1], "ends 1 bytes before"),
        (idx(np.array([1, 2, 3], dtype=np.uint8)) + b"4", "goes on behind"),
        (idx(DIGITS), "holds no labels"),
        (b"\0\0", "no whole header"),
    ],
    ids=said,
)
def test_labels_that_do_not_fit_the_images_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(DIGITS))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(content)
    with pytest.raises(DataError, match=said):
        posts_of(tmp_path / "train-images-idx3-ubyte")


def test_a_table_with_a_column_a_pixel_is_read_row_by_row(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(b"label,pixel0,pixel1,pixel2,pixel3\r\n7,0,1,2,255\r\n\r\n,4,5,6,7\r\n")
    assert posts_of(tmp_path / "train.csv") == [
        Post("train:1", image=Pixels(2, 2, 1, bytes([0, 1, 2, 255])), label="7"),
        Post("train:2", image=Pixels(2, 2, 1, bytes([4, 5, 6, 7]))),
    ]


@pytest.mark.parametrize(
    "header", ["pixel0,pixel1,pixel2,pixel3,Label,Id", '"1x1","1x2","2x1","2x2",label,id', "p7,p8,p9,p10,label,ImageId"]
)
def test_pixels_may_be_named_by_number_or_by_place_and_a_row_may_bring_its_id(tmp_path: Path, header: str) -> None:
    content = f'\ufeff{header}\n1,2,3,4,shoe,a7\n"5"," 6",7.0,8,,\n'.encode()
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(content))
    assert posts_of(tmp_path / "t.csv.gz") == [
        Post("a7", image=Pixels(2, 2, 1, bytes([1, 2, 3, 4])), label="shoe"),
        Post("t:2", image=Pixels(2, 2, 1, bytes([5, 6, 7, 8]))),
    ]


@pytest.mark.parametrize("planar", [False, True])
def test_colours_stand_pixel_by_pixel_or_plane_by_plane(tmp_path: Path, planar: bool) -> None:
    picture = colours(1)
    cells = planes(picture) if planar else picture.reshape(1, -1)
    header = ",".join(f"pixel{i}" for i in range(12))
    (tmp_path / "rgb.csv").write_text(header + "\n" + ",".join(map(str, cells[0].tolist())))
    assert posts_of(tmp_path / "rgb.csv", planar=planar) == [Post("rgb:1", image=pixels(picture[0]))]


def test_a_row_with_a_spoilt_pixel_goes_to_the_quarantine_with_its_line(tmp_path: Path) -> None:
    rows = ["1,0,0,0,0", "1,0,,0,0", "1,0,0,nan,0", "1,0,0,0,256", "1,0,0,0", "1,0,0,0,0,0", "1,-1,0,0,0", "2,1,1,1,1"]
    content = "label,pixel0,pixel1,pixel2,pixel3\n" + "\n".join(rows) + "\n"
    (tmp_path / "t.csv").write_bytes(content.encode() + b"\xff,1,1,1,1\n")
    quarantine = Quarantine()
    posts = list(read_source(ArraysSource(path=tmp_path / "t.csv"), quarantine=quarantine)["posts"])
    assert [(post.id, post.label) for post in posts] == [("t:1", "1"), ("t:8", "2")]
    assert [(row.line, row.reason) for row in quarantine.rows] == [
        (3, "Empty pixel: cell 1 of the pixels, counted from 0, is empty."),
        (4, "No pixel: 'nan', cell 2 of the pixels, is no whole number from 0 to 255."),
        (5, "No pixel: '256', cell 3 of the pixels, is no whole number from 0 to 255."),
        (6, "Ragged row: it has 4 cells, the header 5."),
        (7, "Ragged row: it has 6 cells, the header 5."),
        (8, "No pixel: '-1', cell 0 of the pixels, is no whole number from 0 to 255."),
        (10, "Not UTF-8: it holds the byte 0xff. Save the file as UTF-8."),
    ]
    assert quarantine.rows[0].raw == "1,0,,0,0\n"


@pytest.mark.parametrize(
    "header",
    [
        "id,text",
        "label,pixel0,pixel1,pixel2",
        "label,pixel0,pixel2,pixel1,pixel3",
        "label,pixel0,pixel0,pixel1,pixel2",
        "label,pixel0,other1,pixel2,pixel3",
        "5,0,0,0,0",
        "label,width,a0,a1,a2,a3",
    ],
)
def test_a_table_without_a_square_of_pixels_is_no_array(tmp_path: Path, header: str) -> None:
    (tmp_path / "t.csv").write_text(f"{header}\n1,2,3,4,5\n")
    assert not holds_arrays(tmp_path / "t.csv")
    with pytest.raises(DataError, match="holds no arrays of a known form"):
        posts_of(tmp_path / "t.csv")


def test_cifar_is_read_plane_by_plane_with_both_of_its_labels(tmp_path: Path) -> None:
    folder = write_cifar100(tmp_path)
    assert posts_of(folder / "train") == [
        Post(f"train:{i + 1}", image=pixels(colours(4)[i]), label=fine, fields={"coarse_label": coarse})
        for i, (fine, coarse) in enumerate(
            [("whale", "animal"), ("apple", "fruit"), ("pear", "fruit"), ("whale", "animal")]
        )
    ]
    coarse = posts_of(folder / "test", level="coarse")
    assert [(post.label, dict(post.fields)) for post in coarse] == [
        ("animal", {"fine_label": "whale"}),
        ("fruit", {"fine_label": "apple"}),
    ]


def test_cifar_without_its_meta_has_classes_by_number(tmp_path: Path) -> None:
    folder = write_cifar100(tmp_path)
    (folder / "meta").unlink()
    assert labels_of(posts_of(folder / "test")) == ["2", "0"]
    (folder / "classes.txt").write_text("apfel\nbirne\nwal\n")
    assert [(post.label, post.fields["coarse_label"]) for post in posts_of(folder / "test")] == [
        ("wal", "1"),
        ("apfel", "0"),
    ]


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        ({"data": planes(colours(2)), "labels": [1]}, "2 pictures but 1 of label"),
        ({"data": planes(colours(2))[:, :11]}, "no square pictures"),
        ({"data": np.zeros((2, 0), dtype=np.uint8)}, "no square pictures"),
        ({"labels": [1]}, "no square pictures"),
        (
            {"data": planes(colours(2)), "coarse_labels": [1, 2]},
            "has no fine_label, but coarse_label. Set source.level",
        ),
    ],
)
def test_a_cifar_file_that_does_not_fit_together_is_refused(tmp_path: Path, batch: dict[str, Any], said: str) -> None:
    (tmp_path / "train").write_bytes(pickle.dumps(batch, 2))
    with pytest.raises(DataError, match=said):
        posts_of(tmp_path / "train")


def test_a_hostile_pickle_beside_the_pictures_is_refused_too(tmp_path: Path) -> None:
    folder = write_cifar100(tmp_path)
    (folder / "meta").write_bytes(f"cposix\nsystem\n(S'touch {tmp_path}/canary'\ntR.".encode())
    with pytest.raises(DataError, match=r"meta is refused: it names posix\.system"):
        posts_of(folder / "test")
    assert not (tmp_path / "canary").exists()


def archive_of(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, "cifar-100-python")
    return path


def test_the_archive_of_cifar_is_read_as_its_folder_is(tmp_path: Path) -> None:
    folder = write_cifar100(tmp_path / "files")
    (folder / "file.txt~").write_bytes(b"left over")
    archive = archive_of(folder, tmp_path / "cifar-100-python.tar.gz")
    found, expected = (
        {
            key: [(post.image, post.label, post.fields) for post in posts]
            for key, posts in read_source(ArraysSource(train=path, test=path), quarantine=Quarantine()).items()
        }
        for path in (archive, folder)
    )
    assert found == expected
    assert [len(found["train"]), len(found["test"])] == [4, 2]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content[:-2000], "damaged"),
        (lambda content: content.replace(b"cifar-100-python/train", b"cifar-100-python/trian"), "holds none of train"),
        (lambda content: content.replace(b"cifar-100-python/test\0", b"x/train".ljust(22, b"\0")), "'train' twice"),
        (lambda content: content[:124] + b"77777777777\0" + content[136:], "too large"),
        (lambda content: content[:124] + b"gibberish  \0" + content[136:], "damaged"),
    ],
)
def test_an_archive_that_is_broken_or_foreign_is_refused(
    tmp_path: Path, change: Callable[[bytes], bytes], said: str
) -> None:
    archive = archive_of(write_cifar100(tmp_path / "files"), tmp_path / "c.tar.gz")
    content = gzip.decompress(archive.read_bytes()).rstrip(b"\0") + bytes(1024)
    archive.write_bytes(gzip.compress(change(content)))
    with pytest.raises(DataError, match=said):
        list(read_source(ArraysSource(train=archive), quarantine=Quarantine())["train"])


@pytest.mark.parametrize(
    "images",
    [
        lambda files: [{"bytes": file, "path": "a.webp"} for file in files],
        lambda files: pa.array(files, pa.binary()),
    ],
)
def test_parquet_with_pictures_keeps_them_encoded_and_names_the_classes(
    tmp_path: Path, images: Callable[[list[bytes]], object]
) -> None:
    files = [webp(picture) for picture in colours(3)]
    columns = {"img": images(files), "fine_label": [1, 0, -1], "coarse_label": [0, 0, 1]}
    names = {"fine_label": ["apple", "whale"], "coarse_label": ["all", "all"]}
    path = write_parquet(tmp_path / "train-00000.parquet", columns, names=names)
    assert posts_of(path) == [
        Post("train-00000:1", image=files[0], label="whale", fields={"coarse_label": "all"}),
        Post("train-00000:2", image=files[1], label="apple", fields={"coarse_label": "all"}),
        Post("train-00000:3", image=files[2], fields={"coarse_label": "all 1"}),
    ]


def test_a_parquet_row_without_picture_or_of_no_class_goes_to_the_quarantine(tmp_path: Path) -> None:
    images = [{"bytes": webp(colours(1)[0])}, {"bytes": None}, None, {"bytes": b"\x89PNG"}]
    path = write_parquet(tmp_path / "t.parquet", {"image": images, "label": [1, 1, 1, 2], "id": [7, 8, 9, 10]})
    (tmp_path / "classes.txt").write_text("a\nb\n")
    quarantine = Quarantine()
    posts = list(read_source(ArraysSource(path=path), quarantine=quarantine)["posts"])
    assert [(post.id, post.label) for post in posts] == [("7", "b")]
    assert [(row.line, row.reason.split(":")[0]) for row in quarantine.rows] == [
        (2, "No picture"),
        (3, "No picture"),
        (4, "Unknown class"),
    ]


def test_an_ordinary_parquet_table_is_no_array_and_a_broken_one_is_told(tmp_path: Path) -> None:
    assert not holds_arrays(write_parquet(tmp_path / "t.parquet", {"text": ["a"], "label": [1]}))
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="not a readable Parquet file"):
        posts_of(tmp_path / "broken.parquet")


def test_a_folder_of_parquet_files_is_read_part_by_part(tmp_path: Path) -> None:
    for name in ("train-0.parquet", "train-1.parquet", "test-0.parquet"):
        write_parquet(tmp_path / name, {"img": [webp(colours(1)[0])], "label": ["whale"]})
    found = read_source(ArraysSource(train=tmp_path, test=tmp_path), quarantine=Quarantine())
    assert {key: [(post.id, post.label) for post in posts] for key, posts in found.items()} == {
        "train": [("train-0:1", "whale"), ("train-1:1", "whale")],
        "test": [("test-0:1", "whale")],
    }


def test_the_same_pictures_give_the_same_dataset_in_every_form(tmp_path: Path) -> None:
    folder = write_cifar100(tmp_path / "cifar")
    forms = tmp_path / "parquet"
    forms.mkdir()
    for part, labels in (("train", ["whale", "apple", "pear", "whale"]), ("test", ["whale", "apple"])):
        files = [webp(picture) for picture in colours(len(labels))]
        write_parquet(forms / f"{part}.parquet", {"img": files, "label": labels})
    hashes = set()
    for path in (folder, forms):
        spec = ArraysSource(train=path, test=path)
        # The test pictures are the first training pictures as well: all but two training posts are left out.
        pool = gather(read_source(spec, quarantine=Quarantine()), Quarantine())
        dataset = build_dataset(pool, split=GivenSplit(validation=0.0), seed=0)
        assert {name: len(posts) for name, posts in dataset.splits().items() if posts} == {"train": 2, "test": 2}
        hashes.add(dataset.facts["hash"])
    assert len(hashes) == 1


HEADS = [
    idx(DIGITS)[:16],
    b"\x80\x02}U\x04data",
    b"PAR1",
    b"\x1f\x8b\x08",
    b"label,pixel0,pixel1,pixel2,pixel3\n1,",
    b"",
]


@given(head=st.sampled_from(HEADS), rest=st.binary(max_size=120), packed=st.booleans())
@settings(max_examples=120, deadline=None)
def test_no_bytes_do_more_than_be_refused(head: bytes, rest: bytes, packed: bool) -> None:
    content = gzip.compress(head + rest) if packed else head + rest
    with TemporaryDirectory() as folder:
        path = Path(folder) / ("train-images-idx3-ubyte" + (".csv" if head.startswith(b"label") and not packed else ""))
        path.write_bytes(content)
        try:
            posts = list(read_source(ArraysSource(path=path), quarantine=Quarantine())["posts"])
        except DataError:
            return
    assert all(isinstance(post.image, Pixels) for post in posts)


@given(start=st.integers(0, 2000), new=st.binary(min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_a_changed_parquet_file_is_read_or_refused(start: int, new: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = write_parquet(
            Path(folder) / "t.parquet", {"img": [b"abc"] * 3, "label": [0, 1, 2]}, names={"label": ["a"]}
        )
        content = bytearray(path.read_bytes())
        start %= len(content)
        content[start : start + len(new)] = new
        path.write_bytes(content)
        try:
            list(read_source(ArraysSource(path=path), quarantine=Quarantine())["posts"])
        except DataError as error:
            assert str(path) in str(error)  # noqa: PT017 - either is right.


@pytest.mark.skipif(not (SHARED / "data/mnist").is_dir(), reason="shared/data/mnist is not there")
def test_the_real_digits_are_all_there() -> None:
    folder = SHARED / "data/mnist"
    posts = {
        key: list(found)
        for key, found in read_source(ArraysSource(train=folder, test=folder), quarantine=Quarantine()).items()
    }
    assert {key: len(found) for key, found in posts.items()} == {"train": 60_000, "test": 10_000}
    counts = [sum(post.label == str(digit) for post in posts["train"]) for digit in range(10)]
    assert counts == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


@pytest.mark.skipif(not (SHARED / "data/objects100").is_dir(), reason="shared/data/objects100 is not there")
def test_real_pictures_in_colour_are_the_same_as_parquet_and_as_a_pickle(tmp_path: Path) -> None:
    posts = posts_of(SHARED / "data/objects100/test.parquet")
    assert (len(posts), len(set(labels_of(posts)))) == (5000, 100)
    some = posts[:50]
    pictures = np.stack([np.asarray(open_image(post.image or b"")) for post in some])
    names = sorted(set(labels_of(some)), key=str)
    batch = {b"data": planes(pictures), b"fine_labels": [names.index(post.label) for post in some]}
    (tmp_path / "test").write_bytes(pickle.dumps(batch, 2))
    (tmp_path / "meta").write_bytes(pickle.dumps({b"fine_label_names": [str(name).encode() for name in names]}, 2))
    read = posts_of(tmp_path / "test")
    assert labels_of(read) == labels_of(some)
    assert [post.image for post in read] == [pixels(picture) for picture in pictures]
