"""A dataset that joins others: a YAML file with the key `datasets`, which names them."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from harness.benchmarks.checked_row import CheckedRow
from harness.benchmarks.row_files import BUNDLED
from harness.benchmarks.swebench.environment_facts import Strict, Text, first_fault
from harness.errors import UserError
from harness.text import yaml_text


class _Joined(Strict):
    datasets: Annotated[tuple[Text, ...], Field(min_length=1)]


def is_joined(content: object) -> bool:
    """Whether the content of a YAML file is such a dataset."""
    return isinstance(content, dict) and "datasets" in content


def joined_files(content: object, path: Path) -> list[Path]:
    """The dataset files that the one at `path` joins: bundled ones by name, others beside it.

    Raises `UserError`: a name is of none, or of a dataset that joins others itself.
    """
    try:
        names = _Joined.model_validate(content).datasets
    except ValidationError as error:
        raise UserError(f"{path} {first_fault(error)}") from None
    files = []
    for name in names:
        beside = path.parent / name
        file = beside if beside.suffix and beside.is_file() else BUNDLED / f"{name}.yaml"
        if not file.is_file():
            raise UserError(f"{path}: datasets: there is no dataset {name!r} beside it or bundled")
        if is_joined(yaml_text.read(file)):
            raise UserError(f"{path}: datasets: {name} joins others itself; name those")
        files.append(file)
    return files


def each_once(datasets: Iterable[Iterable[CheckedRow]]) -> Iterator[CheckedRow]:
    """The rows of all; an instance that an earlier dataset has, too, is faulty."""
    seen = set[str]()
    for row in chain.from_iterable(datasets):
        key = row.item.instance.instance_id if row.item else ""
        if key in seen:
            yield CheckedRow(where=row.where, faults=("is in an earlier dataset, too",))
            continue
        seen |= {key} if key else set()
        yield row
