"""Folders of images become posts, one folder a label."""

import os
from pathlib import Path

import pytest

from siaga.errors import DataError
from siaga.post import Post
from siaga.quarantine import Quarantine
from siaga.schema import FolderSource
from siaga.sources import read_source


@pytest.fixture
def images(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "images"
    for name in ("flood/b.jpg", "flood/a.PNG", "fire/x/c.webp", ".git/d.jpg", "fire/.e.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def test_labels_are_the_folders_and_ids_the_relative_paths_in_order(images: Path) -> None:
    quarantine = Quarantine()
    posts = list(read_source(FolderSource(path=images), quarantine=quarantine)["posts"])
    assert posts == [
        Post("fire/x/c.webp", image=images / "fire/x/c.webp", label="fire"),
        Post("flood/a.PNG", image=images / "flood/a.PNG", label="flood"),
        Post("flood/b.jpg", image=images / "flood/b.jpg", label="flood"),
    ]
    assert not quarantine


def test_the_order_is_that_of_the_names_whatever_the_disk_says(tmp_path: Path) -> None:
    for name in "kcgaemibhdlfj":
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").write_bytes(b"")
    posts = read_source(FolderSource(path=tmp_path), quarantine=Quarantine())["posts"]
    assert "".join(post.label or "" for post in posts) == "abcdefghijklm"


def test_folders_are_mapped_to_classes(images: Path) -> None:
    spec = FolderSource(path=images, labels={"flood": "flood", "*": "not_flood"})
    assert [post.label for post in read_source(spec, quarantine=Quarantine())["posts"]] == [
        "not_flood",
        "flood",
        "flood",
    ]


def test_several_folders_give_ids_that_differ_and_unlabelled_images_need_no_label(images: Path) -> None:
    spec = FolderSource(train=images, test=images, unlabelled=images / "flood")
    parts = {key: list(posts) for key, posts in read_source(spec, quarantine=Quarantine()).items()}
    assert parts["train"][0].id == "train/fire/x/c.webp"
    assert parts["test"][0].id == "test/fire/x/c.webp"
    assert [(post.id, post.label) for post in parts["unlabelled"]] == [
        ("unlabelled/a.PNG", None),
        ("unlabelled/b.jpg", None),
    ]


def test_what_is_no_image_of_a_label_is_listed(images: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"")
    (images / "flood/notes.txt").write_text("")
    (images / "loose.jpg").write_bytes(b"")
    (images / "other").mkdir()
    (images / "other/o.jpg").write_bytes(b"")
    (images / "flood/link.jpg").symlink_to(tmp_path / "secret.jpg")
    Path(os.fsdecode(os.fsencode(images / "flood") + b"/\xff.jpg")).write_bytes(b"")
    quarantine = Quarantine()
    spec = FolderSource(path=images, labels={"flood": "flood", "fire": "fire"})
    assert len(list(read_source(spec, quarantine=quarantine)["posts"])) == 3
    assert sorted((row.raw, row.reason.split(":")[0]) for row in quarantine.rows) == [
        ("flood/link.jpg", "No image"),
        ("flood/notes.txt", "No image"),
        ("flood/\ufffd.jpg", "File name"),
        ("loose.jpg", "No label"),
        ("other/o.jpg", "Unknown label"),
    ]


def test_a_wrong_folder_is_refused_with_what_to_do(images: Path) -> None:
    for path, message in (
        (images.parent / "imagse", r"imagse does not exist\. Check the path\. Did you mean 'images'\?"),
        (images / "flood/b.jpg", "is a file, not a folder of images"),
    ):
        with pytest.raises(DataError, match=message):
            read_source(FolderSource(path=path), quarantine=Quarantine())
    with pytest.raises(DataError, match=r"holds no usable image\. It must hold folders of images, one folder a label"):
        list(read_source(FolderSource(path=images / "flood"), quarantine=Quarantine())["posts"])
