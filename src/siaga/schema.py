"""The schema of a recipe: every setting, its type, its default and its meaning, stated once.

`source`, `split`, `model` and `evaluation` are unions told apart by `kind`; unknown keys are refused.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"\w[\w-]{0,63}", name):
        raise ValueError(f"{name!r} is not a name. Use letters, digits, - and _, 64 at most")
    return name


Name = Annotated[str, AfterValidator(_checked_name)]  # It becomes a folder, so it must not lead elsewhere.

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Probability = Annotated[float, Field(gt=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Class = Annotated[str, Field(min_length=1)]


class Spec(BaseModel):
    """A part of a recipe: frozen, with no room for unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# Sources.


class Columns(Spec):
    """Which column of a table holds what. A column that is not named here is taken if it carries the same name."""

    id: str | None = Field(default=None, description="The id; file and line where there is none.")
    text: str | None = Field(default=None, description="The text; blank is missing.")
    image: str | None = Field(default=None, description="The image's path, or its bytes (Parquet).")
    label: str | None = Field(default=None, description="The label; blank is unlabelled.")
    time: str | None = Field(
        default=None, description="ISO 8601, seconds or milliseconds since 1970, or Twitter's notation."
    )
    event: str | None = Field(default=None, description="The event a post belongs to, such as one flood.")
    language: str | None = Field(default=None, description="Language, for the slices of the report.")
    lon: str | None = Field(default=None, description="Longitude in degrees.")
    lat: str | None = Field(default=None, description="Latitude in degrees.")
    fields: tuple[str, ...] = Field(default=(), description="Further columns to keep with the post, by name.")


class Files(Spec):
    """The files (or folders) of a source: either `path`, to be split, or `train` and its companions as given."""

    path: Path | None = Field(default=None, description="One file or folder, to be split.")
    train: Path | None = Field(default=None, description="Training posts as given.")
    validation: Path | None = Field(default=None, description="Validation posts as given.")
    test: Path | None = Field(default=None, description="Test posts as given.")
    unlabelled: Path | None = Field(default=None, description="Posts for self-training; their labels are not read.")
    labels: dict[str, Class] = Field(default={}, description='Raw label to class; "*" stands for every other label.')

    @model_validator(mode="after")
    def _one_way_in(self) -> "Files":
        if (self.path is None) == (self.train is None):
            raise ValueError("set either path (one file, to be split) or train (with test, as given)")
        return self


class TableSource(Files):
    """CSV, TSV, JSONL or Parquet, plain or compressed; one post a row. Image paths start at the table's folder."""

    kind: Literal["table"] = "table"
    columns: Columns = Field(default=Columns(), description="Which column holds what.")
    where: dict[str, tuple[str, ...]] = Field(default={}, description="Keep only rows whose column has such a value.")
    image_root: Path | None = Field(default=None, description="Folder of the images; the table's own when not set.")


class FolderSource(Files):
    """A folder with one folder of images a label; `unlabelled` is a folder of images."""

    kind: Literal["folder"] = "folder"


class SyntheticSource(Spec):
    """Seeded look-alikes of flood posts in Indonesian, with drawn pictures; made, not read."""

    kind: Literal["synthetic"] = "synthetic"
    posts: Annotated[int, Field(ge=20)] = Field(default=2000, description="Labelled posts to make.")
    unlabelled: Annotated[int, Field(ge=0)] = Field(default=600, description="Unlabelled posts to make.")
    info_share: Probability = Field(default=0.3, description="Share of INFO among the posts.")
    missing_text: Share = Field(default=0.05, description="Share of posts without text.")
    missing_image: Share = Field(default=0.1, description="Share of posts without image.")
    noise: Share = Field(default=0.2, description="Share of posts whose text, and of posts whose picture, misleads.")
    seed: Seed = Field(default=7, description="Seed of the posts, apart from the seed of the recipe.")


SourceSpec = Annotated[TableSource | FolderSource | SyntheticSource, Field(discriminator="kind")]


# Splits.


class RandomSplit(Spec):
    """Stratified by label."""

    kind: Literal["random"] = "random"
    test: Share = Field(default=0.2, description="Share of the labelled posts.")
    validation: Share = Field(default=0.15, description="Share of the labelled posts.")


