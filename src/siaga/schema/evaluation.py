"""How probabilities become labels, and what is measured: `decision`, and the kinds of `evaluation`."""

from typing import Annotated, Literal

from pydantic import Field

from siaga.schema.base import Count, Positive, Spec


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


class TopicQuality(Spec):
    """Metrics of topics on posts that were not learned from, each with a 95 % interval; labels are not needed."""

    kind: Literal["topics"] = "topics"
    top_words: Annotated[int, Field(ge=2, le=50)] = Field(
        default=10, description="Words of a topic that its coherence and its stability are measured by."
    )
    resamples: Annotated[int, Field(ge=100)] = Field(default=2000, description="Draws of the bootstrap.")
    seeds: Annotated[int, Field(ge=0, le=20)] = Field(
        default=2, description="Other seeds to learn with again: how many topics come back? 0: not measured."
    )
    seed_words: Count = Field(
        default=1_500_000,
        description="Words that those learn from, at most; of more, as many posts by chance as have so many.",
    )
    baselines: tuple[Literal["unigram", "nmf"], ...] = Field(
        default=("unigram", "nmf"),
        description="What the topics are compared with: one topic for all, and a factorisation of TF-IDF, learned "
        "from at most `seed_words`.",
    )
    clear: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        default=0.5, description="A word of a post is of a clear topic if one is at least so probable for it."
    )
    typical: Annotated[int, Field(ge=0, le=50)] = Field(default=5, description="Most typical posts to show of a topic.")
    bins: Literal["auto", "hour", "day", "week", "month", "year"] = Field(
        default="auto", description="Steps of the prevalence over time."
    )


EvaluationSpec = Annotated[Classification | TopicQuality, Field(discriminator="kind")]
