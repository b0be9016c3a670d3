"""Arrays as posts: files and folders whose pictures come as numbers, told by their content, never by name alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from siaga.errors import DataError, did_you_mean
from siaga.post import Post
from siaga.quarantine import Quarantine
from siaga.schema import ArraysSource
from siaga.sources.pictures import DAMAGED, Label, PictureRow, Pictures, Spoilt, open_packed
from siaga.sources.reading import named_paths
from siaga.sources.values import Fault, as_label

Form = Literal["idx", "pickle", "tar", "parquet", "csv"]

_HEAD, _LONGEST_HEADER = 512, 1 << 20  # Bytes that tell what a file holds; a table has a name for each pixel.
_SUFFIXES = (".gz", ".bz2", ".xz", ".csv", ".parquet", ".tar", ".tgz")
_LAYOUTS = (  # The files of a folder: those for training, and those for testing.
    ("train-images[-.]idx3-ubyte*", "t10k-images[-.]idx3-ubyte*"),
    ("data_batch_[0-9]", "test_batch"),
    ("train", "test"),
    ("train*.parquet", "test*.parquet"),
)


@dataclass(frozen=True, slots=True)
class ArrayReading:
    """How pictures become posts. Labels are not read at all where `labels` is None.

    `level` says which of two sets of labels is the label, `planar` in which order a table holds colours.
    """

    labels: Mapping[str, str] | None = field(default_factory=dict)
    level: Literal["fine", "coarse"] = "fine"
    planar: bool = False


def read_arrays(spec: ArraysSource, *, quarantine: Quarantine) -> dict[str, Iterator[Post]]:
    """Return the posts of each file or folder that the source names; an id is "file:number", counted from 1.

    Raises DataError at once for a path where nothing is and for a folder without known files; with the first posts
    for what no file of arrays can be.
    """
    files = {key: _files(path, key) for key, path in named_paths(spec).items()}
    stems = [_stem(path) for paths in files.values() for path in paths]
    posts = {}
    for key, paths in files.items():
        reading = ArrayReading(None if key == "unlabelled" else spec.labels, spec.level, spec.planar)
        prefixes = ["" if stems.count(_stem(path)) == 1 else f"{key}/" for path in paths]
        parts = [_Part(path, key, prefix) for path, prefix in zip(paths, prefixes, strict=True)]
        posts[key] = _posts(parts, reading, quarantine)
    return posts


def read_array_posts(path: Path, reading: ArrayReading, *, quarantine: Quarantine) -> Iterator[Post]:
    """Yield the posts of one file, or of a folder's test files. Raises DataError as `read_arrays` does."""
    parts = [_Part(file, "test" if path.is_dir() else "posts") for file in _files(path, "test")]
    return _posts(parts, reading, quarantine)


def holds_arrays(path: Path) -> bool:
    """Return whether `read_array_posts` is for this path, rather than the reader of ordinary tables."""
    try:
        return path.is_dir() or (path.is_file() and _form(path) is not None)
    except DataError:
        return False


@dataclass(frozen=True, slots=True)
class _Part:
    """One file, the part of the data that it is read for, and what stands before its name in an id."""

    path: Path
    key: str
    prefix: str = ""


def _posts(parts: list[_Part], reading: ArrayReading, quarantine: Quarantine) -> Iterator[Post]:
    for part in parts:
        for name, pictures in _opened(part, reading):
            yield from _Posts(part.path, part.prefix + name, pictures, reading).read(quarantine)


class _Posts:
    """How the pictures of one file become posts; the label of each class is looked up but once."""

    def __init__(self, path: Path, name: str, pictures: Pictures, reading: ArrayReading) -> None:
        self._path, self._name, self._pictures, self._reading = path, name, pictures, reading
        self._column = None if reading.labels is None else self._label_column()
        self._others = [] if reading.labels is None else [name for name in pictures.names if name != self._column]
        self._labels: dict[Label, str | None] = {}

    def read(self, quarantine: Quarantine) -> Iterator[Post]:
        """Yield a post for each picture; a row that cannot be used goes to the quarantine."""
        for row in self._pictures.rows:
            if isinstance(row, Spoilt):
                quarantine.add(self._path, *row)
                continue
            try:
                post = self._post(row)
            except Fault as fault:
                quarantine.add(self._path, row.line, str(fault))
            else:
                yield post

    def _post(self, row: PictureRow) -> Post:
        label = None
        if self._column is not None and (value := row.labels[self._column]) is not None:
            if value not in self._labels:
                self._labels[value] = as_label(self._class(self._column, value), self._reading.labels or {})
            label = self._labels[value]
        fields = {other: name for other in self._others if (name := self._class(other, row.labels[other])) is not None}
        return Post(row.id or f"{self._name}:{row.number}", image=row.image, label=label, fields=fields)

    def _class(self, column: str, value: Label) -> str | None:
        """Return the name of a class; None is no label, and so is -1."""
        if value is None or value == -1:
            return None
        names = self._pictures.names[column]
        if isinstance(value, str) or not names:
            return str(value)
        if not 0 <= value < len(names):
            raise Fault(f"Unknown class: {column} is {value}, but there are {len(names)} names of classes, from 0 on.")
        return names[value]

    def _label_column(self) -> str | None:
        columns = list(self._pictures.names)
        wanted = f"{self._reading.level}_label"
        usual = ["label"] if self._reading.level == "fine" else []
        if found := [name for name in (wanted, *usual) if name in columns]:
            return found[0]
        if columns:
            raise DataError(f"{self._path} has no {wanted}, but {' and '.join(columns)}. Set source.level.")
        return None


