"""Look-alikes of pictures judged by the mood they put people in: five ordered classes; JPEG bytes of 96 × 96 pixels."""

import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from siaga.post import Post
from siaga.schema import SyntheticSource
from siaga.sources.plans import Plan, plan_pictures

SIDE = 96
_FINE = 2  # Drawn so many times larger, then reduced.
CLASSES = ("highly negative", "negative", "neutral", "positive", "highly positive")
_SHARES = (0.1, 0.17, 0.24, 0.29, 0.2)

Colour = tuple[int, int, int]
Point = tuple[float, float]
Floats = NDArray[np.float64]
_GLOOM, _DAY, _GLOW = (np.array(colour) for colour in ((52, 58, 78), (150, 156, 152), (255, 206, 120)))


def make_moods(spec: SyntheticSource, count: int, name: str, rng: np.random.Generator) -> Iterator[Post]:
    """Yield posts of a picture and a label each, in `fields` their `url` and the `confidence` of who judged them.

    The confidence is between 0.2 and 1: high for clear pictures, seldom high for a wrong label.
    """
    classes = CLASSES[: spec.classes]
    for number, plan in enumerate(plan_pictures(spec, count, _SHARES[: len(classes)], rng), 1):
        doubt = float(rng.beta(1.5, 2.2))
        picture = draw_mood(plan.shown, doubt, rng) if plan.has_picture else None
        url = f"https://pictures.example/{name}-{number}.jpg"
        fields = {"url": url, "confidence": f"{_confidence(plan, doubt, rng):.4f}"}
        yield Post(f"{name}-{number}", image=picture, label=classes[plan.label], fields=fields)


def draw_mood(number: int, doubt: float, rng: np.random.Generator) -> bytes:
    """Return a picture of the class of that number; with `doubt`, from 0 to 1, its parts agree less with each other.

    The same state of `rng` gives the same picture.
    """
    scene = _Scene(mood=number / 2 - 1, spread=0.1 + 0.5 * doubt, rng=rng)
    scene.draw_sky()
    scene.draw_weather()
    scene.draw_clutter()
    scene.draw_face()
    stream = io.BytesIO()
    scene.image.reduce(_FINE).save(stream, "JPEG", quality=85)
    return stream.getvalue()


def _confidence(plan: Plan, doubt: float, rng: np.random.Generator) -> float:
    unsure, sure = rng.uniform(0.2, 0.5), 1.0 - 0.65 * doubt + rng.normal(0.0, 0.06)
    is_slip = rng.random() < 0.85 and plan.shown != plan.label
    return float(np.clip(unsure if is_slip else sure, 0.2, 1.0))


