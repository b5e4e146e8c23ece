"""The fields that every form of a SWE-bench row has, and their validation."""

import json
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, StringConstraints

from harness.benchmarks.checked_row import RowFields
from harness.benchmarks.swebench.official import known_parser

LogParser = Annotated[str, StringConstraints(min_length=1), AfterValidator(known_parser)]


class IssueFields(RowFields):
    """A row whose patches may hold any character."""

    any_character: ClassVar[frozenset[str]] = frozenset({"patch", "golden_patch", "test_patch"})


def _names(value: object) -> object:
    """Test names, from a list or the JSON text of a list. Raises `ValueError`."""
    names = value
    if isinstance(value, str):
        try:
            names = json.loads(value)
        except (ValueError, RecursionError):
            names = None
    if not isinstance(names, list | tuple):
        raise ValueError('must be a list of test names, such as ["test_calc.py::test_add"]')
    return names


def _some(tests: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse an empty list of tests, because `swebench` counts 0 of 0 as resolved."""
    if not tests:
        raise ValueError("is empty: without a test that has to change, any patch would resolve it")
    return tests


Tests = Annotated[tuple[str, ...], BeforeValidator(_names)]
SomeTests = Annotated[Tests, AfterValidator(_some)]
