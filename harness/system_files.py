"""The systems of `configs/systems`: how each is made, and what is said of it; one file each."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from harness.config import YAML, Section, merge, nearest, read_yaml, validate
from harness.errors import UserError
from harness.shipped import CONFIGS, config_file

LISTED = 12  # systems that a message names
OF_ONE_FILE = ("baseline", "published")  # keys of a system's file that `extends` does not inherit


class PublishedAs(Section):
    """Whose rows of `results/reference/published.csv` stand beside a system's."""

    benchmark: str = "SWE-bench Verified"
    method: str


class CostBasis(Section):
    """What a submission may cost as long as there is no earlier run of the system."""

    # on issues: as much as the first of these systems that was measured, where it was not itself
    like: tuple[str, ...] = ("delm",)
    document_reads: float = 10.0  # on questions: times that its prompts hold the document
    document_tokens: int = 0  # of which at most so many are sent; 0: all


class SystemConfig(Section):
    """One file of `configs/systems`."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")  # becomes the name of files
    system: str  # import string, "agents.single:Single"
    agents: int = Field(1, ge=1)
    benchmark: str = "swe-bench"  # whose instances it takes: the `name` of a `Benchmark`
    scales: bool = False  # the number of agents can be chosen with -n
    submissions: Literal["one", "independent", "shared"] = "one"  # of a trial: one; or one of each
    # agent, and whether these know nothing of each other or share a context
    options: dict[str, Any] = Field({})  # arguments of the system
    baseline: bool = False  # what coordination costs is measured against it
    published: PublishedAs | None = None
    cost_basis: CostBasis = CostBasis()


def system_names() -> list[str]:
    """The systems that come with this project, sorted."""
    return sorted(path.stem for path in (CONFIGS / "systems").glob("*.yaml"))


def bundled_system(name: str) -> SystemConfig | None:
    """The system of that name in `configs/systems`; None where there is none."""
    return system_config(name) if config_file(f"systems/{name}.yaml").exists() else None


def baseline_system() -> str:
    """The name of the bundled system that is the baseline of the others."""
    return next(name for name in system_names() if system_config(name).baseline)


class UnknownSystem(UserError):
    """No system is called `name`. The message lists the names, the nearest first."""

    def __init__(self, name: str, benchmark: str = "") -> None:
        """`benchmark` is the one whose systems are listed; empty: that of the nearest name."""
        super().__init__(_unknown(name, benchmark))
        self.name = name


def system_config(name: str) -> SystemConfig:
    """The system called `name`, or described by the file `name`.

    A name is that of a file in `configs/systems` of the working directory, or of one that ships.
    Raises `UnknownSystem` or another `UserError`.
    """
    path = Path(name) if Path(name).suffix in YAML else config_file(f"systems/{name}.yaml")
    if not path.exists():
        if path.suffix in YAML and path == Path(name):
            raise UserError(f"{path}: no such file")
        raise UnknownSystem(name)
    content = read_yaml(path)
    base = content.pop("extends", None)
    if base is not None:
        beside = path.parent / f"{base}.yaml"
        below = beside if beside.exists() else config_file(f"systems/{base}.yaml")
        if not below.exists() or "extends" in read_yaml(below):
            raise UserError(f"{path}: extends names no plain system, got {base!r}")
        inherited = {k: v for k, v in read_yaml(below).items() if k not in OF_ONE_FILE}
        content = merge(inherited, content)
    return validate(SystemConfig, content, str(path))


def _unknown(name: str, benchmark: str) -> str:
    systems = {each: system_config(each).benchmark for each in system_names()}
    near = sorted(systems, key=lambda each: SequenceMatcher(None, name, each).ratio(), reverse=True)
    if not benchmark and nearest(name, near):
        benchmark = systems[near[0]]
    fit = [each for each in near if systems[each] == benchmark]
    if benchmark and not fit:
        return f"there is no system {name!r}; none that ships is for {benchmark}: pass a file (-s)"
    title = f"systems for {benchmark}" if fit else "systems"
    there = fit or near
    listed = ", ".join(there[:LISTED])
    if len(there) > LISTED:
        listed += f" and {len(there) - LISTED} more (docs/concepts.md)"
    return f"there is no system {name!r}{nearest(name, fit)}; {title}: {listed}"


def without_variants(names: Sequence[str]) -> str:
    """Names of systems for a message: `delm`, and none of `delm-no-sharing`, `delm-n2`, …"""
    return ", ".join(
        name for name in names if not any(name.startswith(f"{other}-") for other in names)
    )