class GroupedSplit(Spec):
    """Posts with the same value in `column` stay together; intervals resample whole groups."""

    kind: Literal["grouped"] = "grouped"
    column: str = Field(description="`event`, `language`, or one of `source.columns.fields`.")
    test: Share = Field(default=0.2, description="Share of the labelled posts.")
    validation: Share = Field(default=0.15, description="Share of the labelled posts.")


class TimeSplit(Spec):
    """The newest posts are the test, the next newest the validation split."""

    kind: Literal["time"] = "time"
    test: Share = Field(default=0.2, description="Share of the labelled posts.")
    validation: Share = Field(default=0.15, description="Share of the labelled posts.")


class EventSplit(Spec):
    """Leave one event out: train on all other events. Without `held_out`, each event is held out in turn."""

    kind: Literal["event"] = "event"
    held_out: str | None = Field(default=None, description="The event to test on; each in turn when not set.")
    validation: Share = Field(default=0.15, description="Share of the labelled posts that are not test posts.")


class GivenSplit(Spec):
    """The source names the splits; a missing validation split is taken from the training posts."""

    kind: Literal["given"] = "given"
    validation: Share = Field(default=0.15, description="Share of the labelled posts that are not test posts.")


SplitSpec = Annotated[RandomSplit | GroupedSplit | TimeSplit | EventSplit | GivenSplit, Field(discriminator="kind")]


# Classifiers.


class Cleaning(Spec):
    """What is done to a text before it is read: entities undone, white space folded, and the choices below."""

    lower: bool = Field(default=True, description="Write everything in lower case.")
    urls: Literal["drop", "keep"] = Field(default="drop", description="Links.")
    mentions: Literal["drop", "keep"] = Field(default="drop", description="Names after an @.")
    hashtags: Literal["drop", "keep", "word"] = Field(default="word", description="word: without the sign #.")
    hashtag_words: tuple[str, ...] = Field(
        default=(), description="A hashtag that starts with such a word becomes the word, whatever `hashtags` says."
    )
    emoji: Literal["drop", "keep"] = Field(default="keep", description="Emoji.")


NGrams = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]


class Linear(Spec):
    """TF-IDF of words and characters under a linear or a naive Bayes head."""

    kind: Literal["linear"] = "linear"
    cleaning: Cleaning = Field(default=Cleaning(), description="What is done to a text before it is read.")
    words: NGrams | Literal[False] = Field(default=(1, 2), description="From … to … words an n-gram; false: none.")
    characters: NGrams | Literal[False] = Field(default=(2, 5), description="From … to … characters; false: none.")
    min_posts: Count = Field(default=2, description="A word or character n-gram must stand in so many posts.")
    head: Literal["logistic", "sgd", "bernoulli", "complement"] = Field(
        default="logistic", description="Logistic regression, by stochastic gradient (sgd), or a naive Bayes."
    )
    C: Positive = Field(default=4.0, description="Inverse strength of the L2 penalty (logistic).")
    balanced: bool = Field(default=False, description="Weigh classes inversely to their frequency.")

    @model_validator(mode="after")
    def _has_something_to_read(self) -> "Linear":
        if not self.words and not self.characters:
            raise ValueError("words and characters are both false, so there is nothing to read. Set one of them")
        for name, sizes in (("words", self.words), ("characters", self.characters)):
            if sizes and sizes[0] > sizes[1]:
                raise ValueError(f"{name} = {list(sizes)} runs from more to fewer. Write {sorted(sizes)}")
        return self


class Encoder(Spec):
    """A pretrained encoder with a small head.

    `weights` is a local folder in the form of transformers or model2vec, or the name of a model on the hub. A hub
    model is taken from the local cache; it is fetched only when `download` is true.
    """

    kind: Literal["encoder"] = "encoder"
    modality: Literal["text", "image"] = Field(description="What of a post it reads.")
    weights: str = Field(description="A folder, or the name of a model on the hub.")
    download: bool = Field(default=False, description="Fetch a hub model that is not in the local cache.")
    frozen: Literal[True] = Field(default=True, description="The encoder itself does not learn.")
    cleaning: Cleaning = Field(
        default=Cleaning(lower=False, hashtags="keep"), description="What is done to a text before it is read."
    )
    pooling: Literal["mean", "first"] = Field(default="mean", description="Pooling of a text transformer's tokens.")
    max_tokens: Count = Field(default=128, description="A longer text is cut.")
    image_size: Count | None = Field(default=None, description="Side in pixels; the encoder's own when not set.")
    batch_size: Count = Field(default=32, description="Posts that are encoded at once.")
    head: Literal["logistic", "mlp"] = Field(
        default="logistic", description="What learns on the embeddings: logistic regression, or one hidden layer (mlp)."
    )
    C: Positive = Field(default=1.0, description="Inverse strength of the L2 penalty (logistic).")
    hidden: Count = Field(default=256, description="Width of the hidden layer (mlp).")
    balanced: bool = Field(default=False, description="Weigh classes inversely to their frequency.")


