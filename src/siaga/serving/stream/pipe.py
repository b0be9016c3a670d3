"""Pieces of a stream through several processes, and their answers back in the order of the pieces.

A process gets pieces of files to read for itself, or blocks of bytes where there is one reader only (stdin). What it
answers waits in memory while an earlier piece is not through, within bounds.
"""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any

from siaga.errors import DataError, SiagaError
from siaga.serving.stream.files import Segment, read_blocks
from siaga.serving.stream.lines import Answered, Answering

STDIN = "stdin"
Piece = Segment | bytes
BLOCK_BYTES = 1 << 20
_WAITING_BYTES = 64 << 20  # Of answers of one process, for whose turn it is not yet.
_fork = multiprocessing.get_context("fork")


def answers(
    pieces: Iterator[Piece], make: Callable[[], Answering], *, workers: int, limit: int | None = None
) -> Iterator[Answered]:
    """Yield the answers on pieces in order, by so many processes; with a limit, by this one alone.

    `make` is called in each process. Raises what a process could not mend, and DataError for one that died.
    """
    if workers == 1 or limit is not None:
        yield from _alone(pieces, make(), limit)
        return
    with _processes(make, workers) as connections:
        yield from _Turns(connections).answers(pieces)


def _alone(pieces: Iterator[Piece], answering: Answering, limit: int | None) -> Iterator[Answered]:
    left = limit
    for piece in pieces:
        for file, lines in _lines(piece):
            answered = answering.answer(lines, file=file, limit=left)
            yield answered
            if left is not None:
                left -= answered.posts
                if left <= 0:
                    return


def _lines(piece: Piece) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the lines of a piece, block by block, with the name of their file."""
    if isinstance(piece, bytes):
        yield STDIN, _split(piece)
        return
    for _, block in read_blocks(piece, block_bytes=BLOCK_BYTES):
        yield piece.name, _split(block)


def _split(block: bytes) -> list[bytes]:
    return block.removesuffix(b"\n").split(b"\n")


@contextmanager
def _processes(make: Callable[[], Answering], workers: int) -> Iterator[list[Connection]]:
    connections: list[Connection] = []
    processes = []
    for _ in range(workers):
        ours, theirs = _fork.Pipe()
        connections.append(ours)
        process = _fork.Process(target=_serve, args=(theirs, make, connections), daemon=True)
        process.start()
        theirs.close()
        processes.append(process)
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()
        for process in processes:
            process.terminate()
            process.join()


def _serve(connection: Connection, make: Callable[[], Answering], ends: list[Connection]) -> None:
    """Answer one piece after the other: each block's Answered, then None; an error that a user can mend goes back.

    `ends` are the parent's, which were copied with it: closed here, so that its death ends what we wait for.
    """
    for end in ends:
        end.close()
    try:
        answering = make()
        while True:
            for file, lines in _lines(connection.recv()):
                connection.send(answering.answer(lines, file=file))
            connection.send(None)
    except SiagaError as error:
        connection.send(error)
    except (EOFError, OSError, KeyboardInterrupt):  # Nobody listens any more.
        return


class _Turns:
    """Whose turn it is: pieces go round, answers come back in that order."""

    def __init__(self, connections: list[Connection]) -> None:
        self._connections = connections
        self._ready: list[deque[Any]] = [deque() for _ in connections]  # Any: Answered, or None at a piece's end.
        self._asked = [0 for _ in connections]
        self._order: deque[int] = deque()

    def answers(self, pieces: Iterator[Piece]) -> Iterator[Answered]:
        """Yield the answers on pieces in order."""
        following, turn = next(pieces, None), 0
        while following is not None or self._order:
            while following is not None and self._asked[turn] < (2 if isinstance(following, Segment) else 1):
                self._connections[turn].send(following)
                self._asked[turn] += 1
                self._order.append(turn)
                turn, following = (turn + 1) % len(self._connections), next(pieces, None)
            yield from self._due()
            self._receive()

    def _due(self) -> Iterator[Answered]:
        """Yield what is ready and whose turn it is."""
        while self._order and self._ready[self._order[0]]:
            answered = self._ready[self._order[0]].popleft()
            if answered is None:
                self._asked[self._order.popleft()] -= 1
            else:
                yield answered

    def _receive(self) -> None:
        """Take what processes have to say; of one for whose turn it is not, only so much."""
        open_ = [
            connection
            for i, connection in enumerate(self._connections)
            if self._asked[i] and (self._order[0] == i or self._waiting(i) < _WAITING_BYTES)
        ]
        for found in wait(open_) if open_ else []:
            i = self._connections.index(found)  # type: ignore[arg-type]  # They are the connections given.
            try:
                said = self._connections[i].recv()
            except EOFError:
                raise DataError("A worker died (was there too little memory?). Run again with --workers 1.") from None
            if isinstance(said, SiagaError):
                raise said
            self._ready[i].append(said)

    def _waiting(self, i: int) -> int:
        return sum(len(answered.output) for answered in self._ready[i] if answered is not None)
