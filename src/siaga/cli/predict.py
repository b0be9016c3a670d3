"""`siaga predict`: answers for a file of posts, a pipe, or one post."""

from pathlib import Path
from typing import Annotated

import typer

from siaga.cli.options import BundleFolder, ColumnNames


def run(
    bundle: BundleFolder,
    posts: Annotated[
        str | None, typer.Argument(help="CSV, TSV, JSONL or Parquet, plain or .gz; - for JSON lines on stdin.")
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="A .jsonl, .csv or .parquet file; - for stdout.")] = "-",
    text: Annotated[str | None, typer.Option(help="Predict one post with this text.")] = None,
    image: Annotated[Path | None, typer.Option(help="Predict one post with this image.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many posts.")] = None,
    column: ColumnNames = [],
) -> None:
    """Answer for each post with its label, its probabilities, and what was read of it.

    Rows that cannot be read go to OUTPUT.quarantine.jsonl (stdout.quarantine.jsonl when the output is stdout).
    """
    from itertools import islice

    from siaga.bundle import load_bundle
    from siaga.cli.posts import check_apart, one_post, reading
    from siaga.cli.progress import counted
    from siaga.serving.batch import check_output, write_output

    if (posts is None) == (text is None and image is None):
        raise typer.BadParameter("give either a file of posts, or --text and/or --image")
    check_output(output)
    loaded = load_bundle(bundle)
    if posts is None:
        write_output(loaded.predict([one_post(text, image)]), output)
        return
    beside = Path(f"{'stdout' if output == '-' else output}.quarantine.jsonl")
    check_apart(posts, [Path(output), beside])
    with reading(loaded, posts, columns=column, beside=beside) as read:
        write_output(counted(loaded.predict_stream(islice(read, limit))), output)
