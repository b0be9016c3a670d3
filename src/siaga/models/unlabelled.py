"""Unlabelled posts in the training loop: the net's answer on a weak view is the label of a strong one.

Consistency after K. Sohn et al. (2020, FixMatch, section 2) and H. Chen et al. (2023, SoftMatch, section 3).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from siaga.models.feed import Batch, Feed, Inputs, Rows, draw
from siaga.models.modules import statistics_kept
from siaga.models.towers import Readings
from siaga.models.views import Views
from siaga.models.weighting import Weighting
from siaga.post import Post
from siaga.schema import Consistency
from siaga.schema.training import Augmentation, Training


@dataclass(frozen=True)
class Unlabelled:
    """Unlabelled posts that can be read: `inputs` are n rows as of the labelled ones, `ids` the posts' ids.

    `settings` say how they are learned from.
    """

    inputs: Inputs
    ids: Sequence[str]
    settings: Consistency

    def __len__(self) -> int:
        return len(self.ids)

    def marks(self) -> list[str]:
        """Return what tells these posts, and how they are learned from, apart from others."""
        return [repr(self.settings), *self.ids]


def read_unlabelled(
    posts: Sequence[Post], settings: Consistency | None, *, read: Callable[[Sequence[Post]], Readings]
) -> Unlabelled | None:
    """Return those of the posts that can be read; None without settings, or where there is no such post."""
    if settings is None or not posts:
        return None
    readings = read(posts)
    ids = [posts[i].id for i in np.flatnonzero(readings.seen).tolist()]
    return Unlabelled(readings.inputs, ids, settings) if ids else None


def repeats_of(unlabelled: Unlabelled | None, n_labelled: int) -> int:
    """Return how often an epoch goes over the labelled posts, so that it goes over the unlabelled ones about once."""
    return max(1, round(len(unlabelled) / (unlabelled.settings.ratio * n_labelled))) if unlabelled else 1


class UnlabelledLoss:
    """The loss of unlabelled posts, batch after batch; `steps` are the labelled batches of the whole fit."""

    def __init__(  # noqa: PLR0913 - what there is to learn from, and how.
        self,
        module: nn.Module,
        unlabelled: Unlabelled,
        training: Training,
        *,
        n_classes: int,
        steps: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self._module, self._settings, self.ids = module, unlabelled.settings, unlabelled.ids
        plain = {"batch_size": training.batch_size * self._settings.ratio, "balanced": False}
        own = training.model_copy(update={**plain, "augmentation": Augmentation()})
        none = torch.zeros(len(unlabelled), dtype=torch.int64)
        self._feed = Feed(unlabelled.inputs, none, own, seed=draw(seed, len(unlabelled)), device=device)
        self._coming: Iterator[Batch] | None = None
        self._views = Views(self._settings, training.augmentation)
        self._weighting = Weighting(self._settings, n_classes, device=device)
        self._rise = max(1, round(self._settings.warmup * steps))
        self._sums = torch.zeros(4, dtype=torch.float64)  # Of an epoch: posts, losses, weights, posts in use.

    @property
    def waited_s(self) -> float:
        """The time that learning waited for these posts."""
        return self._feed.waited_s

    def __call__(self, net: Callable[[Rows], Tensor], step: int) -> tuple[Tensor, Tensor]:
        """Return the weighted loss of the unlabelled batch that belongs to a labelled one, from 0, and its rows."""
        if self._coming is None:
            self._coming = self._feed.stream(start=step)
        batch = next(self._coming)
        with statistics_kept(self._module):  # So that posts which count for nothing change nothing.
            with torch.no_grad():
                sure = net(self._views.weak(batch.inputs)).softmax(1)
                weights = self._weighting(sure, step=step)
            rows = net(self._views.strong(batch.inputs))
        losses = weights * nn.functional.cross_entropy(rows, sure.argmax(1), reduction="none")
        used = (weights >= 0.5).sum()
        told = (torch.tensor(len(losses)), losses.detach().sum(), weights.sum(), used)
        self._sums += torch.stack([each.double().cpu() for each in told])
        return self._settings.weight * min(1.0, (step + 1) / self._rise) * losses.mean(), batch.rows

    def figures(self) -> dict[str, float]:
        """Return what there is to tell of an epoch, and begin the next one."""
        posts, loss, weight, used = self._sums.tolist()
        self._sums = torch.zeros_like(self._sums)
        return {
            "unlabelled_loss": loss / posts,
            "unlabelled_weight": weight / posts,
            "unlabelled_used": used / posts,
            "unlabelled_skew": self._weighting.skew,
        }

    def tensors(self) -> dict[str, Tensor]:
        """Return all that the next step depends on."""
        return {**self._weighting.tensors(), "sums": self._sums}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `tensors` gave."""
        self._weighting.restore(tensors)
        self._sums = tensors["sums"].clone()
