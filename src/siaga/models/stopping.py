"""What an epoch's loss means for the rest of a fit: the best epoch so far, waiting in vain, and the plateau's cuts."""

import math

from siaga.models.checkpoints import State
from siaga.schema.training import Training


def is_over(state: State, settings: Training) -> bool:
    """Whether there is no epoch left, or no patience."""
    is_stale = bool(settings.patience) and state.waited >= settings.patience
    return state.is_finished or state.epoch >= settings.epochs or is_stale


def judge(state: State, settings: Training, loss: float, *, is_held_out: bool) -> bool:
    """Take note of an epoch's loss in the state; return whether its weights are the best so far, and to be kept."""
    is_better = math.isfinite(loss) and (state.best_loss is None or loss < state.best_loss)
    state.waited, state.stalled = (0, 0) if is_better else (state.waited + 1, state.stalled + 1)
    if is_better:
        state.best_loss = loss
    if settings.schedule == "plateau" and state.stalled >= settings.plateau:
        state.cut, state.stalled = state.cut * settings.plateau_factor, 0
    if not is_held_out:
        state.waited = 0
    return is_better and is_held_out and settings.keep == "best"
