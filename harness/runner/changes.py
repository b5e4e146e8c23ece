"""The differences between a run as it started and as it would resume."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.config import Config, is_identity, validate

TOLD = 4  # changes that are named; the rest is counted
DIGEST = 12  # characters of a hash that are shown
# What `--accept-changes` may change: all else decides which trials there are, or of what shape, and
# trials of both kinds would not make one row of a table.
OF_CONFIG = ("model", "models", "budget", "sandbox", "grading", "seed")
OF_SYSTEM = ("system", "options", "package", "code", "prompts")
FILES = ("code", "prompts")  # of these, whose keys are files
FIXED = ("model.name",)
IDENTITY = (*OF_SYSTEM, "agents", "submissions", "benchmark")  # of a system's record


@dataclass(frozen=True, slots=True)
class Change:
    """One changed key with its old and new value."""

    key: str  # "budget.steps", "delm: options.turns.patch", "delm: code agents/loop.py"
    was: Any
    now: Any
    acceptable: bool
    file: str = ""  # the file of code or prompts that differs
    owner: str = ""  # the system, or "the benchmark", that the file belongs to

    def __str__(self) -> str:
        return f"{self.key} was {_said(self.was)}, now {_said(self.now)}"


def config_changes(before: Mapping[str, Any], now: Config) -> list[Change]:
    """The differences of two configurations, in keys that are part of a run's identity.

    Raises `UserError` if `before` is not a configuration of this version.
    """
    old = validate(Config, before, "run.db").model_dump(mode="json")
    return [
        Change(".".join(path), was, is_, path[0] in OF_CONFIG and ".".join(path) not in FIXED)
        for path, was, is_ in _differences(old, now.model_dump(mode="json"))
        if is_identity(path)
    ]


def system_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """The differences of a system's records (see `harness.runner.systems`)."""
    was, is_ = ({key: each.get(key) for key in IDENTITY} for each in (before, now))
    name = str(now["name"])
    return [
        Change(
            f"{name}: {' '.join(path) if path[0] in FILES else '.'.join(path)}",
            old,
            new,
            path[0] in OF_SYSTEM,
            file=path[1] if path[0] in FILES else "",
            owner=name,
        )
        for path, old, new in _differences(was, is_)
    ]


def benchmark_changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[Change]:
    """The differences of a user's own benchmark, by the hashes of its code."""
    return [
        Change(
            f"benchmark: code {path[0]}",
            was,
            is_,
            acceptable=True,
            file=path[0],
            owner="the benchmark",
        )
        for path, was, is_ in _differences(before, now)
    ]


def told(changes: Sequence[Change]) -> str:
    """The first changes in words, and the number of the others. A file is named once."""
    files: dict[str, list[Change]] = {}
    for change in changes:
        if change.file:
            files.setdefault(change.file, []).append(change)
    lines = [_file_told(file, each) for file, each in files.items()]
    lines += [str(change) for change in changes if not change.file]
    more = f"; and {len(lines) - TOLD} more" if len(lines) > TOLD else ""
    return "; ".join(lines[:TOLD]) + more


def _file_told(file: str, changes: Sequence[Change]) -> str:
    first = changes[0]
    how = "is new" if first.was is None else "is gone" if first.now is None else "has changed"
    owners = ", ".join(dict.fromkeys(change.owner for change in changes))
    return f"the file {file} {how} (part of {owners})"


def _said(value: Any) -> str:
    digest = isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")
    return value[:DIGEST] if digest else json.dumps(value)


def _differences(
    old: Mapping[str, Any], new: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Key, old value and new value of each difference; None for an absent key."""
    for key in sorted(old.keys() | new.keys()):
        was, is_ = old.get(key), new.get(key)
        here = (*path, key)
        if all(each is None or isinstance(each, Mapping) for each in (was, is_)):
            yield from _differences(was or {}, is_ or {}, here)
        elif was != is_:
            yield here, was, is_
