"""`siaga predict`: answers for a file of posts, a pipe, or one post."""

import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siaga.cli.options import BundleFolder, ColumnNames

if TYPE_CHECKING:
    from siaga.post import Prediction


class Format(StrEnum):
    """How the output is written: by its suffix, or as the recipe's `submission` says."""

    AUTO = "auto"
    KAGGLE = "kaggle"


def run(
    bundle: BundleFolder,
    posts: Annotated[
        str | None,
        typer.Argument(help="CSV, TSV, JSONL, Parquet, plain or .gz; a stream's .json; arrays; - for JSON on stdin."),
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="A .jsonl, .csv or .parquet file; - for stdout.")] = "-",
    format_: Annotated[
        Format, typer.Option("--format", help="By the output's suffix, or the CSV that a competition asks for.")
    ] = Format.AUTO,
    text: Annotated[str | None, typer.Option(help="Predict one post with this text.")] = None,
    image: Annotated[Path | None, typer.Option(help="Predict one post with this image.")] = None,
    language: Annotated[str | None, typer.Option(help="The language of that one post, such as en.")] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what in each post speaks for its label, and what against it.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many posts.")] = None,
    column: ColumnNames = [],
) -> None:
    """Answer for each post with its label, its probabilities, and what was read of it.

    Rows that cannot be read go to OUTPUT.quarantine.jsonl (stdout.quarantine.jsonl when the output is stdout).
    `--format kaggle` writes ids and labels only, under the names that the recipe's `submission` gives them. `--explain`
    takes words, patches of the picture, fields, modalities and members away one by one; a post takes about as long as
    150. Its effects go into JSON lines, or for one post onto the terminal in words.
    """
    from itertools import islice

    from siaga.bundle import load_bundle
    from siaga.cli.explained import in_words
    from siaga.cli.posts import check_apart, one_post, reading
    from siaga.cli.progress import counted
    from siaga.serving.batch import check_output, write_output
    from siaga.serving.submission import check_submission, write_submission

    if (posts is None) == (text is None and image is None):
        raise typer.BadParameter("give either a file of posts, or --text and/or --image")
    if language is not None and posts is not None:
        raise typer.BadParameter("--language is that of --text; a file says its posts' languages in a column")
    if explain and format_ is Format.KAGGLE:
        raise typer.BadParameter("a submission has no room for --explain")
    check_output(output, explained=explain)
    loaded = load_bundle(bundle)
    submission = check_submission(loaded.recipe, output) if format_ is Format.KAGGLE else None
    is_numbered = submission is not None and submission.numbered

    def write(predictions: Iterable["Prediction"]) -> None:
        if submission is None:
            write_output(predictions, output)
        else:
            write_submission(predictions, output, submission)

    answer = loaded.explain_stream if explain else loaded.predict_stream
    if posts is None:
        predictions = list(answer([one_post(text, image, language=language)]))
        if explain and output == "-" and sys.stdout.isatty():
            typer.echo(in_words(predictions[0]))
        else:
            write(predictions)
        return
    beside = Path(f"{'stdout' if output == '-' else output}.quarantine.jsonl")
    check_apart(posts, [Path(output), beside])
    with reading(loaded, posts, columns=column, beside=beside, whole=is_numbered) as read:
        write(counted(answer(islice(read, limit))))
