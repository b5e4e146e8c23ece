"""The base of every system's options."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Natural = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


class Options(BaseModel):
    """Options of a system, the lines under `options:` in its file.

    Unknown names and values of another type are refused.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
