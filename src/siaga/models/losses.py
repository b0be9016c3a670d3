"""What training makes small: cross-entropy or focal loss, with smoothed, weighted and mixed labels."""

from collections.abc import Sequence
from typing import NoReturn

import torch
from torch import Tensor, nn

from siaga.errors import DataError
from siaga.features.augmentation import Mix
from siaga.schema.training import Training


class Loss:
    """The mean loss of a batch, weighed by class where the settings say so."""

    def __init__(self, settings: Training, labels: Tensor, n_classes: int, *, device: torch.device) -> None:
        self._smoothing = settings.label_smoothing
        self._gamma = settings.focal_gamma if settings.loss == "focal" else 0.0
        self._weights = inverse_frequencies(labels, n_classes).to(device) if settings.class_weights else None

    def __call__(self, rows: Tensor, labels: Tensor, mix: Mix | None = None) -> Tensor:
        """Return the loss of logits (n, classes) and labels (n,), mixed with those of other rows if they were."""
        if mix is None:
            return self._plain(rows, labels)
        own, other = self._each(rows, labels), self._each(rows, labels[mix.partner])
        return torch.stack([(mix.share * own).mean(), ((1 - mix.share) * other).mean()]).sum()

    def _plain(self, rows: Tensor, labels: Tensor) -> Tensor:
        if self._gamma:
            return self._each(rows, labels).mean()
        return nn.functional.cross_entropy(rows, labels, weight=self._weights, label_smoothing=self._smoothing)

    def _each(self, rows: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of each row, (n,); focal loss after T.-Y. Lin et al. (2017)."""
        losses = nn.functional.cross_entropy(
            rows, labels, weight=self._weights, label_smoothing=self._smoothing, reduction="none"
        )
        if not self._gamma:
            return losses
        sure = rows.softmax(1).gather(1, labels[:, None]).squeeze(1)
        return losses * (1 - sure) ** self._gamma


def refuse_loss(rows: Tensor, ids: Sequence[str], *, epoch: int) -> NoReturn:
    """Raise DataError for a batch of the rows (m,) of posts, whose loss is not finite."""
    names = [repr(ids[i]) for i in rows.tolist()]
    listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    where = f"in epoch {epoch}, in the batch of the posts {listed}"
    raise DataError(
        f"The training loss is not finite {where}. Lower model.training.learning_rate, or look at these posts."
    )


def inverse_frequencies(labels: Tensor, n_classes: int) -> Tensor:
    """Return the inverse of each class's frequency, (classes,), of mean 1 over the posts; 0 for an absent class."""
    counts = torch.bincount(labels, minlength=n_classes).float()
    present = counts > 0
    return torch.where(present, counts.sum() / (present.sum() * counts.clamp(min=1)), 0.0)
