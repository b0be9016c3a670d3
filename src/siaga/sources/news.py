"""Look-alikes of news: articles of several topics each, drawn as latent Dirichlet allocation has it, and their truth.

Blei, Ng & Jordan (2003): an article draws the shares of its topics, and each of its words a topic and then a word of
that topic. Stop words, numbers and dashes stand between them, as in any text, and each outlet names itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
from numpy.typing import NDArray

from siaga.post import Post
from siaga.schema import SyntheticSource
from siaga.sources.news_words import EVERYWHERE, NUMBERS, OUTLETS, STOP_WORDS, TOPICS, invented_names

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS, SILENT_FROM, SILENT_DAYS = 270.0, 150.0, 14.0  # The outlets strike for two weeks: a gap in time.

_NAMES = 340  # Names in each topic, after its words.
_EVERYWHERE = 0.2  # The share of a topic's words that stand in every topic.
_BETWEEN = (0.45, 0.03, 0.02)  # The shares of stop words, numbers and dashes in a text; a title has none.
_PRIOR, _SWING = 0.1, 0.9  # Of the Dirichlet, for each topic; how far topics come and go.
_STEPS = 1 << 16  # A word's probability is a whole number of such parts, so that drawing one is one look-up.
_TITLE_WORDS = 6
_BLOCK = 500
_COPIED, _EMPTY = 80, 100  # One article in so many repeats an earlier one, or has next to no text.
_NEXT_TO_NOTHING = ("-", "...", "(picture)", "Correction", "- - -")
_PLAIN, _COMMA, _STOP, _CAPITAL = range(4)


@dataclass(frozen=True, eq=False)
class Press:
    """What articles are drawn from.

    `words` are those of the topics; `table` (topics + 3, 65536) holds numbers of spellings, one of which is drawn with
    equal chances: for each topic, then for stop words, numbers and dashes. `spellings` (4, words in all) are the words
    plain, before a comma, before a full stop, and with a capital.
    """

    topics: tuple[str, ...]
    words: tuple[str, ...]
    table: NDArray[np.uint16]
    spellings: NDArray[np.object_]


def news_truth(spec: SyntheticSource) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Return what the made articles are drawn from: the words, and (topics, words) their probabilities in each topic.

    A phrase is one word, written "cup_final" here and "cup final" in the articles. Stop words, numbers and names of
    outlets are in no topic. Rows sum to 1.
    """
    press = _press(spec.classes)
    counts = [np.bincount(row, minlength=len(press.words)) for row in press.table[: len(press.topics)]]
    return press.words, np.array(counts) / _STEPS


def make_news(spec: SyntheticSource, count: int, name: str, rng: np.random.Generator) -> Iterator[Post]:
    """Yield articles in the order of their times, labelled by their main topic, with the fields `title` and
    `publication`.

    An article has about `spec.length` words. The share `spec.noise` has the label of another topic, the share
    `spec.missing_text` no text. Some repeat an earlier one to the letter, some have next to no text.
    """
    press = _press(spec.classes)
    is_wrong = rng.permutation(count) < round(count * spec.noise)
    lacks_text = rng.permutation(count) < round(count * spec.missing_text)
    for start in range(0, count, _BLOCK):
        numbers = np.arange(start, min(start + _BLOCK, count))
        passed = numbers / count
        shares = _shares(passed, len(press.topics), rng)
        main = shares.argmax(axis=1)
        outlets = _outlets(main, rng)
        texts = _texts(press, shares, outlets, spec.length, rng)
        titles = _titles(press, shares, rng)
        other = (main + rng.integers(1, len(press.topics), len(main))) % len(press.topics)
        labels = np.where(is_wrong[numbers], other, main)
        for row, number in enumerate(numbers.tolist()):
            yield Post(
                f"{name}-{number + 1}",
                text=None if lacks_text[number] else _flawed(texts, row, number),
                label=press.topics[labels[row]],
                time=_time(float(passed[row])),
                language="en",
                fields={"title": titles[row], "publication": outlets[row]},
            )


@cache
def _press(most: int) -> Press:
    topics = tuple(TOPICS)[:most]
    names = iter(invented_names(_NAMES * len(topics)))
    own = [TOPICS[topic].split() + [next(names) for _ in range(_NAMES)] for topic in topics]
    words = list(dict.fromkeys(word for each in [*own, EVERYWHERE.split()] for word in each))
    others = [STOP_WORDS.split(), NUMBERS.split(), ["-"]]
    number = {word: i for i, word in enumerate([*words, *(word for each in others for word in each)])}
    everywhere = _chances(EVERYWHERE.split(), number, offset=20)
    rows = [(1 - _EVERYWHERE) * _chances(each, number, offset=5) + _EVERYWHERE * everywhere for each in own]
    rows += [_chances(each, number, offset=1) for each in others]
    invented = {name for each in own for name in each[-_NAMES:]}
    written = [word.capitalize() if word in invented else word.replace("_", " ") for word in number]
    return Press(topics, tuple(words), np.stack([_steps(row) for row in rows]), _spellings(written))


