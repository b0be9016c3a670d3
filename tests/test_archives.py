"""Official archives: whole and as published, or absent; and what breaks off is gone on with."""

import io
import os
import socket
import tarfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from siaga.errors import DataError
from siaga.sources.addresses import parse_url
from siaga.sources.archives import ARCHIVES, Archive, ArchiveFile, fetch_archive
from siaga.sources.download import download_archive
from siaga.sources.fetching import Web
from tests.loopback import Answer, Asked, Loopback, in_turn, moved, raw, reply, serving
from tests.made import picture

SHARED = Path(os.environ.get("SIAGA_SHARED", Path(__file__).parents[2] / "shared"))
PNG = picture(True, 1)
BODY = bytes(range(256)) * 1000


def archive(*contents: bytes, folder: str = "", members: tuple[str, ...] = ()) -> Archive:
    files = [
        ArchiveFile(f"{i}.gz", len(content), sha256(content).hexdigest(), ("http://a.example/", "http://b.example/"))
        for i, content in enumerate(contents)
    ]
    return Archive(tuple(files), "digits", folder, members)


def ranged(content: bytes, *, most: int | None = None) -> Answer:
    """Return an answer that knows ranges, and breaks off after so many bytes."""

    def answer(connection: socket.socket, asked: Asked) -> None:
        start = int(asked.head.partition("Range: bytes=")[2].partition("-")[0] or 0)
        status, extra = "200 OK", ""
        if start:
            status, extra = "206 Partial Content", f"Content-Range: bytes {start}-{len(content) - 1}/{len(content)}\r\n"
        part = content[start:]
        reply(part[:most], status=status, headers=extra, length=len(part))(connection, asked)

    return answer


def test_an_archive_arrives_whole_from_the_next_place_when_one_fails_and_only_once(tmp_path: Path) -> None:
    with serving(
        {"/0.gz": in_turn(reply(status="403 X"), reply(BODY)), "/1.gz": moved("/m"), "/m": reply(PNG)}
    ) as server:
        for _ in range(2):
            assert (
                fetch_archive(archive(BODY, PNG), tmp_path / "out", Web(network=Loopback(server.port)))
                == tmp_path / "out"
            )
        assert [(asked.host, asked.path) for asked in server.asked] == [
            ("a.example", "/0.gz"),
            ("b.example", "/0.gz"),
            ("a.example", "/1.gz"),
            ("a.example", "/m"),
        ]
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {"0.gz": BODY, "1.gz": PNG}


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_an_archive_that_breaks_off_goes_on_where_it_was(knows_ranges: bool, tmp_path: Path) -> None:
    rest = ranged(BODY) if knows_ranges else reply(BODY)
    broken = ranged(BODY, most=100_000)
    with serving({"/0.gz": in_turn(broken, reply(status="503 X"), rest)}) as server:
        with pytest.raises(DataError, match=r"cannot be fetched\..*Broken off: 100,000 of 256,000.*Status 503.*go on"):
            fetch_archive(archive(BODY), tmp_path, Web(network=Loopback(server.port)))
        assert {path.name: path.stat().st_size for path in tmp_path.iterdir()} == {"0.gz.part": 100_000}
        fetch_archive(archive(BODY), tmp_path, Web(network=Loopback(server.port)))
        assert ["Range: bytes=100000-" in asked.head for asked in server.asked] == [False, True, True]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"0.gz": BODY}


def test_a_part_that_is_whole_needs_no_network(tmp_path: Path) -> None:
    (tmp_path / "0.gz.part").write_bytes(BODY)
    fetch_archive(archive(BODY), tmp_path, Web(network=Loopback(1)))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"0.gz": BODY}


def test_a_part_beyond_the_end_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "0.gz.part").write_bytes(BODY + b"more")
    with serving({"/0.gz": in_turn(reply(status="416 X"), reply(BODY))}) as server:
        fetch_archive(archive(BODY), tmp_path, Web(network=Loopback(server.port)))
        assert [f"Range: bytes={len(BODY) + 4}-" in asked.head for asked in server.asked] == [True, False]
    assert (tmp_path / "0.gz").read_bytes() == BODY


