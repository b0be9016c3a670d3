"""Look-alikes of handwritten digits: strokes in several styles, bent and slanted as hands do; 28 × 28 grey pixels."""

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from siaga.post import Pixels, Post
from siaga.schema import SyntheticSource
from siaga.sources.plans import plan_pictures

SIDE = 28
_FINE = 4  # Drawn so many times larger, then reduced.
_STEPS = 6  # Points of the curve between two points of a stroke.

Curve = NDArray[np.float64]  # (n, 2): x to the right, y down.

# A style: strokes with a bar between them; a stroke: the points of a smooth curve, x,y in percent of the digit's width
# and height, y down. A point that stands twice is a corner.
_STYLES = {
    "0": (
        "50,0 15,15 0,50 15,85 50,100 85,85 100,50 85,15 50,0",
        "60,2 25,10 5,50 30,95 70,90 95,45 75,8 40,6",
        "75,10 40,0 12,40 15,85 50,100 85,70 85,30 55,0",
    ),
    "1": (
        "50,0 50,50 50,100",
        "25,25 55,0 55,0 55,100",
        "25,22 52,0 52,0 52,100 | 20,100 85,100",
        "62,0 50,50 42,100",
    ),
    "2": (
        "5,25 30,2 80,8 85,40 45,75 0,100 0,100 100,100",
        "10,20 45,0 85,20 70,55 25,95 5,85 30,75 65,95 100,90",
        "10,5 70,0 90,30 60,65 5,100 5,100 95,95",
    ),
    "3": (
        "5,15 40,0 85,15 75,42 35,48 35,48 90,60 90,85 45,100 0,85",
        "10,0 90,0 90,0 45,40 45,40 85,50 95,80 50,100 5,90",
        "15,10 70,0 80,30 40,45 90,60 80,95 30,100 5,85",
    ),
    "4": (
        "25,0 5,60 5,60 100,60 | 75,5 70,100",
        "70,100 70,0 70,0 0,65 0,65 100,65",
        "10,0 10,35 35,55 85,45 | 90,0 82,50 75,100",
    ),
    "5": (
        "90,0 20,0 20,0 12,45 12,45 60,38 95,65 70,95 5,95",
        "20,5 15,42 15,42 65,42 85,72 50,100 5,90 | 20,4 95,0",
        "85,2 35,5 20,40 60,50 85,75 55,100 10,92",
    ),
    "6": (
        "75,0 30,25 8,65 30,98 75,95 88,70 60,50 25,60 10,75",
        "35,0 12,45 12,85 50,100 88,80 70,55 35,60 15,80",
        "90,12 55,0 15,30 5,70 40,100 90,85 80,52 40,48 8,70",
    ),
    "7": (
        "0,5 95,5 95,5 55,50 35,100",
        "5,2 95,2 95,2 40,100 | 30,50 90,48",
        "5,25 10,5 10,5 55,10 95,0 95,0 60,45 50,100",
    ),
    "8": (
        "75,12 40,0 15,25 50,48 85,75 50,100 12,78 50,48 85,22 60,3",
        "50,0 20,22 50,45 80,22 50,0 | 50,45 8,72 50,100 92,72 50,45",
        "90,5 45,2 20,22 55,50 80,80 40,100 15,75 55,45 95,8",
    ),
    "9": (
        "85,20 50,0 12,22 35,50 80,35 85,20 85,20 80,60 75,100",
        "88,25 45,2 12,30 50,52 86,25 86,25 85,75 50,100 10,88",
        "80,10 30,2 15,35 60,42 85,10 70,55 35,100",
    ),
}


def make_digits(spec: SyntheticSource, count: int, name: str, rng: np.random.Generator) -> Iterator[Post]:
    """Yield posts of a picture and a label each; a digit is as frequent as any other."""
    classes = list(_STYLES)[: spec.classes]
    for number, plan in enumerate(plan_pictures(spec, count, [1.0] * len(classes), rng), 1):
        picture = draw_digit(classes[plan.shown], rng) if plan.has_picture else None
        yield Post(f"{name}-{number}", image=picture, label=classes[plan.label])


def draw_digit(digit: str, rng: np.random.Generator) -> Pixels:
    """Return a digit as grey pixels, white on black; the same state of `rng` gives the same picture."""
    styles = _STYLES[digit]
    strokes = [_shortened(_curve(stroke), rng) for stroke in styles[int(rng.integers(len(styles)))].split(" | ")]
    written = np.split(_written(np.concatenate(strokes), rng), np.cumsum([len(stroke) for stroke in strokes])[:-1])
    image = Image.new("L", (SIDE * _FINE, SIDE * _FINE))
    pen, width = ImageDraw.Draw(image), rng.uniform(1.5, 3.6) * _FINE
    for stroke in written:
        _draw(pen, stroke, width)
    image = image.reduce(_FINE).filter(ImageFilter.GaussianBlur(rng.uniform(0.1, 0.7)))
    return Pixels(SIDE, SIDE, 1, image.tobytes())


@cache
def _curve(stroke: str) -> Curve:
    """Return the curve through the points of a stroke (Catmull and Rom, 1974), in the unit square."""
    points = np.array([point.split(",") for point in stroke.split()], dtype=float) / 100
    n = len(points) - 1
    points = np.concatenate([points[:1], points, points[-1:]])
    t = np.linspace(0.0, 1.0, _STEPS, endpoint=False)[:, None]
    weights = np.stack([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2])
    inner = sum((weights[k] * points[k : k + n, None] for k in range(4)), start=np.zeros((n, _STEPS, 2))) / 2
    return np.concatenate([inner.reshape(-1, 2), points[-1:]])


def _shortened(curve: Curve, rng: np.random.Generator) -> Curve:
    """Return the curve without a little of its ends, as a hurried hand leaves it."""
    first, last = (rng.uniform(0.0, 0.1, size=2) * len(curve)).astype(int).tolist()
    return curve[first : len(curve) - last]


def _written(points: Curve, rng: np.random.Generator) -> Curve:
    """Return points of the unit square where a hand would put them, in fine pixels: bent, slanted, turned, shifted."""
    waves = rng.uniform(0.4, 1.2, size=(2, 2)) * rng.choice([-1, 1], size=(2, 2))
    reach = rng.exponential(0.045, size=2).clip(0.0, 0.14)
    bent = points + reach * np.sin(2 * np.pi * (points @ waves + rng.uniform(size=2)))
    height = rng.uniform(17.0, 21.0)
    width = height * rng.uniform(0.6, 0.95)
    angle, slant = rng.normal(0.0, 0.12), rng.normal(0.15, 0.15)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    placed = (bent - 0.5) * [width, height] @ np.array([[1.0, 0.0], [-slant, 1.0]]) @ turn
    middle = (placed.min(axis=0) + placed.max(axis=0)) / 2
    there: Curve = (placed - middle + SIDE / 2 + rng.normal(0.0, 0.7, size=2)) * _FINE
    return there


def _draw(pen: ImageDraw.ImageDraw, stroke: Curve, width: float) -> None:
    pen.line(stroke.ravel().tolist(), fill=255, width=round(width), joint="curve")
    for x, y in stroke[[0, -1]].tolist():
        pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
