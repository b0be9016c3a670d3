"""The supervisor: keeps so many workers alive, adds up what they tell, and stops them when it is asked to.

It holds no message and no connection of its own, so that its death, too, loses nothing: its workers notice and stop.
"""

import logging
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from types import FrameType

from siaga.errors import SiagaError, StoreAway
from siaga.serving.stream.status import Status
from siaga.serving.stream.worker import Worker

log = logging.getLogger(__name__)
DEATHS_WITHOUT_PROGRESS = 25
TELL_EVERY_S = 0.2
_STOP_WITHIN_S = 10.0
_fork = multiprocessing.get_context("fork")

MakeWorker = Callable[[int], Worker]  # Called in the new process, with its number.


def supervise(
    make: MakeWorker,
    *,
    workers: int,
    hear: Callable[[Status], None] = lambda _: None,
    lag: Callable[[Iterable[int]], int] = max,
) -> Status:
    """Run workers until all have come to their end, or SIGTERM or SIGINT stops them; return what they did.

    `lag` makes one number of what workers say of the messages that wait: sum where each has a share of its own.

    A worker that is killed, or crashes, is started anew under its number. Raises the SiagaError that ended a worker,
    and one of its own when workers die again and again without keeping anything.
    """
    with stop_signals() as stop:
        crew = _Crew(make, stop, lag)
        for number in range(workers):
            crew.start(number)
        while crew.is_at_work():
            crew.listen()
            hear(crew.status())
        if crew.error is not None:
            raise crew.error
        return crew.status()


def apart(do: Callable[[], None]) -> None:
    """Do something in a process of its own, so that no thread of a library is there when workers are made.

    Raises the SiagaError that it raised, and one of its own when the process died.
    """
    ours, theirs = _fork.Pipe(duplex=False)
    process = _fork.Process(target=_tell_fault, args=(do, theirs))
    process.start()
    theirs.close()
    try:
        fault = ours.recv()
    except EOFError:
        fault = SiagaError("A process died before the stream began. See the lines above.")
    process.join()
    if fault is not None:
        raise fault


def _tell_fault(do: Callable[[], None], connection: Connection) -> None:
    try:
        do()
    except SiagaError as error:
        connection.send(error)
    else:
        connection.send(None)


@dataclass
class Stop:
    """Whether it is time to stop, and since when."""

    since: float | None = None

    def ask(self, *_: int | FrameType | None) -> None:
        """Be a signal's handler."""
        if self.since is None:
            self.since = time.monotonic()


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Note SIGTERM and SIGINT while the block runs, instead of dying of them."""
    stop = Stop()
    earlier = {number: signal.signal(number, stop.ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


class _Crew:
    """The workers that run, what each of them told last, and what those told that are gone."""

    def __init__(self, make: MakeWorker, stop: Stop, lag: Callable[[Iterable[int]], int]) -> None:
        self._make, self._stop, self._lag = make, stop, lag
        self._processes: dict[int, ForkProcess] = {}
        self._connections: dict[int, Connection] = {}
        self._told: dict[int, Status] = {}
        self._gone: list[Status] = []
        self._deaths = self._fruitless = 0
        self._asked_at: float | None = None
        self.error: SiagaError | None = None

    def start(self, number: int) -> None:
        """Start a worker under its number."""
        ours, theirs = _fork.Pipe(duplex=False)
        process = _fork.Process(target=_live, args=(self._make, number, theirs, os.getpid()), daemon=True)
        process.start()
        theirs.close()
        self._processes[number], self._connections[number] = process, ours

    def is_at_work(self) -> bool:
        """Whether any worker runs."""
        return bool(self._processes)

    def status(self) -> Status:
        """Return what all did so far."""
        status = Status(deaths=self._deaths)
        for tally in [*self._gone, *self._told.values()]:
            status.add(tally)
        lags = [tally.lag for tally in self._told.values() if tally.lag is not None]
        status.lag = self._lag(lags) if lags else None
        return status

    def listen(self) -> None:
        """Hear what workers tell, for a moment; replace those that died; pass on a request to stop."""
        for found in wait(list(self._connections.values()), timeout=TELL_EVERY_S):
            number = next(n for n, connection in self._connections.items() if connection is found)
            self._hear(number)
        if self._stop.since is not None or self.error is not None:
            self._ask_to_stop()

    def _hear(self, number: int) -> None:
        said: Status | SiagaError | None = None
        with suppress(EOFError, OSError):
            said = self._connections[number].recv()
        if said is None:  # Replaced out here: what fails in the new process did not fail while this was handled.
            self._ended(number)
        elif isinstance(said, SiagaError):
            self.error = self.error or said
        else:
            self._told[number] = said

    def _ended(self, number: int) -> None:
        process = self._processes.pop(number)
        self._connections.pop(number).close()
        process.join()
        told = self._told.pop(number, Status())
        self._gone.append(_final(told))
        if process.exitcode == 0 or self.error is not None or self._stop.since is not None:
            return
        self._deaths += 1
        self._fruitless = 0 if told.messages else self._fruitless + 1
        if self._fruitless >= DEATHS_WITHOUT_PROGRESS:
            what = f"Workers died {self._fruitless} times in a row (the last with exit code {process.exitcode})"
            self.error = SiagaError(
                f"{what} without keeping anything. See the lines above; is there too little memory?"
            )
            return
        self.start(number)

    def _ask_to_stop(self) -> None:
        """Ask all workers to stop, again and again: one that had just begun did not hear it the first time."""
        if self._asked_at is None:
            self._asked_at = time.monotonic()
        late = time.monotonic() - self._asked_at > _STOP_WITHIN_S * 0.8
        for process in self._processes.values():
            if late:  # What it holds is not kept, so nothing is lost: it comes again.
                process.kill()
            else:
                process.terminate()


def _final(tally: Status) -> Status:
    """Return what a worker that is gone did; it waits for nothing any more."""
    tally.lag = tally.waits_for = None
    return tally


def _live(make: MakeWorker, number: int, connection: Connection, parent: int) -> None:
    """Be a worker: the code that runs in the new process."""
    with stop_signals() as stop:
        told_at = 0.0

        def is_stopped() -> bool:
            if os.getppid() != parent:  # Nobody would end it if its goodbye hung, as librdkafka's can in a rebalance.
                os._exit(1)
            return stop.since is not None

        def tell(tally: Status) -> None:
            nonlocal told_at
            if (now := time.monotonic()) - told_at > TELL_EVERY_S:
                told_at = now
                try:
                    connection.send(tally)
                except BrokenPipeError:  # As above.
                    os._exit(1)

        try:
            worker = _made(make, number, tell=tell, is_stopped=is_stopped)
            if worker is None:
                return
            worker.tell, worker.is_stopped = tell, is_stopped
            worker.run()
            connection.send(worker.tally)
        except SiagaError as error:
            connection.send(error)
        except BrokenPipeError:  # The supervisor is gone.
            os._exit(1)
        except Exception:  # noqa: BLE001 - A crash is told where people look, and the supervisor starts another.
            traceback.print_exc()
            os._exit(1)


def _made(
    make: MakeWorker, number: int, *, tell: Callable[[Status], None], is_stopped: Callable[[], bool]
) -> Worker | None:
    """Make a worker as soon as the store is there; return None when it is time to stop before that."""
    wait_s = 0.1
    while not is_stopped():
        try:
            return make(number)
        except StoreAway as error:
            if wait_s <= 0.1:
                log.warning("%s Waiting for it.", error)
            tell(Status(waits_for="the store"))
            time.sleep(wait_s)
            wait_s = min(1.0, wait_s * 2)
    return None
