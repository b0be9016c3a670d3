"""The plan of a stream: what the user asked for, checked as far as that goes without opening anything."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from siaga.errors import DataError
from siaga.serving.store.rows import Offset
from siaga.serving.stream.files import FilesInput, Segment, list_segments
from siaga.serving.stream.inputs import Kind, check_files, check_lines, kind_of, open_broker, shown
from siaga.serving.stream.lines import Format
from siaga.serving.stream.messages import Input
from siaga.serving.stream.replay import Replay
from siaga.serving.stream.scoring import LexiconScorer, Scorer, open_scorer
from siaga.sources.items import Form, ItemReader
from siaga.sources.wanted import Wanted

STORES = (".db", ".sqlite", ".sqlite3")
TEXTS = (".jsonl", ".txt", ".tsv", ".json")
_QUICK, _SLOW, _PLAYED = 4 << 20, 1 << 18, 1 << 16  # Bytes of a file that are answered between two commits;
_QUICK_BATCH, _SLOW_BATCH = 1024, 64  # and messages of a broker.


@dataclass(frozen=True)
class Plan:
    """What a user asked of a stream.

    `scorer` is a recipe or a bundle's folder; without one, posts are collected, of each day `per_day` at most, a fair
    sample by `seed`. `replay` is how many times as fast as it was recorded a file is played; None: as it goes.
    """

    source: str
    to: str = "-"
    scorer: str | None = None
    format: Format = "json"
    form: Form = "auto"
    workers: int = 1
    limit: int | None = None
    wanted: Wanted = field(default_factory=Wanted)
    per_day: int | None = None
    seed: int = 0
    replay: float | None = None

    @property
    def kind(self) -> Kind:
        """The kind of its input."""
        return kind_of(self.source)

    @property
    def path(self) -> Path:
        """The file or folder that is its input."""
        return Path(self.source)

    @property
    def input_name(self) -> str:
        """The name under which a store remembers how far its files were read."""
        return str(self.path.resolve())

    @property
    def is_live(self) -> bool:
        """Whether somebody may wait for each answer: the input is live, or played as if it were."""
        return self.kind != "files" or self.replay is not None

    @property
    def has_store(self) -> bool:
        """Whether the output is a database: a file with one of STORES, or a URL of SQLite or PostgreSQL."""
        return self.to.startswith(("sqlite:", "postgresql:", "postgres:")) or Path(self.to).suffix in STORES

    @property
    def is_collection(self) -> bool:
        """Whether posts are collected from an input that may be left and gone on with, or are a sample of each day."""
        if self.scorer is not None or Path(self.to).suffix != ".jsonl":
            return False
        return self.per_day is not None or self.kind in ("social", "redis", "kafka")

    def check(self) -> None:
        """Raise DataError for what does not go together, and for an output that is neither a database nor lines."""
        if self.replay is not None and self.kind != "files":
            what = f"--replay is for what was recorded, and --from {shown(self.source)} is live"
            raise DataError(f"{what}. Name a file or folder.")
        if self.per_day is not None and not self.is_collection:
            raise DataError("--per-day collects posts into a .jsonl file. Name such a file as --to, without --with.")
        if self.per_day is not None and self.kind == "stdin":
            raise DataError("--per-day cannot take stdin, which it could not go on with. Write it into a file first.")
        self._check_output()
        if self.kind == "files":
            check_lines(self.source)
            if not self.has_store and self.to != "-":
                check_files(self.source, self.to)

    def _check_output(self) -> None:
        if not self.has_store and self.to != "-" and Path(self.to).suffix not in TEXTS:
            known = ", ".join([*TEXTS, *STORES])
            raise DataError(
                f"--to {shown(self.to)} is not known. Name a file ({known}), sqlite:///FILE, postgresql://…, or -."
            )
        if not self.has_store and Path(self.to).is_dir():
            raise DataError(f"--to {self.to} is a folder. Give the name of a file.")

    @property
    def quarantine(self) -> Path:
        """Where messages are written that cannot be read, unless a store keeps them."""
        return Path(f"{'stdout' if self.to == '-' else self.to}.quarantine.jsonl")

    def open_scorer(self) -> Scorer | None:
        """Return what answers, if anything does."""
        return open_scorer(self.scorer) if self.scorer else None

    def open_files(self, segments: list[Segment], *, read: Mapping[str, Offset], scorer: Scorer | None) -> Input:
        """Return segments of its files as an input, played if that was asked for."""
        block = _PLAYED if self.replay else _QUICK if is_quick(scorer) else _SLOW
        if self.limit is not None:  # A store gets whole blocks, so that it counts a few posts too many at most.
            block = min(block, max(_PLAYED, self.limit << 10))
        recorded = FilesInput(self.input_name, segments, read=read, block_bytes=block)
        return Replay(recorded, ItemReader(self.form), self.replay) if self.replay else recorded

    def open_all(self, *, read: Mapping[str, Offset], scorer: Scorer | None, worker: str = "") -> Input:
        """Return the whole input for one process, which is known to a broker as `worker`."""
        match self.kind:
            case "files":
                return self.open_files(list_segments(self.path), read=read, scorer=scorer)
            case "social":
                from siaga.serving.stream.social import open_social

                return open_social(self.source, read=read)
            case _:
                batch = min(_QUICK_BATCH if is_quick(scorer) else _SLOW_BATCH, self.limit or _QUICK_BATCH)
                return open_broker(self.source, worker=worker or f"{platform.node()}-lines", batch=batch)

    @property
    def open_stream(self) -> str:
        """The name of its open stream."""
        from siaga.sources.endpoints import find_endpoint

        return find_endpoint(self.source).name


def is_quick(scorer: Scorer | None) -> bool:
    """Whether a scorer takes microseconds a post."""
    return scorer is None or isinstance(scorer, LexiconScorer)
