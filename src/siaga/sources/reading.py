"""Reading: how the rows of a table become posts, and which columns that takes."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from siaga.errors import DataError, did_you_mean
from siaga.schema import Columns, Files
from siaga.sources.rows import Row, Rows

PARTS = ("id", "text", "image", "label", "time", "event", "language", "lon", "lat")
ALL_PARTS = (*PARTS, "fields")
ROWS_TO_FIND_COLUMNS = 1_000
SAME_NAMES = Columns()


@dataclass(frozen=True, slots=True)
class Reading:
    """How the rows of a table become posts. Labels are not read at all where `labels` is None.

    A named column must be there if its part is among `demands`. `name` begins the id of a post that has none
    ("name:line"); None stands for the file's own name.
    """

    columns: Columns = SAME_NAMES
    labels: Mapping[str, str] | None = field(default_factory=dict)
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    image_root: Path | None = None
    name: str | None = None
    demands: Collection[str] = ALL_PARTS

    def column(self, part: str) -> str:
        """Return the column that holds a part of a post: the named one, or the one of the same name."""
        named: str | None = getattr(self.columns, part)
        return named or part

    @property
    def demanded(self) -> dict[str, str]:
        """The columns that must be there, each with the setting that says so."""
        named = [part for part in PARTS if part in self.demands and getattr(self.columns, part) is not None]
        return {
            **{self.column(part): _setting(part) for part in named if part != "label" or self.reads_labels},
            **dict.fromkeys(self.columns.fields if "fields" in self.demands else (), "source.columns.fields"),
            **dict.fromkeys(self.where, "source.where"),
        }

    @property
    def reads_labels(self) -> bool:
        """Whether labels are read."""
        return self.labels is not None

    @property
    def wanted(self) -> frozenset[str]:
        """All columns that are read where they are there."""
        return frozenset([*self.demanded, *self.columns.fields, *map(self.column, PARTS)])


def named_paths(spec: Files) -> dict[str, Path]:
    """Return the paths that a source names, by the part of the data that they hold."""
    paths = {
        "posts": spec.path,
        "train": spec.train,
        "validation": spec.validation,
        "test": spec.test,
        "unlabelled": spec.unlabelled,
    }
    return {key: path for key, path in paths.items() if path is not None}


def with_columns(rows: Rows, reading: Reading, name: str) -> Iterator[Row]:
    """Yield the rows; raises DataError when the table lacks, or repeats, a column that `reading` needs.

    A table whose rows name their own columns lacks those that its first ROWS_TO_FIND_COLUMNS rows never name.
    """
    if rows.columns is not None:
        _check_repeats(rows.columns, reading, name)
        _check(rows.columns, reading, name)
        yield from rows.rows
        return
    found: dict[str, None] = {}
    is_complete = False
    count = 0
    for count, row in enumerate(rows.rows, 1):
        if not is_complete:
            found.update(dict.fromkeys(row.values))
            is_complete = not _missing(found, reading)
            if count == ROWS_TO_FIND_COLUMNS:
                _check(found, reading, name)
        yield row
    if count and not is_complete:
        _check(found, reading, name)


def _check(columns: Collection[str], reading: Reading, name: str) -> None:
    if missing := _missing(columns, reading):
        lacks = ", ".join(map(repr, missing))
        meant = "".join(dict.fromkeys(did_you_mean(column, columns) for column in missing))
        has = ", ".join(column for column in columns if column)
        settings = " or ".join(dict.fromkeys(missing.values()))
        word = "column" if len(missing) == 1 else "columns"
        raise DataError(f"{name} lacks the {word} {lacks}.{meant} It has: {has[:500]}. Set {settings}.")


def _missing(columns: Collection[str], reading: Reading) -> dict[str, str]:
    """Return the columns that are not there, each with its setting; a table needs a text or an image at least."""
    missing = {column: setting for column, setting in reading.demanded.items() if column not in columns}
    if not missing and not any(reading.column(part) in columns for part in ("text", "image")):
        missing = {reading.column(part): _setting(part) for part in ("text", "image")}
    return missing


def _check_repeats(columns: tuple[str, ...], reading: Reading, name: str) -> None:
    wanted = reading.wanted
    for column in columns:
        if column in wanted and columns.count(column) > 1:
            raise DataError(f"{name} has {columns.count(column)} columns {column!r}. Rename all but one.")


def _setting(part: str) -> str:
    return f"source.columns.{part} (or --column {part}=NAME)"
