"""The quarantine: rows that could not be used, each with its file, its line and the reason; and what was noted."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from siaga.files import write_whole

RAW_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Rejected:
    """One row, or one image of a row, that could not be used. `line` counts from 1; 0 where there are no lines."""

    file: str
    line: int
    reason: str
    raw: str = ""


class Quarantine:
    """Collects rejected rows and writes them as JSON lines; keeps counts by reason.

    Rows beyond `keep` are counted but not kept, so that a hopeless file cannot fill the memory. `noted` counts by kind
    what is no fault and stands in no post, such as the notices of a stream.
    """

    def __init__(self, keep: int = 50_000) -> None:
        self.keep = keep
        self.rows: list[Rejected] = []
        self.counts: Counter[str] = Counter()
        self.noted: Counter[str] = Counter()

    def add(self, file: str | Path, line: int, reason: str, raw: str = "") -> None:
        """Note one row; `reason` is a full sentence, whose part before the first colon names its kind."""
        self.counts[reason.split(":", 1)[0]] += 1
        if len(self.rows) < self.keep:
            self.rows.append(Rejected(str(file), line, reason, raw[:RAW_CHARACTERS]))

    def __len__(self) -> int:
        return self.counts.total()

    def write(self, path: Path) -> None:
        """Write what was kept to `path`; nothing is written, and an older file goes, when nothing was rejected."""
        if not self:
            if path.is_file():
                path.unlink()
            return
        with write_whole(path) as stream:
            for row in self.rows:
                stream.write(json.dumps(asdict(row), ensure_ascii=True).encode() + b"\n")
