"""The mood of a store: from the sums that it keeps, without reading its posts."""

from pathlib import Path
from typing import TYPE_CHECKING

from siaga.errors import DataError, did_you_mean
from siaga.serving.mood.tally import EVER, MINUTE_MS, Spot, Sums, Tally, Window

if TYPE_CHECKING:
    from siaga.serving.store.rows import MinuteRow, PlaceRow
    from siaga.serving.store.store import Store

_SQLITE = b"SQLite format 3\x00"
_SUFFIXES = (".db", ".sqlite", ".sqlite3")


def is_store(source: str) -> bool:
    """Whether a store is meant, and no file or folder of posts: an address, or a file that SQLite made."""
    path = Path(source)
    if "://" in source or not path.exists():
        return "://" in source or path.suffix.lower() in _SUFFIXES
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(_SQLITE)) == _SQLITE


def choose_model(store: "Store", model: str | None) -> str:
    """Return the model whose answers are meant: the given one, or the only one.

    A name without its version ("stream-sentiment") stands for the one model of that name. Raises DataError for a store
    without answers, for an unknown model, and when there are several to choose from.
    """
    models = store.models()
    if not models:
        raise DataError(f"{store.name} holds no answers yet. Fill it with siaga stream --with … --to {store.name}.")
    found = models if model is None else [name for name in models if model in (name, name.partition("@")[0])]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(found or models)
    if not found:
        raise DataError(f"{store.name} has no answers of {model}.{did_you_mean(str(model), models)} It has: {listed}.")
    raise DataError(f"{store.name} has answers of {len(found)} models. Set --model to one of: {listed}.")


def tally_store(store: "Store", model: str, *, tally: Tally, window: Window = EVER) -> None:
    """Count what a model said of the posts of a store; the window has to lie on whole minutes.

    A post that was deleted since keeps its part in the sums, and loses its place. Raises DataError for periods that
    minutes do not add up to.
    """
    if tally.every_ms % MINUTE_MS:
        given = f"{tally.every_ms / 1000:g} s"
        raise DataError(f"A store keeps minutes, which do not add up to {given}. Set --every to whole minutes.")
    for row in store.minutes(model=model, since_ms=window.since_ms, until_ms=window.until_ms):
        language, sums = tally.known_language(row.language), _sums(row)
        tally.add_timed((row.first_ms, row.last_ms), language, sums)
        if row.country:
            tally.add_country(row.country, language, sums)
    for row in store.timeless(model) if window.is_open else ():
        language, sums = tally.known_language(row.language), _sums(row)
        tally.add_timeless(language, sums)
        if row.country:
            tally.add_country(row.country, language, sums)
    for place in store.places(model, since_ms=window.since_ms, until_ms=window.until_ms):
        spot = Spot(place.lon, place.lat, place.place_method, place.radius_m, place.place, place.country)
        tally.add_spot(spot, tally.known_language(place.language), _sums(place))


def _sums(row: "MinuteRow | PlaceRow") -> Sums:
    sums = Sums()
    known = row.posts - row.errors
    sums.add(row.label, row.posts, known=known, total=row.score_sum, squares=row.score_squares)
    return sums
