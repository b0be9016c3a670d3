"""What may be searched for the best of a recipe's settings: `search`."""

from typing import Annotated

from pydantic import Field, model_validator

from siaga.schema.base import Spec

Finite = Annotated[float, Field(allow_inf_nan=False)]
Scalar = bool | int | Finite | str


class Searched(Spec):
    """The values of a setting: a range from `low` to `high`, of whole numbers when both are, or `choices`."""

    low: int | Finite | None = Field(default=None, description="The smallest value of a range.")
    high: int | Finite | None = Field(default=None, description="The largest value of a range.")
    log: bool = Field(default=False, description="Draw from the range by its logarithm; it is above 0 then.")
    choices: tuple[Scalar | tuple[Scalar, ...], ...] = Field(default=(), description="The values, one by one.")

    @model_validator(mode="after")
    def _is_a_range_or_choices(self) -> "Searched":
        if self.choices:
            if self.low is not None or self.high is not None or self.log:
                raise ValueError("choices go without low, high and log. Set either a range or choices")
            return self
        if self.low is None or self.high is None:
            raise ValueError("there is nothing to choose from. Set low and high, or choices")
        if self.low >= self.high:
            raise ValueError(f"low = {self.low} is not below high = {self.high}. Swap or mend them")
        if self.log and self.low <= 0:
            raise ValueError(f"log needs a range above 0, and low = {self.low}")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether this is a range of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def extremes(self) -> list[object]:
        """Return the values that a recipe must be able to hold: both ends of a range, or every choice."""
        return list(self.choices) if self.choices else [self.low, self.high]


class Search(Spec):
    """The space that `siaga select` searches with its option --optuna."""

    space: dict[str, Searched] = Field(
        default={}, description='Setting of the model, such as "model.C", to the values it may take.'
    )
