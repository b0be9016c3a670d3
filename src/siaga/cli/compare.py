"""`siaga compare`: is one run better than another, beyond noise?"""

import json
from pathlib import Path
from typing import Annotated

import typer

from siaga.cli.options import AsJson


def run(
    a: Annotated[Path, typer.Argument(help="A run folder.")],
    b: Annotated[Path, typer.Argument(help="Another run folder, measured on the same posts.")],
    as_json: AsJson = False,
) -> None:
    """Compare two runs on the posts that both answered, by paired tests."""
    from siaga.evaluation.compare import compare

    comparison = compare(a, b)
    typer.echo(json.dumps(comparison.to_dict(), ensure_ascii=True) if as_json else comparison.text())
