"""Scoring: what a recipe of a word list, or a bundle, says of items of a stream, as rows for a store or as lines."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from siaga.bundle import MANIFEST, Bundle, load_bundle
from siaga.errors import RecipeError, did_you_mean
from siaga.models.lexicon import UNREAD, LexiconClassifier, sign
from siaga.post import Prediction
from siaga.recipe import list_recipes, load_recipe
from siaga.schema import Lexicon, Recipe
from siaga.serving.store.rows import PredictionRow
from siaga.sources.items import Item

CHUNK = 64  # Posts that a bundle answers at once: so long does a stop have to wait.


def open_scorer(name: str) -> "Scorer":
    """Return what answers under a name: a recipe that needs no training (`stream-sentiment`), or a bundle's folder.

    Raises RecipeError and BundleError for what is neither, or has to be trained first.
    """
    found = find_scorer(name)
    if isinstance(found, Path):
        return BundleScorer(load_bundle(found))
    recipe, spec = found
    return lexicon_scorer(recipe.name, LexiconClassifier(spec, seed=recipe.seed))


def find_scorer(name: str) -> Path | tuple[Recipe, Lexicon]:
    """Return the folder of the bundle, or the recipe and its word list, that a name stands for; nothing is loaded."""
    for folder in (Path(name), Path(name) / "bundle"):
        if (folder / MANIFEST).is_file():
            return folder
    if not name.endswith(".toml") and name not in list_recipes():
        hint = did_you_mean(name, list_recipes())
        raise RecipeError(f"{name!r} is neither a recipe nor the folder of a bundle.{hint} See `siaga recipes`.")
    recipe = load_recipe(name)
    if isinstance(recipe.model, Lexicon):
        return recipe, recipe.model
    what = f"The recipe {recipe.name} has to learn before it can answer"
    raise RecipeError(f"{what}. Run siaga train {name}, then give --with runs/{recipe.name}/bundle.")


def lexicon_scorer(name: str, classifier: LexiconClassifier) -> "LexiconScorer":
    """Return a word list at work; its model is the name and twelve digits of the hash of all that it knows."""
    lexicon = classifier.lexicon
    known = [sorted(lexicon.words.items()), sorted(lexicon.phrases.items()), list(classifier.spec.languages)]
    return LexiconScorer(f"{name}@{sha256(json.dumps(known).encode()).hexdigest()[:12]}", classifier)


@dataclass(frozen=True)
class LexiconScorer:
    """A word list at work: the sum of a text's words, and its sign as the label.

    `model` is the name and version under which its answers are kept; `has_scores` says that each answer has a number.
    """

    model: str
    classifier: LexiconClassifier

    has_scores = True

    def scores(self, items: Sequence[Item]) -> list[int]:
        """Return the scores of items."""
        mood = self.classifier.mood
        return [mood(item.text, item.language)[0] for item in items]

    def predictions(self, items: Sequence[Item]) -> list[Prediction]:
        """Return the predictions of items; the probability of a rule's answer is 1."""
        rows = zip(items, self.rows(items), strict=True)
        classes = self.classifier.classes_
        return [
            Prediction(
                id=item.id,
                label=row.label,
                confidence=1.0,
                probabilities={name: float(name == row.label) for name in classes},
                used=("text",) if row.used else (),
                model=row.model,
                error=row.error,
                score=row.score,
            )
            for item, row in rows
        ]

    def rows(self, items: Sequence[Item]) -> list[PredictionRow]:
        """Return the predictions of items as rows of a store."""
        mood, model = self.classifier.mood, self.model
        rows = []
        for item in items:
            score, reason = mood(item.text, item.language)
            used = "" if reason in UNREAD else "text"
            rows.append(PredictionRow(item.platform, item.id, model, sign(score), 1.0, score, used, None, None, reason))
        return rows


@dataclass(frozen=True)
class BundleScorer:
    """A bundle at work."""

    bundle: Bundle

    @property
    def has_scores(self) -> bool:
        """Whether each answer has a number as its score."""
        return isinstance(self.bundle.recipe.model, Lexicon)

    @property
    def model(self) -> str:
        """The bundle's version."""
        return self.bundle.version

    def scores(self, items: Sequence[Item]) -> list[int]:
        """Return the scores of items; 0 where there is none."""
        return [prediction.score or 0 for prediction in self.predictions(items)]

    def predictions(self, items: Sequence[Item]) -> list[Prediction]:
        """Return the predictions of items."""
        return self.bundle.predict([item.post() for item in items])

    def rows(self, items: Sequence[Item]) -> list[PredictionRow]:
        """Return the predictions of items as rows of a store."""
        pairs = zip(items, self.predictions(items), strict=True)
        return [row_of(item.platform, prediction) for item, prediction in pairs]


Scorer = LexiconScorer | BundleScorer


def row_of(source: str, prediction: Prediction) -> PredictionRow:
    """Return a prediction as a row of a store."""
    return PredictionRow(
        source=source,
        post_id=prediction.id,
        model=prediction.model,
        label=prediction.label,
        confidence=prediction.confidence,
        score=prediction.score,
        used=" ".join(prediction.used),
        probabilities=json.dumps(prediction.probabilities),
        members=json.dumps(prediction.members) if prediction.members else None,
        error=prediction.error,
    )


def in_chunks(
    items: Sequence[Item], answer: Callable[[Sequence[Item]], list[PredictionRow]], *, go_on: Callable[[], bool]
) -> list[PredictionRow] | None:
    """Return the answers on items, asked chunk by chunk; None when it is time to stop before all are answered."""
    rows: list[PredictionRow] = []
    for start in range(0, len(items), CHUNK):
        if not go_on():
            return None
        rows += answer(items[start : start + CHUNK])
    return rows
