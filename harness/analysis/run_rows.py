"""What the agents of a run had to do with each other, read from its store and its boards."""

from dataclasses import dataclass
from typing import Any

from harness.analysis.coordination import alone, measures, systems
from harness.analysis.findings import findings
from harness.analysis.narrative import Material
from harness.analysis.timeline import timeline
from harness.board.sqlite.board import SqliteBoard
from harness.store.sqlite import Row, Store
from harness.system_files import baseline_system


@dataclass(frozen=True, slots=True, kw_only=True)
class Teams:
    """Rows of three CSVs, with the columns that `coordination` and `findings` name."""

    trials: list[dict[str, Any]]  # coordination.csv
    systems: list[dict[str, Any]]  # coordination_systems.csv
    findings: list[dict[str, Any]]  # findings.csv


def teams(store: Store, trials: list[Row], calls: list[Row], submissions: list[Row]) -> Teams:
    """The rows of a run; `trials`, `calls` and `submissions` are all that `store` has.

    Trials are gone through one by one: messages and boards of all together may be large.
    """
    calls_of, made_in, spans_of = _by_trial(calls), _by_trial(submissions), _by_trial(store.spans())
    references = alone(trials, calls, submissions, baseline=baseline_system())
    rows: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    board = SqliteBoard(store.path)
    try:
        for trial in trials:
            key = trial["trial_id"]
            mine = calls_of.get(key, [])
            material = material_of(board, key, mine, made_in.get(key, []))
            line = timeline(trial, mine, spans_of.get(key, []))
            reference = references.get(trial["instance_id"])
            rows.append(measures(trial, material, line, store.messages(key), reference))
            found += findings(trial, material)
    finally:
        board.close()
    return Teams(
        trials=rows, systems=systems(trials, submissions, rows, references), findings=found
    )


def material_of(
    board: SqliteBoard, trial_id: int, calls: list[Row], submissions: list[Row]
) -> Material:
    """The rows of one trial; those of its board are empty where it has none."""
    return Material(
        tasks=board.tasks(trial_id),
        entries=board.entries(trial_id),
        links=board.links(trial_id),
        events=board.events(trial_id),
        proposals=board.proposals(trial_id),
        shown=board.shown(trial_id),
        calls=calls,
        submissions=submissions,
    )


def _by_trial(rows: list[Row]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(row["trial_id"], []).append(row)
    return found
