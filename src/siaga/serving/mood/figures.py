"""Figures from sums: means with Student's interval, shares with Wilson's, over all posts and over fewer of them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from siaga.evaluation.intervals import Interval, mean_of_sums, wilson
from siaga.models.lexicon import SIGNS
from siaga.serving.mood.tally import Sums, Tally

NOTHING: Interval = {"value": None, "low": None, "high": None}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is measured: a model's `labels` in order, whether it `has_scores`, and whose posts count.

    `languages` are those that the model is for, "" standing for unknown ones; None stands for every language. A word
    list gives 0 to posts of other languages, which would draw every mean towards 0.
    """

    labels: tuple[str, ...]
    has_scores: bool
    languages: tuple[str, ...] | None

    def covers(self, language: str) -> bool:
        """Whether posts of a language count."""
        return self.languages is None or language in self.languages


def asked_of(tally: Tally, languages: Sequence[str] = ()) -> Asked:
    """Return what can be asked of a tally, by what is in it.

    Where no languages are given, they are those with a post in which a model with scores had something to go by.
    """
    whole = Sums()
    known: Counter[str] = Counter()
    for (_, language), sums in tally.periods.items():
        whole.merge(sums)
        known[language] += sums.known.total()
    is_mood = set(whole.labels) <= set(SIGNS)
    has_scores = whole.squares > 0 or (is_mood and set(whole.labels) <= {"neutral"})
    found = tuple(languages) or tuple(sorted(language for language, posts in known.items() if posts))
    return Asked(tuple(SIGNS if is_mood else sorted(whole.labels)), has_scores, found if has_scores else None)


@dataclass(frozen=True, slots=True)
class Figures:
    """`mean` is that of the scores, all None where there are none; `shares` are those of the labels among `posts`."""

    posts: int
    mean: Interval
    counts: dict[str, int]
    shares: dict[str, Interval]


@dataclass(frozen=True, slots=True)
class Views:
    """Figures over `all` posts, over those of the asked `languages`, and over those with something to go by, `known`.

    With a lexicon, `known` are the posts in which it knows a word.
    """

    all: Figures
    languages: Figures
    known: Figures


def views(cells: Iterable[tuple[str, Sums]], asked: Asked) -> Views:
    """Return the figures of some sums, each with its language."""
    every, covered = Sums(), Sums()
    for language, sums in cells:
        every.merge(sums)
        if asked.covers(language):
            covered.merge(sums)
    return Views(
        all=_figures(every.labels, every, asked),
        languages=_figures(covered.labels, covered, asked),
        known=_figures(every.known, every, asked),  # What is not known adds 0 to both sums.
    )


def _figures(counts: Counter[str], sums: Sums, asked: Asked) -> Figures:
    posts = counts.total()
    return Figures(
        posts=posts,
        mean=mean_of_sums(posts, sums.total, sums.squares) if asked.has_scores else NOTHING,
        counts={label: counts[label] for label in asked.labels},
        shares=_shares(counts, posts, asked.labels),
    )


def _shares(counts: Counter[str], posts: int, labels: Sequence[str]) -> dict[str, Interval]:
    if not posts:
        return dict.fromkeys(labels, NOTHING)
    found = {}
    for label in labels:
        share = counts[label] / posts
        low, high = wilson(share, posts)
        found[label] = Interval(value=share, low=low, high=high)
    return found
