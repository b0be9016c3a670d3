"""Where an item is from, and how sure that is: a point, a box around it, or words that its user wrote of himself."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from siaga.post import Place
from siaga.sources.items.message import as_name

POINT_RADIUS_M = 10.0  # What a phone knows at best.
_EARTH_RADIUS_M = 6_371_008.8
_HALF_TURN = 180.0
Corner = tuple[float, float]


def point_place(point: Sequence[float], *, name: Any = None, country: Any = None) -> Place | None:  # Any: JSON.
    """Return the place of a GeoJSON point (lon, lat), or None where that is no point of this earth."""
    if len(point) < 2 or not _is_on_earth(point[0], point[1]):
        return None
    return Place(point[0], point[1], "coordinates", POINT_RADIUS_M, as_name(name), as_country(country))


def box_place(corners: Iterable[Corner], *, name: Any = None, country: Any = None) -> Place | None:  # Any: JSON.
    """Return the centre of the box around `corners` (lon, lat), with half the box's diagonal as its radius.

    None for no corners, for such as are not on earth, and for a box wider than half of it: one that crosses the line
    of dates cannot be told from it.
    """
    found = list(corners)
    if not found or not all(_is_on_earth(lon, lat) for lon, lat in found):
        return None
    west, east = min(lon for lon, _ in found), max(lon for lon, _ in found)
    south, north = min(lat for _, lat in found), max(lat for _, lat in found)
    if east - west > _HALF_TURN:
        return None
    radius = max(POINT_RADIUS_M, _distance_m((west, south), (east, north)) / 2)
    centre = (west + east) / 2, (south + north) / 2
    return Place(*centre, "box", radius, as_name(name), as_country(country))


def profile_place(words: Any) -> Place | None:  # Any: whatever JSON holds.
    """Return what a user wrote of where he is: a name without a point."""
    name = as_name(words)
    return None if name is None else Place(None, None, "profile", None, name)


def as_country(code: Any) -> str | None:  # Any: whatever JSON holds.
    """Return a country's code of two letters in upper case."""
    if not isinstance(code, str) or len(code) != 2 or not code.isascii() or not code.isalpha():
        return None
    return code.upper()


def _is_on_earth(lon: float, lat: float) -> bool:
    return abs(lon) <= _HALF_TURN and abs(lat) <= _HALF_TURN / 2


def _distance_m(a: Corner, b: Corner) -> float:
    """Return the great-circle distance by the haversine formula."""
    (lon_a, lat_a), (lon_b, lat_b) = (map(math.radians, corner) for corner in (a, b))
    height = math.sin((lat_b - lat_a) / 2) ** 2
    height += math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    return 2 * _EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, height)))
