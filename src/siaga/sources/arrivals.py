"""What has arrived in a folder: images named by their content, and the journal that says which URL became which.

The journal is a file of JSON lines that only grows. A process that dies leaves at most a torn last line, which is
passed over; the image it was about is then fetched again.
"""

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO

from siaga.errors import DataError, ImageError
from siaga.files import make_folder, sweep, write_whole
from siaga.sources.values import Fault

JOURNAL = "arrived.jsonl"
IMAGES = "images"
_FILE = re.compile(rf"{IMAGES}/[0-9a-f]{{64}}\.(?:jpg|png|webp|gif)")
_SUFFIXES = {b"\xff\xd8": "jpg", b"\x89PNG": "png", b"RIFF": "webp", b"GIF8": "gif"}


class Arrivals:
    """The images of one folder, by the URL that they came from; `open_arrivals` gives one."""

    def __init__(self, folder: Path, journal: IO[bytes]) -> None:
        self._folder, self._journal = folder, journal
        self._files = dict(self._entries())
        sweep(folder / IMAGES)

    def file(self, url: str) -> str | None:
        """Return the path of a URL's image relative to the folder, or None when it is not there, whole."""
        name, size = self._files.get(url, ("", 0))
        path = self._folder / name
        return name if name and path.is_file() and path.stat().st_size == size else None

    def add(self, url: str, content: bytes) -> None:
        """Keep the image that a URL led to. Raises Fault when it is none, DataError when it cannot be written."""
        from siaga.features.images import open_image

        try:
            open_image(content)
        except ImageError as error:
            raise Fault(f"Not an image: {error}") from None
        suffix = next(suffix for magic, suffix in _SUFFIXES.items() if content.startswith(magic))
        name = f"{IMAGES}/{sha256(content).hexdigest()}.{suffix}"
        path = self._folder / name
        if not path.is_file() or path.stat().st_size != len(content):
            with write_whole(path) as stream:
                stream.write(content)
        append(self._journal, json.dumps({"url": url, "file": name, "bytes": len(content)}).encode() + b"\n")
        self._files[url] = name, len(content)

    def _entries(self) -> Iterator[tuple[str, tuple[str, int]]]:
        """Yield URL, file and size of every whole line; a torn last line is ended, so that the next stands alone."""
        self._journal.seek(0)
        line = b"\n"
        for line in self._journal:
            try:
                match json.loads(line):
                    case {"url": str(url), "file": str(file), "bytes": int(size)} if _FILE.fullmatch(file):
                        yield url, (file, size)
            except ValueError:
                continue
        if not line.endswith(b"\n"):
            append(self._journal, b"\n")


@contextmanager
def open_arrivals(folder: Path) -> Iterator[Arrivals]:
    """Give what has arrived in a folder, for this process alone.

    Raises DataError for a folder that holds something else, and for one that another process is filling.
    """
    path = folder / JOURNAL
    if folder.is_dir() and not path.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty, and holds no earlier download. Choose another --out.")
    make_folder(folder)
    with hold(path) as journal:
        yield Arrivals(folder, journal)


@contextmanager
def hold(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to read and append, for this process alone; raises DataError when another process has it."""
    try:
        opened = path.open("ab+")
    except OSError as error:
        raise _unwritable(path, error) from None
    with opened as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"Another siaga download is filling {path.parent}. Wait until it has ended.") from None
        yield stream


def append(stream: IO[bytes], content: bytes) -> None:
    """Write to the end of a file that `hold` gave, past its buffer, so that no more is lost than the disk lacks."""
    left = memoryview(content)
    try:
        while left:
            left = left[os.write(stream.fileno(), left) :]
    except OSError as error:
        raise _unwritable(Path(stream.name), error) from None


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path} cannot be written: {error.strerror}. Choose another place, or make room for it.")
