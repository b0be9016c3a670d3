"""How fast an epoch goes: its seconds, its waiting for data, and what is told of them while it goes on."""

import time

from siaga.models.checkpoints import State
from siaga.models.classifier import Progress

_TELL_EVERY_S = 0.5


class Pace:
    """The time of the epoch that `state` is in; one that was killed and resumed goes on counting."""

    def __init__(self, progress: Progress, *, epochs: int, posts: int) -> None:
        self._progress, self._epochs, self._posts = progress, epochs, posts
        self._told = 0.0
        self._began = self._waited_before = 0.0

    def begin(self, state: State, *, waited_s: float) -> None:
        """Begin or resume an epoch; `waited_s` is the waiting for data of the whole fit, here and below."""
        self._began, self._waited_before = time.monotonic() - state.seconds, waited_s - state.waited_s

    def go_on(self, state: State, *, waited_s: float, done: int) -> None:
        """Note the time, and now and then tell how far the epoch is: `done` of its posts. Nothing is kept of it."""
        now = time.monotonic()
        state.seconds, state.waited_s = now - self._began, waited_s - self._waited_before
        if now - self._told < _TELL_EVERY_S:
            return
        self._told = now
        pace = done / max(state.seconds, 1e-9)
        left = (self._epochs - state.epoch) * self._posts - done
        where = {"epoch": state.epoch + 1, "epochs": self._epochs, "done": done, "total": self._posts}
        self._progress({"step": "batch", **where, "posts_per_s": pace, "left_s": left / max(pace, 1e-9)})

    def end(self, state: State, *, done: int) -> dict[str, float]:
        """Return the figures of an epoch of `done` posts, and leave the state to the next one."""
        seconds, waited_s = state.seconds, state.waited_s
        state.seconds = state.waited_s = 0.0
        return {
            "posts_per_s": done / max(seconds, 1e-9),
            "data_wait": waited_s / max(seconds, 1e-9),
            "seconds": seconds,
        }
