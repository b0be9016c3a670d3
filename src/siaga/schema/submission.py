"""The file of answers that a competition asks for: `submission`."""

from typing import Annotated

from pydantic import Field, model_validator

from siaga.schema.base import Spec

Header = Annotated[str, Field(min_length=1)]


class Submission(Spec):
    """A CSV of two columns, ids and labels, for a competition: what `--format kaggle` writes."""

    id: Header = Field(default="id", description="Name of the column of ids.")
    label: Header = Field(default="label", description="Name of the column of answers.")
    numbered: bool = Field(default=False, description="The id is the row's number, from 1, not the post's own id.")
    labels: dict[str, str] = Field(default={}, description="Class to what the file calls it, where that differs.")

    @model_validator(mode="after")
    def _two_columns(self) -> "Submission":
        if self.id == self.label:
            raise ValueError("id and label must be two different names of columns")
        return self
