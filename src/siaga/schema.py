"""The schema of a recipe: every setting, its type, its default and its meaning, stated once.

`source`, `split`, `model` and `evaluation` are unions told apart by `kind`; unknown keys are refused.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Probability = Annotated[float, Field(gt=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]


class Spec(BaseModel):
    """A part of a recipe: frozen, with no room for unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# Sources.


class Columns(Spec):
    """Which column of a table holds what. A column that is not named here is taken if it carries the same name."""

    id: str | None = None
    text: str | None = None
    image: str | None = None
    label: str | None = None
    time: str | None = None
    event: str | None = None
    language: str | None = None
    lon: str | None = None
    lat: str | None = None
    fields: tuple[str, ...] = ()


class Files(Spec):
    """The files (or folders) of a source: either `path`, to be split, or `train` and its companions as given."""

    path: Path | None = None
    train: Path | None = None
    validation: Path | None = None
    test: Path | None = None
    unlabelled: Path | None = None
    labels: dict[str, str] = Field(default={}, description='Raw label to class; "*" stands for every other label.')

    @model_validator(mode="after")
    def _one_way_in(self) -> "Files":
        if (self.path is None) == (self.train is None):
            raise ValueError("set either path (one file, to be split) or train (with test, as given)")
        return self


class TableSource(Files):
    """CSV, TSV, JSONL or Parquet, plain or gzip; one post a row. Image paths are relative to the table's folder."""

    kind: Literal["table"] = "table"
    columns: Columns = Columns()
    where: dict[str, tuple[str, ...]] = Field(default={}, description="Keep only rows whose column has such a value.")
    image_root: Path | None = None


class FolderSource(Files):
    """A folder with one folder of images a label; `unlabelled` is a folder of images."""

    kind: Literal["folder"] = "folder"


class SyntheticSource(Spec):
    """Seeded look-alikes of flood posts in Indonesian, with drawn pictures; made, not read."""

    kind: Literal["synthetic"] = "synthetic"
    posts: Annotated[int, Field(ge=20)] = 1500
    unlabelled: Annotated[int, Field(ge=0)] = 600
    info_share: Probability = 0.3
    missing_text: Share = 0.05
    missing_image: Share = 0.2
    noise: Share = Field(default=0.15, description="Share of posts whose text, and of posts whose picture, misleads.")
    seed: int = 7


SourceSpec = Annotated[TableSource | FolderSource | SyntheticSource, Field(discriminator="kind")]


# Splits.


class RandomSplit(Spec):
    """Stratified by label; shares of all posts."""

    kind: Literal["random"] = "random"
    test: Share = 0.2
    validation: Share = 0.15


class GroupedSplit(Spec):
    """Posts with the same value in `column` stay together; intervals resample whole groups."""

    kind: Literal["grouped"] = "grouped"
    column: str
    test: Share = 0.2
    validation: Share = 0.15


class TimeSplit(Spec):
    """The newest posts are the test, the next newest the validation split."""

    kind: Literal["time"] = "time"
    test: Share = 0.2
    validation: Share = 0.15


class EventSplit(Spec):
    """Leave one event out: train on all other events. Without `held_out`, each event is held out in turn."""

    kind: Literal["event"] = "event"
    held_out: str | None = None
    validation: Share = 0.15


class GivenSplit(Spec):
    """The source names the splits; a missing validation split is taken from the training posts."""

    kind: Literal["given"] = "given"
    validation: Share = 0.15


SplitSpec = Annotated[RandomSplit | GroupedSplit | TimeSplit | EventSplit | GivenSplit, Field(discriminator="kind")]


# Classifiers.


class Cleaning(Spec):
    """What is done to a text before it is read: entities undone, white space folded, and the choices below."""

    lower: bool = True
    urls: Literal["drop", "keep"] = "drop"
    mentions: Literal["drop", "keep"] = "drop"
    hashtags: Literal["drop", "keep", "word"] = "word"
    hashtag_words: tuple[str, ...] = Field(
        default=(), description="A hashtag that starts with such a word becomes the word, whatever `hashtags` says."
    )
    emoji: Literal["drop", "keep"] = "keep"


NGrams = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]


class Linear(Spec):
    """TF-IDF of words and characters under a linear or a naive Bayes head."""

    kind: Literal["linear"] = "linear"
    cleaning: Cleaning = Cleaning()
    words: NGrams | Literal[False] = Field(default=(1, 2), description="From … to … words an n-gram; false: none.")
    characters: NGrams | Literal[False] = Field(default=(2, 5), description="From … to … characters; false: none.")
    min_posts: Count = Field(default=2, description="A word or character n-gram must stand in so many posts.")
    head: Literal["logistic", "sgd", "bernoulli", "complement"] = "logistic"
    C: Positive = Field(default=4.0, description="Inverse strength of the L2 penalty (logistic).")
    balanced: bool = Field(default=False, description="Weigh classes inversely to their frequency.")


