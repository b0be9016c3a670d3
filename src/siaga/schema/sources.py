"""Where posts come from: the kinds of `source`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from siaga.schema.base import Class, Probability, Seed, Share, Spec


class Columns(Spec):
    """Which column of a table holds what. A column that is not named here is taken if it carries the same name."""

    id: str | None = Field(default=None, description="The id; file and line where there is none.")
    text: str | None = Field(default=None, description="The text; blank is missing.")
    image: str | None = Field(default=None, description="The image's path, or its bytes (Parquet).")
    label: str | None = Field(default=None, description="The label; blank is unlabelled.")
    time: str | None = Field(
        default=None, description="ISO 8601, seconds or milliseconds since 1970, or Twitter's notation."
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


class SyntheticSource(Spec):
    """Seeded look-alikes of flood posts in Indonesian, with drawn pictures; made, not read."""

    kind: Literal["synthetic"] = "synthetic"
    posts: Annotated[int, Field(ge=20)] = Field(default=2000, description="Labelled posts to make.")
    unlabelled: Annotated[int, Field(ge=0)] = Field(default=600, description="Unlabelled posts to make.")
    info_share: Probability = Field(default=0.3, description="Share of INFO among the posts.")
    missing_text: Share = Field(default=0.05, description="Share of posts without text.")
    missing_image: Share = Field(default=0.1, description="Share of posts without image.")
    noise: Share = Field(default=0.2, description="Share of posts whose text, and of posts whose picture, misleads.")
    seed: Seed = Field(default=7, description="Seed of the posts, apart from the seed of the recipe.")


SourceSpec = Annotated[TableSource | FolderSource | SyntheticSource, Field(discriminator="kind")]
