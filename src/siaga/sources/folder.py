"""Folders of images as posts: one folder a label, in sorted order, ids from the relative paths."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from siaga.errors import DataError, did_you_mean
from siaga.post import Post
from siaga.quarantine import Quarantine
from siaga.schema import FolderSource
from siaga.sources.reading import named_paths
from siaga.sources.values import Fault, as_label, existing_inside

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif")


def read_folders(spec: FolderSource, *, quarantine: Quarantine) -> dict[str, Iterator[Post]]:
    """Return the posts of each folder that the source names.

    An id is the image's path relative to its folder; where the source names several folders, the split stands
    before it ("train/flood/7.jpg"). Raises DataError at once for what is no folder.
    """
    roots = named_paths(spec)
    for root in roots.values():
        _check_root(root)
    posts = {}
    for key, root in roots.items():
        labels = None if key == "unlabelled" else spec.labels
        prefix = f"{key}/" if len(roots) > 1 else ""
        posts[key] = _posts(root.resolve(), prefix, labels, quarantine)
    return posts


def _posts(root: Path, prefix: str, labels: Mapping[str, str] | None, quarantine: Quarantine) -> Iterator[Post]:
    is_empty = True
    for name in _file_names(root):
        try:
            post = _post(root, name, prefix, labels)
        except Fault as fault:
            shown = os.fsencode(name).decode("utf-8", "replace")
            quarantine.add(root, 0, str(fault), shown)
            continue
        is_empty = False
        yield post
    if is_empty:
        layout = "images" if labels is None else "folders of images, one folder a label"
        raise DataError(f"{root} holds no usable image. It must hold {layout} ({', '.join(IMAGE_SUFFIXES)}).")


def _post(root: Path, name: str, prefix: str, labels: Mapping[str, str] | None) -> Post:
    shown = os.fsencode(name).decode("utf-8", "replace")
    if shown != name:
        raise Fault(f"File name: {shown!r} is not UTF-8. Rename it.")
    if not name.lower().endswith(IMAGE_SUFFIXES):
        raise Fault(f"No image: {name!r} does not end in {', '.join(IMAGE_SUFFIXES)}.")
    try:
        path = existing_inside(root, name)
    except Fault as fault:
        raise Fault(f"No image: {fault}") from None
    if labels is None:
        return Post(prefix + name, image=path)
    folder, _, rest = name.partition("/")
    if not rest:
        raise Fault(f"No label: {name!r} does not lie in a label's folder.")
    return Post(prefix + name, image=path, label=as_label(folder, labels))


def _file_names(root: Path) -> Iterator[str]:
    """Yield relative paths with "/", sorted within each folder; what begins with a dot is passed over."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        base = Path(folder).relative_to(root)
        for name in sorted(files):
            if not name.startswith("."):
                yield (base / name).as_posix()


def _check_root(root: Path) -> None:
    if root.is_file():
        raise DataError(f"{root} is a file, not a folder of images. Name its folder, or set source.kind to 'table'.")
    if not root.is_dir():
        siblings = [sibling.name for sibling in root.parent.iterdir()] if root.parent.is_dir() else []
        raise DataError(f"{root} does not exist. Check the path.{did_you_mean(root.name, siblings)}")
