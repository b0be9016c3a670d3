"""Fits on as many processes as there are, with one thread each: the same answers for any number of them.

A process keeps to one fold while that has work for it, so that what is read of its posts is read once.
"""

import os
import pickle
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from threading import Lock, Thread
from typing import IO, Any, Protocol

from siaga.errors import SiagaError
from siaga.model_selection.fitting import Fitted, Here
from siaga.model_selection.folds import Folds
from siaga.schema import Recipe

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
SERVE = "from siaga.model_selection.processes import serve; serve()"


class Fitter(Protocol):
    """Fits a recipe on all folds but one, and asks it about that one."""

    def fit(self, recipe: Recipe, fold: int) -> Fitted:
        """Return what it answered. Raises what the fit raises."""
        ...


class Elsewhere:
    """Fits in a process of its own, which ends with this one."""

    def __init__(self, folds: Folds) -> None:
        one_thread = dict.fromkeys(THREADS, "1")
        self._process = subprocess.Popen(  # noqa: S603 - this very Python, and our own line.
            [sys.executable, "-P", "-c", SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **one_thread},
            start_new_session=True,  # An interruption is for this process, which ends the others.
        )
        self._send(folds)

    def fit(self, recipe: Recipe, fold: int) -> Fitted:
        """Return what the recipe's classifier answered there; raises what it raised, with its traceback as a note."""
        self._send((recipe, fold))
        try:
            found = pickle.load(_whole(self._process.stdout))  # noqa: S301 - it comes from our own process.
        except EOFError:
            raise self._gone() from None
        if isinstance(found, BaseException):
            raise found
        fitted: Fitted = found
        return fitted

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):  # What was not sent yet is of no use any more.
                _whole(stream).close()
        self._process.wait()

    def _send(self, thing: object) -> None:
        try:
            pickle.dump(thing, _whole(self._process.stdin))
            _whole(self._process.stdin).flush()
        except BrokenPipeError:
            raise self._gone() from None

    def _gone(self) -> SiagaError:
        code = self._process.wait()
        return SiagaError(f"A process that fits was ended from outside ({code}), perhaps for memory. Try --workers 1.")


def serve() -> None:
    """Answer another process: the folds come on stdin, then recipes; what is printed goes to stderr."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    here = Here(pickle.load(sys.stdin.buffer))  # noqa: S301 - it comes from the process that started this one.
    while True:
        try:
            recipe, fold = pickle.load(sys.stdin.buffer)  # noqa: S301 - as above.
        except EOFError:
            return
        try:
            found: object = here.fit(recipe, fold)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other process raises it.
            error.add_note(traceback.format_exc())
            found = error
        pickle.dump(found, answers)
        answers.flush()


@contextmanager
def fitters(folds: Folds, *, workers: int) -> Iterator[list[Fitter]]:
    """Give so many that fit at the same time; one is this process, more are processes that end with the block."""
    if workers == 1:
        yield [Here(folds)]
        return
    started: list[Elsewhere] = []
    try:
        for _ in range(workers):
            started.append(Elsewhere(folds))  # noqa: PERF401 - those that did start are ended when one does not.
        yield list(started)
    finally:
        for each in started:
            each.end()


def fit_all(fitters: Sequence[Fitter], recipes: Sequence[Recipe], folds: int) -> Iterator[tuple[int, int, Fitted]]:
    """Yield what each recipe's fit answered about each fold, as (recipe, fold, answer), in the order they are done."""
    board = _Board([(k, i) for k in range(folds) for i in range(len(recipes))])
    if len(fitters) == 1:
        at: int | None = None
        while (unit := board.take(at)) is not None:
            at, number = unit
            yield number, at, board.timed(number, fitters[0].fit(recipes[number], at))
        return
    done: SimpleQueue[Any] = SimpleQueue()  # Any: an answer, or what was raised in its place.
    for fitter in fitters:
        Thread(target=_drain, args=(fitter, recipes, board, done), daemon=True).start()
    try:
        for _ in range(len(recipes) * folds):
            found = done.get()
            if isinstance(found, BaseException):
                raise found
            yield found
    finally:
        board.clear()


def _drain(fitter: Fitter, recipes: Sequence[Recipe], board: "_Board", done: "SimpleQueue[Any]") -> None:
    fold: int | None = None
    while (unit := board.take(fold)) is not None:
        fold, number = unit
        try:
            done.put((number, fold, board.timed(number, fitter.fit(recipes[number], fold))))
        except BaseException as error:  # noqa: BLE001 - the thread that waits raises it.
            done.put(error)
            return


class _Board:
    """What is left to fit, fold by fold, how many are at each fold, and how long each recipe's fit took so far."""

    def __init__(self, units: Iterable[tuple[int, int]]) -> None:
        self._left: dict[int, list[int]] = {}
        for fold, number in units:
            self._left.setdefault(fold, []).append(number)
        self._at: Counter[int] = Counter()
        self._seconds: dict[int, float] = {}
        self._lock = Lock()

    def take(self, fold: int | None) -> tuple[int, int] | None:
        """Return the next (fold, recipe) for one who was at `fold`: there if anything is left, or where fewest are.

        What takes longest goes first, so that nobody waits for it at the end.
        """
        with self._lock:
            if fold not in self._left:
                if not self._left:
                    return None
                if fold is not None:
                    self._at[fold] -= 1
                fold = min(self._left, key=lambda k: (self._at[k], -len(self._left[k]), k))
                self._at[fold] += 1
            number = max(self._left[fold], key=lambda i: self._seconds.get(i, 0.0))
            self._left[fold].remove(number)
            if not self._left[fold]:
                del self._left[fold]
            return fold, number

    def timed(self, number: int, fitted: Fitted) -> Fitted:
        """Note how long a recipe's fit took, and return it."""
        with self._lock:
            self._seconds[number] = fitted.fit_s + fitted.answer_s
        return fitted

    def clear(self) -> None:
        """Leave nothing to do."""
        with self._lock:
            self._left.clear()


def _whole(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise ValueError("the process was started without pipes")
    return stream
