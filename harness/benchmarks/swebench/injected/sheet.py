"""The dataset file: what its keys are, and how it is read."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from harness.benchmarks.row_files import BUNDLED
from harness.benchmarks.swebench.dataset_facts import read_factsheet
from harness.benchmarks.swebench.environment_facts import (
    EnvironmentFacts,
    Name,
    Strict,
    Text,
    first_fault,
)
from harness.benchmarks.swebench.injected.faults import Fault, FilePath
from harness.benchmarks.swebench.row_fields import LogParser
from harness.config import YAML
from harness.errors import UserError
from harness.text import yaml_text
from harness.text.user_paths import user_path

TEST_FILES = "{test_files}"  # in a test command


class InjectedFacts(Strict):
    """One instance: a fault, how a user would report it, and the tests that see it."""

    environment: str
    repo: Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+$")]
    version: str = ""  # empty: the release's
    level: Literal[1, 2, 3]  # 1: one place; 2: the symptom misleads; 3: two places or more
    issue: Text
    faults: Annotated[tuple[Fault, ...], Field(min_length=1)]
    test_files: Annotated[tuple[FilePath, ...], Field(min_length=1)]
    log_parser: LogParser
    test_command: Text  # `{test_files}` in it stands for these, separated by blanks
    leave_out: tuple[str, ...] = ()  # tests that go into neither list
    fail_to_pass: tuple[str, ...] = ()  # these two are found by `delm dataset inject`
    pass_to_pass: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _level_fits(self) -> Self:
        number = len(self.faults)
        if (self.level == 3) != (number > 1):
            raise ValueError(
                f"level {self.level} with {number} faults: level 3 has two faults or more that "
                "have to be mended together, the others one"
            )
        tested = {fault.path for fault in self.faults} & set(self.test_files)
        if tested:
            raise ValueError(f"{min(tested)} has a fault and is one of test_files")
        return self

    @property
    def command(self) -> str:
        """The test command with its files."""
        return self.test_command.replace(TEST_FILES, " ".join(self.test_files))


class InjectedSheet(Strict):
    """A dataset file."""

    environments_of: str = ""  # a bundled dataset, or a file beside, whose environments are used
    environments: dict[Name, EnvironmentFacts] = Field(default_factory=dict)
    injected: Annotated[dict[Name, InjectedFacts], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.environments) == bool(self.environments_of):
            raise ValueError("give one of environments and environments_of (of another dataset)")
        return self


def is_injected(content: object) -> bool:
    """Whether the content of a YAML file is such a dataset."""
    return isinstance(content, dict) and "injected" in content


def read_sheet(path: Path) -> InjectedSheet:
    """The checked content of a dataset file. Raises `UserError` with the key."""
    return sheet_of(yaml_text.read(path), path)


def sheet_of(content: object, path: Path) -> InjectedSheet:
    """`content`, that of the file `path`, checked. Raises `UserError` with the key."""
    if not is_injected(content):
        raise UserError(f"{path} has no key injected: it is no file of faults to be put in")
    try:
        sheet = InjectedSheet.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{path}: {first_fault(error)}") from error
    if not sheet.environments_of:
        return sheet
    other = _other(sheet.environments_of, path.parent)
    return sheet.model_copy(update={"environments": read_factsheet(other).environments})


def _other(name: str, beside: Path) -> Path:
    """The dataset file that `environments_of` names."""
    path = user_path(name)
    if path.suffix in YAML:
        return beside / path
    bundled = BUNDLED / f"{name}.yaml"
    if "/" in name or not bundled.is_file():
        raise UserError(f"environments_of: {name!r} is neither a .yaml file nor a bundled dataset")
    return bundled
