"""A weak and a strong view of unlabelled posts: what a net is asked about, and what it is to answer alike."""

from collections.abc import Callable

import torch
from torch import Tensor

from siaga.features.augmentation import Augment, build_augmentation
from siaga.models.feed import Rows, laid_out
from siaga.models.tokens import PADDING
from siaga.schema import Consistency
from siaga.schema.training import Augmentation


class Views:
    """Views of pictures (n, channels, height, width), tokens (n, longest) int64 and embeddings (n, width) float.

    Whatever else a net reads stays as it is. They are drawn by torch's random state.
    """

    def __init__(self, spec: Consistency, weak: Augmentation) -> None:
        self._spec = spec
        self._weak = build_augmentation(weak.model_copy(update={"cutmix": 0.0, "mixup": 0.0}))
        self._strong = build_augmentation(spec.strong)

    def weak(self, rows: Rows) -> Rows:
        """Return rows whose pictures are changed as in training, and never mixed."""
        return _each(rows, lambda part: _changed(part, self._weak) if part.ndim == 4 else part)

    def strong(self, rows: Rows) -> Rows:
        """Return rows of which enough is changed, or left out, to make the answer hard."""
        return _each(rows, self._strongly)

    def _strongly(self, part: Tensor) -> Tensor:
        if part.ndim == 4:
            return _changed(part, self._strong)
        if part.ndim == 2 and part.dtype == torch.int64:
            return without_words(part, self._spec.word_dropout)
        if part.ndim == 2 and part.is_floating_point():
            return with_others(part, self._spec.feature_dropout)
        return part


def without_words(words: Tensor, share: float) -> Tensor:
    """Drop about this share of the words of each text (n, longest) and close the gaps; PADDING fills up.

    The first and the last one stay: no text becomes empty, and a transformer keeps the token that stands for the whole
    (the last one is it for half of a pair).
    """
    if not words.numel():
        return words
    there = words != PADDING
    ends = torch.zeros_like(there)
    ends[:, 0] = True
    ends.scatter_(1, there.sum(1, keepdim=True).clamp(min=1) - 1, value=True)
    kept = there & (ends | (torch.rand(words.shape, device=words.device) >= share))
    order = torch.argsort((~kept).byte(), dim=1, stable=True)
    return words.masked_fill(~kept, PADDING).gather(1, order)[:, : max(1, int(kept.sum(1).max()))]


def with_others(rows: Tensor, share: float) -> Tensor:
    """Replace about this share of each embedding's numbers by those of another one, (n, width).

    What comes from another post is of the right size and spread, whatever the encoder (D. Bahri et al. 2022).
    """
    other = rows[torch.randperm(len(rows), device=rows.device)]
    return torch.where(torch.rand(rows.shape, device=rows.device) < share, other, rows)


def _each(rows: Rows, change: Callable[[Tensor], Tensor]) -> Rows:
    return tuple(change(part) for part in rows) if isinstance(rows, tuple) else change(rows)


def _changed(pictures: Tensor, augment: Augment | None) -> Tensor:
    if augment is None or not len(pictures):
        return pictures
    changed, _ = augment(pictures)
    return laid_out(changed)
