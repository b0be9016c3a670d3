"""predictions.parquet: what was said of every post of a split, one row a post, readable by any Parquet tool."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siaga.errors import DataError
from siaga.files import write_whole
from siaga.post import Post, Prediction

if TYPE_CHECKING:
    import pyarrow as pa

FACTS = b"siaga"


@dataclass(frozen=True)
class PredictionTable:
    """What `read_predictions` found: predictions with the true labels (or None) and groups (or None), in order."""

    classes: list[str]
    predictions: list[Prediction]
    labels: list[str | None]
    groups: list[str | None]


def write_predictions(
    path: Path, posts: Sequence[Post], predictions: Sequence[Prediction], *, group: str | None = None
) -> None:
    """Write one row a post, whole or not at all; `group` is the column of the posts that names their group.

    Columns: id, label (true; null where unknown), predicted, confidence, probability_<class>, then
    member_<member>_probability_<class>, used (list), error, model, and group if any. Posts and predictions stand in
    the same order.
    """
    import pyarrow.parquet

    table = _table(posts, predictions, group)
    with write_whole(path) as stream:
        pyarrow.parquet.write_table(table, stream, compression="zstd")


def read_predictions(path: Path) -> PredictionTable:
    """Read what `write_predictions` wrote. Raises DataError for no file, or a file that is something else."""
    import pyarrow as pa
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except FileNotFoundError:
        raise DataError(f"There are no predictions at {path}. Give the folder of a finished run.") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} is not a Parquet file: {error}. Train or evaluate again.") from None
    facts = (table.schema.metadata or {}).get(FACTS)
    if facts is None:
        raise DataError(f"{path} does not hold predictions of siaga. Give the folder of a finished run.")
    return _read_rows(table, json.loads(facts))


def _table(posts: Sequence[Post], predictions: Sequence[Prediction], group: str | None) -> "pa.Table":
    import pyarrow as pa

    if [post.id for post in posts] != [prediction.id for prediction in predictions]:
        raise ValueError("posts and predictions must stand in the same order")
    classes = list(predictions[0].probabilities) if predictions else []
    members = list(dict.fromkeys(name for each in predictions for name in each.members))
    columns: list[tuple[str, Any, list[Any]]] = [  # Any: an Arrow type, and the values of a column.
        ("id", pa.string(), [post.id for post in posts]),
        ("label", pa.string(), [post.label for post in posts]),
        ("predicted", pa.string(), [each.label for each in predictions]),
        ("confidence", pa.float64(), [each.confidence for each in predictions]),
    ]
    columns += [(f"probability_{name}", pa.float64(), [p.probabilities[name] for p in predictions]) for name in classes]
    columns += [
        (
            f"member_{member}_probability_{name}",
            pa.float64(),
            [p.members.get(member, {}).get(name) for p in predictions],
        )
        for member in members
        for name in classes
    ]
    columns += [
        ("used", pa.list_(pa.string()), [list(each.used) for each in predictions]),
        ("error", pa.string(), [each.error for each in predictions]),
        ("model", pa.string(), [each.model for each in predictions]),
    ]
    columns += [("group", pa.string(), [post.get(group) for post in posts])] if group else []
    facts = json.dumps({"classes": classes, "members": members, "group": group})
    schema = pa.schema([(name, kind) for name, kind, _ in columns], metadata={FACTS: facts.encode()})
    return pa.Table.from_arrays([pa.array(values, kind) for _, kind, values in columns], schema=schema)


def _read_rows(table: "pa.Table", facts: Mapping[str, Any]) -> PredictionTable:  # Any: a JSON value.
    classes, members = facts["classes"], facts["members"]
    columns = [column.to_pylist() for column in table.columns]  # By place: a member's name may hold anything.
    ids, labels, predicted, confidence = columns[:4]
    blocks = [list(zip(*columns[start : start + len(classes)], strict=True)) for start in _starts(classes, members)]
    used, errors, models = columns[4 + len(classes) * (1 + len(members)) :][:3]
    predictions = [
        Prediction(
            id=ids[i],
            label=predicted[i],
            confidence=confidence[i],
            probabilities=dict(zip(classes, blocks[0][i], strict=True)),
            used=tuple(used[i]),
            members={
                name: dict(zip(classes, block[i], strict=True))
                for name, block in zip(members, blocks[1:], strict=True)
                if None not in block[i]
            },
            model=models[i],
            error=errors[i],
        )
        for i in range(table.num_rows)
    ]
    return PredictionTable(classes, predictions, labels, columns[-1] if facts["group"] else [None] * len(ids))


def _starts(classes: Sequence[str], members: Sequence[str]) -> list[int]:
    """Return the first column of the probabilities, then of each member's."""
    return [4 + len(classes) * block for block in range(1 + len(members))]