@pytest.mark.parametrize("other", [BODY[:-1] + b"!", BODY[:-1], BODY[::-1]])
def test_an_archive_that_is_not_the_published_one_is_refused_and_removed(other: bytes, tmp_path: Path) -> None:
    fault = f"its SHA-256 is {sha256(other).hexdigest()}, not"
    with serving({"/0.gz": reply(other)}) as server, pytest.raises(DataError, match=fault):
        fetch_archive(archive(BODY), tmp_path, Web(network=Loopback(server.port)))
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_is_larger_than_the_published_one_is_cut(tmp_path: Path) -> None:
    larger, fault = raw(b"HTTP/1.1 200 OK\r\n\r\n" + BODY + b"x"), "Too large: it has more than 256,000 bytes"
    with serving({"/0.gz": larger}) as server, pytest.raises(DataError, match=fault):
        fetch_archive(archive(BODY), tmp_path, Web(network=Loopback(server.port)))


def test_another_file_in_the_place_of_an_archive_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "0.gz").write_bytes(b"mine")
    with pytest.raises(DataError, match="is not the file that was published: its SHA-256 differs"):
        fetch_archive(archive(BODY), tmp_path, Web(network=Loopback(1)))
    assert (tmp_path / "0.gz").read_bytes() == b"mine"


def packed(members: Mapping[str, bytes | tarfile.TarInfo]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in members.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = 0 if isinstance(content, tarfile.TarInfo) else len(content)
            tar.addfile(info, None if isinstance(content, tarfile.TarInfo) else io.BytesIO(content))
    return stream.getvalue()


def link(name: str, to: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, to
    return info


def test_only_the_wanted_members_of_an_archive_are_unpacked(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"mine")
    tar = packed(
        {
            "../evil": b"x",
            "/evil": b"x",
            "c/../../evil": b"x",
            "c/more": b"x",
            "train": b"x",
            "d/train": b"x",
            "c/train": b"1",
            "c/test": b"2",
            "c/sub/test": b"x",
        }
    )
    with serving({"/0.gz": reply(tar)}) as server:
        wanted = archive(tar, folder="c", members=("train", "test"))
        assert fetch_archive(wanted, tmp_path / "out", Web(network=Loopback(server.port))) == tmp_path / "out" / "c"
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"victim", "out/0.gz", "out/c/train", "out/c/test"}
    assert [(tmp_path / "out/c" / name).read_bytes() for name in ("train", "test")] == [b"1", b"2"]


@pytest.mark.parametrize(
    ("tar", "fault"),
    [
        (packed({"c/train": link("c/train", "../../victim")}), "lacks train"),
        (packed({"c/other": b"x"}), "lacks train"),
        (packed({"c/train": b"x" * 5000})[:-20], "cannot be unpacked"),
        (b"\x1f\x8b garbage", "cannot be unpacked"),
    ],
    ids=["linked out", "without a file", "torn", "garbage"],
)
def test_an_archive_that_cannot_be_unpacked_is_said(tar: bytes, fault: str, tmp_path: Path) -> None:
    with serving({"/0.gz": reply(tar)}) as server, pytest.raises(DataError, match=fault):
        fetch_archive(archive(tar, folder="c", members=("train",)), tmp_path, Web(network=Loopback(server.port)))
    assert not (tmp_path / "c" / "train").exists()


def test_the_archives_are_fetched_over_https_from_places_that_may_be_asked() -> None:
    for known in ARCHIVES.values():
        for file in known.files:
            assert {parse_url(place + file.name).scheme for place in file.places} == {"https"}
            assert len(bytes.fromhex(file.sha256)) == 32
    with pytest.raises(DataError, match=r"There is no archive 'mnits'\. Did you mean 'mnist'"):
        download_archive("mnits", Path("nowhere"))


def test_the_published_files_that_stand_beside_the_project_are_those_that_are_pinned() -> None:
    folder = SHARED / "data" / "mnist"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    # The training images there were packed anew; their bytes, unpacked, are tested by whoever reads them.
    for file in ARCHIVES["mnist"].files[1:]:
        content = (folder / file.name).read_bytes()
        assert (sha256(content).hexdigest(), len(content)) == (file.sha256, file.bytes)