class Encoder(Spec):
    """A pretrained encoder with a small head.

    `weights` is a local folder in the form of transformers or model2vec, or the name of a model on the hub. A hub
    model is taken from the local cache; it is fetched only when `download` is true.
    """

    kind: Literal["encoder"] = "encoder"
    modality: Literal["text", "image"]
    weights: str
    download: bool = False
    frozen: Literal[True] = True
    cleaning: Cleaning = Cleaning(lower=False, hashtags="keep")
    pooling: Literal["mean", "first"] = Field(default="mean", description="Pooling of a text transformer's tokens.")
    max_tokens: Count = 128
    image_size: Count | None = Field(default=None, description="Side in pixels; the encoder's own when not set.")
    batch_size: Count = 32
    head: Literal["logistic", "mlp"] = "logistic"
    C: Positive = Field(default=1.0, description="Inverse strength of the L2 penalty (logistic).")
    hidden: Count = Field(default=256, description="Width of the hidden layer (mlp).")
    balanced: bool = Field(default=False, description="Weigh classes inversely to their frequency.")


class Convnet(Spec):
    """A small convolutional net for small images, trained from scratch."""

    kind: Literal["convnet"] = "convnet"
    image_size: Annotated[int, Field(ge=8)] = 32
    channels: tuple[Count, ...] = (32, 64, 128)
    dropout: Share = 0.1
    epochs: Count = 12
    patience: Count = Field(default=4, description="Stop after so many epochs without a better validation loss.")
    batch_size: Count = 64
    learning_rate: Positive = 2e-3
    weight_decay: Annotated[float, Field(ge=0.0)] = 1e-2


class Fusion(Spec):
    """Decision-level fusion: a combiner learned on the members' cross-fitted (out-of-fold) log-odds."""

    kind: Literal["fusion"] = "fusion"
    members: dict[str, "ModelSpec"] = Field(min_length=2)
    combiner: Literal["mean", "logistic", "random_forest", "catboost"] = "logistic"
    folds: Annotated[int, Field(ge=2)] = 5


class SelfTraining(Spec):
    """Guarded self-training: confident answers on unlabelled posts join the training posts, round by round."""

    kind: Literal["self_training"] = "self_training"
    model: "ModelSpec"
    agree_with: "ModelSpec | None" = Field(
        default=None, description="A second classifier (of another modality) whose confident answers join as well."
    )
    threshold: Probability = 0.95
    thresholds: dict[str, Probability] = Field(default={}, description="Threshold by class; others use `threshold`.")
    balance: bool = Field(default=True, description="Take pseudo-labels in the proportion of the labelled classes.")
    rounds: Count = 1
    guard: Literal["no_loss", "gain", "off"] = Field(
        default="no_loss",
        description="Keep a round unless it loses (no_loss) or only if it gains (gain) beyond held-out noise.",
    )


ModelSpec = Annotated[Linear | Encoder | Convnet | Fusion | SelfTraining, Field(discriminator="kind")]


# Decision and evaluation.


class Decision(Spec):
    """How probabilities become labels."""

    calibrate: bool = Field(default=True, description="Fit a temperature on the validation posts.")
    costs: dict[str, Positive] = Field(
        default={}, description="Cost of missing a class, 1 where not named: INFO = 10 trades one miss for ten alarms."
    )


class Classification(Spec):
    """Metrics of a classifier, each with a 95 % bootstrap interval."""

    kind: Literal["classification"] = "classification"
    resamples: Annotated[int, Field(ge=100)] = 2000
    top_losses: Annotated[int, Field(ge=0)] = 25


class Recipe(Spec):
    """Every choice of one experiment."""

    name: str
    summary: str = ""
    seed: Annotated[int, Field(ge=0)] = 0
    classes: tuple[str, ...] = Field(default=(), description="The classes in order; when empty, all labels, sorted.")
    ordered: bool = Field(default=False, description="The classes are ordered: report the ordinal error as well.")
    positive: str | None = Field(default=None, description="The class of interest; the last one when not set.")
    source: SourceSpec
    split: SplitSpec = RandomSplit()
    model: ModelSpec
    decision: Decision = Decision()
    evaluation: Classification = Classification()

    @model_validator(mode="after")
    def _names_known_classes(self) -> "Recipe":
        if self.ordered and not self.classes:
            raise ValueError("ordered needs classes, from lowest to highest")
        named = [*self.decision.costs, *([self.positive] if self.positive else [])]
        for name in named if self.classes else []:
            if name not in self.classes:
                raise ValueError(f"{name!r} is not among the classes {', '.join(self.classes)}")
        return self


Fusion.model_rebuild()
SelfTraining.model_rebuild()
Recipe.model_rebuild()
