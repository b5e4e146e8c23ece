"""Latency: seconds from the start of a trial to its first verified patch and its submissions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from harness.board.records import EventRow, TaskRow
from harness.board.vocabulary import EntryKind, EventKind, ResultKey, TaskKind
from harness.score.estimators import mean
from harness.score.pauses import Spans, paused_s
from harness.store.rows import SubmissionRow, TrialRow


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRows:
    """The rows of `Boards.tasks` and `Boards.events` of one trial."""

    tasks: Sequence[TaskRow]
    events: Sequence[EventRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Seconds since the start of a trial, those of its earlier attempts included."""

    first_verified_s: float | None  # until the first patch was admitted that had been verified
    made_s: tuple[float, ...]  # until each of its submissions was made


def moments(
    trial: TrialRow,
    submissions: Iterable[SubmissionRow],
    story: BoardRows | None,
    *,
    before_s: float = 0.0,
    paused: Mapping[str, Spans] = MappingProxyType({}),
) -> Moments:
    """The moments of a `trial` that was started, and of its own `submissions`; its earlier attempts
    took `before_s`. What people have `paused` does not count.

    A submission is made when its row is written; where it is the work of a task of the board, when
    the last task that handed in a patch for it (the `patch` task itself, or a `repair` of it) was
    done: the agents then still test and repair each other's.
    """
    zero = datetime.fromisoformat(str(trial["started_at"])).timestamp()
    verified = list(_verified(story.events)) if story else []
    handed = _handed_in(story) if story else {}
    ends = [
        handed.get(row["author"], datetime.fromisoformat(row["created_at"]).timestamp())
        for row in submissions
    ]

    def since_start(moment: float) -> float:
        return before_s + max(0.0, moment - zero - paused_s(trial, moment, paused))

    return Moments(
        first_verified_s=since_start(min(verified)) if verified else None,
        made_s=tuple(map(since_start, ends)),
    )


def latencies(
    trials: Sequence[TrialRow],
    submissions: Sequence[SubmissionRow],
    stories: Mapping[int, BoardRows],
    before: Mapping[int, float],
    paused: Mapping[str, Spans] = MappingProxyType({}),
) -> dict[str, float | None]:
    """The latency columns of `table.csv` for the trials of one system.

    Over those that are done, which are never run again. What people have `paused` (see `pauses`)
    does not count. `before` has, by `trial_id`, the seconds of
    earlier attempts at the same trial: they were paid for and waited for, and count. To the first
    verified patch: mean over those that have one, whose number stands beside it. Both are None for
    a system that verifies nothing: on whose boards nothing was ever proposed, or something was
    admitted unverified.
    """
    made_in: dict[int, list[SubmissionRow]] = {}
    for row in submissions:
        made_in.setdefault(row["trial_id"], []).append(row)
    found = [
        moments(
            trial,
            made_in.get(trial["trial_id"], []),
            stories.get(trial["trial_id"]),
            before_s=before.get(trial["trial_id"], 0.0),
            paused=paused,
        )
        for trial in trials
        if trial["state"] == "done" and trial["started_at"] is not None
    ]
    told = [stories[trial["trial_id"]] for trial in trials if trial["trial_id"] in stories]
    events = [event for story in told for event in story.events]
    verifying = any(event["what"] == EventKind.PROPOSED for event in events) and not any(
        event["detail"].get("unverified") for event in events
    )
    first = [each.first_verified_s for each in found if each.first_verified_s is not None]
    made = [each.made_s for each in found if each.made_s]
    return {
        "latency_first_verified_s": mean(first),
        "verified_trials": len(first) if verifying else None,
        "latency_mean_s": mean(sum(each) / len(each) for each in made),
        "latency_last_s": mean(max(each) for each in made),
    }


def _verified(events: Sequence[EventRow]) -> Iterable[float]:
    """The times at which verified patches were admitted, in seconds since the epoch."""
    patches = {
        str(event["subject"])
        for event in events
        if event["what"] == EventKind.PROPOSED and event["detail"].get("kind") == EntryKind.PATCH
    }
    for event in events:
        detail = event["detail"]
        if (
            event["what"] == EventKind.ADMITTED
            and str(detail.get("proposal")) in patches
            and not detail.get("unverified")
        ):
            yield event["at"]


def _handed_in(story: BoardRows) -> dict[str, float]:
    """The time of the last patch of each seat, by the label of its `patch` task."""
    seats = {
        task["label"]: task["subject"] if task["kind"] == TaskKind.REPAIR else task["label"]
        for task in story.tasks
        if task["kind"] in {TaskKind.PATCH, TaskKind.REPAIR}
        and (task["result"] or {}).get(ResultKey.PATCH)
    }
    found: dict[str, float] = {}
    for event in story.events:
        if event["what"] == EventKind.DONE and event["subject"] in seats:
            seat = seats[event["subject"]]
            found[seat] = max(event["at"], found.get(seat, event["at"]))
    return found
