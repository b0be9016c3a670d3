"""The steps of an experiment, in order: read, split, fit, measure, save. What people call `train` and `evaluate`."""

import json
import logging
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from siaga.bundle import CHUNK, Bundle, build_classifier, load_bundle, save_bundle, seal_bundle
from siaga.dataset import Dataset, build_dataset, gather, list_events
from siaga.environment import environment
from siaga.errors import DataError, RecipeError, SiagaError, did_you_mean
from siaga.evaluation.outcomes import superclasses_of
from siaga.evaluation.page import write_page
from siaga.evaluation.predictions import write_predictions
from siaga.evaluation.report import Report, evaluate
from siaga.files import write_text
from siaga.models.baselines import baseline_answers
from siaga.models.classifier import Hear, Progress, silent
from siaga.post import Post, Prediction
from siaga.quarantine import Quarantine
from siaga.recipe import tables_in, to_table, to_toml
from siaga.run_folder import check_no_run, check_run, check_same_data, fill_run, folder_name, is_whole, keep_checkpoints
from siaga.schema import EventSplit, GroupedSplit, Recipe
from siaga.sources import read_source

log = logging.getLogger(__name__)
T = TypeVar("T")


def prepare(recipe: Recipe, *, quarantine: Quarantine) -> Dataset:
    """Return the recipe's posts in splits.

    Raises DataError for what cannot be trained on, and RecipeError where the recipe names a class that is not there.
    """
    pool = gather(read_source(recipe.source, quarantine=quarantine), quarantine)
    dataset = build_dataset(
        pool, split=recipe.split, selection=recipe.selection, classes=recipe.classes, seed=recipe.seed
    )
    _check_named(recipe, dataset.classes)
    _superclasses(recipe, dataset)
    return dataset


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
) -> Report:
    """Train, evaluate on the test split, and fill the run folder `out`; return the report.

    `out` appears when everything in it is complete: `recipe.toml`, `bundle/`, `report.json`, `report.html`,
    `metrics.jsonl`, `predictions.parquet`, and, where there are any, `pseudo_labels.jsonl` and `quarantine.jsonl`.
    A run that is killed leaves its checkpoints beside `out`; resumed with the same recipe, it ends with the same
    weights as one that was not. To resume a run that is complete is to read its report.
    """
    out, quarantine, toml = Path(out), Quarantine(), to_toml(recipe)
    if restart.resume and is_whole(out, toml, overwrite=overwrite):
        log.warning("%s is complete already; nothing was trained.", out)
        return Report.read(out / "report.json")
    try:
        check_run(out, overwrite=overwrite)
        if not is_first():
            with tempfile.TemporaryDirectory() as aside:
                return _Run(recipe, Path(aside), silent, quarantine).finish()
        with (
            keep_checkpoints(out, toml, resume=restart.resume) as checkpoints,
            fill_run(out, overwrite=overwrite) as folder,
        ):
            heard = Progress(progress, checkpoints=checkpoints, every_s=restart.every_s)
            report = _Run(recipe, folder, heard, quarantine).finish()
    except SiagaError:
        for reason, count in quarantine.counts.most_common(5):
            log.warning("Before that, %d rows were set aside or kept in part: %s", count, reason)
        raise
    if quarantine:
        log.warning("%d rows were set aside or kept in part. See %s.", len(quarantine), out / "quarantine.jsonl")
    return report


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
) -> dict[str, Report]:
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

    report: Report
    posts: list[Post]
    predictions: list[Prediction]

    def write(self, out: Path) -> None:
        """Write `report.json`, `report.html` and `predictions.parquet` into `out`, which must not hold a run."""
        check_no_run(out)
        write_predictions(out / "predictions.parquet", self.posts, self.predictions)
        self.report.write(out / "report.json")
        write_page(self.report, out / "report.html", posts=self.posts, predictions=self.predictions)


def evaluate_bundle(bundle: Bundle, posts: Iterable[Post], *, progress: Hear = silent) -> Evaluation:
    """Measure a bundle on labelled posts that it was not trained on; posts without a label are left out.

    The baseline is the largest class of these very posts, which is as good as answering one class can be.
    """
    started = time.perf_counter()
    labelled = [post for post in posts if post.label is not None]
    _check_labels(labelled, bundle.classes)
    predictions = _predict(bundle, labelled, progress)
    counts = Counter(str(post.label) for post in labelled)
    row = [counts[name] / len(labelled) for name in bundle.classes]
    baselines = {"majority": [_plain(post, row, bundle.classes) for post in labelled]}
    seconds = {"predict": time.perf_counter() - started}
    facts = {"seconds": seconds, "environment": environment(), "superclasses": bundle.report.get("superclasses")}
    recipe = _with_classes(bundle.recipe, bundle.classes)
    report = evaluate(labelled, predictions, recipe=recipe, baselines=baselines, facts=facts)
    return Evaluation(report, labelled, predictions)


