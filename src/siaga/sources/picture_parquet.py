"""Parquet with encoded pictures as Hugging Face writes it: `img` or `image`, and numbers or names of classes."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from siaga.errors import DataError
from siaga.sources.pictures import PictureRow, Pictures, Spoilt, class_names, distinct_names
from siaga.sources.values import Fault, as_image, as_word

IMAGES = ("img", "image")
LABELS = ("fine_label", "coarse_label", "label")
_BATCH = 256
_FAULTS = (pa.ArrowException, OSError, UnicodeDecodeError)  # The last for names, and texts, that are not UTF-8.


def holds_pictures(path: Path) -> bool:
    """Return whether a Parquet file has a column of encoded pictures. Raises DataError for a broken file."""
    with _opened(path) as file:
        return _image_column(file.schema_arrow) is not None


def read_picture_parquet(path: Path) -> Pictures:
    """Return the encoded pictures of a Parquet file with their labels, some hundred rows at a time.

    The names of the classes come from the file's own description of its columns, else from `classes.txt` beside it.
    A row whose picture is missing is spoilt. Raises DataError for a file without pictures, or that is damaged.
    """
    with _opened(path) as file:
        schema = file.schema_arrow
    image = _image_column(schema)
    if image is None:
        raise DataError(f"{path} has no column {' or '.join(IMAGES)} of encoded pictures. Name another file.")
    labels = [name for name in LABELS if name in schema.names and _is_label(schema.field(name).type)]
    columns = [image, *labels, *(["id"] if "id" in schema.names else [])]
    return Pictures(_rows(path, columns), {name: _names(name, schema, path) for name in labels})


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
    except _FAULTS as error:
        raise DataError(f"{path} is not a readable Parquet file: {error}. Get it again.") from None


def _image_column(schema: pa.Schema) -> str | None:
    return next((name for name in IMAGES if name in schema.names and _is_image(schema.field(name).type)), None)


def _is_image(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" and _is_image(field.type) for field in kind)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_label(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _rows(path: Path, columns: Sequence[str]) -> Iterator[PictureRow | Spoilt]:
    root = path.parent.resolve()
    number = 0
    with _opened(path) as file:
        try:
            for batch in file.iter_batches(_BATCH, columns=list(columns)):
                cells = [batch.column(name).to_pylist() for name in columns]
                for row in zip(*cells, strict=True):
                    number += 1
                    yield _row(number, dict(zip(columns, row, strict=True)), root)
        except _FAULTS as error:
            raise DataError(f"{path} cannot be read beyond row {number}: {error}. The file is damaged.") from None


def _row(number: int, values: dict[str, Any], root: Path) -> PictureRow | Spoilt:  # Any: what the columns hold.
    try:
        image = next((picture for name in IMAGES if (picture := as_image(values.pop(name, None), root))), None)
        id_ = as_word(values.pop("id", None))
    except Fault as fault:
        return Spoilt(number, str(fault))
    return PictureRow(number, number, image, values, id_) if image else Spoilt(number, "No picture: there is none.")


def _names(column: str, schema: pa.Schema, path: Path) -> list[str]:
    """Return the names of a column's classes, in the order of their numbers; none where nothing tells them."""
    with suppress(ValueError, KeyError, TypeError, RecursionError):
        described = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][column]
        return distinct_names([str(name) for name in described["names"]])
    return [] if column == "coarse_label" else class_names(path)
