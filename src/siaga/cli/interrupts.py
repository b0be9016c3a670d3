"""Ctrl-C while libraries are imported."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process at once while the block runs, which imports and has nothing to clean up.

    In the middle of an import some libraries lose a KeyboardInterrupt, so that the command would go on, or make another
    error of it.
    """
    earlier = signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, earlier)
