"""What the figures say, in sentences, and how languages and times are written."""

from collections.abc import Iterator
from datetime import datetime
from types import MappingProxyType

from siaga.serving.mood.figures import Asked
from siaga.serving.mood.summary import Gap, Summary
from siaga.serving.mood.tally import MOST_SPOTS

NAMES = (
    *("ar Arabic", "bn Bengali", "ca Catalan", "cs Czech", "da Danish", "de German", "el Greek", "en English"),
    *("es Spanish", "et Estonian", "fa Persian", "fi Finnish", "fr French", "he Hebrew", "hi Hindi", "ht Haitian"),
    *("hu Hungarian", "id Indonesian", "it Italian", "ja Japanese", "jv Javanese", "ko Korean", "ms Malay"),
    *("nl Dutch", "no Norwegian", "pl Polish", "pt Portuguese", "ro Romanian", "ru Russian", "su Sundanese"),
    *("sv Swedish", "ta Tamil", "th Thai", "tl Tagalog", "tr Turkish", "uk Ukrainian", "ur Urdu", "vi Vietnamese"),
    "zh Chinese",
)
LANGUAGES = MappingProxyType({code: name for code, _, name in (each.partition(" ") for each in NAMES)})
LISTED = 5


def language_name(code: str) -> str:
    """Return a language's name; its code where we know no name, and "unknown" where there is no code."""
    return LANGUAGES.get(code, code) or "unknown"


def whose(asked: Asked) -> str:
    """Return whose posts count, such as "English posts"."""
    if asked.languages is None:
        return "all posts"
    names = [language_name(code) for code in asked.languages]
    return f"{' and '.join(names)} posts" if len(names) <= 2 else f"posts in {len(names)} languages"


def clock(time: str, summary: Summary) -> str:
    """Return an ISO time in short: the hour where all posts are of one day, with the day where they are of one year."""
    first, last, at = (datetime.fromisoformat(each) for each in (*_ends(summary), time))
    seconds = ":%S" if summary.every_s % 60 else ""
    if first.date() == last.date():
        return at.strftime(f"%H:%M{seconds}")
    return at.strftime(f"{'%m-%d' if first.year == last.year else '%Y-%m-%d'} %H:%M{seconds}")


def length(every_s: int) -> str:
    """Return the length of a period in words: "minute", "5 minutes", "hour", "10 s"."""
    for unit, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if every_s % unit == 0:
            return name if every_s == unit else f"{every_s // unit} {name}s"
    return f"{every_s} s"


def notes(summary: Summary) -> list[str]:
    """Return what a reader has to know of the figures, a sentence each."""
    return [*_of_times(summary), *_of_languages(summary), *_of_places(summary)]


def _of_times(summary: Summary) -> Iterator[str]:
    total = summary.total.all.posts
    if summary.without_time:
        yield f"{summary.without_time:,} of {total:,} posts have no time. They count in the totals and in no period."
    if summary.gaps:
        listed = "; ".join(_span(gap, summary) for gap in summary.gaps[:LISTED])
        more = f"; and {len(summary.gaps) - LISTED} more gaps" if len(summary.gaps) > LISTED else ""
        yield f"There are no posts at {listed}{more} (UTC). Nothing is known of these times; no line is drawn there."
    for period in summary.periods:
        if period.is_partial:
            at = clock(period.start, summary)
            yield f"The period of {at} is covered in part: the stream begins or ends within it."


def _of_languages(summary: Summary) -> Iterator[str]:
    if summary.asked.languages is None:
        return
    total, covered = summary.total.all.posts, summary.total.languages.posts
    if not covered:
        found = ", ".join(language_name(group.name) for group in summary.languages[:LISTED])
        yield f"No post has a word that the list knows in the languages asked for. There are posts in {found}."
    elif covered < total:
        what = f"{whose(summary.asked)} are {covered:,} of {total:,} ({100 * covered / total:.0f} %)"
        yield f"{what[0].upper()}{what[1:]}. All others count 0 in the mean over all languages, and draw it towards 0."
    others = [group for group in summary.languages if not summary.asked.covers(group.name) and group.views.known.posts]
    if others:
        names = ", ".join(f"{group.name or 'unknown'} ({group.views.known.posts:,})" for group in others[:LISTED])
        yield f"Posts in other languages have words that the list knows: {names}. Add them with --language."


def _of_places(summary: Summary) -> Iterator[str]:
    if summary.beyond:
        yield f"{summary.beyond:,} posts of places beyond the first {MOST_SPOTS:,} stand in no place."


def _span(gap: Gap, summary: Summary) -> str:
    return f"{clock(gap.start, summary)} to {clock(gap.end, summary)}"


def _ends(summary: Summary) -> tuple[str, str]:
    return summary.periods[0].start, summary.periods[-1].start
