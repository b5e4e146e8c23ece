"""Faults that are put into a release: which lines go, and what comes in their place."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, StringConstraints, model_validator

from harness.benchmarks.swebench.environment_facts import Sha256, Strict
from harness.errors import UserError
from harness.text.file_patch import lines_of


def _below(path: str) -> str:
    if not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise ValueError("is no path below the top folder of the archive, such as src/a/b.py")
    return path


FilePath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./+-]+$"), AfterValidator(_below)]


def _two_numbers(value: object) -> object:
    if not (isinstance(value, list | tuple) and [type(each) for each in value] == [int, int]):
        raise ValueError(f"is two numbers, the first and the last line, such as [12, 14]: {value}")
    return value


LineRange = Annotated[tuple[int, int], BeforeValidator(_two_numbers)]


class Fault(Strict):
    """Some lines of one file of the release, replaced. The old lines are given by their hash."""

    path: FilePath
    lines: LineRange  # the first and the last, from 1 on, both included
    old_sha256: Sha256  # of these lines with their ends, as UTF-8
    new: str  # whole lines; empty: they are only removed

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        first, last = self.lines
        if not 1 <= first <= last:
            raise ValueError(
                f"lines are counted from 1 on, the first before the last: {first}, {last}"
            )
        if self.new and not self.new.endswith("\n"):
            raise ValueError("new has to end with a line end: write it as a block (new: |)")
        return self


def lines_sha256(lines: Sequence[str]) -> str:
    """The hash that a fault gives of the lines that it replaces."""
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def with_faults(texts: Mapping[str, str], faults: Sequence[Fault], archive: str) -> dict[str, str]:
    """The files of the release with all faults in them. Line numbers are those of the release.

    `texts` has the files of the release by path; `archive` is its name, for errors. Raises
    `UserError`, one line that begins with the field: a file or line that is not there, another hash
    of the old lines, lines of two faults that overlap, a fault that changes nothing or leaves a
    Python file that cannot be compiled.
    """
    changed = {fault.path: texts.get(fault.path, "") for fault in faults}
    taken: dict[str, int] = {}  # by path the first line that was replaced: from the last line up
    numbered = sorted(enumerate(faults), key=lambda pair: pair[1].lines, reverse=True)
    for number, fault in numbered:
        field = f"faults.{number}"
        if fault.path not in texts:
            raise UserError(f"{field}.path: {archive} has no text file {fault.path}")
        first, last = fault.lines
        lines = lines_of(changed[fault.path])
        if last >= taken.get(fault.path, len(lines) + 1):
            raise UserError(
                f"{field}.lines: {fault.path} has no lines {first} to {last} that no other fault "
                "replaces"
            )
        old = lines[first - 1 : last]
        if lines_sha256(old) != fault.old_sha256:
            raise UserError(
                f"{field}.old_sha256: lines {first} to {last} of {fault.path} in {archive} have "
                f"the hash {lines_sha256(old)}"
            )
        if "".join(old) == fault.new:
            raise UserError(f"{field}.new: it is what stands there already")
        changed[fault.path] = "".join([*lines[: first - 1], fault.new, *lines[last:]])
        taken[fault.path] = first
    _check_compiles(changed)
    return changed


def _check_compiles(texts: Mapping[str, str]) -> None:
    for path, text in texts.items():
        if not path.endswith(".py"):
            continue
        try:
            compile(text, path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            raise UserError(f"faults: {path} is then no valid Python: {error}") from None


def change_digest(archive_sha256: str, patch: str) -> str:
    """40 hexadecimal digits that name a release with a patch in it, where a commit is asked for."""
    return hashlib.sha256(json.dumps([archive_sha256, patch]).encode()).hexdigest()[:40]
