"""One row of a dataset after its check: an item or a list of faults."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

from harness.text import json_text
from harness.types import Item

LONGEST_NAME = 200  # bytes; names of instances and environments become those of folders and files
FILE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
InstanceId = Annotated[str, StringConstraints(pattern=FILE_NAME, max_length=LONGEST_NAME)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRow:
    """A checked row: an item, faults, or neither if its benchmark excludes it."""

    where: str  # file, line and instance_id, as far as there are any
    item: Item | None = None
    faults: tuple[str, ...] = ()  # each goes on after `where`: "has no field patch"


class BadRow(Exception):
    """Raised for a bad row; the text is a fault of `CheckedRow.faults`."""

    def __init__(self, *faults: str) -> None:
        super().__init__(*faults)
        self.faults = faults


class RowFields(BaseModel):
    """The fields of a row that are read. Text may go into files and commands."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    any_character: ClassVar[frozenset[str]] = frozenset()  # fields that may hold a NUL

    @field_validator("*")
    @classmethod
    def _writable(cls, value: Any, field: ValidationInfo) -> Any:
        for text in (value,) if isinstance(value, str) else value or ():
            if (at := json_text.half_pair(text)) >= 0:
                raise ValueError(f"is no valid text, from character {at + 1} on")
            if "\0" in text and field.field_name not in cls.any_character:
                raise ValueError("has a NUL character")
        return value


def faults_of(error: ValidationError) -> tuple[str, ...]:
    """Every missing or wrong field, one line each."""
    found = []
    for fault in error.errors(include_url=False):
        field = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "missing":
            found.append(f"has no field {field}")
        else:
            found.append(f"has a bad field {field}: {said_of(fault)}")
    return tuple(found)


def said_of(fault: ErrorDetails) -> str:
    """A pydantic error in one line."""
    said = " ".join(fault["msg"].removeprefix("Value error, ").split())
    number = fault["type"] == "string_type" and isinstance(fault["input"], int | float)
    return f"{said}; write it in quotes" if number else said
