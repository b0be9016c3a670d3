"""Predictions as a competition asks for them: a CSV of ids and labels, and nothing else."""

import csv
import io
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from siaga.errors import DataError, RecipeError
from siaga.files import write_whole
from siaga.post import Prediction
from siaga.schema import Recipe, Submission
from siaga.serving.batch import guarded
from siaga.serving.flat import Cell


def check_submission(recipe: Recipe, output: str) -> Submission:
    """Return the recipe's submission; raises RecipeError where it has none, and DataError for what is no CSV."""
    if recipe.submission is None:
        what = f"The recipe of this bundle, {recipe.name}, has no [submission], so the names of the columns are unknown"
        raise RecipeError(f"{what}. Add it (id, label, numbered) and train again, or leave out --format kaggle.")
    if output != "-" and Path(output).suffix != ".csv":
        raise DataError(f"{output} is not named like a submission. Give it the suffix .csv.")
    return recipe.submission


def write_submission(predictions: Iterable[Prediction], output: str, submission: Submission) -> None:
    """Write ids (or the numbers of the rows, from 1) and labels to a CSV file that is whole or absent, or to stdout.

    What a spreadsheet could take for a formula gets an apostrophe in front, but a number stays as it is.
    """
    if output == "-":
        _write(predictions, sys.stdout, submission)
        return
    with write_whole(Path(output)) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
        _write(predictions, text, submission)
        text.detach()


def _write(predictions: Iterable[Prediction], stream: IO[str], submission: Submission) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([submission.id, submission.label])
    for number, prediction in enumerate(predictions, 1):
        id_ = str(number) if submission.numbered else prediction.id
        label = submission.labels.get(prediction.label, prediction.label)
        writer.writerow([_cell(id_), _cell(label)])


def _cell(text: str) -> Cell:
    """Return a text as it may stand in a CSV file: no formula, and no half of a surrogate pair."""
    plain = text.encode("utf-8", "backslashreplace").decode()
    return plain if plain.removeprefix("-").isdecimal() else guarded(plain)
