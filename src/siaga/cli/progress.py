"""Progress on stderr: a live line on a terminal, plain lines in a log; results never mix with it."""

import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from siaga.cli.sentences import sentence
from siaga.models.classifier import Event, Hear

T = TypeVar("T")
_EVERY_S = 0.2
_LOG_EVERY_S = 10.0
_PASSING = ("batch", "embed", "predict", "fit", "calibrate", "candidate", "sweep")
_OF_FOLDS = ("epoch", "batch", "embed", "cross-fit")
_SILENT = ("pseudo_label", "augmented")


@contextmanager
def hearing() -> Iterator[Hear]:
    """Give what hears, and writes to stderr while the block runs."""
    teller = Teller(live=sys.stderr.isatty())
    try:
        yield teller.hear
    finally:
        teller.wipe()


def counted(items: Iterable[T]) -> Iterator[T]:
    """Pass items through, telling their number and rate on stderr when it takes longer than a moment."""
    teller, started, told, count = Teller(live=sys.stderr.isatty()), time.monotonic(), time.monotonic(), 0
    for count, item in enumerate(items, start=1):
        yield item
        if count % 64 == 0 and (now := time.monotonic()) - told > (_EVERY_S if teller.live else _LOG_EVERY_S):
            told = now
            teller.say(f"{count:,} posts, {count / (now - started):,.0f}/s", lasting=not teller.live)
    teller.wipe()


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Give what hears how many are done of how many, and tells it on stderr when it takes longer than a moment."""
    teller, every_s = Teller(live=sys.stderr.isatty()), _EVERY_S if sys.stderr.isatty() else _LOG_EVERY_S
    told = time.monotonic()

    def hear(done: int, total: int) -> None:
        nonlocal told
        if (now := time.monotonic()) - told > every_s:
            told = now
            teller.say(f"{done:,} of {total:,} {what}", lasting=not teller.live)

    try:
        yield hear
    finally:
        teller.wipe()


class Teller:
    """Writes lines of progress to stderr; on a terminal a passing one is overwritten by the next."""

    def __init__(self, *, live: bool) -> None:
        self.live = live
        self.started = time.monotonic()
        self.told = 0.0

    def hear(self, event: Event) -> None:
        """Tell an event: what lasts gets a line of its own, what passes only the live line."""
        step = str(event.get("step"))
        if step in _SILENT or ("fold" in event and step not in _OF_FOLDS):
            return
        passing = step in _PASSING or "fold" in event
        if passing and not self.live and not _worth_a_line(event) and not self._waited_for(step):
            return
        if passing and self.live and time.monotonic() - self.told < _EVERY_S:
            return
        self.told = time.monotonic()
        self.say(sentence(event), lasting=not passing or not self.live)

    def _waited_for(self, step: str) -> bool:
        return step == "candidate" and time.monotonic() - self.told > _LOG_EVERY_S

    def say(self, words: str, *, lasting: bool) -> None:
        """Write one line; on a terminal a passing one is cut to the width, and overwritten by the next."""
        line = f"{time.monotonic() - self.started:6.1f} s  {words}"
        if self.live:
            passing = line[: shutil.get_terminal_size().columns - 1]
            sys.stderr.write(f"\r\x1b[2K{line}\n" if lasting else f"\r\x1b[2K{passing}")
        else:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def wipe(self) -> None:
        """Clear the live line."""
        if self.live:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


def _worth_a_line(event: Event) -> bool:
    """In a log: the end of a wait; of cross-fitting one line a fold, and of batches none."""
    if "fold" in event:
        return event["step"] == "cross-fit" and "member" not in event
    return event["step"] != "batch" and event.get("done") == event.get("total")
