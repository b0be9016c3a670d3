"""The official archives of MNIST and CIFAR-100: fetched from fixed places, and kept only if every byte is as published.

What has arrived of a file waits beside its place, with `.part` at the end of its name, and the next call goes on
from there. The name without it appears when the file is whole and its SHA-256 is the one written here.
"""

import gzip
import os
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import IO

from siaga.errors import DataError
from siaga.files import file_sha256, make_folder, sync_folder, write_whole
from siaga.sources.addresses import Url, parse_url
from siaga.sources.arrivals import append, hold
from siaga.sources.fetching import PIECE, Reply, Web, opened
from siaga.sources.limits import Limits, Timer
from siaga.sources.values import Fault

PATIENT = Limits(seconds=4 * 3600.0, idle_s=30.0)
MEMBER_BYTES = 200_000_000
_PART = ".part"


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """A published file: its name, its bytes, its SHA-256, and the folders of the web that hold it."""

    name: str
    bytes: int
    sha256: str
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Archive:
    """A published data set: its files, the recipe it is for, and what is unpacked from its only file, if that is a tar.

    `members` are unpacked into `folder`, which is relative to the folder of the download, as is where they are read.
    """

    files: tuple[ArchiveFile, ...]
    recipe: str
    folder: str = ""
    members: tuple[str, ...] = ()


_MNIST = ("https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/")
ARCHIVES: Mapping[str, Archive] = MappingProxyType(
    {
        "mnist": Archive(
            files=(
                ArchiveFile(
                    "train-images-idx3-ubyte.gz",
                    9_912_422,
                    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                    _MNIST,
                ),
                ArchiveFile(
                    "train-labels-idx1-ubyte.gz",
                    28_881,
                    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                    _MNIST,
                ),
                ArchiveFile(
                    "t10k-images-idx3-ubyte.gz",
                    1_648_877,
                    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                    _MNIST,
                ),
                ArchiveFile(
                    "t10k-labels-idx1-ubyte.gz",
                    4_542,
                    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                    _MNIST,
                ),
            ),
            recipe="digits",
        ),
        "cifar100": Archive(
            files=(
                ArchiveFile(
                    "cifar-100-python.tar.gz",
                    169_001_437,
                    "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
                    ("https://www.cs.toronto.edu/~kriz/",),
                ),
            ),
            recipe="cifar100",
            folder="cifar-100-python",
            members=("train", "test", "meta"),
        ),
    }
)


def fetch_archive(archive: Archive, out: Path, web: Web) -> Path:
    """Fill the folder `out` with an archive's files, unpacked if it is a tar; return the folder to read them from.

    A file that is there, as published, is not fetched again. Raises DataError for one that is there but differs, for
    one that cannot be fetched (what arrived of it stays, and the next call goes on from there), and for one whose
    content is not the published one, which is removed.
    """
    make_folder(out)
    for file in archive.files:
        path = out / file.name
        if not path.exists():
            _fetch(file, path, web)
        elif file_sha256(path) != file.sha256:
            raise DataError(f"{path} is not the file that was published: its SHA-256 differs. Move it away first.")
    if archive.members:
        _unpack(out / archive.files[0].name, archive, out)
    return out / archive.folder


def _fetch(file: ArchiveFile, path: Path, web: Web) -> None:
    part = path.with_name(path.name + _PART)
    with hold(part) as stream:
        if file_sha256(part) != file.sha256:
            try:
                _fill(stream, file, web)
            finally:
                if part.stat().st_size == 0:
                    part.unlink()
        if (found := file_sha256(part)) != file.sha256:
            part.unlink()
            what = f"{file.name} is not the file that was published: its SHA-256 is {found}, not {file.sha256}"
            raise DataError(f"{what}. It was removed; run the command again, and tell us if that does not help.")
        os.fsync(stream.fileno())
        part.replace(path)
    sync_folder(path.parent)


def _fill(stream: IO[bytes], file: ArchiveFile, web: Web) -> None:
    """Append to `stream` what it still lacks, from the first place that gives it."""
    faults = []
    for place in file.places:
        try:
            with_size = replace(web, limits=replace(web.limits, bytes=file.bytes))
            _follow(parse_url(place + file.name), stream, with_size)
        except Fault as fault:
            faults.append(f"{place} says: {fault}")
        else:
            return
    raise DataError(f"{file.name} cannot be fetched. {' '.join(faults)} Run the command again to go on from there.")


def _follow(url: Url, stream: IO[bytes], web: Web) -> None:
    timer = Timer(web.limits)
    for _ in range(web.limits.redirects + 1):
        start = stream.seek(0, os.SEEK_END)
        with opened(url, web=web, timer=timer, start=start) as reply:
            if (there := reply.destination) is None:
                _save(reply, stream, start, web)
                return
        url = there
    raise Fault(f"Moved on: more than {web.limits.redirects} redirects.")


def _save(reply: Reply, stream: IO[bytes], start: int, web: Web) -> None:
    """Append a reply's content, as far as it comes; one that does not go on at `start` begins anew."""
    goes_on = reply.status == 206 and str(reply.headers.get("Content-Range", "")).startswith(f"bytes {start}-")
    if reply.status in (200, 416):  # 416: there is nothing beyond `start`, so what is here is not its beginning.
        os.ftruncate(stream.fileno(), 0)
    if reply.status != 200 and not goes_on:
        raise reply.fault()
    done = start if goes_on else 0
    for piece in reply.pieces:
        append(stream, piece)
        done += len(piece)
        web.hear(done, web.limits.bytes)


def _unpack(path: Path, archive: Archive, out: Path) -> None:
    """Write the wanted members of a tar, and nothing else of it: plain files of a limited size, each whole."""
    missing = set(archive.members)
    try:
        with tarfile.open(path, "r:gz") as tar:
            for member in tar:
                folder, _, name = member.name.partition("/")
                if folder == archive.folder and name in missing and member.isreg() and member.size <= MEMBER_BYTES:
                    _write_member(tar, member, out / archive.folder / name)
                    missing.remove(name)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be unpacked: {error}. Remove it and fetch it again.") from None
    if missing:
        raise DataError(f"{path} lacks {', '.join(sorted(missing))}. Remove it and fetch it again.")


def _write_member(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    content = tar.extractfile(member)
    if content is not None:
        with content, write_whole(path) as stream:
            while piece := content.read(PIECE):
                stream.write(piece)
