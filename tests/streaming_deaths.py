"""What a process of `siaga stream` is told before it begins: to take less at once, and when to die.

All of it is put in from outside, so that the product has no more than its named places.
"""

import gc
import os
import random
import resource
import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from siaga.models.lexicon import LexiconClassifier, Mood
from siaga.serving import failpoints
from siaga.serving.store import open_store
from siaga.serving.stream import files, keeping, plan
from siaga.sources.items import ItemReader

POISON = "poisonous"
WAITS = (2, 2, 3, 3, 4, 9)  # 1 would let the same message die again and again, and it is innocent.
_CLAIM = "during_claim"
_PATIENCE = 60


def prepare(
    *,
    batch: int = 24,
    segment_bytes: int = 4 << 20,
    deaths: tuple[str, Sequence[str], int] | None = None,
    poison: str | None = None,
    file_bytes: int | None = None,
    wait_s: float = 5.0,
) -> None:
    """Take `batch` messages at once, and small blocks of files.

    `deaths` are a folder, the places, and how often to die at each. `poison` says what dies of a poisonous text: its
    scoring, or its reading. `file_bytes` is the size at which the disk is full,
    `wait_s` how long a store that is busy is asked again.
    """
    gc.freeze()  # A worker that is forked touches less, and its death costs less.
    os.environ[failpoints.VARIABLE] = ""
    for module, name, value in (
        (plan, "_QUICK_BATCH", batch),
        (plan, "_QUICK", 1 << 16),
        (files, "SEGMENT_BYTES", segment_bytes),
        (keeping, "open_store", partial(open_store, wait_s=wait_s)),
    ):
        _put(module, name, value)
    _put(failpoints, "_perhaps_die", (lambda _: None) if deaths is None else Deaths(*deaths))
    if poison == "scoring":
        _put(LexiconClassifier, "mood", _dies_of_scoring)
    if poison == "reading":
        _put(ItemReader, "read", _dies_of_reading(ItemReader.read))
        _put(ItemReader, "read_all", _dies_of_reading(ItemReader.read_all))
    if file_bytes is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))


def _put(where: Any, name: str, value: Any) -> None:  # Any: a module or class, and what stands there.
    assert hasattr(where, name), name
    setattr(where, name, value)


class Deaths:
    """Dies at named places, at each so often. A process draws one of them, in turn, and when it will be its time.

    Each death leaves a file in the folder, and so does each draw. Where a place is not reached within a while, as
    nothing is there to be claimed, another is drawn.
    """

    def __init__(self, folder: str, places: Sequence[str], each: int) -> None:
        self._folder, self._places, self._each = Path(folder), list(places), each
        self._process, self._left, self._seen = 0, 0, 0
        self._place = ""

    def __call__(self, place: str) -> None:
        """Be at a place, and perhaps die."""
        if self._process != os.getpid() or (self._place and self._seen > _PATIENCE):
            self._draw()
        self._seen += place == "after_read"
        if place != self._place:
            return
        self._left -= 1
        if self._left <= 0:
            self._number(f"{place}.")
            os.kill(os.getpid(), signal.SIGKILL)

    def _draw(self) -> None:
        self._process, self._seen = os.getpid(), 0
        died = [path.name.split(".")[0] for path in self._folder.iterdir()]
        if all(died.count(place) >= self._each for place in self._places):
            self._place = ""
            return
        ticket = self._number("draw.")
        self._place = self._places[ticket % len(self._places)]
        self._left = 1 if self._place == _CLAIM else random.Random(ticket).choice(WAITS)

    def _number(self, head: str) -> int:
        """Make the next file whose name begins so; return its number."""
        for number in range(1_000_000):
            try:
                os.close(os.open(self._folder / f"{head}{number}", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            return number
        raise RuntimeError("So many deaths were not asked for.")


def _dies_of_scoring(self: LexiconClassifier, text: str | None, language: str | None) -> Mood:
    if text and POISON in text:
        os.kill(os.getpid(), signal.SIGKILL)
    return _mood(self, text, language)


_mood = LexiconClassifier.mood


def _dies_of_reading(read: Any) -> Any:  # Any: a method that takes one line, or several.
    def dies(self: ItemReader, lines: bytes | Sequence[bytes]) -> Any:
        if any(POISON.encode() in line for line in ([lines] if isinstance(lines, bytes) else lines)):
            os.kill(os.getpid(), signal.SIGKILL)
        return read(self, lines)

    return dies
