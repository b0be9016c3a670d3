"""Reports as files: dataclasses whose fields are plain JSON, written whole and read back as they were."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from siaga.errors import DataError
from siaga.files import write_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Kind = TypeVar("Kind", bound=DataclassInstance)


def write_report(report: "DataclassInstance", path: Path) -> None:
    """Write the fields of a report as JSON, whole or not at all."""
    write_text(path, json.dumps(asdict(report), indent=1, allow_nan=False) + "\n")


def read_report(kind: "type[Kind]", path: Path, *, needed: frozenset[str]) -> "Kind":
    """Read what `write_report` wrote; a file of this kind has the `needed` fields, and none that the kind has not.

    Raises DataError when there is no report, or it is another kind of file.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"There is no report at {path}. Give the folder of a finished run.") from None
    except ValueError as error:
        raise DataError(f"{path} is not a report: {error}. Train or evaluate again.") from None
    known = {each.name for each in fields(kind)}
    if not isinstance(content, dict) or not needed <= set(content) <= known:
        raise DataError(f"{path} is not a report of this version. Train or evaluate again.")
    try:
        return kind(**content)
    except TypeError as error:
        raise DataError(f"{path} is not a whole report: {error}. Train or evaluate again.") from None


def as_json(value: object) -> Any:  # Any: whatever JSON can hold.
    """Return a value as JSON holds it: NumPy scalars unboxed, tuples as lists, NaN as None, all else as text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return float(value) if np.isfinite(value) else None
        case np.generic():
            return as_json(value.item())
        case Mapping():
            return {str(key): as_json(each) for key, each in value.items()}
        case list() | tuple():
            return [as_json(each) for each in value]
        case _:
            return str(value)
