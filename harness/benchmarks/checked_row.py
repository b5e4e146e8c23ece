"""One row of a dataset after it was checked: what it stands for, or what is wrong with it."""

import json
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

from harness.benchmarks.swebench.official import known_parser
from harness.text import json_text
from harness.types import Item

LONGEST_NAME = 200  # bytes; names of instances and environments become those of folders and files
FILES = {"patch", "golden_patch", "test_patch", "context"}  # they may hold any character
LogParser = Annotated[str, StringConstraints(min_length=1), AfterValidator(known_parser)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRow:
    """A row: an item, or faults, or neither where it is a question that is not asked."""

    where: str  # file, line and instance_id, as far as there are any
    item: Item | None = None
    faults: tuple[str, ...] = ()  # each goes on after `where`: "has no field patch"


class RowFields(BaseModel):
    """The fields of a row; others are not read. Their text can be written to files and commands."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @field_validator("*")
    @classmethod
    def _writable(cls, value: Any, field: ValidationInfo) -> Any:
        for text in (value,) if isinstance(value, str) else value or ():
            if (at := json_text.half_pair(text)) >= 0:
                raise ValueError(f"is no valid text, from character {at + 1} on")
            if "\0" in text and field.field_name not in FILES:
                raise ValueError("has a NUL character")
        return value


def faults_of(error: ValidationError) -> tuple[str, ...]:
    """Every field that is missing or wrong, one line each."""
    found = []
    for fault in error.errors(include_url=False):
        field = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "missing":
            found.append(f"has no field {field}")
        else:
            found.append(f"has a bad field {field}: {said_of(fault)}")
    return tuple(found)


def said_of(fault: ErrorDetails) -> str:
    """What pydantic says of a value, in one line."""
    said = " ".join(fault["msg"].removeprefix("Value error, ").split())
    number = fault["type"] == "string_type" and isinstance(fault["input"], int | float)
    return f"{said}; write it in quotes" if number else said


def names_of(value: object) -> object:
    """Test names are a list, or the JSON text of one. Raises `ValueError`."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"is text but not JSON: {error}") from error
    return value


def some(tests: tuple[str, ...]) -> tuple[str, ...]:
    """`tests`, of which there has to be one: `swebench` takes 0 of 0 for resolved."""
    if not tests:
        raise ValueError("is empty: without a test that has to change, any patch would resolve it")
    return tests
