"""Look-alikes of small photographs of a hundred kinds of things: twenty shapes in five looks; 32 × 32 colour pixels."""

from collections.abc import Iterator
from colorsys import hsv_to_rgb

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from siaga.post import Pixels, Post
from siaga.schema import SyntheticSource
from siaga.sources.plans import plan_pictures

SIDE = 32
_FINE = 3  # Outlines are drawn so many times larger, then reduced.
LOOKS = ("red", "orange", "blue", "striped", "checked")
_HUES = {"red": 0.98, "orange": 0.07, "blue": 0.6}

Floats = NDArray[np.float64]

# The parts of a shape, each drawn over those before it: a polygon, or "o" and the middle and the radii of an oval;
# x,y in percent of half the side, from the middle, y down. A part after "-" is a hole.
_SHAPES = {
    "disc": ("o 0,0 85,85",),
    "ring": ("o 0,0 90,90", "- o 0,0 50,50"),
    "square": ("-75,-75 75,-75 75,75 -75,75",),
    "frame": ("-85,-80 85,-80 85,80 -85,80", "- -50,-45 50,-45 50,45 -50,45"),
    "triangle": ("0,-85 90,75 -90,75",),
    "star": ("0,-100 25,-32 95,-30 40,12 60,85 0,42 -60,85 -40,12 -95,-30 -25,-32",),
    "cross": ("-28,-90 28,-90 28,-28 90,-28 90,28 28,28 28,90 -28,90 -28,28 -90,28 -90,-28 -28,-28",),
    "heart": ("o -42,-35 44,44", "o 42,-35 44,44", "-81,-15 0,-38 81,-15 0,90"),
    "moon": ("o 0,0 90,90", "- o 45,-12 78,78"),
    "drop": ("o 0,30 60,60", "0,-95 52,5 -52,5"),
    "arrow": ("-95,-25 5,-25 5,-70 95,0 5,70 5,25 -95,25",),
    "bolt": ("25,-95 -55,15 -8,15 -30,95 55,-22 8,-22",),
    "house": ("0,-95 95,-15 70,-15 70,85 -70,85 -70,-15 -95,-15", "- -18,25 18,25 18,85 -18,85"),
    "fish": ("o -15,0 68,45", "30,0 95,-55 80,0 95,55", "- o -50,-10 9,9"),
    "tree": ("-14,30 14,30 14,95 -14,95", "0,-95 50,-20 -50,-20", "0,-50 75,45 -75,45"),
    "cup": ("o 55,0 38,45", "- o 55,0 20,25", "-75,-65 50,-65 35,80 -60,80"),
    "crown": ("-90,-60 -45,-5 0,-80 45,-5 90,-60 75,70 -75,70",),
    "hourglass": ("-75,-90 75,-90 12,0 75,90 -75,90 -12,0",),
    "flower": (
        "o 0,-55 36,38",
        "o 52,-17 36,38",
        "o 32,45 36,38",
        "o -32,45 36,38",
        "o -52,-17 36,38",
        "- o 0,0 24,24",
    ),
    "car": ("-95,0 -55,-5 -35,-50 30,-50 55,-5 95,0 95,45 -95,45", "o -50,48 26,26", "o 50,48 26,26"),
}
CLASSES = tuple((f"{look} {shape}", shape) for shape in _SHAPES for look in LOOKS)


def make_things(spec: SyntheticSource, count: int, name: str, rng: np.random.Generator) -> Iterator[Post]:
    """Yield posts of a picture and a label each, the superclass in the field `coarse_label`."""
    classes = CLASSES[: spec.classes]
    for number, plan in enumerate(plan_pictures(spec, count, [1.0] * len(classes), rng), 1):
        picture = draw_thing(plan.shown, rng) if plan.has_picture else None
        label, superclass = classes[plan.label]
        yield Post(f"{name}-{number}", image=picture, label=label, fields={"coarse_label": superclass})


def draw_thing(number: int, rng: np.random.Generator) -> Pixels:
    """Return a thing of the class of that number; the same state of `rng` gives the same picture."""
    label, shape = CLASSES[number]
    look = label.removesuffix(f" {shape}")
    ground = _ground(rng)
    behind = ground.mean(axis=(0, 1))
    outline = _outline(_SHAPES[shape], rng)[..., None]
    shade = 1 + rng.uniform(-0.3, 0.3) * _slope(rng)
    picture = ground * (1 - outline) + _surface(look, behind, rng) * shade * outline
    light = rng.uniform(0.7, 1.15) * rng.uniform(0.8, 1.1, size=3)
    grain = rng.normal(0.0, rng.uniform(0.01, 0.06), size=picture.shape)
    return Pixels(SIDE, SIDE, 3, ((picture * light + grain).clip(0.0, 1.0) * 255).astype(np.uint8).tobytes())