@dataclass
class _Run:
    """One training run while it goes on: the folder it fills and what it has heard."""

    recipe: Recipe
    folder: Path
    progress: Progress
    quarantine: Quarantine
    events: list[Mapping[str, object]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def finish(self) -> Report:
        dataset = self._timed("prepare", lambda: prepare(self.recipe, quarantine=self.quarantine))
        if self.progress.checkpoints is not None:
            check_same_data(self.progress.checkpoints, dataset.facts["hash"])
        self._hear({"step": "split", **{name: len(posts) for name, posts in dataset.splits().items()}})
        bundle = self._timed("fit", lambda: self._fit(dataset))
        predictions = self._timed("predict", lambda: _predict(bundle, dataset.test, self._hear))
        baselines = self._timed("baselines", lambda: _baselines(dataset, self.recipe))
        return self._timed("evaluate", lambda: self._measure(bundle, dataset, predictions, baselines))

    def _fit(self, dataset: Dataset) -> Bundle:
        """Fit, save, and return the bundle as it loads from disk, so that what is measured is what is shipped."""
        classifier = build_classifier(self.recipe).fit(
            dataset.train,
            validation=dataset.validation,
            unlabelled=dataset.unlabelled,
            classes=dataset.classes,
            progress=replace(self.progress, hear=self._hear),
        )
        folder = self.folder / "bundle"
        save_bundle(Bundle(self.recipe, classifier), folder)
        return load_bundle(folder)

    def _measure(
        self,
        bundle: Bundle,
        dataset: Dataset,
        predictions: Sequence[Prediction],
        baselines: Mapping[str, Sequence[Prediction]],
    ) -> Report:
        facts = {
            "data": {**dataset.facts, "quarantine": dict(self.quarantine.counts)},
            "environment": environment(),
            "seconds": dict(self.seconds),
            "events": [event for event in self.events if event["step"] != "pseudo_label"],
            "recipe_toml": to_toml(self.recipe),
            "superclasses": _superclasses(self.recipe, dataset),
        }
        recipe = _with_classes(self.recipe, bundle.classes)
        report = evaluate(dataset.test, predictions, recipe=recipe, baselines=baselines, facts=facts)
        group = self.recipe.split.column if isinstance(self.recipe.split, GroupedSplit) else None
        write_predictions(self.folder / "predictions.parquet", dataset.test, predictions, group=group)
        report.write(self.folder / "report.json")
        write_page(report, self.folder / "report.html", posts=dataset.test, predictions=predictions)
        seal_bundle(bundle, self.folder / "bundle", report=report.to_dict())
        self._write_records()
        return report

    def _write_records(self) -> None:
        write_text(self.folder / "recipe.toml", to_toml(self.recipe))
        pseudo = [event for event in self.events if event["step"] == "pseudo_label"]
        others = [event for event in self.events if event["step"] not in ("pseudo_label", "augmented")]
        _write_lines(self.folder / "metrics.jsonl", others)
        if pseudo:
            _write_lines(self.folder / "pseudo_labels.jsonl", pseudo)
        self.quarantine.write(self.folder / "quarantine.jsonl")

    def _hear(self, event: Mapping[str, object]) -> None:
        if event["step"] != "batch":
            self.events.append(event)
        self.progress(event)

    def _timed(self, step: str, work: Callable[[], T]) -> T:
        started = time.perf_counter()
        self._hear({"step": "start", "what": step})
        result = work()
        self.seconds[step] = time.perf_counter() - started
        return result


def _check_named(recipe: Recipe, classes: Sequence[str]) -> None:
    """Raise RecipeError where `positive`, a cost or a threshold names a class that is not there."""
    tables = [part for part in tables_in(to_table(recipe)) if part.get("kind") == "self_training"]
    thresholds = [name for part in tables for name in part["thresholds"]]
    for name in [*([recipe.positive] if recipe.positive else []), *recipe.decision.costs, *thresholds]:
        if name not in classes:
            hint = did_you_mean(name, classes)
            raise RecipeError(f"The recipe names the class {name!r}.{hint} The classes are: {', '.join(classes)}.")


def _superclasses(recipe: Recipe, dataset: Dataset) -> dict[str, str]:
    """Return the superclass of each class, if the recipe names them; raises DataError where the posts do not."""
    field = recipe.evaluation.superclass
    return superclasses_of([*dataset.train, *dataset.validation, *dataset.test], field) if field else {}


def _predict(bundle: Bundle, posts: Sequence[Post], progress: Hear) -> list[Prediction]:
    predictions: list[Prediction] = []
    for prediction in bundle.predict_stream(posts):
        predictions.append(prediction)
        if len(predictions) % CHUNK == 0 or len(predictions) == len(posts):
            progress({"step": "predict", "done": len(predictions), "total": len(posts)})
    return predictions


def _baselines(dataset: Dataset, recipe: Recipe) -> dict[str, list[Prediction]]:
    """Return what the baselines answer on the test posts."""
    classes = dataset.classes
    answers = baseline_answers(dataset.train, dataset.test, classes=classes, seed=recipe.seed)
    return {
        name: [_plain(post, row, classes) for post, row in zip(dataset.test, rows.tolist(), strict=True)]
        for name, rows in answers.items()
    }


def _plain(post: Post, row: list[float], classes: Sequence[str]) -> Prediction:
    best = max(range(len(row)), key=row.__getitem__)
    return Prediction(post.id, classes[best], row[best], dict(zip(classes, row, strict=True)), used=())


def _with_classes(recipe: Recipe, classes: Sequence[str]) -> Recipe:
    return recipe.model_copy(update={"classes": tuple(classes)})


def _check_labels(labelled: Sequence[Post], classes: Sequence[str]) -> None:
    if not labelled:
        raise DataError("No post in the file carries a label. Say which column holds it: --column label=NAME.")
    foreign = sorted({str(post.label) for post in labelled} - set(classes))
    if foreign:
        hint = did_you_mean(foreign[0], classes)
        raise DataError(f"The label {foreign[0]!r} is unknown to the bundle.{hint} It knows: {', '.join(classes)}.")


def _write_lines(path: Path, events: Iterable[Mapping[str, object]]) -> None:
    write_text(path, "".join(json.dumps(event, ensure_ascii=True) + "\n" for event in events))
