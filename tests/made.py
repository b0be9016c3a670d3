"""Tiny posts that tests are made of: texts of two kinds, pictures of two colours, both a little unreliable."""

import io
from functools import cache

import numpy as np
from PIL import Image

from siaga.post import Post

WET = ("banjir", "air", "tergenang", "jalan", "setinggi", "lutut", "evakuasi")
DRY = ("diskon", "promo", "lucu", "kopi", "galau", "makan", "murah")


@cache
def picture(blue: bool, number: int) -> bytes:
    """Return a PNG of 24 × 20 pixels: mostly blue below, or mostly brown."""
    random = np.random.default_rng(number)
    pixels = random.integers(0, 120, (20, 24, 3), dtype=np.uint8)
    pixels[10:, :, 2 if blue else 0] = 220
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def made_posts(count: int, *, seed: int = 0, labelled: bool = True) -> list[Post]:
    """Return posts INFO and NO_INFO in turn; some lack text, some an image, and one in ten of each misleads."""
    random = np.random.default_rng(seed)
    posts = []
    for i in range(count):
        info = i % 2 == 0
        words = WET if info ^ (random.random() < 0.1) else DRY
        text = " ".join(random.choice(words, 5)) + f" {random.integers(10**6)}"
        image = picture(bool(info ^ (random.random() < 0.1)), int(random.integers(10**6)))
        lacks = random.random()
        posts.append(
            Post(
                f"{seed}-{i}",
                text=None if lacks < 0.1 else text,
                image=None if lacks > 0.85 else image,
                label=("INFO" if info else "NO_INFO") if labelled else None,
            )
        )
    return posts
