"""The classifiers that learn by the training loop: `encoder`, `recurrent` and `convnet`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from siaga.schema.base import Count, Positive, Share, Spec
from siaga.schema.texts import Cleaning
from siaga.schema.training import Augmentation, Training

Activation = Literal["relu", "gelu", "silu", "tanh"]
SOLVED = ("logistic", "kernel")  # Heads on features that are solved at once, without the training loop.


class Encoder(Spec):
    """A pretrained encoder with a small head.

    `weights` is a local folder in the form of transformers or model2vec, or the name of a model on the hub. A hub
    model is taken from the local cache; it is fetched only when `download` is true. Of an encoder of pairs (CLIP,
    SigLIP) it is the half that reads `modality`, with its projection.
    """

    kind: Literal["encoder"] = "encoder"
    modality: Literal["text", "image"] = Field(description="What of a post it reads.")
    weights: str = Field(description="A folder, or the name of a model on the hub.")
    download: bool = Field(default=False, description="Fetch a hub model that is not in the local cache.")
    frozen: bool = Field(default=True, description="The encoder itself does not learn; false: it is fine-tuned.")
    cleaning: Cleaning = Field(
        default=Cleaning(lower=False, hashtags="keep"), description="What is done to a text before it is read."
    )
    pooling: Literal["mean", "first"] = Field(
        default="mean", description="Pooling of a text transformer's tokens; half of a pair pools as it was trained to."
    )
    max_tokens: Count = Field(default=128, description="A longer text is cut.")
    image_size: Count | None = Field(default=None, description="Side in pixels; the encoder's own when not set.")
    grey: bool = Field(default=False, description="Read images without their colours.")
    batch_size: Count = Field(default=32, description="Posts that are encoded at once.")
    head: Literal["logistic", "kernel", "linear", "mlp"] = Field(
        default="logistic",
        description="What learns on the embeddings: logistic regression, as it is or on a Gaussian kernel; or by the "
        "training loop one layer (linear) or several (mlp).",
    )
    C: Positive | None = Field(
        default=None, description="Inverse strength of the L2 penalty; unset: 1 (logistic), 8 (kernel)."
    )
    balanced: bool = Field(default=False, description="Weigh classes inversely to their frequency (logistic, kernel).")
    hidden: tuple[Count, ...] = Field(default=(256,), min_length=1, description="Widths of the hidden layers (mlp).")
    activation: Activation = Field(default="relu", description="Of the hidden layers (mlp).")
    dropout: Share = Field(default=0.2, description="Share of the features that the head drops while it learns.")
    ordinal: bool = Field(default=False, description="The classes are ordered: a cumulative link (linear, mlp).")
    training: Training = Field(
        default=Training(epochs=60, batch_size=32, patience=8), description="How the head, or all of it, learns."
    )

    @model_validator(mode="after")
    def _can_learn_so(self) -> "Encoder":
        if self.modality == "text" and self.training.augmentation != Augmentation():
            raise ValueError("training.augmentation changes pictures, and modality is 'text'. Remove it")
        if self.frozen and self.training.augmentation != Augmentation():
            raise ValueError(
                "training.augmentation changes pictures, and a frozen encoder learns on their embeddings. "
                "Remove it, or set frozen = false"
            )
        if self.head in SOLVED and (self.ordinal or not self.frozen):
            what = "ordinal = true" if self.ordinal else "frozen = false"
            raise ValueError(f"{what} needs the training loop. Set head = 'linear' or 'mlp'")
        return self


class Recurrent(Spec):
    """Words of a vocabulary under stacked LSTM or GRU layers, trained from scratch."""

    kind: Literal["recurrent"] = "recurrent"
    cleaning: Cleaning = Field(default=Cleaning(), description="What is done to a text before it is read.")
    max_tokens: Count = Field(default=64, description="A longer text is cut.")
    min_posts: Count = Field(default=2, description="A word must stand in so many posts to be known.")
    max_words: Count = Field(default=20_000, description="Words that are known, at most.")
    embedding: Count = Field(default=64, description="Width of a word's embedding.")
    cell: Literal["lstm", "gru"] = Field(default="lstm", description="The kind of the layers.")
    hidden: Count = Field(default=64, description="Width of each layer, in each direction.")
    layers: Count = Field(default=2, description="Layers, one upon the other.")
    bidirectional: bool = Field(default=True, description="Read texts from both ends.")
    pooling: Literal["last", "mean", "max"] = Field(
        default="max", description="The last state, or the mean or maximum over the words."
    )
    dropout: Share = Field(default=0.3, description="Share of the features that is dropped between layers.")
    ordinal: bool = Field(default=False, description="The classes are ordered: a cumulative link at the end.")
    training: Training = Field(default=Training(patience=3), description="How it learns.")

    @model_validator(mode="after")
    def _reads_no_pictures(self) -> "Recurrent":
        if self.training.augmentation != Augmentation():
            raise ValueError("training.augmentation changes pictures, and a recurrent net reads texts. Remove it")
        return self


class Block(Spec):
    """One convolution: norm, activation, 2 × 2 pooling and dropout follow."""

    channels: Count = Field(description="Channels that it gives.")
    kernel: Count = Field(default=3, description="Side of its kernel; odd.")
    pool: bool = Field(default=True, description="2 × 2 maximum pooling after it.")
    dropout: Share = Field(default=0.0, description="Share of its values that is dropped while learning.")

    @model_validator(mode="after")
    def _has_a_middle(self) -> "Block":
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel = {self.kernel} is even, so it has no middle. Set {self.kernel + 1}")
        return self


class Plain(Spec):
    """Convolutions and dense layers, one after the other; without blocks a dense net."""

    kind: Literal["plain"] = "plain"
    blocks: tuple[Block, ...] = Field(default=(), description="The convolutions.")
    dense: tuple[Count, ...] = Field(default=(256,), description="Widths of the dense layers after them.")
    activation: Activation = Field(default="relu", description="After every layer.")
    norm: bool = Field(default=True, description="Batch norm after every convolution.")
    dropout: Share = Field(default=0.0, description="Share of the features that is dropped after a dense layer.")


class Residual(Spec):
    """Stages of one convolution with pooling, and residual blocks; the mean over positions; one linear layer."""

    kind: Literal["residual"] = "residual"
    channels: tuple[Count, ...] = Field(default=(64, 128, 256), min_length=1, description="Channels of each stage.")
    blocks: Annotated[int, Field(ge=0)] = Field(default=1, description="Residual blocks of two convolutions a stage.")
    activation: Activation = Field(default="relu", description="After every convolution.")
    dropout: Share = Field(default=0.0, description="Share of the features that is dropped before the last layer.")


class Convnet(Spec):
    """A small convolutional net for small images, trained from scratch."""

    kind: Literal["convnet"] = "convnet"
    image_size: Annotated[int, Field(ge=8)] = Field(default=32, description="Side in pixels.")
    grey: bool = Field(default=False, description="Read images without their colours.")
    net: Annotated[Plain | Residual, Field(discriminator="kind")] = Field(default=Residual(), description="The layers.")
    ordinal: bool = Field(default=False, description="The classes are ordered: a cumulative link at the end.")
    training: Training = Field(default=Training(), description="How it learns.")

    @model_validator(mode="after")
    def _leaves_something(self) -> "Convnet":
        halves = sum(block.pool for block in self.net.blocks) if isinstance(self.net, Plain) else 0
        if self.image_size >> halves == 0:
            raise ValueError(f"{halves} poolings leave nothing of {self.image_size} pixels. Take fewer")
        return self
