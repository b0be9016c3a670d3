"""`siaga evaluate`: how good is a bundle on these posts?"""

import json
from pathlib import Path
from typing import Annotated

import typer

from siaga.cli.options import AsJson, BundleFolder, ColumnNames


def run(
    bundle: BundleFolder,
    posts: Annotated[str, typer.Argument(help="Labelled posts: CSV, TSV, JSONL or Parquet, plain or .gz.")],
    out: Annotated[
        Path | None, typer.Option(help="A folder for report.json, report.html, predictions.parquet.")
    ] = None,
    column: ColumnNames = [],
    as_json: AsJson = False,
) -> None:
    """Measure a bundle on labelled posts that it was not trained on."""
    from siaga.bundle import load_bundle
    from siaga.cli.posts import reading
    from siaga.cli.progress import hearing
    from siaga.cli.tables import table_of
    from siaga.run_folder import check_no_run
    from siaga.workflow import evaluate_bundle

    if out:
        check_no_run(out)
    loaded = load_bundle(bundle)
    beside = out / "quarantine.jsonl" if out else None
    with (
        reading(loaded, posts, columns=column, beside=beside, labelled=True) as labelled,
        hearing() as progress,
    ):
        evaluation = evaluate_bundle(loaded, labelled, progress=progress)
    if out:
        evaluation.write(out)
    report = evaluation.report
    typer.echo(json.dumps(report.to_dict(), ensure_ascii=True) if as_json else table_of(report))
