"""Bundles: a trained classifier as a folder of open formats, sealed by hashes; no pickles, no code.

bundle/
├── bundle.json     schema, recipe, classes, the hash of every other file, and a seal over all of it; written last
├── model/          what the classifier saved: JSON, npz, safetensors, skops with trusted types
├── report.json     how good it is (once it was evaluated)
└── card.md         the same for people
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from siaga.errors import BundleError
from siaga.files import file_sha256, sweep, write_text
from siaga.models.calibrated import CalibratedClassifier
from siaga.models.classifier import Answer, Classifier, build_model
from siaga.models.explanation import explain
from siaga.post import Post, Prediction
from siaga.recipe import Table, check_recipe, tables_in, to_table
from siaga.schema import ArraysSource, Recipe, SourceSpec, SyntheticSource, TableSource, Topics, TwitterSource

SCHEMA = 1
SUFFIXES = frozenset({".json", ".npz", ".safetensors", ".skops", ".txt", ".model", ".md"})
MANIFEST = "bundle.json"
CHUNK = 512
_KEYS = frozenset({"schema", "recipe", "classes", "files", "model_sha256", "seal"})


@dataclass(frozen=True)
class Bundle:
    """A trained classifier with the recipe that made it.

    `model_sha256` is the hash of what was learned: equal recipe, seed and data give an equal one.
    """

    recipe: Recipe
    classifier: Classifier
    model_sha256: str = ""
    report: Mapping[str, Any] = field(default_factory=dict)  # Any: report.json as read.

    @property
    def classes(self) -> list[str]:
        """The classes, in the order of the columns of `predict_proba`."""
        return self.classifier.classes_

    @property
    def version(self) -> str:
        """The recipe's name and the first twelve digits of the model's hash."""
        return f"{self.recipe.name}@{self.model_sha256[:12]}"

    def predict(self, posts: Sequence[Post]) -> list[Prediction]:
        """Return one prediction a post, in order, each decided with the recipe's costs."""
        return self.decided(posts, self.classifier.answer(posts))

    def decided(self, posts: Sequence[Post], answer: Answer) -> list[Prediction]:
        """Return the predictions of an answer that the classifier gave of these posts."""
        decided = (answer.probabilities * self._costs()).argmax(axis=1) if posts else []
        return [
            self._prediction(post, i, int(k), answer) for i, (post, k) in enumerate(zip(posts, decided, strict=True))
        ]

    def predict_stream(self, posts: Iterable[Post]) -> Iterator[Prediction]:
        """Yield one prediction a post, in order; memory does not grow with the number of posts."""
        source = iter(posts)
        while chunk := list(islice(source, CHUNK)):
            yield from self.predict(chunk)

    def explain_stream(self, posts: Iterable[Post]) -> Iterator[Prediction]:
        """Yield one prediction a post, in order, each with the explanation of its label."""
        for post in posts:
            [prediction] = self.predict([post])
            explanation = explain(self.classifier, post, label=prediction.label)
            yield replace(prediction, explanation=asdict(explanation))

    def predict_proba(self, posts: Sequence[Post]) -> Any:  # Any: an (n, classes) float64 array.
        """Return the probabilities, (n, classes) float64."""
        return self.classifier.predict_proba(posts)

    def _costs(self) -> Any:  # Any: a (classes,) float64 array.
        return np.array([self.recipe.decision.costs.get(name, 1.0) for name in self.classes])

    def _prediction(self, post: Post, i: int, k: int, answer: Answer) -> Prediction:
        row = answer.probabilities[i].tolist()
        members = {
            name: dict(zip(self.classes, rows[i].tolist(), strict=True)) for name, rows in answer.members.items()
        }
        unread = None if answer.used[i] else "nothing to read: answered with the class frequencies"
        return Prediction(
            id=post.id,
            label=self.classes[k],
            confidence=row[k],
            probabilities=dict(zip(self.classes, row, strict=True)),
            used=answer.used[i],
            members=members,
            model=self.version,
            error=answer.faults.get(i, unread),
            score=answer.scores.get(i),
        )


def build_classifier(recipe: Recipe, *, seed: int | None = None) -> Classifier:
    """Return the unfitted classifier that a recipe asks for; one that goes on from a bundle has it loaded.

    Raises BundleError where that is no bundle of topics.
    """
    model = build_model(recipe.model, seed=recipe.seed if seed is None else seed)
    match recipe.model:
        case Topics(start=None):
            return model
        case Topics(start=start):
            return _going_on(model, load_bundle(str(start)))
        case _:
            return CalibratedClassifier(model) if recipe.decision.calibrate else model


def _going_on(model: Classifier, start: Bundle) -> Classifier:
    from siaga.models.topics.classifier import TopicsClassifier

    if not isinstance(model, TopicsClassifier) or not isinstance(start.classifier, TopicsClassifier):
        raise BundleError(f"model.start is the bundle {start.version}, which has no topics. Name a bundle of topics.")
    model.start, model.start_version = start.classifier, start.version
    return model


def save_bundle(bundle: Bundle, folder: Path) -> Bundle:
    """Write a bundle into `folder`, which must not exist yet or be empty; return it with its hash."""
    if folder.exists() and any(folder.iterdir()):
        raise BundleError(f"{folder} is not empty. Choose another folder for the bundle.")
    (folder / "model").mkdir(parents=True)
    bundle.classifier.save(folder / "model")
    return seal_bundle(bundle, folder)


