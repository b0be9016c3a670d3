"""Word clouds: words in a frame, the larger the heavier, none on another and none outside.

Each word is laid along a sunflower's spiral (Vogel 1979) at the first place where its box is free. Widths are those of
Matplotlib's own font; the page stretches each word to its width, so that it fits in any font.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.ft2font import FT2Font

Box = tuple[float, float, float, float]
Points = NDArray[np.float64]
FRAME = (440.0, 320.0)
LARGEST = (
    76.0,
    66.0,
    58.0,
    50.0,
    43.0,
    37.0,
    32.0,
    28.0,
    24.0,
)  # Sizes of the heaviest word, until all words have a place.
FULL = 0.66  # Words hardly ever find their places in more of the frame.
SMALLEST = 11.0
STEEPNESS = 0.6  # Of size by weight: below 1, lighter words can still be read.
ABOVE, BELOW = 0.78, 0.24  # What letters take above and below their line, in their size.
GAP = 2.0
LONGEST = 24
PLACES = 1_200


@dataclass(frozen=True)
class Placed:
    """A word in a cloud: where its line begins, its width and its size, in units of the frame."""

    word: str
    shown: str
    x: float
    y: float
    width: float
    size: float

    @property
    def box(self) -> Box:
        """Left, top, right and bottom."""
        return self.x, self.y - ABOVE * self.size, self.x + self.width, self.y + BELOW * self.size


def cloud(weights: Mapping[str, float], *, frame: tuple[float, float] = FRAME) -> list[Placed]:
    """Return words with their places, the heaviest first and nearest to the middle of a frame (width, height).

    Equal weights give equal clouds, in whatever order they come. A word too long for the frame is shortened. Words that
    find no place, even where the heaviest is small, are left out: the lightest go first.
    """
    ordered = sorted(weights, key=lambda word: (-weights[word], word))
    placed: list[Placed] = []
    for largest in LARGEST:
        words = [_fitted(word, _size(weights[word] / weights[ordered[0]], largest), frame) for word in ordered]
        if _area(words) > FULL * frame[0] * frame[1] and largest > LARGEST[-1]:
            continue
        placed = _placed(words, frame)
        if len(placed) == len(words):
            break
    return placed


def shortened(word: str) -> str:
    """Return a word fit for a narrow place: printable, and of 24 letters at most."""
    shown = "".join(sign if sign.isprintable() else "�" for sign in word)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"


def width_of(text: str) -> float:
    """Return the width of a line of text in Matplotlib's own font, in its size."""
    return sum((_advance(sign) for sign in text), 0.0)


def _size(share: float, largest: float) -> float:
    return float(SMALLEST + (largest - SMALLEST) * max(share, 0.0) ** STEEPNESS)


def _fitted(word: str, size: float, frame: tuple[float, float]) -> Placed:
    """Return a word no wider than a frame, shortened where even the smallest is too wide; it has no place yet."""
    room = frame[0] - 2 * GAP
    shown = shortened(word.replace("_", " "))
    if width_of(shown) * SMALLEST > room:
        ends = np.cumsum([_advance(sign) for sign in shown])
        shown = shown[: int(np.searchsorted(ends, room / SMALLEST - _advance("…")))] + "…"
    wide = max(width_of(shown), 0.1)
    size = min(size, room / wide)
    return Placed(word, shown, 0.0, 0.0, wide * size, size)


def _area(words: Sequence[Placed]) -> float:
    return sum((each.width + GAP) * ((ABOVE + BELOW) * each.size + GAP) for each in words)


def _placed(words: Sequence[Placed], frame: tuple[float, float]) -> list[Placed]:
    """Return the words that find a place, each at its first; the others are left out."""
    middles, taken, found = _spiral(frame), np.empty((0, 4)), []
    for word in words:
        half = np.array([word.width, (ABOVE + BELOW) * word.size]) / 2
        near = middles[((middles >= half) & (middles <= np.array(frame) - half)).all(axis=1)]
        free = near[~_overlaps(near, half + GAP, taken)]
        if len(free):
            left, bottom = float(free[0, 0] - half[0]), float(free[0, 1] + half[1])
            found.append(replace(word, x=left, y=bottom - BELOW * word.size))
            taken = np.vstack([taken, found[-1].box])
    return found


def _overlaps(middles: Points, half: Points, taken: Points) -> NDArray[np.bool_]:
    """Return whether a box around each of the middles overlaps one that is taken, (middles,)."""
    left, top, right, bottom = taken.T
    x, y = middles[:, :1], middles[:, 1:]
    beside = (x - half[0] >= right) | (x + half[0] <= left)
    over = (y - half[1] >= bottom) | (y + half[1] <= top)
    return np.asarray((~(beside | over)).any(axis=1), dtype=np.bool_)


def _spiral(frame: tuple[float, float]) -> Points:
    """Return places that fill an ellipse around the frame evenly, the middle first, (places, 2)."""
    steps = np.arange(PLACES)
    radius, angle = np.sqrt(steps / PLACES), steps * np.pi * (3 - np.sqrt(5))
    middle = np.array(frame) / 2
    turned = np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius[:, None]
    return np.asarray(middle + turned * middle * np.sqrt(2), dtype=np.float64)


@cache
def _advance(sign: str) -> float:
    """Return how far a letter moves the next one, in its size; guessed where Matplotlib's font lacks the letter."""
    if unicodedata.category(sign).startswith("M"):
        return 0.0
    font = _font()
    if ord(sign) in font.get_charmap():
        return float(font.load_char(ord(sign)).linearHoriAdvance) / 65_536 / 1_000
    return 1.0 if unicodedata.east_asian_width(sign) in "WF" else 0.65


@cache
def _font() -> "FT2Font":
    from pathlib import Path

    import matplotlib as mpl
    from matplotlib.ft2font import FT2Font

    font = FT2Font(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"))
    font.set_size(1_000, 72)
    return font
