"""Rows for tests of the store, and what a store should say of them, counted slowly."""

import random
from collections.abc import Callable, Iterable, Sequence
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from typing import Any

from siaga.serving.store.rows import Batch, DeadLetter, MinuteRow, Offset, PostRow, PredictionRow

MODEL = "mood@1"
MINUTE_MS = 60_000
LABELS = {-2: "negative", 0: "neutral", 3: "positive"}
_fork = get_context("fork")


def post(key: int, *, text: str = "Banjir lagi 🌧", time_ms: int | None = 90_000, **values: Any) -> PostRow:
    return PostRow("twitter", str(key), text, "id", time_ms)._replace(**values)  # Any: values of further columns.


def prediction(key: int, *, model: str = MODEL, score: int = 3, error: str | None = None) -> PredictionRow:
    return PredictionRow("twitter", str(key), model, LABELS[score], 1.0, score, "text", None, None, error)


def letter(position: int, *, raw: bytes = b"{", post_id: int | None = None) -> DeadLetter:
    if post_id is None:
        return DeadLetter("part", str(position), "Broken: it ends too early.", raw)
    return DeadLetter("part", str(position), "Poison: it kills.", raw, "twitter", str(post_id))


def batch(
    keys: Iterable[int] = (),
    *,
    model: str = MODEL,
    dead: Sequence[DeadLetter] = (),
    deleted: Iterable[int] = (),
    offset: str | None = None,
) -> Batch:
    """Return a batch of the posts with these numbers, each with a prediction."""
    keys = list(keys)
    return Batch(
        input="stream.jsonl",
        model=model,
        posts=[post(key) for key in keys],
        predictions=[prediction(key, model=model) for key in keys],
        dead=list(dead),
        deleted=[("twitter", str(key)) for key in deleted],
        offset=None if offset is None else Offset("part", offset),
    )


def random_batches(seed: int, *, batches: int = 12, rows: int = 60) -> list[Batch]:
    """Return batches in which much comes again, within a batch and later, with other words and times."""
    rng = random.Random(seed)
    return [_random_batch(rng, rows) for _ in range(batches)]


def _random_batch(rng: random.Random, rows: int) -> Batch:
    made = Batch(input="stream.jsonl", model=MODEL)
    for _ in range(rows):
        key, has_point = rng.randrange(300), rng.random() < 0.2
        row = post(
            key,
            time_ms=rng.choice([None, *range(-90_000, 200_000, 30_001)]),
            language=rng.choice([None, "en", "id"]),
            country=rng.choice([None, "ID", "NL"]),
            place=rng.choice([None, "Jakarta", "Delft"]),
            place_method="box" if has_point else None,
            lon=106.8 if has_point else None,
            lat=-6.2 if has_point else None,
        )
        made.posts.append(row)
        models = [MODEL, "flood@2"] if rng.random() < 0.3 else [MODEL]
        for model in models:
            made.predictions.append(
                prediction(
                    key, model=model, score=rng.choice([-2, 0, 3]), error=rng.choice([None, None, "no word known"])
                )
            )
    return made


def recount(batches: Iterable[Batch]) -> list[MinuteRow]:
    """Return the minutes of batches, in which the first copy of everything counts, and only that."""
    posts: dict[tuple[str, str], PostRow] = {}
    predictions: dict[tuple[str, str, str], PredictionRow] = {}
    for one in batches:
        for row in one.posts:
            posts.setdefault((row.source, row.id), row)
        for answer in one.predictions:
            predictions.setdefault((answer.source, answer.post_id, answer.model), answer)
    return _minutes([(answer, posts[answer.source, answer.post_id]) for answer in predictions.values()])


def _minutes(answers: Sequence[tuple[PredictionRow, PostRow]]) -> list[MinuteRow]:
    keyed: dict[tuple[int, str, str, str, str, str], list[tuple[PredictionRow, int]]] = {}
    for row, of in answers:
        if of.time_ms is not None:
            place = of.place if of.place is not None and of.lon is not None else ""
            key = (of.time_ms // MINUTE_MS, row.model, of.language or "", of.country or "", place, row.label)
            keyed.setdefault(key, []).append((row, of.time_ms))
    return [_minute(key, keyed[key]) for key in sorted(keyed)]


def _minute(key: tuple[int, str, str, str, str, str], rows: Sequence[tuple[PredictionRow, int]]) -> MinuteRow:
    minute, model, language, country, place, label = key
    scores = [row.score or 0 for row, _ in rows]
    return MinuteRow(
        *(model, minute * MINUTE_MS, language, country, place, label, len(rows)),
        *(sum(row.error is not None for row, _ in rows), sum(scores), sum(score**2 for score in scores)),
        *(min(time for _, time in rows), max(time for _, time in rows)),
    )


def started(does: Callable[..., None], *arguments: object) -> BaseProcess:
    """Start a process that does something and exits with 1 where that raises."""
    process = _fork.Process(target=does, args=arguments, daemon=True)
    process.start()
    return process


def exit_codes(processes: Iterable[BaseProcess], *, within_s: float = 60) -> list[int | None]:
    """Wait for processes; return what they exited with."""
    codes = []
    for process in processes:
        process.join(within_s)
        codes.append(process.exitcode)
    return codes
