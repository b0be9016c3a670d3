"""Lines in, lines out: what is said of raw messages, as scores, as lines for people, or as JSON."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, assert_never

from siaga.errors import DataError
from siaga.quarantine import RAW_CHARACTERS
from siaga.serving.batch import to_json
from siaga.serving.stream.scoring import Scorer
from siaga.sources.items import Item, ItemReader

Format = Literal["scores", "lines", "json", "posts"]
_CONTROLS = dict.fromkeys([*range(32), *range(127, 160)], " ")  # A terminal would obey them.


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of some messages of a file: lines to write, the number of posts, and what else there was, by reason.

    `faults` holds what could not be read: the index of the message, the reason, and how its bytes begin. `is_whole`
    says that no post was left out because of a limit.
    """

    output: bytes
    file: str
    messages: int
    posts: int
    counts: Counter[str] = field(default_factory=Counter)
    faults: Sequence[tuple[int, str, bytes]] = ()
    is_whole: bool = True


@dataclass(frozen=True)
class Answering:
    """How messages become lines. `wanted` chooses among items; without a scorer, posts are passed on as they are."""

    reader: ItemReader
    scorer: Scorer | None
    format: Format
    wanted: Callable[[Item], bool] | None = None

    def __post_init__(self) -> None:
        if self.scorer is None and self.format != "posts":
            raise DataError(f"--format {self.format} needs something that answers. Give --with a recipe or a bundle.")
        if self.scorer is not None and self.format == "scores" and not self.scorer.has_scores:
            raise DataError(f"{self.scorer.model} answers with labels, not with scores. Use --format lines or json.")

    def answer(self, lines: Sequence[bytes], *, file: str, limit: int | None = None) -> Answered:
        """Return what is said of messages, of the first `limit` posts among them."""
        items, notices, faults = self.reader.read_all(lines)
        counts = notices.counts
        counts.update(reason.split(":", 1)[0] for _, reason in faults)
        chosen = items if self.wanted is None else [item for item in items if self.wanted(item)]
        if len(chosen) < len(items):
            counts["not asked for"] += len(items) - len(chosen)
        within = chosen if limit is None else chosen[:limit]
        shown = [(i, reason, lines[i][: 4 * RAW_CHARACTERS]) for i, reason in faults]
        is_whole = len(within) == len(chosen)
        return Answered(self._written(within), file, len(lines), len(within), counts, shown, is_whole)

    def _written(self, items: Sequence[Item]) -> bytes:
        if not items:
            return b""
        scorer = self.scorer
        if scorer is None or self.format == "posts":
            from siaga.sources.items.plain import to_line

            return b"".join(to_line(item.post()) + b"\n" for item in items)
        match self.format:
            case "scores":
                return ("\n".join(map(str, scorer.scores(items))) + "\n").encode()
            case "json":
                return "".join(to_json(prediction) + "\n" for prediction in scorer.predictions(items)).encode()
            case "lines":
                return "".join(
                    for_people(item, row.label if row.score is None else str(row.score))
                    for item, row in zip(items, scorer.rows(items), strict=True)
                ).encode("utf-8", "replace")
            case _:
                assert_never(self.format)


def for_people(item: Item, said: str) -> str:
    """Return language, place, text and what is said of an item as one line, with tabs between."""
    place = item.place
    where = (place.name or f"{place.lon}, {place.lat}") if place is not None else ""
    return "\t".join([item.language or "", _folded(where), _folded(item.text or ""), said]) + "\n"


def _folded(text: str) -> str:
    return " ".join(text.translate(_CONTROLS).split())
