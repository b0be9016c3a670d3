"""The classifiers: the kinds of `model`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from siaga.schema.base import Count, Name, Positive, Probability, Share, Spec


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

Fusion.model_rebuild()
SelfTraining.model_rebuild()
