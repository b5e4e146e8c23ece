"""Which tool call each activity of a trial carried out. Pure functions over rows."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

from harness.store.rows import CallRow, SpanRow
from harness.types import Activity

OWN = frozenset({Activity.COMMAND, Activity.ADMISSION})
"""What is a tool call. Of waits, only some are."""


def tools_of(
    calls: Sequence[CallRow], activities: Sequence[SpanRow]
) -> dict[int, tuple[CallRow, int]]:
    """The tool call that each activity of one agent carried out, by `span_id`: the call, and its
    index there.

    The store does not link them. An agent carries out the tool calls of an answer in their order,
    one after the other: where as many activities follow the answer as it has tool calls, they are
    those. Elsewhere they cannot be told apart, and are left out.
    """
    answered = sorted(
        (row for row in calls if row["ended_at"] and (row["reply"] or {}).get("tool_calls")),
        key=lambda row: row["ended_at"] or "",
    )
    ends = [_milliseconds(row["ended_at"] or "") for row in answered]

    def answers_before(row: SpanRow) -> int:
        return sum(end <= _milliseconds(row["started_at"]) for end in ends)

    found: dict[int, tuple[CallRow, int]] = {}
    ordered = sorted(activities, key=lambda row: row["started_at"])
    for before, group in groupby(ordered, key=answers_before):
        following = list(group)
        call = answered[before - 1] if before else None
        asked = (call["reply"] or {}).get("tool_calls", ()) if call else ()
        for mine in _readings(following):
            if call and len(asked) == len(mine):
                found |= {row["span_id"]: (call, index) for index, row in enumerate(mine)}
                break
    return found


def _readings(activities: Sequence[SpanRow]) -> Iterator[list[SpanRow]]:
    """Which of the activities behind an answer may be its tool calls: with waits, or without."""
    for kinds in ({*OWN, Activity.PEER}, OWN):
        yield [row for row in activities if row["what"] in kinds]


def _milliseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1e3)
