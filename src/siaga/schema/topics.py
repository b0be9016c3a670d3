"""Topics: how texts become words, and what is learned from them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from siaga.schema.base import Count, Probability, Spec
from siaga.schema.texts import Cleaning

Several = Annotated[int, Field(ge=2, le=1000)]
Text = Annotated[str, Field(min_length=1)]


class Words(Spec):
    """How a text becomes words, and which words are known: what is read of it counts, in the order written."""

    cleaning: Cleaning = Field(
        default=Cleaning(numbers="drop", emoji="drop"), description="What is done to a text before it is read."
    )
    accents: Literal["drop", "keep"] = Field(default="drop", description="drop: é is e.")
    stop_words: tuple[Literal["en", "es", "id"], ...] = Field(
        default=("en",), description="Languages whose commonest words are left out: English, Spanish, Indonesian."
    )
    left_out: tuple[Text, ...] = Field(
        default=(), description="Further words and phrases to leave out: outlets, bylines, boilerplate."
    )
    left_out_fields: tuple[Text, ...] = Field(
        default=(), description="Fields whose value is left out of the post's own text, such as the outlet's name."
    )
    min_letters: Count = Field(default=2, description="Letters of a word, at least.")
    min_posts: Count = Field(default=5, description="A word must stand in so many posts.")
    max_share: Probability = Field(default=0.5, description="A word must not stand in a larger share of the posts.")
    most: Count = Field(default=50_000, description="Words, at most: those in the most posts.")
    phrases: Probability | Literal[False] = Field(
        default=0.6,
        description="Two words that follow each other become one from this normalised pointwise mutual information "
        "on; false: none do.",
    )


class Topics(Spec):
    """Latent Dirichlet allocation: topics of words, and of what topics each text is made. Labels are not read."""

    kind: Literal["topics"] = "topics"
    fields: tuple[Text, ...] = Field(
        default=("text",),
        min_length=1,
        description="What is read, joined in this order: text, or columns that `source.columns.fields` keeps.",
    )
    words: Words = Field(default=Words(), description="How a text becomes words.")
    topics: Several | Literal["auto"] = Field(
        default=10, description="How many; auto chooses among `choices` by perplexity and coherence on held-out posts."
    )
    choices: tuple[Several, ...] = Field(default=(5, 10, 20, 40), min_length=2, description="What auto tries.")
    iterations: Count = Field(default=200, description="Sweeps of the Gibbs sampler over all words, at most.")
    tolerance: Annotated[float, Field(ge=0.0)] = Field(
        default=0.002,
        description="Stop when the log-likelihood of a word rose by less in twenty sweeps; 0: make every sweep.",
    )
    workers: Annotated[int, Field(ge=1, le=64)] = Field(
        default=2, description="Threads of the sampler; other numbers give other topics, equal ones the same."
    )
    start: Text | None = Field(
        default=None, description="A bundle of topics to go on from: its topics keep their numbers."
    )
    memory: Probability = Field(
        default=1.0,
        description="How much the words that `start` was learned from still count beside new ones; topics that forget "
        "all of them would lose their numbers.",
    )
    doubt: Annotated[float, Field(ge=1e-6, le=1000.0)] = Field(
        default=0.01, description="Prior weight of each word in a topic, before anything is read."
    )

    @model_validator(mode="after")
    def _tries_different_numbers(self) -> "Topics":
        if len(set(self.choices)) < len(self.choices):
            raise ValueError("choices names a number twice. Name each once")
        if self.start is not None and self.topics == "auto":
            raise ValueError("topics = 'auto' and start contradict each other. Set topics to the number start has")
        return self
