"""Small drawn pictures: flooded streets, and what else people post; PNG bytes of 64 x 48 pixels."""

import io
from collections.abc import Callable
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

PictureKind = Literal["flood", "other"]
WIDTH, HEIGHT = 64, 48
Colour = tuple[int, int, int]

_WATER: tuple[Colour, ...] = ((134, 106, 70), (124, 102, 74), (110, 96, 76), (128, 112, 88), (104, 108, 100))
_SKY: tuple[Colour, ...] = ((150, 158, 166), (176, 180, 182), (140, 146, 150), (170, 190, 208), (120, 160, 205))
_SKIN: tuple[Colour, ...] = ((224, 184, 150), (196, 148, 112), (160, 112, 80), (140, 96, 68))


class _Canvas:
    """A picture in the making, with the chance that it is drawn by."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.image = Image.new("RGB", (WIDTH, HEIGHT))
        self.pen = ImageDraw.Draw(self.image)

    def between(self, low: int, high: int) -> int:
        """Return a whole number, both ends included."""
        return int(self.rng.integers(low, high + 1))

    def one_of(self, colours: tuple[Colour, ...]) -> Colour:
        """Return one of the colours, a little changed."""
        return self.near(colours[self.between(0, len(colours) - 1)])

    def near(self, colour: Colour, spread: int = 14) -> Colour:
        """Return a colour that is like another one."""
        red, green, blue = (max(0, min(255, value + self.between(-spread, spread))) for value in colour)
        return red, green, blue

    def any_colour(self) -> Colour:
        """Return any colour."""
        return self.between(20, 240), self.between(20, 240), self.between(20, 240)

    def box(self, left: float, top: float, width: float, height: float, colour: Colour) -> None:
        """Fill a rectangle; one without an area is nothing."""
        if width >= 1 and height >= 1:
            self.pen.rectangle((left, top, left + width - 1, top + height - 1), fill=colour)


def draw_picture(kind: PictureKind, rng: np.random.Generator) -> bytes:
    """Return a PNG (RGB, 64 x 48) of a kind; the same state of `rng` gives the same picture."""
    canvas = _Canvas(rng)
    scenes = _FLOODS if kind == "flood" else _OTHERS
    scenes[canvas.between(0, len(scenes) - 1)](canvas)
    return _png(canvas)


def _png(canvas: _Canvas) -> bytes:
    pixels = np.asarray(canvas.image, dtype=np.float32)
    light = canvas.rng.uniform(0.75, 1.2)
    grain = canvas.rng.normal(0.0, canvas.rng.uniform(2, 7), size=(HEIGHT, WIDTH, 1)).astype(np.float32)
    noisy = Image.fromarray((pixels * light + grain).clip(0, 255).astype(np.uint8))
    stream = io.BytesIO()
    noisy.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


# Scenes.


def _flooded_street(canvas: _Canvas) -> None:
    water = canvas.between(18, 33)
    _street(canvas, horizon=water + canvas.between(0, 3))
    _water(canvas, water, canvas.one_of(_WATER))
    for _ in range(canvas.between(1, 4)):
        things = (_sunken_car, _wader, _boat, _debris)
        things[canvas.between(0, 3)](canvas, canvas.between(water, HEIGHT - 8))


def _flooded_yard(canvas: _Canvas) -> None:
    wall, water = canvas.near((176, 164, 146), 50), canvas.between(14, 30)
    canvas.box(0, 0, WIDTH, HEIGHT, wall)
    for left in range(canvas.between(2, 8), WIDTH, canvas.between(16, 26)):
        canvas.box(left, canvas.between(2, 10), 10, 34, canvas.near((90, 66, 46), 30))
    _water(canvas, water, canvas.one_of(_WATER))
    if canvas.rng.random() < 0.6:
        _wader(canvas, canvas.between(water, HEIGHT - 8))


def _dry_street(canvas: _Canvas) -> None:
    road = canvas.between(22, 32)
    _street(canvas, horizon=road)
    grey = canvas.between(70, 120)
    canvas.box(0, road, WIDTH, HEIGHT - road, canvas.near((grey, grey, grey), 8))
    middle = (road + HEIGHT) // 2
    for left in range(canvas.between(-4, 4), WIDTH, 14):
        canvas.box(left, middle, 7, 2, (225, 222, 205))
    for _ in range(canvas.between(0, 3)):
        (_car, _walker)[canvas.between(0, 1)](canvas, canvas.between(road + 4, HEIGHT - 4))


def _sea(canvas: _Canvas) -> None:
    horizon = canvas.between(18, 30)
    glow = canvas.near((236, 140, 70), 30)
    for y in range(horizon):
        share = y / horizon
        sky = tuple(int(a * (1 - share) + b * share) for a, b in zip(canvas.near((90, 90, 150), 2), glow, strict=True))
        canvas.pen.line((0, y, WIDTH, y), fill=(sky[0], sky[1], sky[2]))
    centre = canvas.between(12, 52)
    canvas.pen.ellipse((centre - 6, horizon - 8, centre + 6, horizon + 4), fill=(252, 222, 130))
    tints: tuple[Colour, ...] = ((58, 84, 120), (70, 110, 130), (124, 100, 90), (110, 106, 104))
    _water(canvas, horizon, canvas.one_of(tints), mirror=canvas.rng.random() < 0.5)
    if canvas.rng.random() < 0.4:
        _boat(canvas, canvas.between(horizon + 2, HEIGHT - 10))


def _advert(canvas: _Canvas) -> None:
    canvas.box(0, 0, WIDTH, HEIGHT, canvas.any_colour())
    for _ in range(canvas.between(1, 4)):
        canvas.box(
            canvas.between(0, 44),
            canvas.between(0, 34),
            canvas.between(8, 30),
            canvas.between(6, 20),
            canvas.any_colour(),
        )
    for _ in range(canvas.between(2, 4)):
        _letters(canvas, canvas.between(2, 12), canvas.between(2, 40), canvas.any_colour())


def _meme(canvas: _Canvas) -> None:
    scenes = (_face, _dry_street, _food, _flooded_street)
    scenes[canvas.between(0, 3)](canvas)
    bar = canvas.between(7, 11)
    paper, ink = ((250, 250, 250), (10, 10, 10)) if canvas.rng.random() < 0.7 else ((10, 10, 10), (245, 245, 245))
    for top in (0, HEIGHT - bar):
        canvas.box(0, top, WIDTH, bar, paper)
        _letters(canvas, canvas.between(3, 10), top + bar // 2 - 2, ink)


def _face(canvas: _Canvas) -> None:
    canvas.box(0, 0, WIDTH, HEIGHT, canvas.any_colour())
    x, y, size, skin = canvas.between(20, 44), canvas.between(18, 28), canvas.between(10, 16), canvas.one_of(_SKIN)
    canvas.pen.ellipse((x - size * 2, y + size, x + size * 2, y + size * 4), fill=canvas.any_colour())
    canvas.pen.ellipse((x - size, y - size * 1.3, x + size, y + size * 1.3), fill=canvas.near((40, 30, 26)))
    canvas.pen.ellipse((x - size * 0.8, y - size, x + size * 0.8, y + size * 1.2), fill=skin)
    for eye in (-0.35, 0.35):
        canvas.pen.ellipse((x + eye * size - 1, y - 2, x + eye * size + 1, y), fill=(20, 16, 16))
    canvas.pen.arc((x - size * 0.4, y, x + size * 0.4, y + size * 0.7), 10, 170, fill=(150, 50, 50))


def _food(canvas: _Canvas) -> None:
    canvas.box(0, 0, WIDTH, HEIGHT, canvas.near((120, 84, 54), 40))
    x, y, size = canvas.between(22, 42), canvas.between(20, 28), canvas.between(15, 21)
    canvas.pen.ellipse((x - size, y - size, x + size, y + size), fill=canvas.near((235, 235, 230), 12))
    for _ in range(canvas.between(3, 8)):
        left, top, wide = x + canvas.between(-10, 4), y + canvas.between(-10, 4), canvas.between(4, 9)
        food = canvas.one_of(((200, 120, 40), (90, 150, 50), (210, 60, 40), (240, 220, 150), (120, 70, 40)))
        canvas.pen.ellipse((left, top, left + wide, top + wide), fill=food)


Scene = Callable[[_Canvas], None]
_FLOODS: tuple[Scene, ...] = (_flooded_street, _flooded_street, _flooded_yard)
_OTHERS: tuple[Scene, ...] = (_advert, _advert, _meme, _face, _food, _sea, _dry_street)


# Parts of scenes.


def _street(canvas: _Canvas, *, horizon: int) -> None:
    canvas.box(0, 0, WIDTH, HEIGHT, canvas.one_of(_SKY))
    left = canvas.between(-8, 0)
    while left < WIDTH:
        width, top = canvas.between(9, 20), canvas.between(3, max(4, horizon - 10))
        canvas.box(left, top, width, HEIGHT - top, canvas.near((150, 130, 112), 60))
        for x in range(left + 2, left + width - 3, 5):
            canvas.box(x, top + 3, 3, 4, canvas.near((60, 70, 84), 20))
        left += width + canvas.between(0, 5)


def _water(canvas: _Canvas, top: int, colour: Colour, *, mirror: bool = True) -> None:
    """Cover everything below `top` with water that mirrors what is above, and with waves."""
    depth = HEIGHT - top
    if mirror:
        strip = canvas.image.crop((0, max(0, top - depth), WIDTH, top)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        surface = Image.blend(strip.resize((WIDTH, depth)), Image.new("RGB", (WIDTH, depth), colour), 0.72)
        canvas.image.paste(surface, (0, top))
    else:
        canvas.box(0, top, WIDTH, depth, colour)
    for _ in range(canvas.between(6, 16)):
        x, y, lift = canvas.between(-6, 58), canvas.between(top + 1, HEIGHT - 1), canvas.between(-26, 34)
        shade = (max(0, colour[0] + lift), max(0, colour[1] + lift), max(0, colour[2] + lift))
        canvas.pen.line((x, y, x + canvas.between(4, 16), y), fill=shade)


def _car(canvas: _Canvas, ground: int) -> None:
    x, colour = canvas.between(0, 48), canvas.any_colour()
    canvas.box(x, ground - 6, 18, 5, colour)
    canvas.box(x + 4, ground - 10, 10, 5, colour)
    canvas.box(x + 5, ground - 9, 8, 3, (60, 76, 92))
    for wheel in (3, 12):
        canvas.pen.ellipse((x + wheel, ground - 3, x + wheel + 4, ground + 1), fill=(20, 20, 20))


def _sunken_car(canvas: _Canvas, surface: int) -> None:
    x, colour = canvas.between(0, 48), canvas.any_colour()
    canvas.box(x + 4, surface - 6, 10, 4, colour)
    canvas.box(x + 5, surface - 5, 8, 2, (60, 76, 92))
    canvas.box(x, surface - 2, 18, 2, colour)


def _walker(canvas: _Canvas, ground: int) -> None:
    x = canvas.between(2, 58)
    canvas.box(x, ground - 5, 2, 6, (40, 44, 60))
    canvas.box(x + 3, ground - 5, 2, 6, (40, 44, 60))
    _torso(canvas, x, ground - 5)


def _wader(canvas: _Canvas, surface: int) -> None:
    _torso(canvas, canvas.between(2, 58), surface)


def _torso(canvas: _Canvas, x: int, base: int) -> None:
    canvas.box(x, base - 6, 5, 6, canvas.any_colour())
    canvas.pen.ellipse((x, base - 11, x + 4, base - 7), fill=canvas.one_of(_SKIN))


def _boat(canvas: _Canvas, surface: int) -> None:
    x = canvas.between(2, 44)
    hull = canvas.one_of(((220, 110, 40), (40, 60, 90), (150, 60, 50)))
    canvas.pen.polygon(((x, surface - 3), (x + 16, surface - 3), (x + 13, surface), (x + 3, surface)), fill=hull)
    _torso(canvas, x + 5, surface - 3)


def _debris(canvas: _Canvas, surface: int) -> None:
    for _ in range(canvas.between(2, 5)):
        canvas.box(canvas.between(0, 60), surface + canvas.between(-3, 6), canvas.between(2, 5), 1, canvas.any_colour())


def _letters(canvas: _Canvas, left: int, top: int, ink: Colour) -> None:
    """Write a line of marks that look like letters from afar."""
    x, size = left, canvas.between(3, 5)
    while x < WIDTH - 6 - canvas.between(0, 12):
        canvas.box(x, top, canvas.between(1, 3), size, ink)
        x += canvas.between(3, 5)
