"""Texts as classifiers read them: their cleaning, `linear` and `lexicon`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from siaga.schema.base import Count, Positive, Spec


class Cleaning(Spec):
    """What is done to a text before it is read: entities undone, white space folded, and the choices below."""

    lower: bool = Field(default=True, description="Write everything in lower case.")
    urls: Literal["drop", "keep"] = Field(default="drop", description="Links.")
    percent_codes: bool = Field(default=False, description="Undo percent codes: %20 becomes a space.")
    mentions: Literal["drop", "keep"] = Field(default="drop", description="Names after an @.")
    hashtags: Literal["drop", "keep", "word"] = Field(default="word", description="word: without the sign #.")
    hashtag_words: tuple[str, ...] = Field(
        default=(), description="A hashtag that starts with such a word becomes the word, whatever `hashtags` says."
    )
    split_hashtags: bool = Field(
        default=False, description="Part a hashtag that is a word where words begin: #ForestFire, #forest_fire."
    )
    emoji: Literal["drop", "keep", "name"] = Field(
        default="keep", description="Emoji. name: its Unicode name as words; a flag's letters, no tone of skin."
    )
    numbers: Literal["drop", "keep", "mask"] = Field(
        default="keep", description="Digits in a row, with points and commas between them. mask: each becomes 0."
    )


NGrams = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]


LinearHead = Literal[
    "ridge",
    "sgd",
    "logistic",
    "svm",
    "bernoulli",
    "gaussian",
    "complement",
    "tree",
    "forest",
    "xgboost",
    "catboost",
]


class Linear(Spec):
    """TF-IDF of words and characters, of each field on its own, under a linear, naive Bayes or tree head."""

    kind: Literal["linear"] = "linear"
    fields: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=("text",),
        min_length=1,
        description="What is read, side by side: text, hashtags (those of the text), or columns that "
        "`source.columns.fields` keeps.",
    )
    fill: dict[str, str] = Field(
        default={},
        description="Where a field is empty, the one that stands in for it: { keyword = 'hashtags' } takes the first "
        "hashtag for the keyword.",
    )
    cleaning: Cleaning = Field(default=Cleaning(), description="What is done to a text before it is read.")
    words: NGrams | Literal[False] = Field(default=(1, 2), description="From … to … words an n-gram; false: none.")
    characters: NGrams | Literal[False] = Field(default=(2, 5), description="From … to … characters; false: none.")
    min_posts: Count = Field(default=2, description="A word or character n-gram must stand in so many posts.")
    stop_words: Literal[False, "english"] = Field(
        default=False, description="A language whose commonest words are left out of the words; false: none is."
    )
    head: LinearHead = Field(
        default="logistic",
        description="Logistic regression, also by stochastic gradient (sgd); ridge or support vectors (svm), with "
        "probabilities from cross-fitted margins; a naive Bayes; a tree; trees by the hundred.",
    )
    C: Positive | None = Field(
        default=None,
        description="Inverse strength of the L2 penalty; unset: 4 (logistic), 1 (ridge), 0.1 (svm), and 100,000 by "
        "the number of posts (sgd).",
    )
    balanced: bool = Field(default=False, description="Weigh classes inversely to their frequency.")

    @model_validator(mode="after")
    def _has_something_to_read(self) -> "Linear":
        if not self.words and not self.characters:
            raise ValueError("words and characters are both false, so there is nothing to read. Set one of them")
        for name, sizes in (("words", self.words), ("characters", self.characters)):
            if sizes and sizes[0] > sizes[1]:
                raise ValueError(f"{name} = {list(sizes)} runs from more to fewer. Write {sorted(sizes)}")
        return self

    @model_validator(mode="after")
    def _has_fields_of_its_own(self) -> "Linear":
        if twice := sorted({name for name in self.fields if self.fields.count(name) > 1}):
            raise ValueError(f"fields names {twice[0]!r} twice. Name it once")
        for name, source in self.fill.items():
            if name not in self.fields:
                raise ValueError(f"fill.{name} is not among the fields {list(self.fields)}. Add it, or remove the fill")
            if name == source:
                raise ValueError(f"fill.{name} cannot stand in for itself. Name another field, such as 'hashtags'")
        return self


class Lexicon(Spec):
    """A list of words with whole numbers: the sum over a text, and how classes go with sums."""

    kind: Literal["lexicon"] = "lexicon"
    words: Annotated[str, Field(min_length=1)] = Field(
        default="afinn-111",
        description="The list: afinn-111 or afinn-en-165 (English), afinn-da-32 (Danish), or a file that holds a word "
        "or phrase, a tab and a whole number a line.",
    )
    languages: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=("en",), description="Posts in other languages are not read, and score 0; empty: all are read."
    )
    unknown_language: bool = Field(default=False, description="Read posts whose language is not known as well.")
