"""`siaga mood`: the mood of a stream by the minute, by language and by place, with intervals."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siaga.cli.interrupts import leaving_at_once
from siaga.cli.options import AsJson

if TYPE_CHECKING:
    from siaga.quarantine import Quarantine
    from siaga.serving.mood.figures import Figures
    from siaga.serving.mood.summary import Summary
    from siaga.serving.mood.tally import Tally, Window

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LONGEST_S = 366 * _SECONDS["d"]
_ROWS = 30


@dataclass(frozen=True)
class _Wish:
    """What is to be measured: which times, by periods of which length, in which languages."""

    window: "Window"
    period_s: int | None
    languages: tuple[str, ...]

    def tally(self) -> "Tally":
        """Return what counts by such periods."""
        from siaga.serving.mood.tally import Tally

        return Tally() if self.period_s is None else Tally(self.period_s * 1000, is_fixed=True)


def run(
    source: Annotated[
        str,
        typer.Argument(
            metavar="STORE|FILE|FOLDER",
            help="A store (mood.db, postgresql://…), or recorded posts: JSON lines, plain or .gz, .bz2, .xz.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder to fill with mood.html, mood.json, tables and charts.")] = Path(
        "mood"
    ),
    with_: Annotated[
        str | None,
        typer.Option("--with", metavar="RECIPE|BUNDLE", help="What answers on files; stream-sentiment when not given."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Whose answers, where a store holds those of several.")] = None,
    every: Annotated[
        str | None, typer.Option(metavar="10s|5m|1h", help="The length of a period; a minute, or more of a long time.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Leave out earlier posts (2019-07-03T06:29, UTC; whole minutes).")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Leave out posts of this time and later.")] = None,
    language: Annotated[
        list[str],
        typer.Option(
            metavar="CODE", help="Whose posts the mean is of (en); those with words that the list knows when not given."
        ),
    ] = [],
    as_json: AsJson = False,
) -> None:
    """Sum up what was said of a stream's posts: mean score and shares with 95 % intervals, volume, languages, places.

    Of files, scores.txt and lines.tsv hold a line for every post as well.
    """
    with leaving_at_once():
        from siaga.serving.mood.output import write_summary
        from siaga.serving.mood.stored import is_store
        from siaga.serving.mood.tally import Window

    period_s = _seconds(every)
    window = Window(_milliseconds(since, "--since"), _milliseconds(until, "--until"))
    wish = _Wish(window, period_s, _languages(language))
    if is_store(source):
        if with_ is not None:
            raise typer.BadParameter("a store has its answers already; choose whose with --model", param_hint="--with")
        summary = _of_store(source, model, wish)
    else:
        if model is not None:
            raise typer.BadParameter("files have no answers yet; say who answers with --with", param_hint="--model")
        summary = _of_files(Path(source), out, with_ or "stream-sentiment", wish)
    write_summary(summary, out)
    if as_json:
        typer.echo(json.dumps(summary.to_dict(), ensure_ascii=True))
        return
    _tell(summary)
    typer.echo(f"See {out / 'mood.html'}")


def _of_store(source: str, model: str | None, wish: _Wish) -> "Summary":
    from siaga.serving.mood.figures import asked_of
    from siaga.serving.mood.stored import choose_model, tally_store
    from siaga.serving.mood.summary import summarise
    from siaga.serving.store import open_store

    with open_store(source, must_exist=True) as store:
        chosen = choose_model(store, model)
        tally, counts = wish.tally(), store.counts()
        tally_store(store, chosen, tally=tally, window=wish.window)
    asked = asked_of(tally, wish.languages)
    return summarise(tally, model=chosen, asked=asked, read={"in the store": counts})


def _of_files(path: Path, out: Path, with_: str, wish: _Wish) -> "Summary":
    from siaga.cli.progress import counting
    from siaga.serving.mood.figures import asked_of
    from siaga.serving.mood.recorded import Recording, record
    from siaga.serving.mood.summary import summarise
    from siaga.serving.stream.inputs import check_files
    from siaga.serving.stream.scoring import open_scorer

    check_files(str(path), str(out / "mood.json"))
    scorer = open_scorer(with_)
    recording = Recording(wish.tally(), wish.window)
    try:
        with counting("files") as hear:
            record(path, scorer, into=recording, lines_into=out, hear=hear)
    finally:
        _set_aside(recording.quarantine, out / "quarantine.jsonl")
    asked = asked_of(recording.tally, wish.languages)
    return summarise(recording.tally, model=scorer.model, asked=asked, read=recording.counts())


def _set_aside(quarantine: "Quarantine", path: Path) -> None:
    quarantine.write(path)
    if quarantine:
        what = "message" if len(quarantine) == 1 else "messages"
        typer.echo(f"{len(quarantine):,} {what} could not be read. See {path}.", err=True)


def _seconds(every: str | None) -> int | None:
    if every is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,6})([smhd])", every)
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not 0 < seconds <= _LONGEST_S:
        what = f"{every!r} is no length of time such as 10s, 5m, 1h or 1d; the longest is 366d"
        raise typer.BadParameter(what, param_hint="--every")
    return seconds


def _languages(codes: list[str]) -> tuple[str, ...]:
    from siaga.sources.items.languages import language_of

    languages = [language_of(code) for code in codes]
    for code, language in zip(codes, languages, strict=True):
        if language is None:
            raise typer.BadParameter(
                f"{code[:80]!r} is not a language's code such as id or en", param_hint="--language"
            )
    return tuple(language for language in languages if language is not None)


def _milliseconds(time: str | None, name: str) -> int | None:
    from siaga.sources.values import Fault, as_time

    try:
        moment = as_time(time)
    except Fault as fault:
        raise typer.BadParameter(str(fault), param_hint=name) from None
    return None if moment is None else int(moment.timestamp()) // 60 * 60_000


def _tell(summary: "Summary") -> None:
    from siaga.cli.tables import aligned
    from siaga.serving.mood.words import clock, length, notes, whose

    whom, labels = whose(summary.asked), summary.asked.labels
    head = [f"UTC, by {length(summary.every_s)}", "posts", *([whom, "mean"] if summary.asked.has_scores else [])]
    shown = summary.periods[-_ROWS:]
    rows = [[*head, *labels]] + [
        [clock(period.start, summary), *_cells(summary, period.views.all.posts, period.views.languages)]
        for period in shown
    ]
    total = ["all", *_cells(summary, summary.total.all.posts, summary.total.languages)]
    typer.echo(f"{summary.total.all.posts:,} posts by {summary.model} (95 % intervals)")
    typer.echo(aligned([*rows, total]))
    if len(summary.periods) > len(shown):
        typer.echo(f"{len(summary.periods) - len(shown):,} earlier periods stand in per_minute.csv.")
    for note in notes(summary):
        typer.echo(f"- {note}")


def _cells(summary: "Summary", posts: int, figures: "Figures") -> list[str]:
    from siaga.cli.tables import figure

    scored = [f"{figures.posts:,}", figure(figures.mean)] if summary.asked.has_scores else []
    shares = [figures.shares[label]["value"] for label in summary.asked.labels]
    return [f"{posts:,}", *scored, *("-" if share is None else f"{100 * share:.1f} %" for share in shares)]
