"""One row of a dataset after it was checked: what it stands for, or what is wrong with it."""

import json
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, StringConstraints, ValidationError

from harness.benchmarks.official import known_parser
from harness.types import Item

LogParser = Annotated[str, StringConstraints(min_length=1), AfterValidator(known_parser)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRow:
    """A row: an item, or faults, or neither where it is a question that is not asked."""

    where: str  # file, line and instance_id, as far as there are any
    item: Item | None = None
    faults: tuple[str, ...] = ()  # each goes on after `where`: "has no field patch"


def faults_of(error: ValidationError) -> tuple[str, ...]:
    """Every field that is missing or wrong, one line each."""
    found = []
    for fault in error.errors(include_url=False):
        field = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "missing":
            found.append(f"has no field {field}")
        else:
            said = " ".join(fault["msg"].removeprefix("Value error, ").split())
            found.append(f"has a bad field {field}: {said}")
    return tuple(found)


def names_of(value: object) -> object:
    """Test names are a list, or the JSON text of one. Raises `ValueError`."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"is text but not JSON: {error}") from error
    return value


def some(tests: tuple[str, ...]) -> tuple[str, ...]:
    """`tests`, of which there has to be one: `swebench` takes 0 of 0 for resolved."""
    if not tests:
        raise ValueError("is empty: without a test that has to change, any patch would resolve it")
    return tests
