"""Where posts come from: the kinds of `source`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from siaga.schema.base import Class, Probability, Seed, Share, Spec

LooksLike = Literal[
    "flood-triage",
    "digits",
    "cifar100",
    "image-sentiment",
    "disaster-tweets",
    "hateful-memes",
    "stream-sentiment",
    "news-topics",
]
Form = Literal["auto", "twitter", "twitter-v2", "bluesky", "mastodon", "posts"]


class Columns(Spec):
    """Which column of a table holds what. A column that is not named here is taken if it carries the same name."""

    id: str | None = Field(default=None, description="The id; file and line where there is none.")
    text: str | None = Field(default=None, description="The text; blank is missing.")
    image: str | None = Field(default=None, description="The image's path, or its bytes (Parquet).")
    label: str | None = Field(default=None, description="The label; blank is unlabelled.")
    time: str | None = Field(
        default=None,
        description="ISO 8601, seconds or milliseconds since 1970, Twitter's notation, or 26-FEB-1987 15:01.",
    )
    event: str | None = Field(default=None, description="The event a post belongs to, such as one flood.")
    language: str | None = Field(default=None, description="Language, for the slices of the report.")
    lon: str | None = Field(default=None, description="Longitude in degrees.")
    lat: str | None = Field(default=None, description="Latitude in degrees.")
    fields: tuple[str, ...] = Field(default=(), description="Further columns to keep with the post, by name.")


class Files(Spec):
    """The files (or folders) of a source: either `path`, to be split, or `train` and its companions as given."""

    path: Path | None = Field(default=None, description="One file or folder, to be split.")
    train: Path | None = Field(default=None, description="Training posts as given.")
    validation: Path | None = Field(default=None, description="Validation posts as given.")
    test: Path | None = Field(default=None, description="Test posts as given.")
    unlabelled: Path | None = Field(default=None, description="Posts for self-training; their labels are not read.")
    labels: dict[str, Class] = Field(default={}, description='Raw label to class; "*" stands for every other label.')

    @model_validator(mode="after")
    def _one_way_in(self) -> "Files":
        if (self.path is None) == (self.train is None):
            raise ValueError("set either path (one file, to be split) or train (with test, as given)")
        return self


class TableSource(Files):
    """CSV, TSV, JSONL or Parquet, plain or compressed; one post a row. Image paths start at the table's folder."""

    kind: Literal["table"] = "table"
    columns: Columns = Field(default=Columns(), description="Which column holds what.")
    where: dict[str, tuple[str, ...]] = Field(default={}, description="Keep only rows whose column has such a value.")
    image_root: Path | None = Field(default=None, description="Folder of the images; the table's own when not set.")


class FolderSource(Files):
    """A folder with one folder of images a label; `unlabelled` is a folder of images."""

    kind: Literal["folder"] = "folder"


class ArraysSource(Files):
    """Pictures as arrays: IDX (MNIST), CSV with a column a pixel, CIFAR's python files, or Parquet with images.

    The form is told by a file's content. A folder stands for its files: as `train` the training files, as `test` the
    test files, as `path` all of them; it holds MNIST's four files, is `cifar-10-batches-py` or `cifar-100-python`, or
    holds `train*.parquet` and `test*.parquet`. Classes are named as the files name them, else by the lines of a
    `classes.txt` beside them, else by number.
    """

    kind: Literal["arrays"] = "arrays"
    level: Literal["fine", "coarse"] = Field(
        default="fine",
        description="Of two label sets (CIFAR-100), which one is the label; the other is kept as a field.",
    )
    planar: bool = Field(
        default=False, description="CSV in colour: all red values first, then green, then blue; else pixel by pixel."
    )


class TwitterSource(Files):
    """Messages of open streams as they came, one JSON object a line: plain, .gz, .bz2 or .xz; a folder is its files.

    Read are tweets (API v1.1 and v2), events of Bluesky's Jetstream, statuses and events of Mastodon, and posts as
    Siaga writes them, which alone have labels and images. Notices, such as of deleted posts, are passed over.
    """

    kind: Literal["twitter"] = "twitter"
    form: Form = Field(default="auto", description="What a message is; auto finds out.")


class SyntheticSource(Spec):
    """Seeded look-alikes of a system's data; made, not read.

    Floods are posts in Indonesian with drawn pictures. Pictures alone: digits of 28 × 28 pixels; things of 32 × 32, a
    hundred classes in twenty superclasses (the field `coarse_label`); scenes of five moods, 96 × 96, with the field
    `confidence`. Texts alone: English tweets with the words of disasters, "1" for real ones, with the fields `keyword`
    and `location`; ten minutes of a stream in English, Indonesian, Spanish and Japanese, negative, neutral or positive,
    with time, language and place; English news, each article of several of ten topics and labelled by its main one,
    with time and the fields `title` and `publication`. Memes, 96 × 96, are harmful by what text and picture say
    together. What is not set has the defaults below for floods, and for the others neither flaws nor unlabelled posts.
    """

    kind: Literal["synthetic"] = "synthetic"
    looks_like: LooksLike = Field(default="flood-triage", description="Whose data it looks like.")
    posts: Annotated[int, Field(ge=20)] = Field(default=2000, description="Labelled posts to make.")
    unlabelled: Annotated[int, Field(ge=0)] = Field(
        default=600, description="Unlabelled posts to make; not set: 0 but for floods."
    )
    classes: Annotated[int, Field(ge=2, le=100)] = Field(
        default=100, description="Classes, at most: the first ones; floods, texts and memes always have all of theirs."
    )
    info_share: Probability = Field(default=0.3, description="Share of INFO among floods.")
    missing_text: Share = Field(
        default=0.05,
        description="Share of floods, memes, news or posts of a stream without text; not set: 0 but for floods.",
    )
    missing_image: Share = Field(default=0.1, description="Share of posts without image; not set: 0 but for floods.")
    noise: Share = Field(
        default=0.2,
        description="Share of labels that are wrong; not set: 0. Of floods: of texts, and of pictures, that mislead.",
    )
    length: Annotated[int, Field(ge=5, le=100_000)] = Field(
        default=120, description="Words of a news article, on average."
    )
    seed: Seed = Field(default=7, description="Seed of the posts, apart from the seed of the recipe.")

    @model_validator(mode="before")
    @classmethod
    def _has_flaws_by_default_only_as_floods(cls, values: object) -> object:
        if isinstance(values, dict) and values.get("looks_like", "flood-triage") != "flood-triage":
            return {"unlabelled": 0, "missing_text": 0.0, "missing_image": 0.0, "noise": 0.0, **values}
        return values


SourceSpec = Annotated[
    TableSource | FolderSource | ArraysSource | TwitterSource | SyntheticSource, Field(discriminator="kind")
]
