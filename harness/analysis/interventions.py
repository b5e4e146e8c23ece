"""What people did to a run while it worked, and what that means for its figures. Pure functions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.score import last_attempts
from harness.store.interventions import Action, InterventionRow, in_words
from harness.store.rows import RunRows, TrialRow
from harness.text.counted import counted

NOUNS = {
    Action.PAUSE: "pause",
    Action.RESUME: "resume",
    Action.STOP: "stop",
    Action.CANCEL: "cancelled trial",
    Action.REQUEUE: "requeued trial",
    Action.STOP_AGENT: "stopped agent",
    Action.RAISE: "raised cap",
    Action.WORKERS: "change of workers",
    Action.PIN: "pinned entry",
    Action.VETO: "vetoed entry",
    Action.JOIN: "joining of agents",
    Action.ACCEPT: "accepted pass",
    Action.REFUSE: "refused pass",
}
PLURALS = {
    Action.PIN: "pinned entries",
    Action.VETO: "vetoed entries",
    Action.WORKERS: "changes of workers",
    Action.JOIN: "joinings of agents",
    Action.ACCEPT: "accepted passes",
    Action.REFUSE: "refused passes",
}
TELLS = frozenset(
    {Action.CANCEL, Action.REQUEUE, Action.STOP_AGENT, Action.RAISE, Action.PIN, Action.VETO}
    | {Action.JOIN}
)
"""Actions on a trial that change what is measured there: which trials count, and what agents do."""

JUDGES = frozenset({Action.ACCEPT, Action.REFUSE})
"""Actions on a grade: nothing that a system did changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An intervention in words."""

    row: InterventionRow
    what: str  # that was done
    trial: TrialRow | None  # the attempt, if it was about one
    applied_at: str  # of the first process that acted on it; empty: none has
    outcome: str  # what came of it, of all processes


def interfered(run: RunRows) -> list[InterventionRow]:
    """The interventions that change what is measured."""
    return [row for row in run.interventions if row["action"] in TELLS and row["trial_id"]]


def touched(run: RunRows, system: str) -> int:
    """How many trials of a system people changed while they ran."""
    trials = {trial["trial_id"]: trial for trial in run.trials if trial["system"] == system}
    return len({_key(trials[i]) for row in interfered(run) if (i := row["trial_id"]) in trials})


def sentences(run: RunRows) -> list[str]:
    """What a reader of the run's figures has to know of its interventions, the gravest first."""
    measured = interfered(run)
    judged = [row for row in run.interventions if row["action"] in JUDGES]
    others = [row for row in run.interventions if row not in measured and row not in judged]
    lines = []
    if measured:
        lines.append(
            f"people interfered ({_counted(measured)}, by {_names(measured)}), on "
            f"{_touched(run, measured)}: this changes what is measured there."
        )
    if judged:
        lines.append(
            f"people judged suspect passes ({_counted(judged)}, by {_names(judged)}): an accepted "
            "one counts as resolved."
        )
    if others:
        lines.append(
            f"people changed how the run went ({_counted(others)}, by {_names(others)}): "
            "agents saw nothing of that."
        )
    return lines


def left_cancelled(
    trials: Sequence[TrialRow], interventions: Sequence[InterventionRow]
) -> set[int]:
    """The last attempts (`trial_id`) that a person cancelled: they are not run again."""
    asked = {row["trial_id"] for row in interventions if row["action"] == Action.CANCEL}
    return {
        trial["trial_id"]
        for trial in last_attempts(trials)
        if trial["trial_id"] in asked and trial["state"] in ("cancelled", "error")
    }


def told(run: RunRows, rows: Sequence[InterventionRow] | None = None) -> list[Told]:
    """Interventions, by default all of a run, in words, oldest first."""
    trials = {trial["trial_id"]: trial for trial in run.trials}
    return [
        Told(
            row=row,
            what=in_words(row),
            trial=trials.get(row["trial_id"] or 0),
            applied_at=min((each["at"] for each in row["applied"]), default=""),
            outcome="; ".join(dict.fromkeys(each["outcome"] for each in row["applied"])),
        )
        for row in (run.interventions if rows is None else rows)
    ]


def of_trial(run: RunRows, trial: TrialRow) -> list[InterventionRow]:
    """The interventions on a trial, whichever attempt at it they were about."""
    same = {each["trial_id"] for each in run.trials if _key(each) == _key(trial)}
    return [row for row in run.interventions if row["trial_id"] in same | {trial["trial_id"]}]


def line(one: Told) -> str:
    """One intervention as a line of text."""
    done = f"{one.outcome}, {one.applied_at}" if one.applied_at else "nobody has acted on it"
    row = one.row
    return f"{row['at']} {row['by']} {one.what}: {row['reason']} ({done})"


def _key(trial: TrialRow) -> tuple[str, str, int]:
    return trial["system"], trial["instance_id"], trial["number"]


def _counted(rows: Sequence[InterventionRow]) -> str:
    counts = Counter(row["action"] for row in rows)
    return ", ".join(
        f"{count} {PLURALS[action]}" if count > 1 and action in PLURALS
        else counted(count, NOUNS[action])
        for action, count in counts.items()
    )  # fmt: skip


def _names(rows: Sequence[InterventionRow]) -> str:
    return ", ".join(dict.fromkeys(row["by"] for row in rows))


def _touched(run: RunRows, rows: Sequence[InterventionRow]) -> str:
    trials = {trial["trial_id"]: trial for trial in run.trials}
    keys = {_key(trials[row["trial_id"]]) for row in rows if row["trial_id"] in trials}
    systems = Counter(system for system, _, _ in sorted(keys))
    names = ", ".join(f"{name} {count}" for name, count in systems.items())
    return f"{counted(len(keys), 'trial')} ({names})"
