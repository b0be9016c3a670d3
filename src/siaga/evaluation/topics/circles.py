"""The map of topics as circles: their areas are shares, near ones have like words, and none covers another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siaga.evaluation.topics.clouds import width_of

Floats = NDArray[np.float64]
FRAME = (440.0, 420.0)
FILLED = 0.2  # The share of the frame that all circles take together.
LEAST, MOST = 10.5, 80.0  # Radii; in a circle of the least there is room for a number of two digits.
CROWDED = 0.4  # The share of the frame that circles of the least size may take.
GAP = 3.0
EASY, ROUNDS, FEW_ROUNDS = 200, 600, 30
TEXT, NUMBER = 11.0, 13.0


@dataclass(frozen=True)
class Circle:
    """A topic on the map, in units of the frame; `word` is its first one where it fits in, else empty.

    `size` is that of its number.
    """

    number: int
    x: float
    y: float
    radius: float
    size: float
    word: str


def circles(points: Sequence[Sequence[float]], shares: Sequence[float], words: Sequence[str]) -> list[Circle]:
    """Return a circle for each topic in its order: `points` (topics, 2), `shares` and the first word of each.

    The points are brought into the frame in equal proportion, then circles that overlap are pushed apart.
    """
    radii = _radii(np.asarray(shares, dtype=np.float64))
    places = _apart(_framed(np.asarray(points, dtype=np.float64).reshape(-1, 2), radii), radii)
    return [
        Circle(
            number=k + 1,
            x=round(float(places[k, 0]), 1),
            y=round(float(places[k, 1]), 1),
            radius=round(float(radii[k]), 1),
            size=round(min(NUMBER, 1.15 * float(radii[k])), 1),
            word=word if width_of(word) * TEXT < 1.7 * radii[k] and radii[k] >= 2 * TEXT else "",
        )
        for k, word in enumerate(words)
    ]


def _radii(shares: Floats) -> Floats:
    """Return radii whose squares are as the shares, but for the least, in which a number has to stand."""
    frame = FRAME[0] * FRAME[1] / np.pi
    roots = np.sqrt(shares.clip(0.0))
    scale = min(np.sqrt(FILLED * frame / max(shares.sum(), 1e-9)), MOST / max(roots.max(), 1e-9))
    least = min(LEAST, np.sqrt(CROWDED * frame / len(shares)))
    return np.asarray((scale * roots).clip(least, MOST), dtype=np.float64)


def _framed(points: Floats, radii: Floats) -> Floats:
    low, high = points.min(axis=0), points.max(axis=0)
    room = np.array(FRAME) - 2 * (radii.max() + GAP)
    widths = np.maximum(high - low, 1e-9)
    scale = float((room / widths).min()) if (high - low).max() > 0 else 0.0
    turned = (points - (low + high) / 2) * np.array([1.0, -1.0])  # The vertical axis of a picture points down.
    return np.asarray(turned * scale + np.array(FRAME) / 2, dtype=np.float64)


def _apart(places: Floats, radii: Floats) -> Floats:
    """Return the places after each round in which circles that overlap gave way to each other, half the way each."""
    angles = np.arange(len(radii)) * 2.4
    places = places + 1e-3 * np.stack([np.cos(angles), np.sin(angles)], axis=1)  # Equal places need a direction.
    wanted = radii[:, None] + radii + GAP
    for _ in range(ROUNDS if len(radii) <= EASY else FEW_ROUNDS):
        between = places[:, None] - places[None]
        distances = np.hypot(between[..., 0], between[..., 1]) + np.eye(len(radii))
        lacking = np.triu((wanted - distances).clip(0.0), 1)
        if lacking.max() < 0.5:
            break
        push = (lacking + lacking.T) / distances / 2
        places = places + (between * push[..., None]).sum(axis=1)
        places = places.clip((radii + 1)[:, None], np.array(FRAME) - (radii + 1)[:, None])
    return places
