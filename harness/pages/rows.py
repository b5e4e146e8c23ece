"""Rows of a run's tables as cells of a page, with links to what they speak of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from harness.pages.links import Links

TABLES: Mapping[str, str] = {
    "trials": "one row an attempt at a trial",
    "calls": "one row a model call, with its tokens, dollars and seconds",
    "submissions": "one row a submission, with its grade",
    "tasks": "one row a task of a board",
    "proposals": "one row a proposal, with its ruling",
    "entries": "one row an entry of a shared context",
    "events": "one row a change of a board",
    "spans": "one row an activity of an agent besides model calls",
    "interventions": "one row a thing that a person did to the run",
    "marks": "one row an entry that a person pinned or vetoed",
}
"""The tables, and what a row of each is."""
SHOWN = 240  # characters of a cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A value of a row, as text; `link` is empty where it leads nowhere."""

    text: str
    link: str = ""
    number: bool = False


def cells(row: Mapping[str, Any], table: str, links: Links) -> Sequence[Cell]:
    """The cells of a row, in the order of its columns."""
    return [
        Cell(
            text=_text(column, value),
            link=_link(column, row, table, links),
            number=isinstance(value, int | float),
        )
        for column, value in row.items()
    ]


def _text(column: str, value: Any) -> str:
    if value is None:
        return ""
    if column in {"at", "settled_at"} and isinstance(value, float):
        return datetime.fromtimestamp(value, UTC).isoformat(sep=" ", timespec="milliseconds")[:23]
    if isinstance(value, float):
        return f"{value:.6g}"
    if column.endswith("sha256"):
        return str(value)[:12]
    return str(value)


def _link(column: str, row: Mapping[str, Any], table: str, links: Links) -> str:
    """Where the cell leads; empty: nowhere."""
    value, trial = row[column], row.get("trial_id")
    if not isinstance(trial, int) or value in {None, ""}:
        return ""
    if column == "trial_id":
        return links.trial(trial)
    if column == "call_id":
        return links.call(trial, value)
    if column == "submission_id":
        return links.submission(trial, value)
    if column == "conversation":
        return links.conversation(trial, value)
    if column == "entry" or (table == "entries" and column == "label"):
        return links.entry(trial, value)
    if column == "proposal" or (table == "proposals" and column == "number"):
        return links.proposal(trial, value)
    return ""
