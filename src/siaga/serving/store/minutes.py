"""Minutes: predictions counted by the minute, language and place of their posts."""

from collections.abc import Iterable, Mapping

from siaga.serving.store.rows import MinuteRow, PostRow, PredictionRow

_MINUTE_MS = 60_000
_PLACE_CHARACTERS, _COUNTRY_CHARACTERS = 200, 50  # What an index can hold, in any script.
Key = tuple[str, str]  # The source and id of a post.


def minutes_of(predictions: Iterable[PredictionRow], posts: Mapping[Key, PostRow]) -> list[MinuteRow]:
    """Return what predictions add to their posts' minutes, sorted; those of no post or no time add nothing.

    Sorted, so that all who lock these rows do so in one order.
    """
    minutes: dict[tuple[str, int, str, str, str, str], list[int]] = {}
    for row in predictions:
        post = posts.get((row.source, row.post_id))
        if post is None or (time_ms := post.time_ms) is None:
            continue
        place = (post.place or "")[:_PLACE_CHARACTERS] if post.lon is not None else ""
        minute, country = time_ms - time_ms % _MINUTE_MS, (post.country or "")[:_COUNTRY_CHARACTERS]
        key = (row.model, minute, post.language or "", country, place, row.label)
        if (sums := minutes.get(key)) is None:
            sums = minutes[key] = [0, 0, 0, 0, time_ms, time_ms]
        sums[0] += 1
        sums[1] += row.error is not None
        if score := row.score:
            sums[2] += score
            sums[3] += score * score
        if time_ms < sums[4]:
            sums[4] = time_ms
        elif time_ms > sums[5]:
            sums[5] = time_ms
    return [MinuteRow(*key, *minutes[key]) for key in sorted(minutes)]
