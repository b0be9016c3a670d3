"""Progress on stderr: a live line on a terminal, plain lines in a log; results never mix with it."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from siaga.models.classifier import Hear

T = TypeVar("T")
_EVERY_S = 0.2
_LOG_EVERY_S = 10.0
_PASSING = ("epoch", "embed", "predict", "fit", "calibrate")
_OF_FOLDS = ("epoch", "embed", "cross-fit")
_SCOPES = {"round": "round ", "member": "", "fold": "fold "}


@contextmanager
def hearing() -> Iterator[Hear]:
    """Give what hears, and writes to stderr while the block runs."""
    teller = _Teller(live=sys.stderr.isatty())
    try:
        yield teller.hear
    finally:
        teller.wipe()


def counted(items: Iterable[T]) -> Iterator[T]:
    """Pass items through, telling their number and rate on stderr when it takes longer than a moment."""
    teller, started, told, count = _Teller(live=sys.stderr.isatty()), time.monotonic(), time.monotonic(), 0
    for count, item in enumerate(items, start=1):
        yield item
        if count % 64 == 0 and (now := time.monotonic()) - told > (_EVERY_S if teller.live else _LOG_EVERY_S):
            told = now
            teller.say(f"{count:,} posts, {count / (now - started):,.0f}/s", lasting=not teller.live)
    teller.wipe()


class _Teller:
    def __init__(self, *, live: bool) -> None:
        self.live = live
        self.started = time.monotonic()
        self.told = 0.0

    def hear(self, event: Mapping[str, object]) -> None:
        """Tell an event: what lasts gets a line of its own, what passes only the live line."""
        step = str(event.get("step"))
        if step == "pseudo_label" or ("fold" in event and step not in _OF_FOLDS):
            return
        passing = step in _PASSING or "fold" in event
        if passing and not self.live and not _worth_a_line(event):
            return
        if passing and self.live and time.monotonic() - self.told < _EVERY_S:
            return
        self.told = time.monotonic()
        self.say(_sentence(step, event), lasting=not passing or not self.live)

    def say(self, sentence: str, *, lasting: bool) -> None:
        """Write one line; on a terminal a passing one is overwritten by the next."""
        stamp = f"{time.monotonic() - self.started:6.1f} s  "
        start, end = ("\r\x1b[2K", "\n" if lasting else "") if self.live else ("", "\n")
        sys.stderr.write(f"{start}{stamp}{sentence}{end}")
        sys.stderr.flush()

    def wipe(self) -> None:
        """Clear the live line."""
        if self.live:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


def _worth_a_line(event: Mapping[str, object]) -> bool:
    """In a log: one line an epoch of a final fit, none for the folds, and the end of other waits."""
    if "fold" in event:
        return event["step"] == "cross-fit" and "member" not in event
    return event["step"] == "epoch" or event.get("done") == event.get("total")


def _sentence(step: str, event: Mapping[str, object]) -> str:
    where = "".join(f"[{name}{event[key]}] " for key, name in _SCOPES.items() if key in event)
    match step:
        case "start":
            return {
                "prepare": "reading and splitting the posts",
                "fit": "training",
                "predict": "answering the test posts",
                "baselines": "training the baselines",
                "evaluate": "measuring, and writing the report",
            }.get(str(event["what"]), str(event["what"]))
        case "split":
            return ", ".join(f"{count:,} {name}" for name, count in event.items() if name != "step")
        case "cross-fit":
            inside = "".join(f"[{_SCOPES[key]}{event[key]}] " for key in ("round", "member") if key in event)
            return f"{inside}cross-fitting: fold {event['fold']} of {event['of']}"
        case "round":
            verdict = "kept" if event["kept"] else "rolled back" if event["added"] else "not taken"
            return (
                f"self-training round {event['round']}: {event['added']} pseudo-labels, {verdict} ({event['reason']})"
            )
    shown = {key: value for key, value in event.items() if key not in ("step", *_SCOPES)}
    if step == "epoch":
        step = f"epoch {shown.pop('epoch')} of {shown.pop('epochs')}:"
    return f"{where}{step} " + ", ".join(f"{key} {_short(value)}" for key, value in shown.items())


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
