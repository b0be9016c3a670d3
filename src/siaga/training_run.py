"""One training run: posts in splits, a fitted and measured classifier, a folder that is filled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from siaga.bundle import CHUNK, Bundle, build_classifier, load_bundle, save_bundle, seal_bundle
from siaga.dataset import Dataset, build_dataset, gather
from siaga.errors import RecipeError, did_you_mean
from siaga.evaluation.insight import map_of_alternative, with_insight
from siaga.evaluation.maps import Map
from siaga.evaluation.outcomes import superclasses_of
from siaga.evaluation.page import write_page
from siaga.evaluation.predictions import write_predictions
from siaga.evaluation.report import Report, evaluate
from siaga.extras import require
from siaga.features.fields import HASHTAGS
from siaga.features.weights import find_weights
from siaga.models.baselines import baseline_answers
from siaga.models.classifier import Classifier, Hear, Progress, silent
from siaga.post import Post, Prediction
from siaga.quarantine import Quarantine
from siaga.recipe import tables_in, to_table
from siaga.run_folder import check_same_data
from siaga.run_record import Record
from siaga.schema import GroupedSplit, Recipe
from siaga.sources import read_source

_BOOSTING = ("xgboost", "catboost")  # What a model names as its library calls itself.


def prepare(recipe: Recipe, *, quarantine: Quarantine) -> Dataset:
    """Return the recipe's posts in splits.

    Raises DataError for what cannot be trained on, and RecipeError where the recipe names a class or a field that is
    not there.
    """
    check_labelled(recipe)
    pool = gather(read_source(recipe.source, quarantine=quarantine), quarantine)
    dataset = build_dataset(
        pool, split=recipe.split, selection=recipe.selection, classes=recipe.classes, seed=recipe.seed
    )
    _check_named(recipe, dataset.classes)
    _check_fields(recipe, dataset)
    _superclasses(recipe, dataset)
    return dataset


def check_labelled(recipe: Recipe) -> None:
    """Raise RecipeError for a recipe of topics, which no labels can measure."""
    _ = recipe.classification


def check_at_hand(recipe: Recipe, *, fetch: bool) -> None:
    """Raise before any work what would end it late: weights that are not there, and a library that is not installed.

    That is of the model, its parts and all alternatives. `fetch` gets the weights that the recipe says to download;
    without it they are not looked for.
    """
    for part in tables_in(to_table(recipe)):
        if part.get("kind") == "encoder" and (fetch or not part["download"]):
            find_weights(part["weights"], download=part["download"])
        for library in _BOOSTING:
            if library in (part.get("head"), part.get("combiner")):
                require(library, extra="boost")


@dataclass
class Run:
    """The posts of a recipe in splits, fitted and measured, into the folder of the record."""

    record: Record
    maps: list[Map] = field(default_factory=list)

    def finish(self) -> Report:
        """Read, fit, measure and write everything; return the report."""
        record, recipe = self.record, self.record.recipe
        check_at_hand(recipe, fetch=True)
        dataset = record.timed("prepare", lambda: prepare(recipe, quarantine=record.quarantine))
        if record.progress.checkpoints is not None:
            check_same_data(record.progress.checkpoints, dataset.facts["hash"])
        record.hear({"step": "split", **{name: len(posts) for name, posts in dataset.splits().items()}})
        bundle = record.timed("fit", lambda: self._fit(dataset))
        predictions = record.timed("predict", lambda: predict(bundle, dataset.test, record.hear))
        alternatives = record.timed("alternatives", lambda: self._alternatives(dataset)) if recipe.alternatives else {}
        baselines = record.timed("baselines", lambda: _baselines(dataset, recipe))
        return record.timed("evaluate", lambda: self._measure(bundle, dataset, predictions, (baselines, alternatives)))

    def _fit(self, dataset: Dataset) -> Bundle:
        """Fit, save, and return the bundle as it loads from disk, so that what is measured is what is shipped."""
        classifier = self._fitted(self.record.recipe, dataset, self.record.heard)
        folder = self.record.folder / "bundle"
        save_bundle(Bundle(self.record.recipe, classifier), folder)
        return load_bundle(folder)

    def _alternatives(self, dataset: Dataset) -> dict[str, list[Prediction]]:
        """Return what each alternative, fitted on the same posts, answers on the test posts."""
        answers = {}
        for name, spec in self.record.recipe.alternatives.items():
            recipe = self.record.recipe.model_copy(update={"model": spec})
            classifier = self._fitted(recipe, dataset, self.record.heard.within(alternative=name))
            answers[name] = predict(Bundle(recipe, classifier), dataset.test, silent)
            self.maps += map_of_alternative(name, classifier, dataset.test, answers[name], recipe=recipe)
        return answers

    def _fitted(self, recipe: Recipe, dataset: Dataset, progress: Progress) -> Classifier:
        return build_classifier(recipe).fit(
            dataset.train,
            validation=dataset.validation,
            unlabelled=dataset.unlabelled,
            classes=dataset.classes,
            progress=progress,
        )

    def _measure(
        self,
        bundle: Bundle,
        dataset: Dataset,
        predictions: Sequence[Prediction],
        others: tuple[Mapping[str, Sequence[Prediction]], Mapping[str, Sequence[Prediction]]],
    ) -> Report:
        record = self.record
        facts = {**record.facts(dataset.facts), "superclasses": _superclasses(record.recipe, dataset)}
        recipe = with_classes(record.recipe, bundle.classes)
        baselines, alternatives = others
        report = evaluate(
            dataset.test, predictions, recipe=recipe, baselines=baselines, facts=facts, alternatives=alternatives
        )
        report = with_insight(report, bundle.classifier, dataset.test, recipe=recipe)
        report = replace(report, maps=[*report.maps, *self.maps])
        group = recipe.split.column if isinstance(recipe.split, GroupedSplit) else None
        write_predictions(record.folder / "predictions.parquet", dataset.test, predictions, group=group)
        report.write(record.folder / "report.json")
        write_page(report, record.folder / "report.html", posts=dataset.test, predictions=predictions)
        seal_bundle(bundle, record.folder / "bundle", report=report.to_dict())
        record.write()
        return report


def predict(bundle: Bundle, posts: Sequence[Post], progress: Hear) -> list[Prediction]:
    """Return the answers on posts, telling `progress` how far they are."""
    predictions: list[Prediction] = []
    for prediction in bundle.predict_stream(posts):
        predictions.append(prediction)
        if len(predictions) % CHUNK == 0 or len(predictions) == len(posts):
            progress({"step": "predict", "done": len(predictions), "total": len(posts)})
    return predictions


def plain_prediction(post: Post, row: list[float], classes: Sequence[str]) -> Prediction:
    """Return the prediction of a baseline, which decides for the most probable class."""
    best = max(range(len(row)), key=row.__getitem__)
    return Prediction(post.id, classes[best], row[best], dict(zip(classes, row, strict=True)), used=())


def with_classes(recipe: Recipe, classes: Sequence[str]) -> Recipe:
    """Return a recipe that names the classes in the order of the columns."""
    return recipe.model_copy(update={"classes": tuple(classes)})


def _check_named(recipe: Recipe, classes: Sequence[str]) -> None:
    """Raise RecipeError where `positive`, a cost or a threshold names a class that is not there."""
    tables = [part for part in tables_in(to_table(recipe)) if part.get("kind") == "self_training"]
    thresholds = [name for part in tables for name in part["thresholds"]]
    for name in [*([recipe.positive] if recipe.positive else []), *recipe.decision.costs, *thresholds]:
        if name not in classes:
            hint = did_you_mean(name, classes)
            raise RecipeError(f"The recipe names the class {name!r}.{hint} The classes are: {', '.join(classes)}.")


def _check_fields(recipe: Recipe, dataset: Dataset) -> None:
    """Raise RecipeError where a classifier reads a field that no post has."""
    posts = [post for split in dataset.splits().values() for post in split]
    known = ["text", HASHTAGS, *dict.fromkeys(name for post in posts for name in post.fields)]
    for part in tables_in(to_table(recipe)):
        read = [*part["fields"], *part["fill"].values()] if part.get("kind") == "linear" else []
        for name in read:
            if name not in known:
                what = f"The model reads the field {name!r}, which no post has.{did_you_mean(name, known)}"
                raise RecipeError(f"{what} There are: {', '.join(known)}. Name it in source.columns.fields as well.")


def _superclasses(recipe: Recipe, dataset: Dataset) -> dict[str, str]:
    """Return the superclass of each class, if the recipe names them; raises DataError where the posts do not."""
    field = recipe.classification.superclass
    return superclasses_of([*dataset.train, *dataset.validation, *dataset.test], field) if field else {}


def _baselines(dataset: Dataset, recipe: Recipe) -> dict[str, list[Prediction]]:
    """Return what the baselines answer on the test posts."""
    classes = dataset.classes
    answers = baseline_answers(dataset.train, dataset.test, classes=classes, seed=recipe.seed)
    return {
        name: [plain_prediction(post, row, classes) for post, row in zip(dataset.test, rows.tolist(), strict=True)]
        for name, rows in answers.items()
    }
