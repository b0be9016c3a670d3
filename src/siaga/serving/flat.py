"""Predictions as flat rows, for CSV and Parquet: which columns there are, and the way there and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from siaga.post import Prediction

FACTS = ("id", "label", "confidence", "used", "model", "error")
SCORE = "score"
_OWN, _MEMBER = "probability_", "member_"

Cell = str | float | int | None
CellType = Literal["text", "real", "whole"]


@dataclass(frozen=True)
class FlatColumns:
    """The columns of a file of predictions: FACTS, `probability_<class>`, `member_<member>_probability_<class>`.

    Between the facts and the probabilities stands `score`, where predictions have one.

    Cells are told apart by their place, so that classes and members may be called anything.
    """

    classes: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    has_score: bool = False

    @classmethod
    def of(cls, prediction: Prediction) -> "FlatColumns":
        """Return the columns that a prediction fills."""
        return cls(tuple(prediction.probabilities), tuple(prediction.members), prediction.score is not None)

    @classmethod
    def named(cls, names: Sequence[str]) -> "FlatColumns":
        """Return the columns of these names; raises ValueError when they are those of another file."""
        has_score = names[len(FACTS) : len(FACTS) + 1] == [SCORE]
        start, k = len(FACTS) + has_score, sum(name.startswith(_OWN) for name in names)
        classes = tuple(name.removeprefix(_OWN) for name in names[start : start + k])
        firsts = names[start + k :: k] if k else ()
        members = tuple(name.removeprefix(_MEMBER).removesuffix(f"_{_OWN}{classes[0]}") for name in firsts)
        columns = cls(classes, members, has_score)
        if columns.names != list(names):
            raise ValueError(f"its columns are {', '.join(names)[:200]}")
        return columns

    @property
    def facts(self) -> list[str]:
        """The names of the columns before the probabilities, in order."""
        return [*FACTS, SCORE] if self.has_score else [*FACTS]

    @property
    def names(self) -> list[str]:
        """The names of the columns, in order."""
        own = [f"{_OWN}{name}" for name in self.classes]
        return [*self.facts, *own, *(f"{_MEMBER}{member}_{column}" for member in self.members for column in own)]

    @property
    def types(self) -> list[CellType]:
        """What each column holds."""
        kinds: dict[str, CellType] = {"confidence": "real", SCORE: "whole"}
        facts: list[CellType] = [kinds.get(name, "text") for name in self.facts]
        shares: list[CellType] = ["real"] * (len(self.names) - len(facts))
        return facts + shares

    def row(self, prediction: Prediction) -> list[Cell]:
        """Return the cells of a prediction."""
        used = " ".join(prediction.used)
        texts = prediction.model, prediction.error
        rows = [prediction.probabilities, *(prediction.members.get(name, {}) for name in self.members)]
        numbers = [row.get(name) for row in rows for name in self.classes]
        score = [prediction.score] if self.has_score else []
        return [prediction.id, prediction.label, prediction.confidence, used, *texts, *score, *numbers]

    def prediction(self, row: Sequence[Any]) -> Prediction:  # Any: a cell, whose number may be written as text.
        """Return the prediction whose row this is; raises ValueError when it is none."""
        if len(row) != len(self.names):
            raise ValueError(f"a row has {len(row)} cells where {len(self.names)} columns are named")
        name, label, confidence, used, model, error = row[: len(FACTS)]
        score = row[len(FACTS)] if self.has_score else None
        own, *others = self._blocks(row[len(self.facts) :])
        return Prediction(
            id=name,
            label=label,
            confidence=float(confidence),
            probabilities=own,
            used=tuple(used.split()),
            members={member: block for member, block in zip(self.members, others, strict=True) if block},
            model=model,
            error=error or None,
            score=None if score in ("", None) else int(score),
        )

    def _blocks(self, cells: Sequence[Any]) -> list[dict[str, float]]:  # Any: as above.
        """Return the probabilities, then those of each member; of a member that did not answer, none."""
        blocks = []
        for i in range(1 + len(self.members)):
            block = cells[i * len(self.classes) : (i + 1) * len(self.classes)]
            pairs = zip(self.classes, block, strict=True)
            blocks.append({name: float(cell) for name, cell in pairs if cell not in ("", None)})
        return blocks
