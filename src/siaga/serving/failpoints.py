"""Failpoints: named places in the life of a message where a test may kill the process.

SIAGA_FAILPOINTS names the place, a folder, and how often: `before_commit:/tmp/hits:50`. Every kill leaves a file in
the folder; when there are as many as asked for, no more follow. Without the variable, a place costs a look at a flag.
"""

import os
import random
import signal
from pathlib import Path
from typing import Literal

Place = Literal[
    "after_read", "after_decode", "after_score", "before_commit", "after_commit", "before_ack", "during_claim"
]
VARIABLE = "SIAGA_FAILPOINTS"


def reach(place: Place) -> None:
    """Say that the process is at `place`; it dies there (SIGKILL) if the environment says so."""
    if VARIABLE in os.environ:
        _perhaps_die(place)


def _perhaps_die(place: Place) -> None:
    named, folder, limit = os.environ[VARIABLE].split(":")
    if place != named or random.random() < 0.5:  # noqa: S311 - it decides about nothing but when to die.
        return
    for number in range(int(limit)):
        try:
            os.close(os.open(Path(folder) / str(number), os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        os.kill(os.getpid(), signal.SIGKILL)
