"""What each made picture is to be: the class it shows, the class it is filed under, and whether it is there at all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from siaga.schema import SyntheticSource


@dataclass(frozen=True, slots=True)
class Plan:
    """What one post is to be. `shown` and `label` are numbers of classes; they differ where the label is wrong."""

    shown: int
    label: int
    has_picture: bool


def plan_pictures(spec: SyntheticSource, count: int, shares: Sequence[float], rng: np.random.Generator) -> list[Plan]:
    """Return `count` plans in a random order, the classes in the proportion of `shares`.

    The share `spec.noise` has a wrong label, each other class as often, and `spec.missing_image` lacks its picture.
    """
    bounds = np.cumsum(np.array(shares)) / np.sum(shares)
    shown = np.searchsorted(bounds, (rng.permutation(count) + 0.5) / count)
    is_wrong = rng.permutation(count) < round(count * spec.noise)
    label = np.where(is_wrong, shown + rng.integers(1, len(shares), count), shown) % len(shares)
    has_picture = rng.permutation(count) >= round(count * spec.missing_image)
    return [Plan(*row) for row in zip(shown.tolist(), label.tolist(), has_picture.tolist(), strict=True)]
