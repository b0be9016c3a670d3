"""Predictions as flat rows, for CSV and Parquet: which columns there are, and the way there and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from siaga.post import Prediction

FACTS = ("id", "label", "confidence", "used", "model", "error")
_OWN, _MEMBER = "probability_", "member_"

Cell = str | float | None


@dataclass(frozen=True)
class FlatColumns:
    """The columns of a file of predictions: FACTS, `probability_<class>`, `member_<member>_probability_<class>`.

    Cells are told apart by their place, so that classes and members may be called anything.
    """

    classes: tuple[str, ...] = ()
    members: tuple[str, ...] = ()

    @classmethod
    def of(cls, prediction: Prediction) -> "FlatColumns":
        """Return the columns that a prediction fills."""
        return cls(tuple(prediction.probabilities), tuple(prediction.members))

    @classmethod
    def named(cls, names: Sequence[str]) -> "FlatColumns":
        """Return the columns of these names; raises ValueError when they are those of another file."""
        k = sum(name.startswith(_OWN) for name in names)
        classes = tuple(name.removeprefix(_OWN) for name in names[len(FACTS) : len(FACTS) + k])
        firsts = names[len(FACTS) + k :: k] if k else ()
        members = tuple(name.removeprefix(_MEMBER).removesuffix(f"_{_OWN}{classes[0]}") for name in firsts)
        columns = cls(classes, members)
        if columns.names != list(names):
            raise ValueError(f"its columns are {', '.join(names)[:200]}")
        return columns

    @property
    def names(self) -> list[str]:
        """The names of the columns, in order."""
        own = [f"{_OWN}{name}" for name in self.classes]
        return [*FACTS, *own, *(f"{_MEMBER}{member}_{column}" for member in self.members for column in own)]

    @property
    def are_numbers(self) -> list[bool]:
        """For each column, whether it holds numbers."""
        return [name == "confidence" or i >= len(FACTS) for i, name in enumerate(self.names)]

    def row(self, prediction: Prediction) -> list[Cell]:
        """Return the cells of a prediction."""
        used = " ".join(prediction.used)
        texts = prediction.model, prediction.error
        rows = [prediction.probabilities, *(prediction.members.get(name, {}) for name in self.members)]
        numbers = [row.get(name) for row in rows for name in self.classes]
        return [prediction.id, prediction.label, prediction.confidence, used, *texts, *numbers]

    def prediction(self, row: Sequence[Any]) -> Prediction:  # Any: a cell, whose number may be written as text.
        """Return the prediction whose row this is; raises ValueError when it is none."""
        if len(row) != len(self.names):
            raise ValueError(f"a row has {len(row)} cells where {len(self.names)} columns are named")
        name, label, confidence, used, model, error = row[: len(FACTS)]
        own, *others = self._blocks(row[len(FACTS) :])
        return Prediction(
            id=name,
            label=label,
            confidence=float(confidence),
            probabilities=own,
            used=tuple(used.split()),
            members={member: block for member, block in zip(self.members, others, strict=True) if block},
            model=model,
            error=error or None,
        )

    def _blocks(self, cells: Sequence[Any]) -> list[dict[str, float]]:  # Any: as above.
        """Return the probabilities, then those of each member; of a member that did not answer, none."""
        blocks = []
        for i in range(1 + len(self.members)):
            block = cells[i * len(self.classes) : (i + 1) * len(self.classes)]
            pairs = zip(self.classes, block, strict=True)
            blocks.append({name: float(cell) for name, cell in pairs if cell not in ("", None)})
        return blocks
