"""Look-alikes of posts of an open stream, judged by their mood: ten minutes, in which the mood swings."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from siaga.post import Place, Post
from siaga.schema import SyntheticSource
from siaga.sources.chatter import MOODS, Language, Mood, pick_hashtag, pick_language, write_sentence
from siaga.sources.items.places import POINT_RADIUS_M, box_place
from siaga.sources.templates import letters, pick

START = datetime(2019, 7, 3, 6, 30, tzinfo=UTC)
MINUTES = 10.0
_NEGATIVE, _NEUTRAL, _SWING = 0.3, 0.36, 0.18  # Shares of the moods on the whole, and how far they come and go.
_POINT, _BOX, _PROFILE = 0.02, 0.08, 0.5  # The shares of posts with a place, by its method.
_TAGGED, _LINKED = 0.2, 0.25


@dataclass(frozen=True, slots=True)
class City:
    """A place with its box: degrees of its centre, and of half its sides."""

    name: str
    country: str
    lon: float
    lat: float
    half: float

    def corners(self) -> list[tuple[float, float]]:
        """Return the corners of the box, (lon, lat)."""
        signs = ((-1, -1), (-1, 1), (1, 1), (1, -1))
        return [(round(self.lon + x * self.half, 6), round(self.lat + y * self.half, 6)) for x, y in signs]


CITIES = (
    City("Jakarta Selatan, Indonesia", "ID", 106.81, -6.26, 0.08),
    City("Surabaya, Indonesia", "ID", 112.73, -7.28, 0.1),
    City("Leeds, England", "GB", -1.55, 53.8, 0.12),
    City("Austin, TX", "US", -97.74, 30.27, 0.2),
    City("Sevilla, España", "ES", -5.98, 37.39, 0.09),
    City("Monterrey, Nuevo León", "MX", -100.31, 25.67, 0.11),
    City("世田谷区, 東京", "JP", 139.65, 35.64, 0.05),
)
_PROFILES = (
    "earth",
    "she/her",
    "Leeds",
    "jakarta | bandung",
    "東京",
    "your heart",
    "Madrid, España",
    "TX",
    "somewhere",
)


@dataclass(frozen=True, slots=True)
class Words:
    """What one made post is: its mood and language, its words, who wrote it, and where."""

    mood: Mood
    language: Language
    text: str
    user: str
    hashtags: tuple[str, ...]
    place: Place | None


def write_words(share: float, rng: np.random.Generator) -> Words:
    """Return what somebody writes when `share` of the time has passed (0 to 1)."""
    mood, language = mood_at(share, rng), pick_language(rng)
    hashtags = (pick_hashtag(language, rng),) if rng.random() < _TAGGED else ()
    parts = [write_sentence(mood, language, rng), *(f"#{tag}" for tag in hashtags)]
    parts += [f"https://t.co/{letters(10, rng)}"] if rng.random() < _LINKED else []
    return Words(mood, language, " ".join(parts), f"{letters(6, rng)}_", hashtags, _place(rng))


def mood_at(share: float, rng: np.random.Generator) -> Mood:
    """Return a mood by chance: positive ones are more frequent early, negative ones late."""
    swing, chance = _SWING * math.sin(2 * math.pi * share), rng.random()
    if chance < _NEGATIVE - swing:
        return "negative"
    return "neutral" if chance < _NEGATIVE - swing + _NEUTRAL else "positive"


def make_stream(spec: SyntheticSource, count: int, name: str, rng: np.random.Generator) -> Iterator[Post]:
    """Yield posts in the order of their times, labelled by mood, in `fields` their `user` and `hashtags`.

    The share `spec.noise` has a wrong label, each other as often; the share `spec.missing_text` has no text.
    """
    is_wrong = rng.permutation(count) < round(count * spec.noise)
    lacks_text = rng.permutation(count) < round(count * spec.missing_text)
    for number, (wrong, bare) in enumerate(zip(is_wrong.tolist(), lacks_text.tolist(), strict=True)):
        words = write_words(number / count, rng)
        others = [mood for mood in MOODS if mood != words.mood]
        fields = {"user": words.user, "hashtags": " ".join(words.hashtags)}
        yield Post(
            f"{name}-{number + 1}",
            text=None if bare else words.text,
            label=pick(others, rng) if wrong else words.mood,
            time=START + timedelta(milliseconds=int(60_000 * MINUTES * number / count)),
            language=words.language,
            place=words.place,
            fields={key: value for key, value in fields.items() if value},
        )


def _place(rng: np.random.Generator) -> Place | None:
    chance = rng.random()
    if chance > _POINT + _BOX + _PROFILE:
        return None
    if chance > _POINT + _BOX:
        return Place(None, None, "profile", None, pick(_PROFILES, rng))
    city = CITIES[int(rng.integers(len(CITIES)))]
    if chance > _POINT:
        return box_place(city.corners(), name=city.name, country=city.country)
    lon, lat = (round(centre + rng.uniform(-city.half, city.half), 6) for centre in (city.lon, city.lat))
    return Place(lon, lat, "coordinates", POINT_RADIUS_M, city.name, city.country)
