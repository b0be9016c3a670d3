"""The mood of recorded files: read, scored and summed in one pass, with a line for every post where asked."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from siaga.errors import DataError
from siaga.files import write_whole
from siaga.quarantine import Quarantine
from siaga.serving.mood.tally import EVER, Scored, Tally, Window
from siaga.serving.store.rows import PredictionRow
from siaga.serving.stream.files import list_segments, read_blocks
from siaga.serving.stream.lines import for_people
from siaga.serving.stream.scoring import Scorer
from siaga.sources.items import Item, ItemReader

WHOLE_FILES = 1 << 62
BLOCK_BYTES = 1 << 20
REMEMBERED = 200_000  # Posts within which a repeated one is known; a stream repeats what it sent shortly before.
Hear = Callable[[int, int], None]


def unheard(done: int, total: int) -> None:
    """Hear nothing."""


@dataclass(slots=True)
class Recording:
    """What was read of files: the tally of posts in the window, and counts of all else, by kind or reason."""

    tally: Tally
    window: Window = EVER
    lines: int = 0
    posts: int = 0
    outside: int = 0
    repeated: int = 0
    notices: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    quarantine: Quarantine = field(default_factory=Quarantine)

    def counts(self) -> dict[str, Any]:  # Any: JSON.
        """Return the counts for JSON. `no score` counts posts by the reason why their score says nothing."""
        whole = {"lines": self.lines, "posts": self.posts, "repeated posts, counted once": self.repeated}
        if not self.window.is_open:
            whole["posts of other times"] = self.outside
        parts = {"notice": self.notices, "not read": self.quarantine.counts, "no score": self.reasons}
        return {**whole, **{name: dict(counts.most_common()) for name, counts in parts.items()}}


@dataclass
class _Seen:
    """The posts that came last, so that a repeated one is known."""

    keys: dict[int, None] = field(default_factory=dict)

    def repeats(self, item: Item) -> bool:
        """Remember an item; return whether it was there already."""
        key = hash((item.platform, item.id))
        if key in self.keys:
            return True
        self.keys[key] = None
        if len(self.keys) > REMEMBERED:
            del self.keys[next(iter(self.keys))]
        return False


def record(
    path: Path, scorer: Scorer, *, into: Recording, lines_into: Path | None = None, hear: Hear = unheard
) -> None:
    """Read a file, or the files of a folder by name, and count what the scorer says of their posts.

    With `lines_into`, two files in that folder get a line for every post, repeated ones too: `lines.tsv` has language,
    place, text and score, `scores.txt` the score alone, where there are scores. `hear` is told how many files of how
    many are done. Raises DataError for a path with nothing to read, and for files without any post.
    """
    seen = _Seen()
    with _written(lines_into, has_scores=scorer.has_scores) as write:
        for items in _items(path, into, hear):
            inside = [item for item in items if into.window.holds(item.time_ms)]
            into.outside += len(items) - len(inside)
            rows = scorer.rows(inside)
            write(inside, rows)
            for item, row in zip(inside, rows, strict=True):
                _count(item, row, into, is_repeated=seen.repeats(item))
        _check_any(into, path)


def _count(item: Item, row: PredictionRow, recording: Recording, *, is_repeated: bool) -> None:
    recording.posts += 1
    if is_repeated:
        recording.repeated += 1
        return
    if row.error is not None:
        recording.reasons[row.error.split(":", 1)[0]] += 1
    known = row.error is None
    recording.tally.add(Scored(item.time_ms, item.language, item.place, row.label, row.score, known))


def _items(path: Path, recording: Recording, hear: Hear) -> Iterator[list[Item]]:
    segments = list_segments(path, segment_bytes=WHOLE_FILES)
    reader = ItemReader()
    for done, segment in enumerate(segments):
        hear(done, len(segments))
        number = 0
        for _, block in read_blocks(segment, block_bytes=BLOCK_BYTES):
            lines = block.removesuffix(b"\n").split(b"\n")
            items, notices, faults = reader.read_all(lines)
            recording.notices.update(notices.counts)
            for i, reason in faults:
                raw = lines[i][:2_000].decode("utf-8", "backslashreplace")
                recording.quarantine.add(segment.name, number + i + 1, reason, raw)
            number += len(lines)
            recording.lines += len(lines)
            yield items


@contextmanager
def _written(folder: Path | None, *, has_scores: bool) -> Iterator[Callable[[list[Item], list[PredictionRow]], None]]:
    """Give what writes a line for every post to the files in `folder`, which are there when the block ends."""
    if folder is None:
        yield lambda *_: None
        return
    with ExitStack() as stack:
        lines = stack.enter_context(write_whole(folder / "lines.tsv"))
        scores = stack.enter_context(write_whole(folder / "scores.txt")) if has_scores else None
        yield lambda items, rows: _write(items, rows, lines, scores)


def _write(items: list[Item], rows: list[PredictionRow], lines: IO[bytes], scores: IO[bytes] | None) -> None:
    said = [row.label if row.score is None else str(row.score) for row in rows]
    text = "".join(map(for_people, items, said))
    lines.write(text.encode("utf-8", "replace"))
    if scores is not None:
        scores.write("".join(f"{each}\n" for each in said).encode())


def _check_any(recording: Recording, path: Path) -> None:
    if recording.posts:
        return
    others = recording.notices + recording.quarantine.counts + Counter({"posts of other times": recording.outside})
    found = [f"{count:,} {kind}" for kind, count in others.most_common(5)]
    what = f"{path} holds no post" + (f", but {', '.join(found)} in {recording.lines:,} lines" if found else "")
    raise DataError(f"{what}. Give files of posts as JSON lines, such as those of `siaga stream`.")
