"""Feeding: lines of JSON, as they are, onto a stream of Redis, a topic of Kafka, or into a file."""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import assert_never

from siaga.errors import DataError
from siaga.serving.stream.files import list_segments, read_blocks
from siaga.serving.stream.inputs import kind_of, stdin_blocks
from siaga.serving.stream.sending import open_sender
from siaga.sources.raw_stream import made_lines

SYNTHETIC, MADE = "synthetic", 1_000
AT_ONCE = 512
_BLOCK_BYTES = 1 << 20
_STEPS_PER_S = 10


def read_feed(source: str, *, limit: int | None = None) -> Iterator[list[bytes]]:
    """Yield the lines of a file, a folder or stdin ("-") without their ends, as they come; blank ones are left out.

    "synthetic" makes `limit` raw tweets and delete notices, MADE where there is no limit. Raises DataError for what is
    not there, cannot be read, or is no source of lines.
    """
    if source == SYNTHETIC:
        made = made_lines(limit or MADE)
        yield from iter(lambda: list(islice(made, AT_ONCE)), [])
        return
    left = limit
    for block in _blocks(source):
        if block is None:
            continue
        lines = [line.removesuffix(b"\r") for line in block.split(b"\n") if line and not line.isspace()]
        yield lines if left is None else lines[:left]
        if left is not None and (left := left - len(lines)) <= 0:
            return


def feed(
    blocks: Iterable[list[bytes]], to: str, *, per_s: float | None = None, hear: Callable[[int], None] = lambda _: None
) -> int:
    """Send lines to a URL of Redis or Kafka, or into a file; return how many.

    `per_s` slows it down; `hear` is told the number so far. Raises DataError when the broker cannot be reached or
    refuses; some lines may have arrived by then, but a file appears whole or not at all.
    """
    at_once = AT_ONCE if per_s is None else max(1, min(AT_ONCE, int(per_s / _STEPS_PER_S)))
    sent, started = 0, time.monotonic()
    with open_sender(to) as send:
        for lines in blocks:
            for i in range(0, len(lines), at_once):
                part = lines[i : i + at_once]
                send(part)
                sent += len(part)
                hear(sent)
                if per_s is not None:
                    time.sleep(max(0.0, started + sent / per_s - time.monotonic()))
    return sent


def _blocks(source: str) -> Iterator[bytes | None]:
    kind = kind_of(source)
    match kind:
        case "files":
            for segment in list_segments(Path(source)):
                yield from (block for _, block in read_blocks(segment, block_bytes=_BLOCK_BYTES))
        case "stdin":
            yield from stdin_blocks()
        case "redis" | "kafka" | "social":
            raise DataError("Lines to feed come from a file, a folder of files, or - for stdin.")
        case _:
            assert_never(kind)
