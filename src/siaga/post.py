"""Post, the one item that everything is about, and Prediction, the answer for one post."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

Modality = Literal["text", "image"]
MODALITIES: tuple[Modality, ...] = ("text", "image")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a post is from: degrees as in GeoJSON, the method that found it, and its radius of doubt in metres.

    A place that is known by its name alone, as users write it into their profiles, has no point: lon, lat and radius
    are None. `country` is a code of two letters (ISO 3166-1).
    """

    lon: float | None
    lat: float | None
    method: str
    radius_m: float | None
    name: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True)
class Pixels:
    """A picture that comes as numbers, not as a file: MNIST, CIFAR.

    `data` holds height × width × channels bytes, row by row; a pixel is one byte of grey, or red, green and blue.
    """

    width: int
    height: int
    channels: Literal[1, 3]
    data: bytes

    def __post_init__(self) -> None:
        if (expected := self.width * self.height * self.channels) != len(self.data) or not expected:
            size = f"{self.width} × {self.height} × {self.channels}"
            raise ValueError(f"{len(self.data):,} bytes are not a picture of {size}.")


Picture = Path | bytes | Pixels


@dataclass(frozen=True, slots=True)
class Post:
    """One item. Everything but the id may be missing; blank text counts as missing, never as a text.

    `image` is a file's path, an encoded file's bytes (JPEG, PNG, WebP or GIF), or pixels; it is decoded where it is
    used. `time` is aware and in UTC; `fields` holds further columns by name. `is_pseudo_labelled` marks a label that a
    classifier gave: such a post may train, but is never what anything is measured on.
    """

    id: str
    text: str | None = None
    image: Picture | None = None
    label: str | None = None
    time: datetime | None = None
    language: str | None = None
    place: Place | None = None
    event: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    is_pseudo_labelled: bool = False

    def __post_init__(self) -> None:
        if self.text is not None and not self.text.strip():
            object.__setattr__(self, "text", None)
        if isinstance(self.image, str):
            object.__setattr__(self, "image", Path(self.image))

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that are present, in the order text, image."""
        return tuple(m for m in MODALITIES if getattr(self, m) is not None)

    def with_label(self, label: str | None) -> "Post":
        """Return the same post with another label."""
        return replace(self, label=label)

    def with_pseudo_label(self, label: str) -> "Post":
        """Return the same post with a label that a classifier gave."""
        return replace(self, label=label, is_pseudo_labelled=True)

    def without_image(self) -> "Post":
        """Return the same post with its image missing."""
        return replace(self, image=None)

    def get(self, column: str) -> str | None:
        """Return the value of a column by name: one of the post's own, or a further field."""
        if column in ("id", "text", "label", "language", "event"):
            value: str | None = getattr(self, column)
            return value
        return self.fields.get(column)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one post.

    `label` is what was decided (with the bundle's costs), `confidence` its probability, `used` the modalities the
    classifier could read, `members` each member's probabilities. `error` says what could not be read; a post with
    neither text nor image is answered with the class frequencies and `used` is empty. `explanation` says what spoke for
    the label, as the fields of `siaga.models.explanation.Explanation`, where that was asked for. `score` is the whole
    number that a list of words gives the text; 0 with an `error` that says why, where no word of it was found.
    """

    id: str
    label: str
    confidence: float
    probabilities: Mapping[str, float]
    used: tuple[Modality, ...]
    members: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    model: str = ""
    error: str | None = None
    explanation: Mapping[str, object] | None = None
    score: int | None = None
