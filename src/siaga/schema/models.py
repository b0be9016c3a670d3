"""The kinds of `model`, and those that hold other classifiers: `fusion` and `self_training`."""

from typing import Annotated, Literal

from pydantic import Field

from siaga.schema.base import Count, Name, Probability, Spec
from siaga.schema.nets import Convnet, Encoder
from siaga.schema.texts import Linear


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