def _outline(parts: tuple[str, ...], rng: np.random.Generator) -> Floats:
    """Return how much of each pixel (32, 32) the shape covers: turned a little, mirrored or not, somewhere."""
    angle, flip = rng.normal(0.0, 0.25), rng.choice([-1.0, 1.0])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    size = rng.uniform(0.5, 0.95) * rng.uniform(0.85, 1.15, size=2) * [flip, 1.0]
    middle = SIDE / 2 + rng.uniform(-4.0, 4.0, size=2)
    mask = Image.new("L", (SIDE * _FINE, SIDE * _FINE))
    pen = ImageDraw.Draw(mask)
    for part in parts:
        points = (_corners(part.removeprefix("- ")) * size * SIDE / 2) @ turn + middle
        pen.polygon((points * _FINE).ravel().tolist(), fill=0 if part.startswith("- ") else 255)
    return np.asarray(mask.reduce(_FINE), dtype=np.float64) / 255


def _corners(part: str) -> Floats:
    """Return the corners of a polygon, or of an oval as one, (n, 2)."""
    points: Floats = np.array([point.split(",") for point in part.removeprefix("o ").split()], dtype=float) / 100
    if not part.startswith("o "):
        return points
    angles = np.linspace(0.0, 2 * np.pi, 24, endpoint=False)
    oval: Floats = points[0] + points[1] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return oval


def _surface(look: str, behind: Floats, rng: np.random.Generator) -> Floats:
    """Return the colour (3,) or the colours (32, 32, 3) of a look, which stand out from what is behind."""
    if look in _HUES:
        return max((_tint(_HUES[look], rng) for _ in range(3)), key=lambda tint: np.abs(tint - behind).sum())
    first = max((_any_colour(rng) for _ in range(3)), key=lambda colour: np.abs(colour - behind).sum())
    second = max((_any_colour(rng) for _ in range(4)), key=lambda colour: np.abs(colour - first).sum())
    across, along = _waves(rng.uniform(3.5, 6.5), rng)
    pattern = across if look == "striped" else across * along * 2
    mix = (pattern * 2 + 0.5).clip(0.0, 1.0)[..., None]
    colours: Floats = first * (1 - mix) + second * mix
    return colours


def _ground(rng: np.random.Generator) -> Floats:
    """Return a background (32, 32, 3): two colours that run into each other, clouds, and now and then some clutter."""
    first, second = _any_colour(rng), _any_colour(rng)
    mix = (_slope(rng) + 1) / 2
    clouds = Image.fromarray(rng.integers(0, 256, size=(6, 6, 3), dtype=np.uint8)).resize((SIDE, SIDE))
    ground = first * (1 - mix) + second * mix + rng.uniform(0.1, 0.5) * (np.asarray(clouds) / 255 - 0.5)
    for _ in range(int(rng.integers(0, 4))):
        (x, y), (width, height) = rng.integers(0, SIDE, size=2), rng.integers(2, 9, size=2)
        ground[y : y + height, x : x + width] = _any_colour(rng)
    return ground


def _waves(period: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return waves of that period in pixels, from -1 to 1 and (32, 32) each, along a direction and across it."""
    y, x = np.mgrid[:SIDE, :SIDE] * (2 * np.pi / period)
    angle, phase = rng.uniform(0.0, np.pi), rng.uniform(0.0, 2 * np.pi, size=2)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return np.sin(along + phase[0]), np.sin(across + phase[1])


def _slope(rng: np.random.Generator) -> Floats:
    """Return a ramp (32, 32, 1) from -1 to 1 in any direction."""
    angle = rng.uniform(0.0, 2 * np.pi)
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    slope: Floats = (x * np.cos(angle) + y * np.sin(angle)) / np.sqrt(2)
    return slope[..., None]


def _tint(hue: float, rng: np.random.Generator) -> Floats:
    return np.array(hsv_to_rgb((hue + rng.normal(0.0, 0.025)) % 1, rng.uniform(0.65, 1.0), rng.uniform(0.5, 1.0)))


def _any_colour(rng: np.random.Generator) -> Floats:
    return rng.uniform(0.05, 0.95, size=3)
