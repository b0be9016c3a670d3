"""CIFAR's python files as pictures: pickles of N × 3072 bytes (red, green, blue plane), singly or in their archive."""

from collections.abc import Iterator, Mapping, Sequence
from math import isqrt
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import IO

from siaga.errors import DataError
from siaga.post import Pixels
from siaga.sources.pickles import MAX_BYTES, Pickled, read_pickle
from siaga.sources.pictures import DAMAGED, PictureRow, Pictures, class_names, distinct_names, open_packed

TRAINING = ("train", "data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5")
TESTING = ("test", "test_batch")
NAMES = ("meta", "batches.meta")
_COLUMNS = {"fine_label": "fine_labels", "coarse_label": "coarse_labels", "label": "labels"}
_BLOCK = 512
_AT_ONCE = 256  # Pictures.
_ARCHIVE_BYTES = 8 << 30


def read_cifar(path: Path) -> Pictures:
    """Return the pictures of one file; the classes are named by `meta` or `batches.meta` beside it.

    Raises DataError for what `read_pickle` refuses and for a file without pictures.
    """
    named = [_read(beside) for name in NAMES if (beside := path.parent / name).is_file()]
    return _pictures(_read(path), named, path)


def read_cifar_archive(path: Path, key: str) -> Iterator[tuple[str, Pictures]]:
    """Yield the pictures of the files in a tar archive by their names: those for training, for testing, or all.

    Nothing but these files and the names of the classes is unpacked, to nameless files. Raises DataError as above,
    and for an archive that is damaged or holds no such file.
    """
    wanted = {"train": TRAINING, "test": TESTING}.get(key, (*TRAINING, *TESTING))
    found: dict[str, Pickled] = {}
    for name, content in _members(path, (*wanted, *NAMES)):
        if name in found:
            raise DataError(f"{path} holds {name!r} twice. Get it again.")
        found[name] = read_pickle(content, f"{path}: {name}")
    named = [found.pop(name) for name in NAMES if name in found]
    if not found:
        raise DataError(f"{path} holds none of {', '.join(wanted)}. Name CIFAR's archive of the python version.")
    for name in sorted(found):
        yield name, _pictures(found[name], named, path)


def _read(path: Path) -> Pickled:
    with open_packed(path) as stream:
        try:
            return read_pickle(stream, str(path))
        except DAMAGED as error:
            raise DataError(f"{path} cannot be read: {error}. It is damaged; get it again.") from None


def _pictures(pickled: Pickled, named: Sequence[Pickled], path: Path) -> Pictures:
    data = pickled.data
    side = isqrt(data.shape[1] // 3) if data is not None else 0
    if data is None or not side or 3 * side * side != data.shape[1]:
        raise DataError(f"{path} holds no square pictures of red, green and blue. Name a file of pictures in it.")
    labels = {column: pickled.numbers[key] for column, key in _COLUMNS.items() if key in pickled.numbers}
    for column, numbers in labels.items():
        if len(numbers) != len(data):
            raise DataError(f"{path} has {len(data):,} pictures but {len(numbers):,} of {column}. Get it again.")
    return Pictures(_rows(pickled, side, labels), {column: _names(column, named, path) for column in labels})


def _names(column: str, named: Sequence[Pickled], path: Path) -> list[str]:
    for pickled in named:
        if names := pickled.names.get(f"{column}_names"):
            return distinct_names([name.strip() for name in names])
    return [] if column == "coarse_label" else class_names(path)


def _rows(pickled: Pickled, side: int, labels: Mapping[str, Sequence[int]]) -> Iterator[PictureRow]:
    data = pickled.data
    if data is None:
        return
    size = 3 * side * side
    for start in range(0, len(data), _AT_ONCE):
        planes = data[start : start + _AT_ONCE].reshape(-1, 3, side, side)
        together = planes.transpose(0, 2, 3, 1).tobytes()
        for i in range(len(planes)):
            row = start + i
            image = Pixels(side, side, 3, together[i * size : (i + 1) * size])
            yield PictureRow(row + 1, row + 1, image, {name: numbers[row] for name, numbers in labels.items()})


def _members(path: Path, wanted: Sequence[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the wanted plain files of a tar archive as nameless files of their content, each to be read at once."""
    left = _ARCHIVE_BYTES
    with open_packed(path) as stream:
        try:
            while len(header := stream.read(_BLOCK)) == _BLOCK and header.strip(b"\0"):
                name = PurePosixPath(header[:100].rstrip(b"\0").decode("utf-8", "replace")).name
                size = int(header[124:136].strip(b"\0 ") or b"0", 8)
                is_wanted = header[156:157] in b"0\0" and name in wanted
                left -= _BLOCK + size
                if size < 0 or left < 0 or (is_wanted and size > MAX_BYTES):
                    raise DataError(f"{path} holds {size:,} bytes of {name[:80]!r}, which is too large. Get it again.")
                if is_wanted:
                    with TemporaryFile() as content:
                        _pass_on(stream, size, content)
                        content.seek(0)
                        yield name, content
                else:
                    _pass_on(stream, size, None)
                _pass_on(stream, -size % _BLOCK, None)
        except (*DAMAGED, ValueError) as error:
            raise DataError(f"{path} cannot be read to its end: {error}. It is damaged; get it again.") from None


def _pass_on(stream: IO[bytes], size: int, target: IO[bytes] | None) -> None:
    while size:
        piece = stream.read(min(size, 1 << 20))
        if not piece:
            raise EOFError("it ends within a file")
        size -= len(piece)
        if target is not None:
            target.write(piece)
