"""A contest: recipes that answer the same posts, fold by fold, and what their answers amount to."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from siaga.evaluation.outcomes import (
    Outcomes,
    Values,
    cost_row,
    group_column,
    group_indices,
    superclass_indices,
    superclasses_of,
)
from siaga.model_selection.candidates import MAJORITY, Candidate
from siaga.model_selection.fitting import Fitted
from siaga.model_selection.folds import Folds
from siaga.model_selection.processes import Fitter, fit_all
from siaga.model_selection.standings import Contender
from siaga.models.classifier import Hear, Prior, class_indices
from siaga.schema import Recipe


@dataclass
class Contest:
    """Candidates on the folds of one recipe's posts."""

    recipe: Recipe
    folds: Folds
    progress: Hear
    _asked: Outcomes = field(init=False)

    def __post_init__(self) -> None:
        posts, classes = self.folds.posts, self.folds.classes
        positive = classes.index(self.recipe.positive) if self.recipe.positive else len(classes) - 1
        superclass = self.recipe.classification.superclass
        nothing = np.zeros((len(posts), len(classes)))
        self._asked = Outcomes(
            classes,
            labels=class_indices(posts, classes)[1],
            predicted=np.zeros(len(posts), dtype=np.int64),
            probabilities=nothing,
            positive=positive,
            ordered=self.recipe.ordered,
            groups=group_indices(posts, group_column(self.recipe)),
            superclasses=superclass_indices(superclasses_of(posts, superclass), classes) if superclass else None,
        )

    def answered(
        self, candidates: Sequence[Candidate], fitters: Sequence[Fitter]
    ) -> tuple[list[Contender], dict[str, str]]:
        """Return what each candidate's fits answered about posts they had not seen, and why others have no answers."""
        found: dict[int, dict[int, Fitted]] = {number: {} for number in range(len(candidates))}
        total, started = len(candidates) * self.folds.count, time.monotonic()
        recipes = [each.recipe for each in candidates]
        for done, (number, fold, fitted) in enumerate(fit_all(fitters, recipes, self.folds.count), start=1):
            found[number][fold] = fitted
            left_s = (time.monotonic() - started) / done * (total - done)
            told = {"candidate": candidates[number].name, "of_fold": fold + 1, "folds": self.folds.count}
            self.progress({"step": "candidate", **told, "done": done, "total": total, "left_s": left_s})
        missing = {
            candidates[number].name: reason
            for number, fits in found.items()
            if (reason := next((each.missing for each in fits.values() if each.missing), None)) is not None
        }
        return [
            self._contender(each, found[number]) for number, each in enumerate(candidates) if each.name not in missing
        ], missing

    def majority(self) -> Contender:
        """Return the baseline that answers the class frequencies of the training posts of the other folds."""
        rows = self._asked.probabilities.copy()
        for fold in range(self.folds.count):
            train, _, _ = self.folds.learned(fold)
            prior = Prior.of(class_indices(train, self.folds.classes)[1], len(self.folds.classes))
            rows[self.folds.fold == fold] = prior.frequencies
        return Contender(MAJORITY, self._decided(rows, self.recipe), is_baseline=True)

    def _contender(self, candidate: Candidate, fits: dict[int, Fitted]) -> Contender:
        rows = self._asked.probabilities.copy()
        for fold, fitted in fits.items():
            rows[self.folds.fold == fold] = fitted.probabilities
        return Contender(
            candidate.name,
            self._decided(rows, candidate.recipe),
            arguments=candidate.arguments,
            fit_s=sum(fitted.fit_s for fitted in fits.values()),
            answer_s=sum(fitted.answer_s for fitted in fits.values()),
        )

    def _decided(self, probabilities: Values, recipe: Recipe) -> Outcomes:
        return self._asked.answered(probabilities, cost_row(recipe.decision.costs, self.folds.classes))
