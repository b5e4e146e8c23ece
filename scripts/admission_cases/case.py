"""One proposal, what has to be on the board before it, and what it ought to become."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.board.vocabulary import EntryKind

AFTER = "(the patch before)"  # as a state: the PATCH that was admitted before


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One proposal, and whether it is true."""

    what: str
    true: bool
    kind: EntryKind
    evidence: Mapping[str, Any]
    gist: str = ""
    board: str = ""  # cases with one name share a board; empty: a board of its own
    after: tuple["Case", ...] = ()  # what has to be admitted before it
    tries: tuple[Mapping[str, Any], ...] = field(default=())  # sent while it is refused
    told: bool = True  # False: no check of outcomes can tell it from the truth


def span(path: str, line: int, quote: str, state: str = "base") -> dict[str, Any]:
    """Evidence by quoted lines."""
    return {"form": "span", "path": path, "line": line, "quote": quote, "state": state}


def ran(
    command: str,
    status: int,
    output: str = "",
    *,
    state: str = "base",
    files: Mapping[str, str] | None = None,
    changes: str = "",
) -> dict[str, Any]:
    """Evidence by a command."""
    return {
        "form": "command", "command": command, "exit_status": status, "output": output,
        "state": state, "files": dict(files or {}), "changes": changes,
    }  # fmt: skip


def patch(diff: str, command: str, files: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Evidence by a patch and a command."""
    return {"form": "patch", "diff": diff, "command": command, "files": dict(files or {})}