class _Scene:
    """A picture in the making. Each part of it has a mood of its own, which is near that of the whole."""

    def __init__(self, *, mood: float, spread: float, rng: np.random.Generator) -> None:
        self.mood, self.spread, self.rng = mood, spread, rng
        self.image = Image.new("RGB", (SIDE * _FINE, SIDE * _FINE))
        self.pen = ImageDraw.Draw(self.image)

    def draw_sky(self) -> None:
        """Fill the picture from above to below: dark and cold for a low mood, bright and warm for a high one."""
        above, below = (self._light(self._part()) for _ in range(2))
        rows = np.linspace(above, below, SIDE * _FINE) + self.rng.normal(0.0, 6.0, size=(SIDE * _FINE, 1))
        pixels = np.broadcast_to(rows[:, None], (SIDE * _FINE, SIDE * _FINE, 3))
        self.image.paste(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))

    def draw_weather(self) -> None:
        """Draw rain for a low mood, a sun for a high one, clouds in between."""
        part = self._part()
        x, y = self._between(20, 172), self._between(14, 60)
        if part > 0.3:
            size, reach = self._between(10, 18), self._between(24, 34)
            for angle in np.arange(0, 2 * np.pi, np.pi / 5):
                tip = (x + reach * np.cos(angle), y + reach * np.sin(angle))
                self._line((x, y), tip, self._near((255, 214, 70)), 3)
            self._oval(x, y, size, size, self._near((255, 220, 80)))
        elif part < -0.3:
            drops, lean = int(20 - 30 * part), self.rng.uniform(-6, 6)
            for left, top in self.rng.uniform(0, SIDE * _FINE, size=(drops, 2)):
                self._line((left, top), (left + lean, top + 16), self._near((120, 140, 180)), 2)
        for _ in range(int(self.rng.integers(0, 3)) + (abs(part) <= 0.3)):
            grey = int(190 + 50 * part)
            self._oval(self._between(0, 190), self._between(8, 60), 26, 10, self._near((grey, grey, grey)))

    def draw_clutter(self) -> None:
        """Strew the ground: jagged dark shards for a low mood, flowers for a high one, stones in between."""
        part = self._part()
        for _ in range(int(self.rng.integers(4, 10))):
            x, y = self._between(0, 190), self._between(120, 190)
            if self.rng.random() < abs(part):
                (self._shard if part < 0 else self._flower)(x, y)
            else:
                self._oval(x, y, self._between(5, 12), self._between(4, 8), self._near((128, 120, 110)))

    def draw_face(self) -> None:
        """Draw a face whose mouth and brows go with the mood; now and then there is none."""
        if self.rng.random() < 0.12:
            return
        x, y, size = self._between(66, 126), self._between(76, 116), self._between(34, 52)
        self._oval(x, y, size, size * self.rng.uniform(0.95, 1.2), self._near((226, 186, 124), 22))
        ink, wide = self._near((48, 36, 34), 12), size * self.rng.uniform(0.35, 0.55)
        brow = min(self._part(), 0.3) * size * 0.16
        for side in (-1, 1):
            eye, lid = x + side * size * 0.38, y - size * 0.25
            self._oval(eye, lid, size * 0.09, size * 0.12, ink)
            inner, outer = lid - size * 0.28 - brow, lid - size * 0.28 + brow
            self._line((eye - side * size * 0.16, inner), (eye + side * size * 0.16, outer), ink, 4)
        self._mouth(x, y + size * 0.42, wide, self._part() * size * 0.34, ink)

    def _part(self) -> float:
        """Return the mood of one part, from -1.3 to 1.3."""
        return float(np.clip(self.mood + self.rng.normal(0.0, self.spread), -1.3, 1.3))

    def _light(self, part: float) -> Floats:
        end, share = (_GLOW, part) if part > 0 else (_GLOOM, -part)
        light: Floats = _DAY + (end - _DAY) * min(1.0, share) + self.rng.normal(0.0, 16.0, size=3)
        return light

    def _mouth(self, x: float, y: float, wide: float, curve: float, ink: Colour) -> None:
        across = np.linspace(-1.0, 1.0, 13)
        points = np.stack([x + wide * across, y + curve * (0.5 - across**2)], axis=1)
        self.pen.line(points.ravel().tolist(), fill=ink, width=6, joint="curve")

    def _shard(self, x: float, y: float) -> None:
        points = self.rng.uniform(-16, 16, size=(3, 2)) + np.array([x, y])
        self.pen.polygon(points.ravel().tolist(), fill=self._near((40, 26, 30)))

    def _flower(self, x: float, y: float) -> None:
        petal = self._near(((240, 90, 130), (250, 240, 240), (250, 170, 60))[int(self.rng.integers(3))])
        for angle in np.arange(0, 2 * np.pi, 2 * np.pi / 5):
            self._oval(x + 6 * np.cos(angle), y + 6 * np.sin(angle), 5, 5, petal)
        self._oval(x, y, 4, 4, (250, 220, 60))

    def _oval(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        self.pen.ellipse((x - width, y - height, x + width, y + height), fill=colour)

    def _line(self, start: Point, end: Point, colour: Colour, width: int) -> None:
        self.pen.line((start, end), fill=colour, width=width)

    def _near(self, colour: Colour, spread: int = 18) -> Colour:
        red, green, blue = (np.array(colour) + self.rng.integers(-spread, spread + 1, size=3)).clip(0, 255).tolist()
        return red, green, blue

    def _between(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))
