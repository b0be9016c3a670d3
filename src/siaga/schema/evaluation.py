"""How probabilities become labels, and what is measured: `decision`, and the kinds of `evaluation`."""

from typing import Annotated, Literal

from pydantic import Field

from siaga.schema.base import Positive, Spec


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
    examples: Annotated[int, Field(ge=0)] = Field(
        default=24,
        description="How many posts to show with their answers, drawn by chance and spread over the classes.",
    )
    explanations: Annotated[int, Field(ge=0)] = Field(
        default=5, description="How many of the worst posts to explain: what speaks for the answer, and what against."
    )
    map_posts: Annotated[int, Field(ge=0)] = Field(
        default=500, description="How many posts to show on a map of each model's features (t-SNE); 0 draws none."
    )
    superclass: str | None = Field(
        default=None,
        description="The posts' field that names the superclass of their class: how often is at least that right?",
    )
