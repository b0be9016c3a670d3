"""`siaga train`: from a recipe to a run folder."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from siaga.cli.options import AsJson, RecipeName, Seed, Settings, Variant, with_seed


def run(
    recipe: RecipeName,
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/NAME when not given.")] = None,
    settings: Settings = [],
    variant: Variant = None,
    seed: Seed = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run in the folder.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was killed or interrupted.")] = False,
    checkpoint_every: Annotated[
        float, typer.Option(min=0.0, metavar="SECONDS", help="How often a net that learns keeps a checkpoint.")
    ] = 30.0,
    tensorboard: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write each epoch's figures for TensorBoard, under the run's name."),
    ] = None,
    mlflow: Annotated[
        str | None, typer.Option(metavar="URI", help="Write them for MLflow: sqlite:///FILE, on this machine alone.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a recipe and measure it on posts that were held out: a bundle, a report, and the records of the run."""
    from siaga.cli.progress import hearing
    from siaga.cli.tables import table_by_event, table_of
    from siaga.recipe import load_recipe
    from siaga.schema import EventSplit
    from siaga.tracking import together, tracking
    from siaga.workflow import Restart, is_first, train, train_by_event

    checked = load_recipe(recipe, overrides=with_seed(settings, seed), variant=variant)
    folder = out or Path("runs") / checked.name
    by_event = isinstance(checked.split, EventSplit) and checked.split.held_out is None
    restart = Restart(resume=resume, every_s=checkpoint_every)
    if by_event and (tensorboard or mlflow):
        raise typer.BadParameter("--tensorboard and --mlflow follow one training: name an event as split.held_out")
    with hearing() as told, tracking(checked, run=folder.name, tensorboard=tensorboard, mlflow=mlflow) as tracked:
        progress = together(told, tracked.hear)
        if by_event:
            reports = train_by_event(checked, folder, overwrite=overwrite, restart=restart, progress=progress)
        else:
            reports = {"": train(checked, folder, overwrite=overwrite, restart=restart, progress=progress)}
            tracked.finish(reports[""])
    if "RANK" in os.environ:
        from siaga.models.processes import part

        part()
    if not is_first():
        return
    if as_json:
        printed = {name: report.to_dict() for name, report in reports.items()}
        typer.echo(json.dumps(printed if by_event else printed[""], ensure_ascii=True))
        return
    typer.echo(table_by_event(reports) if by_event else table_of(reports[""]))
    typer.echo(f"See {folder / ('*' if by_event else '') / 'report.html'}")
