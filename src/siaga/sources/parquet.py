"""Parquet files as rows, a few hundred at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from siaga.errors import DataError
from siaga.sources.rows import Reject, Row, Rows, not_utf8

BATCH_ROWS = 256


def read_parquet(path: Path, *, wanted: frozenset[str] | None, reject: Reject) -> Rows:
    """Return the `wanted` columns of a Parquet file's rows, all when None; times are UTC.

    Raises DataError for another file.
    """
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty. Write the Parquet file again.")
    try:
        file = pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is not a readable Parquet file: {error}. Write it again.") from None
    columns = tuple(file.schema_arrow.names)
    return Rows(columns, _rows(file, path, [name for name in columns if wanted is None or name in wanted], reject))


def _rows(file: pq.ParquetFile, path: Path, columns: list[str], reject: Reject) -> Iterator[Row]:
    line = 0
    with file:
        try:
            for batch in file.iter_batches(BATCH_ROWS, columns=columns):
                utc = _in_utc(batch)
                for values in _values(utc):
                    line += 1
                    if isinstance(values, UnicodeDecodeError):
                        reject(line, not_utf8(values), b"")
                    else:
                        yield Row(line, values, b"")
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path} cannot be read beyond row {line}: {error}. The file is damaged.") from error


def _values(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | UnicodeDecodeError]:  # Any: what the columns hold.
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError as error:
        if len(batch) == 1:
            yield error
        else:
            for row in range(len(batch)):
                yield from _values(batch.slice(row, 1))


def _in_utc(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return times as UTC in microseconds: Python's times know no nanoseconds."""
    for index, field in enumerate(batch.schema):
        if pa.types.is_timestamp(field.type):
            times = batch.column(index).cast(pa.timestamp("us", "UTC"), safe=False)
            batch = batch.set_column(index, pa.field(field.name, times.type), times)
    return batch
