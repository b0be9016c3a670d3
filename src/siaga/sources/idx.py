"""IDX files as pictures: MNIST and its kin, plain or packed, the labels in a file of their own beside the images.

The header says how many bytes follow; no more are read, and neither fewer nor more are accepted.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from siaga.errors import DataError
from siaga.post import Pixels
from siaga.sources.pictures import DAMAGED, MAX_SIDE, PictureRow, Pictures, class_names, open_packed

IMAGES, LABELS = b"\x00\x00\x08\x03", b"\x00\x00\x08\x01"
MAX_BYTES = 8 << 30
_BEST_PACKED = 2_000  # No good picture packs better than this; a header that promises more is a lie or a bomb.
_PIECE = 1 << 20


def read_idx(path: Path) -> Pictures:
    """Return the pictures of an images file, with the labels that stand beside it if they do.

    Raises DataError for a file of labels, a header that the file cannot keep, and labels of another number; and,
    with the pictures, for a file that breaks off or goes on.
    """
    with open_packed(path) as stream:
        header = _header(path, stream.read, 16)
    if header.startswith(LABELS):
        raise DataError(f"{path} holds labels, not images. Name the images file; its labels are found beside it.")
    n, height, width = (int.from_bytes(header[i : i + 4], "big") for i in (4, 8, 12))
    if not header.startswith(IMAGES) or not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        raise DataError(f"{path} is not a file of grey pictures: its header is {header.hex(' ', 4)}. Get it again.")
    _check_promise(path, 16 + n * height * width)
    beside = _labels_file(path)
    labels = _labels(beside, path, n) if beside is not None else None
    names = {"label": class_names(path)} if beside is not None else {}
    return Pictures(_rows(path, (n, height, width), labels), names)


def _rows(path: Path, shape: tuple[int, int, int], labels: bytes | None) -> Iterator[PictureRow]:
    n, height, width = shape
    size = height * width
    at_once = max(1, _PIECE // size)
    number = 0
    for piece in _pieces(path, 16, n * size, at_once * size):
        for start in range(0, len(piece), size):
            number += 1
            image = Pixels(width, height, 1, piece[start : start + size])
            yield PictureRow(number, number, image, {} if labels is None else {"label": labels[number - 1]})


def _labels(path: Path, images: Path, n: int) -> bytes:
    with open_packed(path) as stream:
        header = _header(path, stream.read, 8)
    if not header.startswith(LABELS):
        raise DataError(f"{path} holds no labels: its header is {header.hex(' ', 4)}. Get it again.")
    if (count := int.from_bytes(header[4:8], "big")) != n:
        raise DataError(f"{path} promises {count:,} labels, but {images} {n:,} images. Get both again.")
    _check_promise(path, 8 + n)
    return b"".join(_pieces(path, 8, n, _PIECE))


def _pieces(path: Path, skip: int, count: int, size: int) -> Iterator[bytes]:
    """Yield the `count` bytes behind the header in pieces of `size`; DataError if there are fewer or more."""
    with open_packed(path) as stream:
        try:
            stream.read(skip)
            while count:
                piece = stream.read(min(size, count))
                if len(piece) < min(size, count):
                    raise DataError(f"{path} ends {count - len(piece):,} bytes before its header says. Get it again.")
                count -= len(piece)
                yield piece
            if stream.read(1):
                raise DataError(f"{path} goes on behind the end that its header tells. Get it again.")
        except DAMAGED as error:
            raise DataError(f"{path} cannot be read to its end: {error}. It is damaged; get it again.") from None


def _header(path: Path, read: Callable[[int], bytes], size: int) -> bytes:
    try:
        header = read(size)
    except DAMAGED as error:
        raise DataError(f"{path} cannot be read: {error}. It is damaged; get it again.") from None
    if len(header) < (8 if header.startswith(LABELS) else size):
        raise DataError(f"{path} is cut short: it has no whole header. Get it again.")
    return header


def _check_promise(path: Path, size: int) -> None:
    """Raise DataError if a file of this size cannot hold so many bytes, or if nobody should read so many."""
    if size > MAX_BYTES:
        raise DataError(f"{path} promises {size:,} bytes; at most {MAX_BYTES >> 30} GiB are read. Split the file.")
    if size > (stored := path.stat().st_size) * _BEST_PACKED:
        raise DataError(f"{path} promises {size:,} bytes, which {stored:,} cannot hold. Get it again.")


def _labels_file(images: Path) -> Path | None:
    """Return the labels file that stands beside an images file under the usual name, if it does."""
    name = images.name.replace("images", "labels").replace("idx3", "idx1")
    plain = name.removesuffix(".gz")
    names = [name, plain, f"{plain}.gz"]
    dotted = [other.replace("-idx1", ".idx1") for other in names] + [other.replace(".idx1", "-idx1") for other in names]
    if name == images.name:
        return None
    return next((beside for other in [*names, *dotted] if (beside := images.parent / other).is_file()), None)
