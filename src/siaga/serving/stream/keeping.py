"""A stream into a store: so many workers, each with its share of the input and a connection of its own."""

import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from siaga.serving.store import open_store
from siaga.serving.stream.files import list_segments
from siaga.serving.stream.inputs import StdinInput, check_broker
from siaga.serving.stream.messages import Input
from siaga.serving.stream.plan import Plan
from siaga.serving.stream.scoring import find_scorer
from siaga.serving.stream.status import Status
from siaga.serving.stream.supervisor import apart, supervise
from siaga.serving.stream.worker import Worker
from siaga.sources.items import ItemReader
from siaga.sources.wanted import Wanted


def keep(plan: Plan, hear: Callable[[Status], None]) -> Status:
    """Read the input into the store until it ends, or the process is asked to stop; return what was done."""
    every = list_segments(plan.path) if plan.kind == "files" else []  # Once: a folder may change at any moment.
    workers = _useful_workers(plan, len(every))
    # A word list is read here, for all workers; a bundle by each, since its libraries have threads.
    is_bundle = plan.scorer is not None and isinstance(find_scorer(plan.scorer), Path)
    ready = None if is_bundle else plan.open_scorer()
    apart(lambda: check_broker(plan.source))
    with open_store(plan.to):  # Here, so that what is wrong with any of it is said once, and before work is done.
        pass
    started, name = datetime.now(UTC).isoformat(timespec="milliseconds"), f"{platform.node()}-{os.getpid()}"

    def make(number: int) -> Worker:
        store, scorer = open_store(plan.to), plan.open_scorer() if is_bundle else ready
        model = scorer.model if scorer is not None else ""
        match plan.kind:
            case "files":
                read = store.offsets(plan.input_name, model)
                source: Input = plan.open_files(every[number::workers], read=read, scorer=scorer)
            case "stdin":
                source = StdinInput(part=f"stdin {started} {os.getpid()}")
            case "social":
                source = plan.open_all(read=store.offsets(plan.open_stream, model), scorer=scorer)
            case "redis" | "kafka":
                source = plan.open_all(read={}, scorer=scorer, worker=f"{name}-{number}")
        chosen = None if plan.wanted == Wanted() else plan.wanted
        return Worker(source, ItemReader(plan.form), scorer, store, wanted=chosen, limit=plan.limit)

    return supervise(make, workers=workers, hear=hear, lag=sum if plan.kind == "kafka" else max)


def _useful_workers(plan: Plan, segments: int) -> int:
    """Return how many workers there is work for; one where posts are counted up to a limit."""
    if plan.limit is not None:
        return 1
    match plan.kind:
        case "files":
            return 1 if plan.replay else min(plan.workers, segments)
        case "stdin" | "social":
            return 1
        case "redis" | "kafka":
            return plan.workers
