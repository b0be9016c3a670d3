"""`siaga download`: the images that a table names by URL, or an official archive, into a folder."""

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siaga.cli.options import AsJson, ColumnNames

if TYPE_CHECKING:
    from siaga.sources.download import Downloaded


def run(
    what: Annotated[
        str, typer.Argument(metavar="WHAT", help="A table with a column of URLs; or an archive: mnist, cifar100.")
    ],
    out: Annotated[Path, typer.Option(help="The folder to fill; a second call goes on where the first one ended.")],
    column: ColumnNames = [],
    all_rows: Annotated[
        bool, typer.Option("--all-rows", help="Keep the rows whose image did not arrive, without image.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch the images of a table (whose column url holds the URLs, or --column image=NAME), or an official archive.

    Only http and https to public addresses; 10 MB, 10 seconds and 3 redirects a file; 16 at a time, 2 from one host.
    The folder gets posts.jsonl, the table of what arrived, and failures.jsonl, each failure with its reason.
    """
    from siaga.cli.progress import counting
    from siaga.sources.archives import ARCHIVES, PATIENT
    from siaga.sources.download import download_archive
    from siaga.sources.fetching import Web

    if what not in ARCHIVES:
        _fetch_table(Path(what), out, column, all_rows=all_rows, as_json=as_json)
        return
    with counting("bytes") as hear:
        folder = download_archive(what, out, web=Web(limits=PATIENT, hear=hear))
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), "recipe": ARCHIVES[what].recipe}))
        return
    settings = " ".join(f"--set source.{part}={shlex.quote(str(folder))}" for part in ("train", "test"))
    typer.echo(f"{what} is in {folder}, every byte as it was published.")
    typer.echo(f"Train on it: siaga train {ARCHIVES[what].recipe} --set source.kind=arrays {settings}")


def _fetch_table(table: Path, out: Path, columns: list[str], *, all_rows: bool, as_json: bool) -> None:
    from siaga.cli.posts import given_columns
    from siaga.cli.progress import counting
    from siaga.errors import DataError
    from siaga.schema import Columns
    from siaga.sources.download import download_table
    from siaga.sources.fetching import Web

    named = Columns(**{"image": "url", **given_columns(columns)})
    with counting("URLs") as hear:
        done = download_table(table, out, columns=named, all_rows=all_rows, web=Web(hear=hear))
    if as_json:
        typer.echo(json.dumps(asdict(done), default=str))
    else:
        _tell(done)
    if not done.arrived:
        why = f"{done.failures} says why, row by row" if done.failed else f"{table} has no rows"
        raise DataError(f"No image arrived: {why}.")


def _tell(done: "Downloaded") -> None:
    reasons = ", ".join(f"{count:,} × {reason}" for reason, count in done.reasons.items())
    typer.echo(f"{done.rows:,} rows: {done.arrived:,} arrived, {done.failed:,} failed{reasons and f' ({reasons})'}.")
    if done.failed:
        typer.echo(f"What failed, and why: {done.failures}. The same command tries it again.")
    if done.arrived:
        path = shlex.quote(str(done.posts))
        typer.echo(f"Train on what arrived: siaga train RECIPE --set source.kind=table --set source.path={path}")
