"""The guard: what was learned from unlabelled posts stays only if held-out labels do not object."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from siaga.models.calibrated import TINY
from siaga.models.classifier import Classifier, Probabilities
from siaga.models.noise import mean_difference, paired_difference
from siaga.post import Post

NO_LABELS = "there are no held-out labels to judge the round by"


@dataclass(frozen=True)
class Verdict:
    """Whether a round is kept, and why; the change of macro-F1 with its 95 % interval, where it was measured."""

    kept: bool
    reason: str
    change: tuple[float, float, float] | None = None

    def told(self) -> dict[str, object]:
        """Return what an event says of it."""
        figures = dict(zip(("difference", "low", "high"), self.change, strict=True)) if self.change else {}
        return {"kept": self.kept, "reason": self.reason, **figures}


@dataclass(frozen=True)
class Guard:
    """Keeps what does not lose (`no_loss`) or only what gains (`gain`) beyond held-out noise, or anything (`off`)."""

    kind: Literal["no_loss", "gain", "off"]
    seed: int

    def can_judge(self, validation: Sequence[Post]) -> bool:
        """Whether there is something to judge by, or no judgement is asked for."""
        return bool(validation) or self.kind == "off"

    def judge(self, before: Classifier, after: Classifier, validation: Sequence[Post]) -> Verdict:
        """Compare macro-F1 and log loss before and after on the held-out posts, paired by post.

        Log loss is there because it notices harm in the probabilities that few posts do not show in macro-F1.
        """
        if not validation:
            return Verdict(kept=True, reason="the guard is off")
        labels = np.array([before.classes_.index(str(post.label)) for post in validation])
        was, now = before.predict_proba(validation), after.predict_proba(validation)
        difference, low, high = paired_difference(labels, was, now, seed=self.seed)
        loss, loss_low, loss_high = mean_difference(_log_loss(now, labels) - _log_loss(was, labels))
        unharmed = high >= 0.0 and loss_low <= 0.0
        kept = {"no_loss": unharmed, "gain": unharmed and low > 0.0, "off": True}[self.kind]
        f1 = f"macro-F1 {difference:+.4f} [{low:+.4f}, {high:+.4f}]"
        said = f"{f1}, log loss {loss:+.4f} [{loss_low:+.4f}, {loss_high:+.4f}] on {len(labels)} held-out posts"
        return Verdict(kept, said, (difference, low, high))


def _log_loss(probabilities: Probabilities, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    losses: NDArray[np.float64] = -np.log(probabilities[np.arange(len(labels)), labels].clip(TINY))
    return losses
