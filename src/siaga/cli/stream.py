"""`siaga stream`: posts as they come, scored and kept."""

import json
from dataclasses import fields
from enum import StrEnum
from typing import Annotated

import typer

from siaga.cli.interrupts import leaving_at_once
from siaga.cli.options import AsJson
from siaga.errors import DataError


class Format(StrEnum):
    """What a line of the output is."""

    JSON = "json"
    LINES = "lines"
    SCORES = "scores"
    POSTS = "posts"


class Form(StrEnum):
    """What a message of the input is."""

    AUTO = "auto"
    TWITTER = "twitter"
    TWITTER_V2 = "twitter-v2"
    BLUESKY = "bluesky"
    MASTODON = "mastodon"
    POSTS = "posts"


def run(
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="WHERE",
            help="A file or folder of JSON lines (plain, .gz, .bz2, .xz), - for stdin, redis://HOST/STREAM, "
            "kafka://HOST:PORT/TOPIC, bluesky, or mastodon://SERVER.",
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            metavar="WHERE",
            help="- for stdout, a file of lines (.jsonl, .txt, .tsv), a database (.db), or postgresql://HOST/NAME.",
        ),
    ] = "-",
    with_: Annotated[
        str | None,
        typer.Option("--with", metavar="RECIPE|BUNDLE", help="stream-sentiment, or a trained bundle; none: collect."),
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="What a line of the output is.")] = Format.JSON,
    form: Annotated[Form, typer.Option(help="What a message of the input is; auto finds out.")] = Form.AUTO,
    replay: Annotated[
        str | None, typer.Option(metavar="SPEED", help="Play a recorded file at its own pace, 1x, or faster: 60x.")
    ] = None,
    keyword: Annotated[
        list[str], typer.Option(metavar="WORD", help="Only posts with such a word, or a hashtag that begins with it.")
    ] = [],
    language: Annotated[list[str], typer.Option(metavar="CODE", help="Only posts in such a language: id, en, …")] = [],
    only_with_image: Annotated[bool, typer.Option("--only-with-image", help="Only posts with an image.")] = False,
    per_day: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Collect a fair sample of at most so many posts of each day.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of the sample: another one draws other posts.")] = 0,
    workers: Annotated[int, typer.Option(metavar="N", min=1, max=256, help="Processes that work on it.")] = 1,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Stop after so many posts (a database: or some more).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a stream with a word list or any bundle, and keep what comes of it; or collect its posts.

    Into a database, every message ends in exactly one of its predictions or dead letters, whatever dies; run the same
    command again to go on. `--format` scores (a number a line), lines (language, place, text, answer) and posts (as
    JSON, to read again) are for stdout and files.
    """
    with leaving_at_once():
        from siaga.cli.stream_line import StreamLine
        from siaga.serving.stream.run import Plan, run
        from siaga.sources.wanted import Wanted

    plan = Plan(
        source,
        to,
        scorer=with_,
        format=format_.value,
        form=form.value,
        workers=workers,
        limit=limit,
        wanted=Wanted(tuple(keyword), only_with_image, tuple(language)),
        per_day=per_day,
        seed=seed,
        replay=_speed(replay),
    )
    with StreamLine() as line:
        status = run(plan, hear=line.hear)
    if as_json and to != "-":
        done = {field.name: getattr(status, field.name) for field in fields(status)}  # asdict would break the Counter.
        typer.echo(json.dumps(done, ensure_ascii=True))
    else:
        typer.echo(line.summary(status, kept=plan.has_store), err=True)
        if status.dead and not plan.has_store:
            typer.echo(f"What could not be read is in {plan.quarantine}.", err=True)
    if status.dead and not status.posts and plan.kind == "files":
        reason = next((name for name, _ in status.counts.most_common()), "")
        what = f"No post could be read from {source} ({status.dead:,} messages cannot be read, most for: {reason})"
        raise DataError(f"{what}. Messages are JSON objects, one a line; for a table use siaga predict.")


def _speed(replay: str | None) -> float | None:
    """Return how many times as fast as recorded "60x" (or "60") is."""
    if replay is None:
        return None
    try:
        speed = float(replay.lower().removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise typer.BadParameter(f"{replay!r} is no speed such as 1x or 60x", param_hint="--replay")
    return speed
