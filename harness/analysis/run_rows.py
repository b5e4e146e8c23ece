"""Coordination rows of a run, read from its store and boards."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harness.analysis.coordination import alone, measures, systems
from harness.analysis.findings import findings
from harness.analysis.narrative import TrialRecord
from harness.analysis.timeline import timeline
from harness.board.records import Boards
from harness.score.rows import by_trial
from harness.store.protocol import Store
from harness.store.rows import CallRow, RunRows, SubmissionRow, TrialRow
from harness.system_files import baseline_system
from harness.types import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinationRows:
    """The rows of three CSVs, with the columns that `coordination` and `findings` define."""

    trials: list[dict[str, Any]]  # coordination.csv
    systems: list[dict[str, Any]]  # coordination_systems.csv
    findings: list[dict[str, Any]]  # findings.csv


async def coordination_rows(
    run: RunRows,
    store: Store,
    boards: Boards,
    heard: Callable[[TrialRow, Mapping[str, Sequence[Message]]], None] = lambda trial, said: None,
) -> CoordinationRows:
    """The coordination rows of a `run`.

    Reads one trial at a time, because all messages and boards together may be large. Calls `heard`
    with each trial and its messages by conversation.
    """
    calls_of, made_in = by_trial(run.calls), by_trial(run.submissions)
    spans_of, baseline = by_trial(run.spans), baseline_system()
    references = alone(run.trials, run.calls, run.submissions, baseline=baseline)
    rows: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for trial in run.trials:
        key = trial["trial_id"]
        mine = calls_of.get(key, [])
        material = await material_of(boards, trial, mine, made_in.get(key, []))
        line = timeline(trial, mine, spans_of.get(key, []))
        reference = references.get(trial["instance_id"])
        said = await store.messages(key)
        heard(trial, said)
        rows.append(measures(trial, material, line, said, reference))
        found += findings(trial, material)
    return CoordinationRows(
        trials=rows,
        systems=systems(run.trials, run.submissions, rows, references),
        findings=found,
    )


async def material_of(
    boards: Boards, trial: TrialRow, calls: Sequence[CallRow], submissions: Sequence[SubmissionRow]
) -> TrialRecord:
    """The rows of one trial. Without a board, the board's rows are empty."""
    trial_id, started_at = trial["trial_id"], trial["started_at"]
    return TrialRecord(
        tasks=await boards.tasks(trial_id),
        entries=await boards.entries(trial_id),
        links=await boards.links(trial_id),
        events=await boards.events(trial_id),
        proposals=await boards.proposals(trial_id),
        shown=await boards.shown(trial_id),
        calls=calls,
        submissions=submissions,
        started=datetime.fromisoformat(started_at).timestamp() if started_at else None,
    )
