"""Charts of the mood by language and by place: functions that draw a summary on the `ax` they are given."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from siaga.evaluation.plots import BLUE, GRID, INK, RED, SOFT, dressed, plain
from siaga.serving.mood.charts import PALE, label_colours, legend
from siaga.serving.mood.figures import Views
from siaga.serving.mood.summary import TOP_LANGUAGES, Group, Point, Summary
from siaga.serving.mood.words import language_name, whose

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN_COUNTRIES = 15
MOST_POINTS = 1_000  # Those with most posts; a browser has to draw them.
FEWEST_TO_SHOW = 5  # Posts of a country whose mean is drawn.


def languages_plot(summary: Summary, *, ax: "Axes") -> "Axes":
    """Draw how many posts the ten commonest languages have, and all others together."""
    rows = _languages(summary)
    for place, (_, figures, is_covered) in enumerate(rows):
        ax.barh([place], [figures.all.posts], color=BLUE if is_covered else PALE, height=0.7)
        ax.text(figures.all.posts, place, f" {figures.all.posts:,}", va="center", color=INK, fontsize=9)
    ax.margins(x=0.16)
    return dressed(_listed(ax, [name for name, _, _ in rows]), x="posts")


def language_shares_plot(summary: Summary, *, ax: "Axes") -> "Axes":
    """Draw the share of each label in each language that the model is for."""
    rows = _languages(summary)
    for label, colour in label_colours(summary).items():
        ax.barh([0], [0], color=colour, label=plain(label))
    for place, (_, figures, is_covered) in enumerate(rows):
        start = 0.0
        for label, colour in label_colours(summary).items() if is_covered else ():
            share = figures.all.shares[label]["value"] or 0.0
            ax.barh([place], [share], left=[start], color=colour, height=0.7)
            start += share
        if not is_covered:
            ax.text(0.01, place, "not scored", va="center", color=SOFT, fontsize=9)
    ax.set_xlim(0, 1)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    return dressed(_listed(legend(ax), [""] * len(rows)), x="share of posts")


def countries_plot(summary: Summary, *, ax: "Axes") -> "Axes":
    """Draw the mean score of the countries with most posts, with their 95 % intervals."""
    shown = shown_countries(summary.countries)
    for place, group in enumerate(shown):
        mean = group.views.languages.mean
        if mean["low"] is not None and mean["high"] is not None:
            ax.plot([mean["low"], mean["high"]], [place] * 2, color=BLUE, linewidth=2.5, solid_capstyle="round")
        ax.plot([mean["value"] or 0.0], [place], marker="o", color=BLUE, markersize=5.5)
    ax.axvline(0, color=SOFT, linewidth=1, linestyle="--")
    ax.grid(visible=True, axis="x", color=GRID)
    names = [plain(f"{group.name} ({group.views.languages.posts:,})") for group in shown]
    return dressed(_listed(ax, names), x=f"mean score, {whose(summary.asked)}")


def points_plot(summary: Summary, *, ax: "Axes") -> "Axes":
    """Draw the places that have a point, by longitude and latitude; those with more posts are larger."""
    most = max((point.views.all.posts for point in summary.points), default=1)
    for name, colour, points in _by_sign(summary):
        lon, lat = [point.spot.lon for point in points], [point.spot.lat for point in points]
        sizes = [16 + 160 * point.views.all.posts / most for point in points]
        ax.scatter(lon, lat, s=sizes, color=colour, alpha=0.75, linewidth=0)
        ax.scatter([], [], s=50, color=colour, alpha=0.75, linewidth=0, label=name)
    ax.set_xlim(-180, 180)
    ax.set_ylim(-90, 90)
    ax.set_xticks(range(-120, 121, 60), [f"{abs(x)}°{_side(x, 'WE')}" for x in range(-120, 121, 60)])
    ax.set_yticks(range(-60, 61, 30), [f"{abs(y)}°{_side(y, 'SN')}" for y in range(-60, 61, 30)])
    ax.set_aspect("equal")
    ax.grid(visible=True, color=GRID)
    return dressed(legend(ax))


def shown_countries(countries: Sequence[Group]) -> list[Group]:
    """Return the countries whose mean is drawn."""
    return [group for group in countries if group.views.languages.posts >= FEWEST_TO_SHOW][:SHOWN_COUNTRIES]


def _languages(summary: Summary) -> list[tuple[str, Views, bool]]:
    """Return the rows of the charts by language: name, figures, and whether the model is for it."""
    top = summary.languages[:TOP_LANGUAGES]
    rows = [(plain(language_name(group.name)), group.views, summary.asked.covers(group.name)) for group in top]
    more = len(summary.languages) - len(top)
    is_covered = summary.asked.languages is None or summary.rest.languages.posts == summary.rest.all.posts
    return [*rows, (f"{more} others", summary.rest, is_covered)] if more else rows


def _by_sign(summary: Summary) -> Iterator[tuple[str, str, list[Point]]]:
    """Yield the points that have a mean below, at and above 0, and those without; each with a name and a colour."""
    means = [(point.views.languages.mean["value"], point) for point in summary.points[:MOST_POINTS]]
    groups = [
        ("no mean", PALE, [point for mean, point in means if mean is None]),
        ("mean of 0", SOFT, [point for mean, point in means if mean == 0]),
        ("negative", RED, [point for mean, point in means if mean is not None and mean < 0]),
        ("positive", BLUE, [point for mean, point in means if mean is not None and mean > 0]),
    ]
    for name, colour, points in groups:
        if points:
            yield name if summary.asked.has_scores else "posts", colour if summary.asked.has_scores else BLUE, points


def _listed(ax: "Axes", names: Sequence[str]) -> "Axes":
    """Name the rows of a chart, the first on top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    return ax


def _side(degrees: int, sides: str) -> str:
    return sides[degrees > 0] if degrees else ""
