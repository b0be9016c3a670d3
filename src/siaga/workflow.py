"""The steps of an experiment, in order: read, split, fit, measure, save. What people call `train` and `evaluate`."""

import logging
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from siaga.bundle import Bundle
from siaga.dataset import list_events
from siaga.environment import environment
from siaga.errors import DataError, SiagaError, did_you_mean
from siaga.evaluation.insight import with_insight
from siaga.evaluation.page import write_page
from siaga.evaluation.predictions import write_predictions
from siaga.evaluation.report import evaluate
from siaga.evaluation.reports import AnyReport, read_any_report
from siaga.evaluation.topics.report import TopicReport
from siaga.models.classifier import Hear, Progress, silent
from siaga.post import Post, Prediction
from siaga.quarantine import Quarantine
from siaga.recipe import to_toml
from siaga.run_folder import check_no_run, check_run, fill_run, folder_name, is_whole, keep_checkpoints
from siaga.run_record import Record
from siaga.schema import Classification, EventSplit, Recipe, TopicQuality
from siaga.sources import read_source
from siaga.training_run import Run, plain_prediction, predict, with_classes

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Restart:
    """What becomes of a run that was killed: whether to resume it, and how often it keeps checkpoints."""

    resume: bool = False
    every_s: float = 30.0


def train(
    recipe: Recipe,
    out: str | Path,
    *,
    overwrite: bool = False,
    restart: Restart = Restart(),
    progress: Hear = silent,
) -> AnyReport:
    """Train, evaluate on the test split, and fill the run folder `out`; return the report.

    `out` appears when everything in it is complete: `recipe.toml`, `bundle/`, `report.json`, `report.html`,
    `metrics.jsonl`, `predictions.parquet`, and, where there are any, `pseudo_labels.jsonl` and `quarantine.jsonl`.
    A run that is killed leaves its checkpoints beside `out`; resumed with the same recipe, it ends with the same
    weights as one that was not. To resume a run that is complete is to read its report.
    """
    out, quarantine, toml = Path(out), Quarantine(), to_toml(recipe)
    if restart.resume and is_whole(out, toml, overwrite=overwrite):
        log.warning("%s is complete already; nothing was trained.", out)
        return read_any_report(out / "report.json")
    try:
        check_run(out, overwrite=overwrite)
        if not is_first():
            with tempfile.TemporaryDirectory() as aside:
                return _finished(Record(recipe, Path(aside), Progress(silent), quarantine))
        with (
            keep_checkpoints(out, toml, resume=restart.resume) as checkpoints,
            fill_run(out, overwrite=overwrite) as folder,
        ):
            heard = Progress(progress, checkpoints=checkpoints, every_s=restart.every_s)
            report = _finished(Record(recipe, folder, heard, quarantine))
    except SiagaError:
        for reason, count in quarantine.counts.most_common(5):
            log.warning("Before that, %d rows were set aside or kept in part: %s", count, reason)
        raise
    if quarantine:
        log.warning("%d rows were set aside or kept in part. See %s.", len(quarantine), out / "quarantine.jsonl")
    return report


def _finished(record: Record) -> AnyReport:
    match record.recipe.evaluation:
        case Classification():
            return Run(record).finish()
        case TopicQuality():
            from siaga.topic_run import TopicRun

            return TopicRun(record).finish()
        case _:
            assert_never(record.recipe.evaluation)


def is_first() -> bool:
    """Whether this is the first of the processes that train together, or the only one: it writes, and speaks."""
    return os.environ.get("RANK", "0") == "0"


def train_by_event(
    recipe: Recipe,
    out: Path,
    *,
    overwrite: bool = False,
    restart: Restart = Restart(),
    progress: Hear = silent,
) -> dict[str, AnyReport]:
    """Leave one event out, each in turn: one run folder an event under `out`; return the reports by event."""
    if not isinstance(recipe.split, EventSplit):
        raise DataError(f"The recipe's split is {recipe.split.kind!r}. Set split.kind=event to leave events out.")
    events = list_events(read_source(recipe.source, quarantine=Quarantine()))
    if len(events) < 2:
        raise DataError(f"The posts name {len(events)} event(s); leaving one out needs two. Set source.columns.event.")
    reports = {}
    for event in events:
        held_out = recipe.model_copy(update={"split": recipe.split.model_copy(update={"held_out": event})})
        folder = Path(out) / folder_name(event)
        reports[event] = train(held_out, folder, overwrite=overwrite, restart=restart, progress=progress)
    return reports


@dataclass(frozen=True)
class Evaluation:
    """A bundle measured on labelled posts: the report, and what it was made from."""

    report: AnyReport
    posts: list[Post]
    predictions: list[Prediction]

    def write(self, out: Path) -> None:
        """Write `report.json`, `report.html` and `predictions.parquet` into `out`, which must not hold a run."""
        check_no_run(out)
        write_predictions(out / "predictions.parquet", self.posts, self.predictions)
        self.report.write(out / "report.json")
        if isinstance(self.report, TopicReport):
            from siaga.evaluation.topics.page import write_topics_page

            write_topics_page(self.report, out / "report.html")
        else:
            write_page(self.report, out / "report.html", posts=self.posts, predictions=self.predictions)


def evaluate_bundle(bundle: Bundle, posts: Iterable[Post], *, progress: Hear = silent) -> Evaluation:
    """Measure a bundle on labelled posts that it was not trained on; posts without a label are left out.

    The baseline is the largest class of these very posts, which is as good as answering one class can be. Topics are
    measured on all posts, labelled or not.
    """
    if isinstance(bundle.recipe.evaluation, TopicQuality):
        from siaga.topic_run import measure_bundle

        return Evaluation(*measure_bundle(bundle, posts))
    started = time.perf_counter()
    labelled = [post for post in posts if post.label is not None]
    _check_labels(labelled, bundle.classes)
    predictions = predict(bundle, labelled, progress)
    counts = Counter(str(post.label) for post in labelled)
    row = [counts[name] / len(labelled) for name in bundle.classes]
    baselines = {"majority": [plain_prediction(post, row, bundle.classes) for post in labelled]}
    seconds = {"predict": time.perf_counter() - started}
    facts = {"seconds": seconds, "environment": environment(), "superclasses": bundle.report.get("superclasses")}
    recipe = with_classes(bundle.recipe, bundle.classes)
    report = evaluate(labelled, predictions, recipe=recipe, baselines=baselines, facts=facts)
    report = with_insight(report, bundle.classifier, labelled, recipe=recipe)
    return Evaluation(report, labelled, predictions)


def _check_labels(labelled: Sequence[Post], classes: Sequence[str]) -> None:
    if not labelled:
        raise DataError("No post in the file carries a label. Say which column holds it: --column label=NAME.")
    foreign = sorted({str(post.label) for post in labelled} - set(classes))
    if foreign:
        hint = did_you_mean(foreign[0], classes)
        raise DataError(f"The label {foreign[0]!r} is unknown to the bundle.{hint} It knows: {', '.join(classes)}.")
