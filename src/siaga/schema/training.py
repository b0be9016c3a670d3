"""How a net learns: the settings of the one training loop, and of its augmentation."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from siaga.schema.base import Count, Positive, Share, Spec

Chance = Annotated[float, Field(ge=0.0, le=1.0)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class Augmentation(Spec):
    """Changes to a training batch, drawn anew for every picture; 0 or false turns one off."""

    flip: bool = Field(default=False, description="Mirror left and right, half of the time.")
    rotate: Annotated[float, Field(ge=0.0, le=180.0)] = Field(default=0.0, description="Up to so many degrees.")
    shift: Share = Field(default=0.0, description="Up to this share of the side, both ways.")
    zoom: Share = Field(default=0.0, description="Larger or smaller by up to this share.")
    warp: Share = Field(default=0.0, description="Perspective: how far a corner may move, as a share of the side.")
    light: Share = Field(default=0.0, description="Brightness and contrast, up to this share.")
    colour: Share = Field(default=0.0, description="Saturation, up to this share, and hue, up to a fifth of it.")
    crop: Share = Field(default=0.0, description="Crop back to size after padding each side by this share.")
    cutout: Share = Field(default=0.0, description="Erase a square of this share of the side.")
    cutmix: Chance = Field(default=0.0, description="Chance that a batch is mixed by patches (CutMix).")
    mixup: Chance = Field(default=0.0, description="Chance that a batch is mixed by blending (MixUp).")

    @model_validator(mode="after")
    def _mixes_once(self) -> "Augmentation":
        if self.cutmix + self.mixup > 1.0:
            raise ValueError("cutmix and mixup are chances of one batch, so their sum is 1 at most")
        return self


class Training(Spec):
    """How a net learns."""

    epochs: Count = Field(default=12, description="Passes over the training posts, at most.")
    patience: Annotated[int, Field(ge=0)] = Field(
        default=0, description="Stop after so many epochs without a better validation loss; 0: never."
    )
    keep: Literal["best", "last"] = Field(
        default="best", description="The weights of the epoch of the lowest validation loss, or of the last epoch."
    )
    batch_size: Annotated[int, Field(ge=2)] = Field(default=64, description="Posts in a batch.")
    accumulate: Count = Field(default=1, description="Batches in a step of the optimizer.")
    optimizer: Literal["sgd", "adam", "adamw", "rmsprop"] = Field(
        default="adamw", description="adamw decays weights apart from the gradient, the others through it."
    )
    learning_rate: Positive | Literal["find"] = Field(
        default=2e-3, description="The highest of the schedule; find: by the learning-rate finder."
    )
    momentum: Share = Field(default=0.9, description="Of SGD and RMSprop, and the first beta of Adam.")
    squared_momentum: Share = Field(default=0.999, description="The second beta of Adam; the smoothing of RMSprop.")
    eps: Positive = Field(default=1e-8, description="Added to the divisor of Adam and RMSprop.")
    weight_decay: NotNegative = Field(default=1e-2, description="Of the weights; biases and norms are spared.")
    schedule: Literal["one_cycle", "cosine", "plateau", "constant"] = Field(
        default="one_cycle",
        description="One rise and fall; warm-up, then half a cosine; halved where validation stalls; or as it is.",
    )
    warmup: Share = Field(default=0.25, description="Share of the steps that rise (one_cycle, cosine).")
    plateau: Count = Field(default=3, description="Epochs without a better validation loss before a cut (plateau).")
    plateau_factor: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(default=0.5, description="That cut (plateau).")
    epochs_frozen: Annotated[int, Field(ge=0)] = Field(
        default=0, description="Of the epochs, so many at first train the head alone; for pretrained nets."
    )
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        default=1.0, description="A layer's learning rate as a share of that of the layer above it."
    )
    clip: NotNegative = Field(default=0.0, description="Longest gradient (L2 norm) of a step; 0: any.")
    average: Share = Field(default=0.0, description="Decay of the moving average of the weights (EMA); 0: none.")
    loss: Literal["cross_entropy", "focal"] = Field(default="cross_entropy", description="What is made small.")
    focal_gamma: NotNegative = Field(default=2.0, description="How much focal loss spares what is easy.")
    label_smoothing: Share = Field(default=0.0, description="Share of a label spread over all classes.")
    class_weights: bool = Field(default=False, description="Weigh classes inversely to their frequency.")
    balanced: bool = Field(default=False, description="Draw posts so that all classes come equally often.")
    precision: Literal["float32", "bfloat16", "float16", "auto"] = Field(
        default="float32", description="auto: half precision where this device gains from it, measured once."
    )
    compile: bool = Field(default=False, description="Compile the net (torch.compile).")
    augmentation: Augmentation = Field(default=Augmentation(), description="Changes to training pictures.")

    @model_validator(mode="after")
    def _ends_unfrozen(self) -> "Training":
        if self.epochs_frozen > self.epochs:
            raise ValueError(f"epochs_frozen = {self.epochs_frozen} is more than all {self.epochs} epochs")
        return self
