"""The prevalence of topics as lines that break at gaps, in a frame 1,000 wide and 100 high that the page stretches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

WIDTH, HEIGHT = 1_000.0, 100.0
TICKS = 7
END_GAP = 6.5  # Between two numbers at the ends of lines.
ROUND = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
FORMATS = {"hour": "%d %b %H:%M", "day": "%d %b %Y", "week": "%d %b %Y", "month": "%b %Y", "year": "%Y"}

Prevalence = Mapping[str, Any]  # Any: a value of report.json.
Share = float | None


@dataclass(frozen=True)
class Path:
    """A line as two paths: where it runs, and its points that stand alone."""

    run: str
    alone: str


@dataclass(frozen=True)
class Line:
    """A topic over time: in the common frame, in a frame of its own height, and where it ends, in %."""

    number: int
    common: Path
    own: Path
    end: float
    most: float


@dataclass(frozen=True)
class Course:
    """All topics over time; ticks are (place in %, words), gaps and bars (left, width, …) in units of the frame."""

    unit: str
    top: float
    lines: list[Line]
    levels: list[tuple[float, str]]
    ticks: list[tuple[float, str]]
    gaps: list[tuple[float, float]]
    bars: list[tuple[float, float, float, str]]
    most_posts: int


def course(prevalence: Prevalence) -> Course | None:
    """Return the lines of a report's prevalence; None where it has none."""
    if not prevalence:
        return None
    rows: list[list[float] | None] = prevalence["shares"]
    topics = len(next(row for row in rows if row is not None))
    columns = [[None if row is None else row[k] for row in rows] for k in range(topics)]
    top = _rounded(max(value for column in columns for value in column if value is not None))
    return Course(
        unit=prevalence["unit"],
        top=top,
        lines=[_line(k + 1, column, top) for k, column in enumerate(columns)],
        levels=[(100.0 - 50.0 * half, f"{100 * top * half / 2:.3g} %") for half in range(3)],
        ticks=_ticks(prevalence["starts"], prevalence["unit"]),
        gaps=list(_gaps(rows)),
        bars=_bars(prevalence),
        most_posts=max(prevalence["posts"]),
    )


def spread(ends: Mapping[int, float]) -> dict[int, float]:
    """Return the places of numbers at the ends of lines, in %, moved so that none stands on another."""
    places: dict[int, float] = {}
    lowest = HEIGHT - END_GAP * (len(ends) - 1)
    free = -HEIGHT
    for number in sorted(ends, key=lambda each: (ends[each], each)):
        places[number] = max(min(ends[number], lowest), free)
        free, lowest = places[number] + END_GAP, lowest + END_GAP
    return places


def _line(number: int, column: Sequence[Share], top: float) -> Line:
    known = [value for value in column if value is not None]
    most = max(known)
    end = round(100 - 100 * known[-1] / top, 2)
    return Line(number, _path(column, top), _path(column, max(most, 1e-9)), end, most)


def _path(column: Sequence[Share], top: float) -> Path:
    """Return the path of a column that breaks where nothing is known."""
    step, runs, alone = WIDTH / len(column), [], []
    for is_known, run in groupby(enumerate(column), key=lambda pair: pair[1] is not None):
        if is_known:
            points = [f"{(i + 0.5) * step:.0f} {HEIGHT - HEIGHT * (value or 0.0) / top:.1f}" for i, value in run]
            if len(points) == 1:
                alone.append(f"M{points[0]}h.1")
            else:
                runs.append("M" + "L".join(points))
    return Path("".join(runs), "".join(alone))


def _gaps(rows: Sequence[object]) -> Iterator[tuple[float, float]]:
    step, start = WIDTH / len(rows), 0
    for is_known, run in groupby(rows, key=lambda row: row is not None):
        length = len(list(run))
        if not is_known:
            yield round(start * step, 1), round(length * step, 1)
        start += length


def _bars(prevalence: Prevalence) -> list[tuple[float, float, float, str]]:
    posts, step = prevalence["posts"], WIDTH / len(prevalence["posts"])
    share = 0.8 if len(posts) <= 120 else 1.0
    return [
        (
            round((i + (1 - share) / 2) * step, 1),
            round(share * step, 1),
            round(100 * n / max(posts), 1),
            _words(i, prevalence),
        )
        for i, n in enumerate(posts)
    ]


def _words(step: int, prevalence: Prevalence) -> str:
    n = prevalence["posts"][step]
    return f"{_clock(prevalence['starts'][step], prevalence['unit'])}: {n:,} post{'s' if n != 1 else ''}"


def _ticks(starts: Sequence[str], unit: str) -> list[tuple[float, str]]:
    every = -(-len(starts) // TICKS)
    return [(round(100 * (i + 0.5) / len(starts), 2), _clock(starts[i], unit)) for i in range(0, len(starts), every)]


def _clock(start: str, unit: str) -> str:
    return datetime.fromisoformat(start).strftime(FORMATS[unit]).lstrip("0")


def _rounded(value: float) -> float:
    """Return the next round number above a share, so that half of it can be written too."""
    power = 1e-4
    while 10 * power < value:
        power *= 10
    return min(1.0, next((each * power for each in ROUND if each * power >= value), 10 * power))