def _chances(words: list[str], number: dict[str, int], *, offset: float) -> NDArray[np.float64]:
    """Return the probability of each of all words, by Zipf's law as Mandelbrot (1953) has it."""
    found = np.zeros(len(number))
    found[[number[word] for word in words]] = 1 / (np.arange(len(words)) + 1 + offset)
    chances: NDArray[np.float64] = found / found.sum()
    return chances


def _spellings(written: list[str]) -> NDArray[np.object_]:
    commas, stops = [f"{word}," for word in written], [f"{word}." for word in written]
    spellings = np.array([written, commas, stops, [word.title() for word in written]], dtype=object)
    spellings[:, written.index("-")] = "-"
    return spellings


def _steps(chances: NDArray[np.float64]) -> NDArray[np.uint16]:
    ends = np.round(np.cumsum(chances) * _STEPS).astype(np.int64)
    return np.repeat(np.arange(len(chances), dtype=np.uint16), np.diff(ends, prepend=0))


def _shares(passed: NDArray[np.float64], topics: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the shares (articles, topics) of the topics; each topic comes and goes at its own pace."""
    number = np.arange(topics)
    waves = np.sin(2 * np.pi * ((1 + number % 3) * passed[:, None] + number / topics))
    priors = _PRIOR * (1.6 - number / topics) * (1 + _SWING * waves)
    drawn = rng.standard_gamma(priors) + 1e-300
    shares: NDArray[np.float64] = drawn / drawn.sum(axis=1, keepdims=True)
    return shares


def _outlets(main: NDArray[np.int64], rng: np.random.Generator) -> list[str]:
    """Return an outlet for each article; each has topics that it likes."""
    own = rng.random(len(main)) < 0.5
    return [OUTLETS[i] for i in np.where(own, main, rng.integers(len(OUTLETS), size=len(main))) % len(OUTLETS)]


def _texts(
    press: Press, shares: NDArray[np.float64], outlets: list[str], length: int, rng: np.random.Generator
) -> list[str]:
    lengths = np.maximum(3, np.round(length * rng.gamma(4.0, 0.25, len(shares)))).astype(np.int64)
    drawn = _drawn(press, shares, lengths, between=_BETWEEN, rng=rng)
    chance = rng.random(len(drawn))
    form = np.where(chance < 0.06, _STOP, np.where(chance < 0.11, _COMMA, _PLAIN))
    ends = np.cumsum(lengths)
    form[ends - 1] = _STOP
    form[np.flatnonzero(np.roll(form, 1) == _STOP)] = _CAPITAL  # The last word stops, so the first is a capital too.
    written = press.spellings.ravel()[form * press.spellings.shape[1] + drawn].tolist()
    says = rng.random((2, len(shares))) < ((0.5,), (0.2,))
    return [
        f"{f'{outlet} - ' if first else ''}{' '.join(written[end - n : end])}{f' ({outlet})' if last else ''}"
        for end, n, outlet, first, last in zip(
            ends.tolist(), lengths.tolist(), outlets, says[0].tolist(), says[1].tolist(), strict=True
        )
    ]


def _titles(press: Press, shares: NDArray[np.float64], rng: np.random.Generator) -> list[str]:
    lengths = np.full(len(shares), _TITLE_WORDS)
    drawn = _drawn(press, shares, lengths, between=(), rng=rng)
    written = press.spellings[_CAPITAL][drawn].reshape(-1, _TITLE_WORDS)
    return [" ".join(words) for words in written.tolist()]


def _drawn(
    press: Press,
    shares: NDArray[np.float64],
    lengths: NDArray[np.int64],
    *,
    between: tuple[float, ...],
    rng: np.random.Generator,
) -> NDArray[np.uint16]:
    """Return the numbers of the words of all articles, one article after the other."""
    articles = np.repeat(np.arange(len(shares)), lengths)
    ends = np.cumsum(shares, axis=1)
    ends[:, -1] = 1.0  # So that no word falls to the next article by rounding.
    ends += np.arange(len(shares))[:, None]
    found = np.searchsorted(ends.ravel(), articles + rng.random(len(articles)), side="right")
    rows = np.minimum(found - articles * shares.shape[1], shares.shape[1] - 1)
    edges = np.cumsum((0.0, *between))
    chance = rng.random(len(articles))
    is_between = chance < edges[-1]
    rows[is_between] = shares.shape[1] + np.searchsorted(edges, chance[is_between], side="right") - 1
    words: NDArray[np.uint16] = press.table[rows, rng.integers(_STEPS, size=len(articles))]
    return words


def _flawed(texts: list[str], row: int, number: int) -> str:
    """Return the text of an article, or in its turn a copy of an earlier one, or next to nothing."""
    if number % _EMPTY == _EMPTY // 2:
        return _NEXT_TO_NOTHING[number // _EMPTY % len(_NEXT_TO_NOTHING)]
    return texts[max(row - 7, 0)] if number % _COPIED == _COPIED - 1 else texts[row]


def _time(passed: float) -> datetime:
    days = passed * (DAYS - SILENT_DAYS)
    days += SILENT_DAYS * (days >= SILENT_FROM)
    return START + timedelta(seconds=round(86_400 * days))