def _opened(part: _Part, reading: ArrayReading) -> Iterator[tuple[str, Pictures]]:
    """Yield the pictures of a file under its name; an archive holds several files."""
    path = part.path
    match _form(path):
        case "idx":
            from siaga.sources.idx import read_idx

            yield _stem(path), read_idx(path)
        case "pickle":
            from siaga.sources.cifar import read_cifar

            yield _stem(path), read_cifar(path)
        case "tar":
            from siaga.sources.cifar import read_cifar_archive

            yield from read_cifar_archive(path, part.key)
        case "parquet":
            from siaga.sources.picture_parquet import read_picture_parquet

            yield _stem(path), read_picture_parquet(path)
        case "csv":
            from siaga.sources.pixel_table import read_pixel_table

            yield _stem(path), read_pixel_table(path, planar=reading.planar)
        case None:
            known = "IDX, CSV with a column a pixel, CIFAR's python files or their archive, Parquet with images"
            raise DataError(
                f"{path} holds no arrays of a known form: {known}. Name another file, or source.kind 'table'."
            )


def _form(path: Path) -> Form | None:
    """Return the form of a file, told by how it begins, or None for what is not among the forms."""
    with open_packed(path) as stream:
        try:
            head = stream.read(_HEAD)
            header = head.splitlines()[0] if b"\n" in head else head + stream.readline(_LONGEST_HEADER)
        except DAMAGED as error:
            raise DataError(f"{path} cannot be read: {error}. It is damaged; get it again.") from None
    if not head:
        raise DataError(f"{path} is empty. Get it again.")
    if head.startswith((b"\x00\x00\x08\x01", b"\x00\x00\x08\x03")):
        return "idx"
    if head.startswith((b"\x80", b"(dp", b"(d", b"}q")):
        return "pickle"
    if head[257:262] == b"ustar":
        return "tar"
    if head.startswith(b"PAR1"):
        from siaga.sources.picture_parquet import holds_pictures

        return "parquet" if holds_pictures(path) else None
    from siaga.sources.pixel_table import is_pixel_header

    return "csv" if is_pixel_header(header) else None


def _files(path: Path, key: str) -> list[Path]:
    """Return the files that a path stands for in a part of the data: itself, or those of a folder."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        siblings = [sibling.name for sibling in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"{path} does not exist. Check the path.{did_you_mean(path.name, siblings)}")
    if key not in ("posts", "train", "test"):
        raise DataError(f"{path} is a folder, which says what is for training and what for testing. Name a file in it.")
    for layout in _LAYOUTS:
        train, test = (_matching(path, pattern) for pattern in layout)
        if train or test:
            files = {"train": train, "test": test, "posts": [*train, *test]}[key]
            if not files:
                raise DataError(f"{path} holds nothing to {key}: no {layout[key == 'test']}. Name another folder.")
            return files
    inside = sorted(folder.name for folder in path.iterdir() if folder.is_dir())
    hint = f" It holds the folders {', '.join(inside[:10])}: is it one of them?" if inside else ""
    known = " or ".join(train for train, _ in _LAYOUTS)
    raise DataError(f"{path} holds no file that is named {known}.{hint} Name the folder of the files, or a file.")


def _matching(folder: Path, pattern: str) -> list[Path]:
    """Return the files of a folder that match, in order; of a file that is there packed as well, the plain one."""
    found = {_stem(path): path for path in sorted(folder.glob(pattern), reverse=True) if path.is_file()}
    return [found[name] for name in sorted(found)]


def _stem(path: Path) -> str:
    while path.suffix.lower() in _SUFFIXES:
        path = path.with_suffix("")
    return path.name
