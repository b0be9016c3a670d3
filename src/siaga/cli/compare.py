"""`siaga compare`: is one run better than another, beyond noise? And how did they learn?"""

import json
from pathlib import Path
from typing import Annotated

import typer

from siaga.cli.options import AsJson


def run(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Two run folders, measured on the same posts; any number with --curves."),
    ],
    curves: Annotated[
        bool, typer.Option("--curves", help="Write a page with the learning curves of the runs instead.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The page of --curves; curves.html when not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two runs on the posts that both answered, by paired tests; or the learning curves of several runs."""
    if curves:
        _compare_curves(runs, output or Path("curves.html"), as_json=as_json)
        return
    if len(runs) != 2 or output is not None:
        wrong = "--output is the page of --curves" if output else "give two run folders; --curves takes any number"
        raise typer.BadParameter(wrong)
    from siaga.evaluation.compare import compare

    comparison = compare(*runs)
    typer.echo(json.dumps(comparison.to_dict(), ensure_ascii=True) if as_json else comparison.text())


def _compare_curves(runs: list[Path], output: Path, *, as_json: bool) -> None:
    from siaga.evaluation.curves import curve_rows, is_mixed, read_curves, write_curves

    curves = read_curves(runs)
    write_curves(curves, output)
    if as_json:
        typer.echo(json.dumps(curve_rows(curves), ensure_ascii=True))
        return
    typer.echo(_table(curve_rows(curves)))
    if is_mixed(curves):
        typer.echo("These runs learned from different data, so their figures do not compare.", err=True)
    typer.echo(f"See {output}")


def _table(rows: list[dict[str, object]]) -> str:
    from siaga.cli.tables import aligned

    def number(value: object) -> str:
        return f"{value:.4f}" if isinstance(value, float) else "-"

    head = ["run", "fit", "epochs", "best epoch", "loss", "accuracy", "macro_f1", "seconds"]
    cells = [
        [
            *(str(row[key]) for key in ("run", "fit", "epochs", "best_epoch")),
            *(number(row[key]) for key in ("loss", "accuracy", "macro_f1")),
            f"{row['seconds']:.1f}",
        ]
        for row in rows
    ]
    return aligned([head, *cells])
