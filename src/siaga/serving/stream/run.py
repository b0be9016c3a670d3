"""The front door of streams: from what the user asked for to what was done."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from siaga.serving.stream.plan import Plan
from siaga.serving.stream.status import Status
from siaga.serving.stream.supervisor import stop_signals
from siaga.sources.items import ItemReader

if TYPE_CHECKING:
    from siaga.serving.stream.collect import Collected

__all__ = ["Plan", "Status", "run"]


def run(plan: Plan, *, hear: Callable[[Status], None] = lambda _: None) -> Status:
    """Do what was asked, and return what was done. Raises SiagaError for what the user can mend."""
    plan.check()
    if plan.has_store:
        from siaga.serving.stream.keeping import keep

        return keep(plan, hear)
    if plan.is_collection:
        return _collect(plan, hear)
    from siaga.serving.stream.writing import write

    return write(plan, hear)


def _collect(plan: Plan, hear: Callable[[Status], None]) -> Status:
    from siaga.serving.stream.collect import QUARANTINE, Choice, Collector
    from siaga.serving.stream.collection import open_collection
    from siaga.serving.stream.inputs import check_broker

    out, choice = Path(plan.to), Choice(plan.wanted, per_day=plan.per_day, seed=plan.seed, limit=plan.limit)
    check_broker(plan.source)
    with stop_signals() as stop, open_collection(out, per_day=plan.per_day, seed=plan.seed) as collection:
        name = {"files": plan.input_name, "social": plan.source}.get(plan.kind, "")
        source = plan.open_all(read=collection.offsets(name), scorer=None)
        beside = out.with_name(out.name + QUARANTINE)
        collector = Collector(source, ItemReader(plan.form), collection, choice, quarantine=beside)
        done = collector.run(is_stopped=lambda: stop.since is not None, tell=lambda told: hear(_status(told)))
    return _status(done)


def _status(collected: "Collected") -> Status:
    return Status(**{field.name: getattr(collected, field.name) for field in fields(collected)})
