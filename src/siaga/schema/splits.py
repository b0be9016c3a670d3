"""Which posts are used, and which of them are held out: `selection`, and the kinds of `split`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from siaga.schema.base import Count, Share, Spec


class Selection(Spec):
    """Which labelled posts are used: all, as it stands. Given test and validation posts stay as they are."""

    confidence: str | None = Field(
        default=None, description="How sure the annotators were: one of `source.columns.fields`, holding a number."
    )
    per_class: Count | None = Field(
        default=None, description="Posts of a class, at most: the most confident, or a random choice."
    )
    balance: bool = Field(default=False, description="As many posts of every class as the smallest class has then.")

    @model_validator(mode="after")
    def _leaves_something_out(self) -> "Selection":
        if self.confidence is not None and self.per_class is None and not self.balance:
            raise ValueError("confidence chooses nothing by itself. Set per_class or balance as well")
        return self


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
