"""The report of a subagent and its changes, as the orchestrator sees them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from agents.prompts import render, shortened

DIFF_CHARS = 6000  # of what one subagent changed
PER_FILE = re.compile(r"^diff --git .*$", re.MULTILINE)
NAMED = re.compile(r'diff --git (?:a/(?P<path>.+) b/(?P=path)|"?(?P<other>.+))$')


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The report of a subagent."""

    status: str  # done, partial, or failed: it handed back nothing
    ending: str  # in words, "handed its work back as done"
    text: str


def failed(ending: str) -> Report:
    """The report for a subagent that made none."""
    return Report(status="failed", ending=ending, text="")


def shown(agent: str, report: Report, changes: Mapping[str, str], *, unread: str = "") -> str:
    """The report of `agent` and its changes, as the orchestrator sees them.

    The diffs of whole files are shown as long as they fit into `DIFF_CHARS` characters; of the
    other files only the names.
    """
    diff, too_long = bounded(changes, DIFF_CHARS)
    return render(
        "central_report",
        agent=agent,
        ending=report.ending,
        text=report.text,
        unread=unread,
        files=[
            name if part else f"{name} (as at the start again)" for name, part in changes.items()
        ],
        diff=diff,
        too_long=too_long,
    ).strip()


def bounded(changes: Mapping[str, str], chars: int) -> tuple[str, Sequence[str]]:
    """The diffs of as many whole files as `chars` characters hold, and the names of the others.

    Where not one fits, the first is cut in the middle.
    """
    diff, left_out = "", []
    for name, part in changes.items():
        if len(diff) + len(part) <= chars:
            diff += part
        else:
            left_out.append(name)
    if left_out and not diff:
        diff = shortened(changes[left_out.pop(0)], chars)
    return diff, left_out


def by_file(diff: str) -> dict[str, str]:
    """The parts of a git patch, by changed file."""
    starts = [found.start() for found in PER_FILE.finditer(diff)]
    parts = [diff[start:end] for start, end in pairwise([*starts, len(diff)])]
    return {_name(part.partition("\n")[0]): part for part in parts}


def _name(line: str) -> str:
    found = NAMED.match(line)
    return (found["path"] or found["other"]) if found else line


def changed(before: str, after: str) -> dict[str, str]:
    """The files whose diff from the base commit differs between two patches.

    Maps each to its part of `after`, which is empty if the file is as at the base commit again.
    """
    old, new = by_file(before), by_file(after)
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return {name: new.get(name, "") for name in names}
