"""What fusion does with its members' features: `model.feature` and `model.joint`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from siaga.schema.base import Count, Positive, Share, Spec
from siaga.schema.nets import SOLVED, Activation
from siaga.schema.training import Augmentation, Training

Interaction = Literal["concatenate", "product", "low_rank", "gated", "cross_attention"]


class FeatureFusion(Spec):
    """Feature-level fusion: the members' features stand side by side, and one head learns on all of them.

    What a net has learned fits its own training posts too well. So a share of the posts is held out from such members,
    and the head sees their features of these posts alone; of all other posts it sees the other members' features.
    """

    head: Literal["logistic", "kernel", "linear", "mlp"] = Field(
        default="logistic",
        description="What learns: logistic regression, as it is or on a Gaussian kernel; or by the training loop one "
        "layer (linear) or several (mlp).",
    )
    C: Positive = Field(default=4.0, description="Inverse strength of the L2 penalty (logistic, kernel).")
    balanced: bool = Field(default=False, description="Weigh classes inversely to their frequency (logistic, kernel).")
    reduced: Count = Field(
        default=256, description="TF-IDF is reduced to so many columns, by a truncated SVD (all but logistic)."
    )
    hidden: tuple[Count, ...] = Field(default=(256,), min_length=1, description="Widths of the hidden layers (mlp).")
    activation: Activation = Field(default="relu", description="Of the hidden layers (mlp).")
    dropout: Share = Field(default=0.5, description="Share of the features that is dropped while learning (mlp).")
    ordinal: bool = Field(default=False, description="The classes are ordered: a cumulative link (linear, mlp).")
    held_out: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        default=0.3, description="Share of the posts that members which learn their features do not learn from."
    )
    training: Training = Field(
        default=Training(epochs=10, batch_size=32, learning_rate=1e-3, keep="last"),
        description="How the head learns (linear, mlp).",
    )

    @model_validator(mode="after")
    def _can_learn_so(self) -> "FeatureFusion":
        if self.training.augmentation != Augmentation():
            raise ValueError("training.augmentation changes pictures, and this head learns on features. Remove it")
        if self.ordinal and self.head in SOLVED:
            raise ValueError("ordinal = true needs the training loop. Set head = 'linear' or 'mlp'")
        return self


class JointFusion(Spec):
    """Joint fusion: the members learn together, as towers under one interaction head.

    Members keep their settings of reading and of layers; their own heads and `training` are not used.
    """

    interaction: Interaction = Field(
        default="product",
        description="How the towers meet: side by side; also each pair's product and absolute difference; an outer "
        "product of low rank; gates that each opens to the others; attention over tokens and patches.",
    )
    width: Count = Field(default=128, description="Every tower's features are projected to so many.")
    rank: Count = Field(default=4, description="Of the outer product (low_rank).")
    heads: Count = Field(default=4, description="Heads of the attention; they share the width (cross_attention).")
    hidden: tuple[Count, ...] = Field(default=(128,), description="Widths of the layers after it; none: one layer.")
    activation: Activation = Field(default="relu", description="Of these layers.")
    dropout: Share = Field(default=0.5, description="Share of the features that is dropped while learning.")
    modality_dropout: Share = Field(
        default=0.2, description="Share of the members that are taken away from a post while learning; one stays."
    )
    reduced: Count = Field(default=256, description="TF-IDF is reduced to so many columns, by a truncated SVD.")
    ordinal: bool = Field(default=False, description="The classes are ordered: a cumulative link at the end.")
    training: Training = Field(
        default=Training(epochs=15, batch_size=32, learning_rate=1e-3, keep="last", label_smoothing=0.1, average=0.98),
        description="How all of it learns.",
    )

    @model_validator(mode="after")
    def _mixes_no_pictures(self) -> "JointFusion":
        augmentation = self.training.augmentation
        if augmentation.cutmix or augmentation.mixup:
            raise ValueError("training.augmentation mixes pictures, but not their texts. Remove cutmix and mixup")
        return self

    @model_validator(mode="after")
    def _shares_the_width(self) -> "JointFusion":
        if self.interaction == "cross_attention" and self.width % self.heads:
            raise ValueError(f"width = {self.width} cannot be shared by {self.heads} heads. Take a multiple of them")
        return self
