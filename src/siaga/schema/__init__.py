"""The schema of a recipe: every setting, its type, its default and its meaning, stated once.

`source`, `split`, `model` and `evaluation` are unions told apart by `kind`; unknown keys are refused.
"""

from pydantic import Field, model_validator

from siaga.errors import RecipeError
from siaga.schema.base import Class, Name, Seed, Spec
from siaga.schema.evaluation import Classification, Decision, EvaluationSpec, TopicQuality
from siaga.schema.fusions import FeatureFusion, JointFusion
from siaga.schema.models import Consistency, Fusion, ModelSpec, SelfTraining, members_of
from siaga.schema.nets import Block, Convnet, Encoder, Plain, Recurrent, Residual
from siaga.schema.search import Search, Searched
from siaga.schema.sources import (
    ArraysSource,
    Columns,
    Files,
    FolderSource,
    SourceSpec,
    SyntheticSource,
    TableSource,
    TwitterSource,
)
from siaga.schema.splits import EventSplit, GivenSplit, GroupedSplit, RandomSplit, Selection, SplitSpec, TimeSplit
from siaga.schema.submission import Submission
from siaga.schema.texts import Cleaning, Lexicon, Linear
from siaga.schema.topics import Topics, Words
from siaga.schema.training import Augmentation, Training

__all__ = [
    "ArraysSource",
    "Augmentation",
    "Block",
    "Classification",
    "Cleaning",
    "Columns",
    "Consistency",
    "Convnet",
    "Decision",
    "Encoder",
    "EvaluationSpec",
    "EventSplit",
    "FeatureFusion",
    "Files",
    "FolderSource",
    "Fusion",
    "GivenSplit",
    "GroupedSplit",
    "JointFusion",
    "Lexicon",
    "Linear",
    "ModelSpec",
    "Plain",
    "RandomSplit",
    "Recipe",
    "Recurrent",
    "Residual",
    "Search",
    "Searched",
    "Selection",
    "SelfTraining",
    "SourceSpec",
    "Spec",
    "SplitSpec",
    "Submission",
    "SyntheticSource",
    "TableSource",
    "TimeSplit",
    "TopicQuality",
    "Topics",
    "Training",
    "TwitterSource",
    "Words",
]


class Recipe(Spec):
    """Every choice of one experiment."""

    name: Name = Field(description="Name of the run folder and of the bundle's version.")
    summary: str = Field(default="", description="One line for people.")
    seed: Seed = Field(default=0, description="Of everything that is random.")
    classes: tuple[Class, ...] = Field(default=(), description="The classes in order; when empty, all labels, sorted.")
    ordered: bool = Field(default=False, description="The classes are ordered: report the ordinal error as well.")
    positive: str | None = Field(default=None, description="The class of interest; the last one when not set.")
    source: SourceSpec = Field(description="Where the posts come from.")
    selection: Selection = Field(default=Selection(), description="Which labelled posts are used.")
    split: SplitSpec = Field(default=RandomSplit(), description="What is held out.")
    model: ModelSpec = Field(description="The classifier.")
    alternatives: dict[Name, ModelSpec] = Field(
        default={}, description="Other classifiers that learn from the same posts and are measured beside the model."
    )
    decision: Decision = Field(default=Decision(), description="How the label is chosen.")
    evaluation: EvaluationSpec = Field(default=Classification(), description="What is measured.")
    search: Search = Field(default=Search(), description="What may be searched for the best settings.")
    submission: Submission | None = Field(default=None, description="The file of answers that a competition asks for.")

    @property
    def classification(self) -> Classification:
        """What is measured of a classifier of labelled posts. Raises RecipeError where topics are measured."""
        if isinstance(self.evaluation, Classification):
            return self.evaluation
        what = f"The recipe {self.name} finds topics, and no label is right or wrong about them"
        raise RecipeError(f"{what}. Use `siaga train`, `predict` or `stream` with it.")

    @model_validator(mode="after")
    def _ignores_labels_as_a_whole(self) -> "Recipe":
        if isinstance(self.model, Topics) != isinstance(self.evaluation, TopicQuality):
            raise ValueError("topics are measured as topics, and only they. Set model.kind and evaluation.kind alike")
        named = {
            "classes": self.classes,
            "positive": self.positive,
            "alternatives": self.alternatives,
            "submission": self.submission,
            "decision.costs": self.decision.costs,
        }
        if isinstance(self.model, Topics) and (set_ := [name for name, value in named.items() if value]):
            raise ValueError(f"topics are found without labels, so {set_[0]} has no meaning. Remove it")
        return self

    @model_validator(mode="after")
    def _names_known_classes(self) -> "Recipe":
        if len({name.strip() for name in self.classes} - {""}) < len(self.classes):
            raise ValueError("classes must differ from each other, and none may be blank")
        taken = {"model", "majority", "tfidf", "pixels", *members_of(self.model)}
        if shared := sorted(taken & set(self.alternatives)):
            raise ValueError(f"the report has a row {shared[0]!r} already. Give that alternative another name")
        if self.ordered and not self.classes:
            raise ValueError("ordered needs classes, from lowest to highest")
        submitted = self.submission.labels if self.submission else ()
        named = [*self.decision.costs, *([self.positive] if self.positive else []), *submitted]
        for name in named if self.classes else []:
            if name not in self.classes:
                raise ValueError(f"{name!r} is not among the classes {', '.join(self.classes)}")
        return self
