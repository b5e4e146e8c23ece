"""The parts that all dataset files have: environments, and how mistakes in a file are told."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    StringConstraints,
    ValidationError,
    model_validator,
)

from harness.benchmarks.checked_row import InstanceId, said_of
from harness.environments import packing
from harness.text.user_paths import user_path
from harness.types import Environment

NEEDED_TO_BUILD = ("pip", "setuptools", "wheel")

Name = InstanceId
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Pin = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*==[\w.+!]+$")]
Text = Annotated[str, StringConstraints(min_length=1)]


def _buildable(pins: tuple[str, ...]) -> tuple[str, ...]:
    missing = set(NEEDED_TO_BUILD) - {pin.partition("==")[0].lower() for pin in pins}
    if missing:
        raise ValueError(f"must pin {', '.join(sorted(missing))} too")
    return pins


class Strict(BaseModel):
    """A part of a dataset file. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Sdist(Strict):
    """A release archive on the package index."""

    name: Name
    version: Text
    filename: Name
    sha256: Sha256


class Source(Strict):
    """Software of one's own: a folder or a .tar archive, named from where the dataset file is."""

    path: Text
    version: Text


class EnvironmentFacts(Strict):
    """How to rebuild the software of one or more instances."""

    python: Annotated[str, StringConstraints(pattern=r"^3\.\d+$")]
    sdist: Sdist | None = None
    source: Source | None = None
    requirements: Annotated[tuple[Pin, ...], AfterValidator(_buildable)]

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.sdist is None) == (self.source is None):
            raise ValueError("give one of sdist (on the package index) and source (a local path)")
        return self


def environment_of(name: str, facts: EnvironmentFacts, beside: Path, cache: Path) -> Environment:
    """The value that the rest of the harness works with. `beside`: where local paths begin.

    Software of one's own is packed into the cache as if it had been downloaded. Raises `UserError`.
    """
    if facts.sdist:
        archive, sha256, project, version = (
            facts.sdist.filename, facts.sdist.sha256, facts.sdist.name, facts.sdist.version
        )  # fmt: skip
    else:
        assert facts.source is not None  # one of both is there: the file was checked
        archive, project, version = f"{name}.tar.gz", name, facts.source.version
        place = beside / user_path(facts.source.path)
        sha256 = packing.pack(place, archive, cache)
    return Environment(
        name=name,
        python=facts.python,
        sdist_name=project,
        sdist_version=version,
        sdist_filename=archive,
        sdist_sha256=sha256,
        requirements=facts.requirements,
    )


def first_fault(error: ValidationError) -> str:
    """The first error of a dataset file, one line that names its key."""
    fault = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in fault["loc"] if part != "RowSource")
    if fault["type"] == "extra_forbidden":
        return f"unknown key {place}"
    if fault["type"] == "missing":
        return f"missing key {place}"
    said = said_of(fault)
    return f"{place}: {said}" if place else said
