"""How much an unlabelled post weighs: all or nothing by a threshold, or by how usual the confidence is."""

from typing import assert_never

import torch
from torch import Tensor

from siaga.schema import Consistency

_TINY = 1e-12
_NARROWER = 2.0  # The Gaussian's deviation is half that of the confidences, as in the authors' own program.


class Weighting:
    """Weights of answers, and the running figures that they hang on; none of them has a gradient."""

    def __init__(self, spec: Consistency, n_classes: int, *, device: torch.device) -> None:
        self._spec = spec
        self._mean = torch.tensor(1.0 / n_classes, device=device)
        self._variance = torch.tensor(1.0, device=device)
        self._classes = torch.full((n_classes,), 1.0 / n_classes, device=device)

    @property
    def skew(self) -> float:
        """How far the running class distribution is from even: half the sum of the differences, 0 to below 1."""
        return float((self._classes - 1.0 / len(self._classes)).abs().sum() / 2)

    def __call__(self, probabilities: Tensor, *, step: int) -> Tensor:
        """Return the weight of each row (n,), 0 to 1, of probabilities (n, classes), after taking note of them."""
        share = 1 - min(self._spec.momentum, (1 + step) / (10 + step))  # At first there is nothing to keep yet.
        self._classes.lerp_(probabilities.mean(0), share)
        match self._spec.method:
            case "fixmatch":
                return (probabilities.amax(1) >= self._spec.threshold).to(probabilities.dtype)
            case "softmatch":
                return self._soft(probabilities, share)
            case _:
                assert_never(self._spec.method)

    def tensors(self) -> dict[str, Tensor]:
        """Return the running figures."""
        return {"mean": self._mean, "variance": self._variance, "classes": self._classes}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `tensors` gave."""
        for name, own in self.tensors().items():
            own.copy_(tensors[name])

    def _soft(self, probabilities: Tensor, share: float) -> Tensor:
        """Weigh by a Gaussian that is 1 above its mean (H. Chen et al. 2023, section 3.2).

        Before, the classes are made equally probable on the whole (uniform alignment, section 3.3); that moves the
        weights alone, not the labels. The Gaussian is that of the aligned confidences.
        """
        aligned = probabilities / self._classes.clamp(min=_TINY)
        confidence = aligned.amax(1) / aligned.sum(1)
        self._mean.lerp_(confidence.mean(), share)
        if len(confidence) > 1:
            self._variance.lerp_(confidence.var(correction=1), share)
        below = (confidence - self._mean).clamp(max=0)
        deviation = self._variance.clamp(min=_TINY).sqrt() / _NARROWER
        return torch.exp(-((below / deviation) ** 2) / 2)
