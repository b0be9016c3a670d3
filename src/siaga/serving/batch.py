"""Predictions into a file that is whole or absent: JSON lines, CSV or Parquet, or lines on stdout."""

import csv
import io
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import IO, Any

from siaga.errors import DataError, did_you_mean
from siaga.files import write_whole
from siaga.post import Prediction

CHUNK = 512
FORMATS = (".jsonl", ".csv", ".parquet")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def write_output(predictions: Iterable[Prediction], output: str) -> None:
    """Write predictions to `output` (`.jsonl`, `.csv`, `.parquet`), or as JSON lines to stdout for `-`.

    The file appears when the last prediction is in it, never before.
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


def check_output(output: str) -> None:
    """Raise DataError, before any work is done, if no file can be written to `output`."""
    path = Path(output)
    if output != "-" and path.suffix not in FORMATS:
        hint = did_you_mean(path.suffix, FORMATS)
        raise DataError(f"{path} has no suffix that can be written.{hint} Choose one of {', '.join(FORMATS)}.")
    if path.is_dir():
        raise DataError(f"{path} is a folder. Give the name of a file.")


def to_json(prediction: Prediction) -> str:
    """Return a prediction as one line of JSON (ASCII, so that no text can break a line)."""
    return json.dumps(asdict(prediction), ensure_ascii=True)


def _flat(prediction: Prediction) -> dict[str, Any]:  # Any: a cell is text, a number or None.
    return {
        "id": prediction.id,
        "label": prediction.label,
        "confidence": prediction.confidence,
        **{f"probability_{name}": value for name, value in prediction.probabilities.items()},
        "used": " ".join(prediction.used),
        **{f"{member}_{name}": value for member, row in prediction.members.items() for name, value in row.items()},
        "model": prediction.model,
        "error": prediction.error,
    }


def _write_csv(predictions: Iterable[Prediction], stream: IO[bytes]) -> None:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", errors="backslashreplace", write_through=True)
    writer: csv.DictWriter[str] | None = None
    for prediction in predictions:
        row = _flat(prediction)
        if writer is None:
            writer = csv.DictWriter(text, fieldnames=list(row), lineterminator="\n")
            writer.writeheader()
        writer.writerow({key: _guarded(value) for key, value in row.items()})
    text.detach()


def _guarded(cell: object) -> object:
    """Return a cell that no spreadsheet takes for a formula: such text gets an apostrophe in front."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _write_parquet(predictions: Iterable[Prediction], stream: IO[bytes]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = iter(predictions)
    writer: pq.ParquetWriter | None = None
    while chunk := [_flat(prediction) for prediction in islice(source, CHUNK)]:
        table = pa.Table.from_pylist(chunk, schema=writer.schema if writer else _schema(chunk[0]))
        writer = writer or pq.ParquetWriter(stream, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()
    else:
        pq.write_table(pa.table({"id": pa.array([], pa.string())}), stream)


def _schema(row: dict[str, Any]) -> Any:  # Any: pyarrow is untyped.
    import pyarrow as pa

    types = {key: pa.float64() if isinstance(value, float) else pa.string() for key, value in row.items()}
    return pa.schema(list(types.items()))
