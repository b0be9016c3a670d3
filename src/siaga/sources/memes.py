"""Look-alikes of memes that are harmful by what text and picture say together; fictional teams, mild words.

A bright text under a gloomy scene mocks, and so does a gloomy one under a bright scene; where both agree nobody is
hurt. So neither the text nor the picture tells much by itself. A few texts are rude, or say nothing, by themselves.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from siaga.post import Post
from siaga.schema import SyntheticSource
from siaga.sources.moods import SIDE, draw_mood
from siaga.sources.templates import fill, pick

HARMLESS, HARMFUL = "harmless", "harmful"

_BAR = 14  # The height of a caption's bar in pixels.

# What a post is: its text, whether its scene is bright (None: either), its label, and its share.
_KINDS: tuple[tuple[str, bool | None, str, float], ...] = (
    ("bright", False, HARMFUL, 0.21),
    ("gloomy", True, HARMFUL, 0.15),
    ("bright", True, HARMLESS, 0.23),
    ("gloomy", False, HARMLESS, 0.19),
    ("rude", None, HARMFUL, 0.07),
    ("plain", None, HARMLESS, 0.15),
)

_TEMPLATES = {
    "bright": (
        "what a {glorious} day for the {team}",
        "the {team} look so {happy} today",
        "this is why everybody {loves} the {team}",
        "{glorious}! the {team} did it again",
        "nobody does it like the {team}, simply {glorious}",
        "when the {team} come home, {happy} as ever",
        "so {happy} for the {team} and their {friend}",
    ),
    "gloomy": (
        "what a {sorry} day for the {team}",
        "the {team} look so {sad} today",
        "this is why everybody {pities} the {team}",
        "{sorry}! the {team} did it again",
        "nobody does it like the {team}, simply {sorry}",
        "when the {team} come home, {sad} as ever",
        "so {sad} for the {team} and their {friend}",
    ),
    "rude": (
        "the {team} should stay in the pond",
        "who let the {team} in? shoo",
        "the {team} smell of wet socks",
        "keep the {team} away from our sandwiches",
    ),
    "plain": (
        "the {team} play the {team} at noon",
        "practice of the {team} starts at {number}",
        "the {team} and their {friend} on the way to the game",
        "tickets for the {team}: row {number}",
        "the {team} meet at the old oak",
    ),
}

_PHRASES = {
    "team": ("{town} {animals}", "{town} {animals}", "{animals}", "{animals} of {town}"),
    "animals": ("Otters", "Badgers", "Moles", "Herons", "Newts", "Puffins", "Hedgehogs", "Geese", "Weasels", "Toads"),
    "town": (
        *("Willowdale", "Pebble Bay", "Fernhill", "Old Mill", "Duckpond", "Mossford", "Brambleton", "Tall Pines"),
        *("Reedmarsh", "Clover Lane", "Windy Ridge", "Lake End", "Bluebell", "Sandy Cove", "Nutwood", "Hay Meadow"),
    ),
    "friend": ("coach", "drummer", "mascot", "fans", "bus driver", "goalkeeper", "cook"),
    "glorious": ("glorious", "splendid", "wonderful", "marvellous", "brilliant", "lovely"),
    "happy": ("happy", "proud", "cheerful", "strong", "lucky", "fresh"),
    "loves": ("loves", "admires", "cheers", "adores"),
    "sorry": ("sorry", "dreadful", "miserable", "awful", "gloomy", "wretched"),
    "sad": ("sad", "tired", "lost", "soaked", "beaten", "grumpy"),
    "pities": ("pities", "avoids", "forgets", "doubts"),
}


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one post is to be: its kind of text, its scene, its label, and what it has."""

    text: str
    is_bright: bool
    label: str
    has_text: bool
    has_picture: bool


def make_memes(spec: SyntheticSource, count: int, name: str, rng: np.random.Generator) -> Iterator[Post]:
    """Yield posts of a text, a picture and a label each; no post lacks both text and picture.

    The shares `spec.missing_text` and `spec.missing_image` lack one, and `spec.noise` has the wrong label.
    """
    for number, plan in enumerate(_plans(spec, count, rng), 1):
        text = fill(pick(_TEMPLATES[plan.text], rng), _PHRASES, rng)
        picture = draw_meme(plan.is_bright, rng)
        yield Post(
            f"{name}-{number}",
            text=text if plan.has_text else None,
            image=picture if plan.has_picture else None,
            label=plan.label,
        )


def draw_meme(is_bright: bool, rng: np.random.Generator) -> bytes:
    """Return a JPEG (RGB, 96 × 96) of a bright or a gloomy scene with a scribbled caption above and below.

    The same state of `rng` gives the same picture.
    """
    mood = int(rng.integers(3, 5) if is_bright else rng.integers(0, 2))
    image = Image.open(io.BytesIO(draw_mood(mood, float(rng.beta(1.2, 5.0)), rng)))
    paper, ink = ((250, 250, 250), (12, 12, 12)) if rng.random() < 0.5 else ((12, 12, 12), (245, 245, 245))
    pen = ImageDraw.Draw(image)
    for top in (0, SIDE - _BAR):
        if rng.random() < 0.7:
            pen.rectangle((0, top, SIDE, top + _BAR), fill=paper)
            _scribble(pen, top, ink, rng)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def _scribble(pen: ImageDraw.ImageDraw, top: int, ink: tuple[int, int, int], rng: np.random.Generator) -> None:
    x = int(rng.integers(4, 16))
    while x < SIDE - 8:
        width = int(rng.integers(2, 6))
        pen.rectangle((x, top + int(rng.integers(3, 5)), x + width, top + int(rng.integers(9, 12))), fill=ink)
        x += width + int(rng.choice((2, 2, 2, 6)))


def _plans(spec: SyntheticSource, count: int, rng: np.random.Generator) -> list[_Plan]:
    bounds = np.cumsum([share for *_, share in _KINDS])
    kinds = np.searchsorted(bounds / bounds[-1], (rng.permutation(count) + 0.5) / count).tolist()
    is_wrong = (rng.permutation(count) < round(count * spec.noise)).tolist()
    n_text = round(count * spec.missing_text)
    n_picture = min(round(count * spec.missing_image), count - n_text)
    gaps = rng.permutation(count).tolist()  # Who comes first lacks the text, who comes next lacks the picture.
    either = (rng.random(count) < 0.5).tolist()
    plans = []
    for row, kind in enumerate(kinds):
        text, scene, label, _ = _KINDS[kind]
        plans.append(
            _Plan(
                text=text,
                is_bright=either[row] if scene is None else scene,
                label=label if not is_wrong[row] else HARMLESS if label == HARMFUL else HARMFUL,
                has_text=gaps[row] >= n_text,
                has_picture=not n_text <= gaps[row] < n_text + n_picture,
            )
        )
    return plans