class Convnet(Spec):
    """A small convolutional net for small images, trained from scratch."""

    kind: Literal["convnet"] = "convnet"
    image_size: Annotated[int, Field(ge=8)] = Field(default=32, description="Side in pixels.")
    channels: tuple[Count, ...] = Field(default=(32, 64, 128), min_length=1, description="Channels of each stage.")
    dropout: Share = Field(default=0.1, description="Share of the features that is dropped while learning.")
    epochs: Count = Field(default=12, description="Passes over the training posts, at most.")
    patience: Count = Field(default=4, description="Stop after so many epochs without a better validation loss.")
    batch_size: Annotated[int, Field(ge=2)] = Field(default=64, description="Posts in a step.")
    learning_rate: Positive = Field(default=2e-3, description="The highest, of one rise and fall over the epochs.")
    weight_decay: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = Field(default=1e-2, description="Of AdamW.")


class Fusion(Spec):
    """Decision-level fusion: a combiner learned on the members' cross-fitted (out-of-fold) log-odds."""

    kind: Literal["fusion"] = "fusion"
    members: dict[Name, "ModelSpec"] = Field(min_length=2, description="Classifiers of any kind, by name.")
    combiner: Literal["mean", "logistic", "random_forest", "catboost"] = Field(
        default="logistic", description="What weighs the members' evidence; mean has nothing to learn."
    )
    folds: Annotated[int, Field(ge=2)] = Field(default=5, description="Folds of the cross-fitting.")


class SelfTraining(Spec):
    """Guarded self-training: confident answers on unlabelled posts join the training posts, round by round."""

    kind: Literal["self_training"] = "self_training"
    model: "ModelSpec" = Field(description="The classifier that teaches itself.")
    agree_with: "ModelSpec | None" = Field(
        default=None, description="A second classifier (of another modality) whose confident answers join as well."
    )
    threshold: Probability = Field(default=0.95, description="Confidence from which an answer may join.")
    thresholds: dict[str, Probability] = Field(default={}, description="Threshold by class; others use `threshold`.")
    balance: bool = Field(default=True, description="Take pseudo-labels in the proportion of the labelled classes.")
    rounds: Count = Field(default=1, description="Rounds, at most; the first one rolled back is the last.")
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
    resamples: Annotated[int, Field(ge=100)] = Field(default=2000, description="Draws of the bootstrap.")
    top_losses: Annotated[int, Field(ge=0)] = Field(default=25, description="How many of the worst posts to list.")


class Recipe(Spec):
    """Every choice of one experiment."""

    name: Name = Field(description="Name of the run folder and of the bundle's version.")
    summary: str = Field(default="", description="One line for people.")
    seed: Seed = Field(default=0, description="Of everything that is random.")
    classes: tuple[Class, ...] = Field(default=(), description="The classes in order; when empty, all labels, sorted.")
    ordered: bool = Field(default=False, description="The classes are ordered: report the ordinal error as well.")
    positive: str | None = Field(default=None, description="The class of interest; the last one when not set.")
    source: SourceSpec = Field(description="Where the posts come from.")
    split: SplitSpec = Field(default=RandomSplit(), description="What is held out.")
    model: ModelSpec = Field(description="The classifier.")
    decision: Decision = Field(default=Decision(), description="How the label is chosen.")
    evaluation: Classification = Field(default=Classification(), description="What is measured.")

    @model_validator(mode="after")
    def _names_known_classes(self) -> "Recipe":
        if len({name.strip() for name in self.classes} - {""}) < len(self.classes):
            raise ValueError("classes must differ from each other, and none may be blank")
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
