"""The front door of the command line: the commands, and what an error looks like."""

import logging
import os
import sys

import typer

from siaga.cli import (
    check,
    compare,
    demo,
    describe,
    doctor,
    download,
    evaluate,
    feed,
    mood,
    predict,
    recipes,
    select,
    show,
    stream,
    train,
)
from siaga.errors import SiagaError

app = typer.Typer(
    name="siaga",
    help="Siaga turns social-media posts into decisions: train, measure honestly, predict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS = (
    *(demo, recipes, show, check, describe, download),
    *(select, train, evaluate, compare, predict),
    *(stream, feed, mood, doctor),
)
for module in COMMANDS:
    app.command(module.__name__.rpartition(".")[2])(module.run)


def main() -> None:
    """Run a command: exit code 0, 1 for the user's faults (one line), 2 for wrong usage, 130 when interrupted."""
    try:
        _listen()
        _run()
    except SiagaError as error:
        typer.echo(f"siaga: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:  # The reader of our output has gone, as `head` does; nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)


def _listen() -> None:
    level = os.environ.get("SIAGA_LOG", "WARNING")
    if level.upper() not in logging.getLevelNamesMapping():
        raise SiagaError(f"SIAGA_LOG is {level!r}. Set it to DEBUG, INFO, WARNING or ERROR.")
    logging.basicConfig(format="%(message)s", level=level.upper(), stream=sys.stderr)


def _run() -> None:
    stdout = sys.stdout
    try:
        app()
    except SystemExit as done:
        if sys.stdout is not stdout:  # So typer answers a reader that has gone, and exits with 1.
            sys.stdout = stdout
            raise BrokenPipeError from None
        if not done.code:
            stdout.flush()  # Here, not when Python ends, where a reader that has gone could not be answered any more.
        raise
