"""Texts as classifiers read them: their cleaning, and `linear`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from siaga.schema.base import Count, Positive, Spec


class Cleaning(Spec):
    """What is done to a text before it is read: entities undone, white space folded, and the choices below."""

    lower: bool = Field(default=True, description="Write everything in lower case.")
    urls: Literal["drop", "keep"] = Field(default="drop", description="Links.")
    mentions: Literal["drop", "keep"] = Field(default="drop", description="Names after an @.")
    hashtags: Literal["drop", "keep", "word"] = Field(default="word", description="word: without the sign #.")
    hashtag_words: tuple[str, ...] = Field(
        default=(), description="A hashtag that starts with such a word becomes the word, whatever `hashtags` says."
    )
    emoji: Literal["drop", "keep"] = Field(default="keep", description="Emoji.")


NGrams = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]


class Linear(Spec):
    """TF-IDF of words and characters under a linear or a naive Bayes head."""

    kind: Literal["linear"] = "linear"
    cleaning: Cleaning = Field(default=Cleaning(), description="What is done to a text before it is read.")
    words: NGrams | Literal[False] = Field(default=(1, 2), description="From … to … words an n-gram; false: none.")
    characters: NGrams | Literal[False] = Field(default=(2, 5), description="From … to … characters; false: none.")
    min_posts: Count = Field(default=2, description="A word or character n-gram must stand in so many posts.")
    head: Literal["logistic", "sgd", "bernoulli", "complement"] = Field(
        default="logistic", description="Logistic regression, by stochastic gradient (sgd), or a naive Bayes."
    )
    C: Positive = Field(default=4.0, description="Inverse strength of the L2 penalty (logistic).")
    balanced: bool = Field(default=False, description="Weigh classes inversely to their frequency.")

    @model_validator(mode="after")
    def _has_something_to_read(self) -> "Linear":
        if not self.words and not self.characters:
            raise ValueError("words and characters are both false, so there is nothing to read. Set one of them")
        for name, sizes in (("words", self.words), ("characters", self.characters)):
            if sizes and sizes[0] > sizes[1]:
                raise ValueError(f"{name} = {list(sizes)} runs from more to fewer. Write {sorted(sizes)}")
        return self
