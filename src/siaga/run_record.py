"""The record of a training run while it goes on: the folder that is filled, and what was heard and timed so far."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from siaga.environment import environment
from siaga.files import write_text
from siaga.models.classifier import Progress
from siaga.quarantine import Quarantine
from siaga.recipe import to_toml
from siaga.schema import Recipe

_UNTOLD = ("pseudo_label", "augmented")  # Steps that stand in no line of metrics.jsonl.
T = TypeVar("T")


@dataclass
class Record:
    """What a run keeps of itself."""

    recipe: Recipe
    folder: Path
    progress: Progress
    quarantine: Quarantine
    events: list[Mapping[str, object]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def heard(self) -> Progress:
        """The progress of what is done in this run: the record hears of it, and passes it on."""
        return replace(self.progress, hear=self.hear)

    def hear(self, event: Mapping[str, object]) -> None:
        """Keep an event, and tell it."""
        if event["step"] != "batch":
            self.events.append(event)
        self.progress(event)

    def timed(self, step: str, work: Callable[[], T]) -> T:
        """Return what the work returns, and keep how long it took."""
        started = time.perf_counter()
        self.hear({"step": "start", "what": step})
        result = work()
        self.seconds[step] = time.perf_counter() - started
        return result

    def facts(self, data: Mapping[str, Any]) -> dict[str, Any]:  # Any: JSON.
        """Return what a report says of the run itself; `data` are the facts of the posts."""
        return {
            "data": {**data, "quarantine": dict(self.quarantine.counts)},
            "environment": environment(),
            "seconds": dict(self.seconds),
            "events": [event for event in self.events if event["step"] != "pseudo_label"],
            "recipe_toml": to_toml(self.recipe),
        }

    def write(self) -> None:
        """Write the recipe, the metrics line by line, and where there are any, pseudo-labels and the quarantine."""
        write_text(self.folder / "recipe.toml", to_toml(self.recipe))
        pseudo = [event for event in self.events if event["step"] == "pseudo_label"]
        _write_lines(self.folder / "metrics.jsonl", (event for event in self.events if event["step"] not in _UNTOLD))
        if pseudo:
            _write_lines(self.folder / "pseudo_labels.jsonl", pseudo)
        self.quarantine.write(self.folder / "quarantine.jsonl")


def _write_lines(path: Path, events: Iterable[Mapping[str, object]]) -> None:
    write_text(path, "".join(json.dumps(event, ensure_ascii=True) + "\n" for event in events))
