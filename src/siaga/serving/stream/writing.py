"""A stream into lines: onto stdout, or into a file that is whole or absent where the input ends by itself."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from siaga.errors import DataError
from siaga.files import FULL, make_folder, write_whole
from siaga.quarantine import Quarantine
from siaga.serving.stream.files import list_segments
from siaga.serving.stream.inputs import check_broker, stdin_blocks
from siaga.serving.stream.lines import Answered, Answering
from siaga.serving.stream.pipe import Piece, answers
from siaga.serving.stream.plan import Plan
from siaga.serving.stream.status import Status
from siaga.serving.stream.supervisor import stop_signals
from siaga.sources.items import ItemReader
from siaga.sources.wanted import Wanted

_PIECE = 1 << 16


def write(plan: Plan, hear: Callable[[Status], None]) -> Status:
    """Write a line for each post of the input until it ends, or the process is asked to stop; return what was done."""
    answering = _answering(plan)
    quarantine, status = Quarantine(), Status()
    lines_before: Counter[str] = Counter()
    try:
        with _opened(plan) as out:
            for answered in _answers(plan, answering):
                out.write(answered.output)
                if plan.is_live:
                    _settle(out)
                _note(answered, lines_before, quarantine)
                _count(status, answered)
                hear(status)
    finally:
        quarantine.write(plan.quarantine)
    return status


def _answering(plan: Plan) -> Answering:
    scorer = plan.open_scorer()
    chosen = None if plan.wanted == Wanted() else plan.wanted
    return Answering(ItemReader(plan.form), scorer, plan.format if scorer else "posts", chosen)


def _answers(plan: Plan, answering: Answering) -> Iterator[Answered]:
    match plan.kind:
        case "files" | "stdin":
            alone = plan.workers == 1 or plan.replay is not None
            make = (lambda: answering) if alone else (lambda: _answering(plan))
            yield from answers(_pieces(plan), make, workers=1 if alone else plan.workers, limit=plan.limit)
        case "redis" | "kafka" | "social":
            yield from _from_afar(plan, answering)


def _pieces(plan: Plan) -> Iterator[Piece]:
    if plan.kind == "stdin":
        return (block for block in stdin_blocks() if block is not None)
    segments = list_segments(plan.path)
    if plan.replay is None:
        return iter(segments)
    played = plan.open_files(segments, read={}, scorer=None).messages(lambda *_: 1)
    return (b"\n".join(messages.lines) + b"\n" for messages in played if messages is not None and messages.lines)


def _from_afar(plan: Plan, answering: Answering) -> Iterator[Answered]:
    """Yield the answers on what a broker or an open stream hands over; acknowledged when the next is asked for.

    Messages among which the limit falls are not acknowledged: they come again another time, with the posts left out.
    """
    check_broker(plan.source)
    source, left = plan.open_all(read={}, scorer=answering.scorer), plan.limit
    try:
        with stop_signals() as stop:
            for messages in source.messages(lambda *_: 1):
                if messages is not None:
                    answered = answering.answer(messages.lines, file=messages.part, limit=left)
                    yield answered
                    if answered.is_whole:
                        source.acknowledge(messages)
                    left = None if left is None else left - answered.posts
                if stop.since is not None or left == 0:
                    return
    finally:
        source.close()


@contextmanager
def _opened(plan: Plan) -> Iterator[IO[bytes]]:
    """Open the output: a file is whole or absent where the input ends by itself, and else grows line by line."""
    if plan.to == "-":
        with _stdout() as stream:
            yield stream
    elif plan.kind in ("files", "stdin"):
        with write_whole(Path(plan.to)) as stream:
            yield stream
    else:
        make_folder(Path(plan.to).parent)
        with Path(plan.to).open("ab+") as stream:
            end_at_a_line(stream)
            yield stream


@contextmanager
def _stdout() -> Iterator[IO[bytes]]:
    if sys.stdout is None:
        raise DataError("stdout is closed, so there is nowhere to write. Name a file as --to.")
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except OSError as error:
        if error.errno not in FULL:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # What is left could not be written either.
        raise DataError(f"stdout cannot be written: {error.strerror}. Make room where it goes.") from None


def _settle(out: IO[bytes]) -> None:
    """See to it that what was written will be there whatever happens next, before it is acknowledged."""
    out.flush()
    if out is not sys.stdout.buffer:
        os.fsync(out.fileno())


def end_at_a_line(stream: IO[bytes]) -> None:
    """Take away the half of a line that a killed process left at the end of a file."""
    at = stream.seek(0, os.SEEK_END)
    while at:
        start = max(0, at - _PIECE)
        stream.seek(start)
        if (cut := stream.read(at - start).rfind(b"\n")) >= 0:
            stream.truncate(start + cut + 1)
            return
        at = start
    stream.truncate(0)


def _note(answered: Answered, lines_before: Counter[str], quarantine: Quarantine) -> None:
    for i, reason, raw in answered.faults:
        quarantine.add(answered.file, lines_before[answered.file] + i + 1, reason, raw.decode("utf-8", "replace"))
    lines_before[answered.file] += answered.messages


def _count(status: Status, answered: Answered) -> None:
    status.messages += answered.messages
    status.posts += answered.posts
    status.dead += len(answered.faults)
    status.counts.update(answered.counts)
