"""The kinds of `model`, and those that hold other classifiers: `fusion`, `self_training` and `consistency`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from siaga.schema.base import Count, Name, Positive, Probability, Share, Spec
from siaga.schema.fusions import FeatureFusion, JointFusion
from siaga.schema.nets import SOLVED, Convnet, Encoder, Recurrent
from siaga.schema.texts import Lexicon, Linear
from siaga.schema.topics import Topics
from siaga.schema.training import Augmentation


def _with_labels(spec: "ModelSpec") -> "ModelSpec":
    if isinstance(spec, Topics):
        raise ValueError("topics are no labels, so they can be no part of a classifier of labels. Train them alone")
    return spec


Labelled = Annotated["ModelSpec", AfterValidator(_with_labels)]  # A classifier that learns labels.


class Fusion(Spec):
    """Several classifiers of the same posts as one: at the decision, at the features, or learned together.

    `decision`: a combiner learns on the members' cross-fitted (out-of-fold) log-odds. `feature`: one head learns on
    their features, side by side. `joint`: they learn together, and their own heads are not used.
    """

    kind: Literal["fusion"] = "fusion"
    members: dict[Name, Labelled] = Field(min_length=2, description="Classifiers of any kind, by name.")
    level: Literal["decision", "feature", "joint"] = Field(
        default="decision", description="Where the members meet; joint takes linear, encoder, recurrent and convnet."
    )
    combiner: Literal["mean", "logistic", "random_forest", "catboost"] = Field(
        default="logistic", description="What weighs the members' evidence; mean has nothing to learn (decision)."
    )
    folds: Annotated[int, Field(ge=2)] = Field(default=5, description="Folds of the cross-fitting (decision).")
    feature: FeatureFusion = Field(default=FeatureFusion(), description="How the head learns (feature).")
    joint: JointFusion = Field(default=JointFusion(), description="How the towers meet and learn (joint).")

    @model_validator(mode="after")
    def _can_learn_jointly(self) -> "Fusion":
        if self.level != "joint":
            return self
        for name, member in self.members.items():
            if not isinstance(member, Linear | Encoder | Recurrent | Convnet):
                what = (
                    f"members.{name} is a {member.kind}, which has no features of its own to learn together with others"
                )
                raise ValueError(f"{what}. Put its inner model there, or set level = 'feature' or 'decision'")
        reads_pictures = any(
            isinstance(member, Convnet)
            or (isinstance(member, Encoder) and member.modality == "image" and not member.frozen)
            for member in self.members.values()
        )
        if self.joint.training.augmentation != Augmentation() and not reads_pictures:
            what = "joint.training.augmentation changes pictures, and no member learns from pictures as they are"
            raise ValueError(f"{what}. Remove it, or set frozen = false")
        return self


class SelfTraining(Spec):
    """Guarded self-training: confident answers on unlabelled posts join the training posts, round by round."""

    kind: Literal["self_training"] = "self_training"
    model: Labelled = Field(description="The classifier that teaches itself.")
    agree_with: Labelled | None = Field(
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


class Consistency(Spec):
    """A net that learns from unlabelled posts too: what it answers on a weak view of one is to hold for a strong one.

    The weak view of a picture is changed as in training.augmentation, without mixing; a text or an embedding stays as
    it is.
    """

    kind: Literal["consistency"] = "consistency"
    model: Annotated[Encoder | Recurrent | Convnet | Fusion, Field(discriminator="kind")] = Field(
        description="The net: a convnet, a recurrent net, an encoder whose head is linear or mlp, or a joint fusion."
    )
    method: Literal["softmatch", "fixmatch"] = Field(
        default="softmatch",
        description="An unlabelled post weighs the more the surer its answer is by what is usual, the classes evened "
        "out (softmatch), or all or nothing by a threshold (fixmatch).",
    )
    threshold: Probability = Field(default=0.95, description="Confidence from which a post counts (fixmatch).")
    weight: Positive = Field(default=1.0, description="Of the unlabelled posts' loss beside that of the labelled ones.")
    warmup: Share = Field(default=0.25, description="Share of the steps over which that weight rises from 0.")
    ratio: Count = Field(default=4, description="Unlabelled posts to a labelled one in a batch.")
    momentum: Share = Field(default=0.999, description="Of the running confidence (softmatch) and class distribution.")
    strong: Augmentation = Field(
        default=Augmentation(rotate=15.0, shift=0.1, zoom=0.1, warp=0.1, light=0.4, colour=0.4, cutout=0.4),
        description="Changes that make the strong view of a picture.",
    )
    word_dropout: Share = Field(default=0.3, description="Share of a text's words that its strong view lacks.")
    feature_dropout: Share = Field(
        default=0.3, description="Share of an embedding that its strong view has from another post (frozen encoder)."
    )
    guard: Literal["no_loss", "gain", "off"] = Field(
        default="no_loss",
        description="Keep what was learned unless it loses (no_loss) or only if it gains (gain) beyond held-out noise.",
    )

    @field_validator("model")
    @classmethod
    def _learns_in_the_loop(
        cls, model: Encoder | Recurrent | Convnet | Fusion
    ) -> Encoder | Recurrent | Convnet | Fusion:
        if isinstance(model, Encoder) and model.head in SOLVED:
            raise ValueError(f"head = {model.head!r} does not learn by the training loop. Set head = 'linear' or 'mlp'")
        if isinstance(model, Fusion) and model.level != "joint":
            raise ValueError(f"level = {model.level!r} is no single net. Set level = 'joint', or make a member of this")
        return model

    @field_validator("strong")
    @classmethod
    def _mixes_nothing(cls, strong: Augmentation) -> Augmentation:
        if strong.cutmix or strong.mixup:
            raise ValueError("a strong view has one label, so nothing may be mixed into it. Remove cutmix and mixup")
        return strong


ModelSpec = Annotated[
    Linear | Lexicon | Topics | Encoder | Recurrent | Convnet | Fusion | SelfTraining | Consistency,
    Field(discriminator="kind"),
]

Fusion.model_rebuild()
SelfTraining.model_rebuild()
Consistency.model_rebuild()


def members_of(spec: ModelSpec) -> list[str]:
    """Return the names under which a classifier answers for its members as well."""
    match spec:
        case Fusion():
            return list(spec.members)
        case SelfTraining() | Consistency():
            return members_of(spec.model)
        case _:
            return []
