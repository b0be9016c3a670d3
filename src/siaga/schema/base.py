"""What every part of a recipe is made of: the base of its tables, and the types of its values."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"\w[\w-]{0,63}", name):
        raise ValueError(f"{name!r} is not a name. Use letters, digits, - and _, 64 at most")
    return name


Name = Annotated[str, AfterValidator(_checked_name)]  # It becomes a folder, so it must not lead elsewhere.

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Probability = Annotated[float, Field(gt=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Class = Annotated[str, Field(min_length=1)]


class Spec(BaseModel):
    """A part of a recipe: frozen, with no room for unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
