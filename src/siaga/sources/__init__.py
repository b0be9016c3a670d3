"""Raw data in, posts out: tables (CSV, TSV, JSONL, Parquet), folders of images, arrays, streams, seeded look-alikes.

`read_source` reads what a recipe names, `read_posts` any one table. Both are lazy and stream. A row that cannot be
used, and a part of a row that cannot, goes to the quarantine with its line and its reason.
"""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import assert_never

from siaga.post import Post
from siaga.quarantine import Quarantine
from siaga.schema import ArraysSource, Columns, FolderSource, SourceSpec, SyntheticSource, TableSource, TwitterSource

_SAME_LABELS: Mapping[str, str] = MappingProxyType({})
_SAME_NAMES = Columns()


def read_source(spec: SourceSpec, *, quarantine: Quarantine) -> dict[str, Iterator[Post]]:
    """Return the posts of a source by part: "posts" (to be split later) or "train", "validation" and "test" as
    given, and "unlabelled"; only those that the source names.

    Raises DataError at once for a path that cannot be a source, and with the first posts for what is in it.
    """
    match spec:
        case TableSource():
            from siaga.sources.table import read_tables

            return read_tables(spec, quarantine=quarantine)
        case FolderSource():
            from siaga.sources.folder import read_folders

            return read_folders(spec, quarantine=quarantine)
        case ArraysSource():
            from siaga.sources.arrays import read_arrays

            return read_arrays(spec, quarantine=quarantine)
        case TwitterSource():
            from siaga.sources.items.source import read_message_files

            return read_message_files(spec, quarantine=quarantine)
        case SyntheticSource():
            from siaga.sources.synthetic import make_posts

            return make_posts(spec)
        case _:
            assert_never(spec)


def read_posts(
    path: str | Path,
    *,
    quarantine: Quarantine,
    columns: Columns = _SAME_NAMES,
    labels: Mapping[str, str] | None = _SAME_LABELS,
    demands: Collection[str] | None = None,
) -> Iterator[Post]:
    """Yield the posts of one table, or of stdin ("-": JSONL when it begins with "{", else CSV).

    `labels` maps raw labels to classes as in a recipe; None does not read labels, and then their column may be
    missing. `demands` are the parts of a post ("text", "id", …) whose named column must be there; all when None.
    Image paths are relative to the table's folder (stdin: the current one).
    """
    from siaga.sources.reading import ALL_PARTS, Reading
    from siaga.sources.table import read_table

    reading = Reading(columns, labels, demands=ALL_PARTS if demands is None else demands)
    return read_table("-" if path == "-" else Path(path), reading, quarantine=quarantine)
