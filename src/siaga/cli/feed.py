"""`siaga feed`: lines of posts onto a Redis stream or a Kafka topic, for trying a stream out."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from siaga.cli.interrupts import leaving_at_once
from siaga.cli.options import AsJson

_EVERY_S = {True: 0.5, False: 10.0}  # On a terminal, and in a log.


def run(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FROM",
            help="A file or folder of JSON lines (plain, .gz, .bz2, .xz), - for stdin, or `synthetic` for made ones.",
        ),
    ],
    to: Annotated[
        str,
        typer.Argument(metavar="TO", help="redis://HOST/STREAM, kafka://HOST:PORT/TOPIC, or a file (.jsonl, .gz)."),
    ],
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many lines.")] = None,
    rate: Annotated[float | None, typer.Option(min=0.01, help="Send at most so many lines a second.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put lines of posts, as they are, onto a Redis stream or a Kafka topic, or into a file.

    Each line becomes one message; blank ones are left out. `synthetic` makes --limit tweets and delete
    notices (1,000 where it is not given). The counterpart is `siaga stream --from TO`.
    """
    with leaving_at_once():
        from siaga.serving.stream.feed import feed, read_feed
        from siaga.serving.stream.inputs import check_files

    check_files(source, to)
    with _telling() as hear:
        sent = feed(read_feed(source, limit=limit), to, per_s=rate, hear=hear)
    scheme, is_url, rest = to.rpartition("://")
    where = scheme + is_url + rest.rpartition("@")[2].partition("?")[0] if is_url else to  # Without a password.
    typer.echo(json.dumps({"lines": sent, "to": where}) if as_json else f"{sent:,} lines went to {where}.")


@contextmanager
def _telling() -> Iterator[Callable[[int], None]]:
    from siaga.cli.progress import Teller

    teller = Teller(live=sys.stderr.isatty())
    started = told = time.monotonic()

    def hear(sent: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told > _EVERY_S[teller.live]:
            told = now
            teller.say(f"{sent:,} lines, {sent / (now - started):,.0f}/s", lasting=not teller.live)

    try:
        yield hear
    finally:
        teller.wipe()
