"""Predictions into a file that is whole or absent, and back: JSON lines, CSV or Parquet; or lines on stdout."""

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from typing import IO

from siaga.errors import DataError, did_you_mean
from siaga.files import write_whole
from siaga.post import Prediction
from siaga.serving.flat import Cell, FlatColumns

CHUNK = 512
FORMATS = (".jsonl", ".csv", ".parquet")
_CELL_CHARACTERS = 1 << 24
_GUARD = "'"
_FORMULA = (*"=+-@\t\r\n＝＋－＠", _GUARD)  # What makes a spreadsheet see a formula, and the guard itself.


def write_output(predictions: Iterable[Prediction], output: str) -> None:
    """Write predictions to `output` (`.jsonl`, `.csv`, `.parquet`), or as JSON lines to stdout for `-`.

    The file appears when the last prediction is in it, never before. In CSV, a text that a spreadsheet could take
    for a formula gets an apostrophe in front; `read_output` takes it off again, other readers do not. Explanations go
    into JSON lines alone.
    """
    if output == "-":
        for prediction in predictions:
            sys.stdout.write(to_json(prediction) + "\n")
        return
    path = Path(output)
    check_output(output)
    with write_whole(path) as stream:
        match path.suffix:
            case ".csv":
                _write_csv(predictions, stream)
            case ".parquet":
                _write_parquet(predictions, stream)
            case _:
                stream.writelines(to_json(prediction).encode() + b"\n" for prediction in predictions)


def read_output(path: Path) -> Iterator[Prediction]:
    """Yield the predictions that `write_output` wrote, exactly as they were.

    Only here is the apostrophe in front of a CSV cell undone: in a table from elsewhere it belongs to the text, so
    `siaga.sources` leaves it. Half of a surrogate pair stays as CSV holds it, written as `\\udXXX`. Raises DataError
    for a file that is something else.
    """
    check_output(str(path))
    if not path.is_file():
        raise DataError(f"There is no file {path}. Check the path.")
    read = {".csv": _read_csv, ".parquet": _read_parquet, ".jsonl": _read_jsonl}[path.suffix]
    try:
        yield from read(path)
    except (ValueError, KeyError, TypeError, csv.Error, OSError) as error:
        raise DataError(f"{path} does not hold predictions of siaga: {error}. Predict again.") from None


def check_output(output: str, *, explained: bool = False) -> None:
    """Raise DataError, before any work is done, if no file can be written to `output`, or none with explanations."""
    path = Path(output)
    if output != "-" and path.suffix not in FORMATS:
        hint = did_you_mean(path.suffix, FORMATS)
        raise DataError(f"{path} has no suffix that can be written.{hint} Choose one of {', '.join(FORMATS)}.")
    if path.is_dir():
        raise DataError(f"{path} is a folder. Give the name of a file.")
    if explained and output != "-" and path.suffix != ".jsonl":
        raise DataError(f"{path} is a table, and no place for explanations. Write a .jsonl file, or - for stdout.")


def to_json(prediction: Prediction) -> str:
    """Return a prediction as one line of JSON (ASCII, so that no text can break a line).

    `explanation` and `score` are keys where there is one.
    """
    values = asdict(prediction)
    for name in ("explanation", "score"):
        if values[name] is None:
            del values[name]
    return json.dumps(values, ensure_ascii=True)


def guarded(cell: Cell) -> Cell:
    """Return a cell that no spreadsheet takes for a formula: such text gets an apostrophe in front."""
    return f"{_GUARD}{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _write_csv(predictions: Iterable[Prediction], stream: IO[bytes]) -> None:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", errors="backslashreplace", write_through=True)
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)  # A bare CR would end a row.
    columns, source = _begun(predictions)
    writer.writerow(columns.names)
    writer.writerows(map(guarded, columns.row(prediction)) for prediction in source)
    text.detach()


def _read_csv(path: Path) -> Iterator[Prediction]:
    csv.field_size_limit(max(csv.field_size_limit(), _CELL_CHARACTERS))  # The process's own; only ever raised.
    with path.open(encoding="utf-8", newline="") as stream:
        rows = csv.reader(stream, strict=True)
        columns = FlatColumns.named(next(rows, []))
        for row in rows:
            yield columns.prediction([cell.removeprefix(_GUARD) for cell in row])


def _write_parquet(predictions: Iterable[Prediction], stream: IO[bytes]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns, source = _begun(predictions)
    known = {"text": pa.string(), "real": pa.float64(), "whole": pa.int64()}
    types = [known[kind] for kind in columns.types]
    schema = pa.schema(list(zip(columns.names, types, strict=True)))
    with pq.ParquetWriter(stream, schema) as writer:
        while rows := [columns.row(prediction) for prediction in islice(source, CHUNK)]:
            arrays = [pa.array(cells, kind) for cells, kind in zip(zip(*rows, strict=True), types, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def _read_parquet(path: Path) -> Iterator[Prediction]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        columns = FlatColumns.named(file.schema_arrow.names)
        for batch in file.iter_batches(CHUNK):
            cells = [column.to_pylist() for column in batch.columns]
            yield from map(columns.prediction, zip(*cells, strict=True))


def _read_jsonl(path: Path) -> Iterator[Prediction]:
    with path.open("rb") as stream:
        for line in stream:
            values = json.loads(line)
            yield Prediction(**{**values, "used": tuple(values["used"])})


def _begun(predictions: Iterable[Prediction]) -> tuple[FlatColumns, Iterator[Prediction]]:
    """Return the columns, which the first prediction decides, and all predictions."""
    source = iter(predictions)
    first = list(islice(source, 1))
    return FlatColumns.of(first[0]) if first else FlatColumns(), chain(first, source)