def seal_bundle(bundle: Bundle, folder: Path, *, report: Mapping[str, Any] | None = None) -> Bundle:
    """Write the manifest of a saved bundle, with its report and card if there is one."""
    if report is not None:
        write_text(folder / "report.json", json.dumps(report, ensure_ascii=True, indent=1))
        write_text(folder / "card.md", _card(bundle, report))
    hashes = {path.relative_to(folder).as_posix(): file_sha256(path) for path in _files(folder)}
    learned = {name: digest for name, digest in hashes.items() if name.startswith("model/")}
    manifest = {
        "schema": SCHEMA,
        "recipe": _without_paths(bundle.recipe),
        "classes": bundle.classes,
        "files": hashes,
        "model_sha256": _digest(learned),
    }
    write_text(folder / MANIFEST, _canonical({**manifest, "seal": _digest(manifest)}))
    return Bundle(bundle.recipe, bundle.classifier, _digest(learned), report or {})


def load_bundle(folder: str | Path) -> Bundle:
    """Return the bundle in `folder` after checking every byte of it.

    Raises BundleError when a file is missing, changed, foreign, or of a kind that could hold code.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    recipe = check_recipe(manifest["recipe"], where=str(folder / MANIFEST))
    classifier = build_classifier(recipe)
    classifier.load(folder / "model")
    if classifier.classes_ != manifest["classes"]:
        raise BundleError(f"{folder} says classes {manifest['classes']} but its model has {classifier.classes_}.")
    report = folder / "report.json"
    measured = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
    return Bundle(recipe, classifier, manifest["model_sha256"], measured)


def _read_manifest(folder: Path) -> dict[str, Any]:  # Any: the manifest's JSON.
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"{folder} is not a bundle: it has no {MANIFEST}. Give the folder `bundle` of a run.")
    raw = path.read_bytes()
    try:
        manifest = json.loads(raw)
    except ValueError:
        raise BundleError(f"{path} is not JSON any more: the bundle was changed. Restore it from its source.") from None
    if not isinstance(manifest, dict) or set(manifest) != _KEYS:
        raise BundleError(f"{path} is not a bundle's manifest. Restore it from its source.")
    if manifest["schema"] != SCHEMA:
        raise BundleError(f"{path} has schema {manifest['schema']!r}; this Siaga reads {SCHEMA}. Train it anew.")
    unsealed = {key: value for key, value in manifest.items() if key != "seal"}
    if manifest["seal"] != _digest(unsealed) or raw != _canonical(manifest).encode():
        raise BundleError(f"{path} was changed after it was sealed. Restore it from its source.")
    _check_files(folder, manifest["files"])
    return manifest


def _check_files(folder: Path, expected: Mapping[str, str]) -> None:
    sweep(folder)
    found = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
    if missing := sorted(set(expected) - set(found)):
        raise BundleError(f"{folder} lacks {missing[0]}. Restore the bundle from its source.")
    if foreign := sorted(set(found) - set(expected)):
        raise BundleError(f"{folder} holds {foreign[0]}, which is not part of the bundle. Remove it.")
    for name, path in found.items():
        if file_sha256(path) != expected[name]:
            raise BundleError(f"{folder / name} was changed after it was sealed. Restore the bundle from its source.")


def _files(folder: Path) -> list[Path]:
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise BundleError(f"{path} is a link or no plain file; a bundle holds plain files only.")
        if path.is_file() and path != folder / MANIFEST:
            if path.suffix not in SUFFIXES:
                raise BundleError(f"{path} is not of a kind that a bundle may hold ({', '.join(sorted(SUFFIXES))}).")
            found.append(path)
    return found


def _without_paths(recipe: Recipe) -> Table:
    """Return the recipe with what its source says of any file (columns, labels), but no path: it leads nowhere else."""
    match recipe.source:
        case TableSource(columns=columns, labels=labels):
            kept: SourceSpec = TableSource(path=Path("-"), columns=columns, labels=labels)
        case ArraysSource(labels=labels, level=level, planar=planar):
            kept = ArraysSource(path=Path("-"), labels=labels, level=level, planar=planar)
        case TwitterSource(labels=labels, form=form):
            kept = TwitterSource(path=Path("-"), labels=labels, form=form)
        case _:
            kept = SyntheticSource()
    table = to_table(recipe.model_copy(update={"source": kept}))
    for part in tables_in(table):
        if part.get("kind") == "topics":
            part.pop("start", None)  # What the topics started from is in them now.
        for name in ("weights", "words"):
            if isinstance(part.get(name), str) and Path(part[name]).is_absolute():
                part[name] = Path(part[name]).name
    return table


def _canonical(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, indent=1) + "\n"


def _digest(value: object) -> str:
    return sha256(_canonical(value).encode()).hexdigest()


def _card(bundle: Bundle, report: Mapping[str, Any]) -> str:
    rows = "\n".join(
        f"| {name} | {value['value']:.4f} | {value['low']:.4f} to {value['high']:.4f} |"
        for name, value in report["metrics"].items()
        if value.get("value") is not None and value.get("low") is not None
    )
    return f"""# {bundle.recipe.name}

{bundle.recipe.summary}

Classes: {", ".join(bundle.classes)}. Seed {bundle.recipe.seed}.
Measured on {report["n"]} posts that were never trained on.

| metric | value | 95 % interval |
|---|---|---|
{rows}

Answers outside posts like those it was trained on are not covered by these figures. A post that lacks a modality is
answered from the others; `used` says from which.
"""
