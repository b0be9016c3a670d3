"""The door to inputs: what `--from` may name, and which kind of input it is."""

import os
import select
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, assert_never

from siaga.errors import DataError, did_you_mean
from siaga.serving.stream.messages import Attempt, Input, Messages
from siaga.sources.items.source import is_message_file
from siaga.sources.lines import LINE_BYTES

Kind = Literal["files", "stdin", "redis", "kafka", "social"]
_SCHEMES: dict[str, Kind] = {
    "redis": "redis",
    "rediss": "redis",
    "kafka": "kafka",
    "mastodon": "social",
    "bluesky+wss": "social",
    "bluesky+ws": "social",
    "mastodon+wss": "social",
    "mastodon+ws": "social",
    "wss": "social",
    "ws": "social",
}
_NAMES: dict[str, Kind] = {"-": "stdin", "bluesky": "social", "mastodon": "social"}
_BLOCK_BYTES = 1 << 20
_STDIN = 0  # Where the kernel has it: in a worker, `sys.stdin` is another file, which is empty.
_DATABASE = b"SQLite format 3\x00"


def kind_of(source: str) -> Kind:
    """Return the kind of input that a name, a URL or a path stands for; raises DataError for none."""
    if source in _NAMES:
        return _NAMES[source]
    scheme, is_url, _ = source.partition("://")
    if is_url:
        if scheme not in _SCHEMES:
            hint = did_you_mean(scheme, _SCHEMES)
            known = ", ".join(f"{name}://" for name in _SCHEMES)
            raise DataError(f"--from {scheme}:// is not known.{hint} Known: {known}, bluesky, a file or folder, or -.")
        return _SCHEMES[scheme]
    if Path(source).exists() or "/" in source or "." in source:
        return "files"
    hint = did_you_mean(source, _NAMES)
    raise DataError(f"There is no file or folder {source!r}, nor an open stream of that name.{hint} Check --from.")


def shown(place: str) -> str:
    """Return a place that the user named as it may stand in a message: of a URL, which may hold a password, a part."""
    scheme, is_url, _ = place.partition("://")
    return f"{scheme}://…" if is_url else place


def check_files(source: str, to: str) -> None:
    """Raise DataError where a file to be written is, or would be the next time, among those that are read."""
    read, written = Path(source), Path(to)
    if "://" in to:
        return
    if read.is_dir() and is_message_file(written) and written.resolve().is_relative_to(read.resolve()):
        raise DataError(f"{to} lies in the folder {source}, and would be read as a part of it. Choose another place.")
    if read.is_file() and written.exists() and read.samefile(written):
        raise DataError(f"{to} is what is read, and would be lost. Choose another place for what is written.")


def check_lines(source: str) -> None:
    """Raise DataError for a file that is a database and holds no lines."""
    path = Path(source)
    if not path.is_file():
        return
    with path.open("rb") as stream:
        if stream.read(len(_DATABASE)) == _DATABASE:
            raise DataError(f"{source} is a database, and no file of JSON lines. `siaga mood {source}` reads a store.")


def check_broker(source: str) -> None:
    """Raise DataError where the broker of a URL cannot be reached or lacks the topic; make a stream of Redis."""
    match kind_of(source):
        case "redis":
            from siaga.serving.stream.redis_server import check_redis

            check_redis(source)
        case "kafka":
            from siaga.serving.stream.kafka_server import check_kafka

            check_kafka(source)
        case _:
            return


def open_broker(source: str, *, worker: str, batch: int) -> Input:
    """Return the input of a broker's URL for one worker, whose name is its own and stays when it is started anew."""
    kind = kind_of(source)
    match kind:
        case "redis":
            from siaga.serving.stream.redis import RedisInput

            return RedisInput(source, consumer=worker, batch=batch)
        case "kafka":
            from siaga.serving.stream.kafka import KafkaInput

            return KafkaInput(source, batch=batch)
        case "files" | "stdin" | "social":
            raise DataError(f"--from {source} is not a broker.")
        case _:
            assert_never(kind)


def stdin_blocks(descriptor: int | None = None) -> Iterator[bytes | None]:
    """Yield stdin as blocks of whole lines, each as soon as there is one, and None every second without any.

    Raises DataError for a line that is too long, and where stdin is closed.
    """
    if descriptor is None and sys.stdin is None:
        raise DataError("stdin is closed, so there is nothing to read. Send lines through a pipe, or name a file.")
    source = _STDIN if descriptor is None else descriptor
    kept = b""
    while True:
        if not select.select([source], [], [], 1.0)[0]:
            yield None
            continue
        piece = os.read(source, _BLOCK_BYTES)
        block = kept + piece
        cut = block.rfind(b"\n") + 1 if piece else len(block)
        if cut:
            yield block[:cut]
        if not piece:
            return
        kept = block[cut:]
        if len(kept) > LINE_BYTES:
            raise DataError(f"stdin has a line of more than {LINE_BYTES:,} bytes. Posts come one a line, as JSON.")


@dataclass
class StdinInput:
    """Stdin as an input. What was read cannot be read again, so nothing of it survives the death of its worker."""

    part: str  # Names this very run, so that its third line is not taken for that of another.
    name: str = "stdin"
    read: int = 0

    def messages(self, attempt: Attempt) -> Iterator[Messages | None]:  # noqa: ARG002 - nothing comes twice.
        """Yield the lines as they come."""
        for block in stdin_blocks():
            if block is None:
                yield None
                continue
            lines = block.removesuffix(b"\n").split(b"\n")
            positions: Sequence[str] = [str(self.read + i + 1) for i in range(len(lines))]
            self.read += len(lines)
            yield Messages(self.part, lines, positions)

    def acknowledge(self, messages: Messages) -> None:
        """Do nothing: nobody waits for it."""

    def lag(self) -> int | None:
        """Return None: what is to come is not known."""
        return None

    def close(self) -> None:
        """Do nothing: it is not ours to close."""
