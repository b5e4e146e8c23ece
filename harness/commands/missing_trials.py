"""The unfinished trials of a run: which they are, why, and what they have submitted."""

from collections.abc import Sequence

from harness.score import last_attempts
from harness.store.rows import SubmissionRow, TrialRow
from harness.text.counted import counted

FIRST = 4  # trials listed by name
STATES = {"waiting": "not started", "grading": "not graded"}


def missing_trials(trials: Sequence[TrialRow], submissions: Sequence[SubmissionRow]) -> list[str]:
    """Lines that count the unfinished trials, list the first by name, and count their submissions.

    `trials` and `submissions` are `Store.trials` and `Store.submissions`.
    """
    last = last_attempts(trials)
    lacking = [trial for trial in last if trial["state"] not in {"done", "failed"}]
    if not lacking:
        return []
    instances = len({trial["instance_id"] for trial in lacking})
    systems = ", ".join(dict.fromkeys(trial["system"] for trial in lacking))
    named = "; ".join(map(_name, lacking[:FIRST]))
    more = f"; and {len(lacking) - FIRST} more" if len(lacking) > FIRST else ""
    lines = [
        f"missing: {len(lacking)} of {counted(len(last), 'trial')}, "
        f"on {counted(instances, 'instance')}, systems {systems}: {named}{more}"
    ]
    cut = {trial["trial_id"] for trial in lacking if trial["state"] == "cancelled"}
    saved = sum(row["trial_id"] in cut for row in submissions)
    if saved:
        lines.append(
            f"{counted(saved, 'submission')} of interrupted trials in submissions.csv: not "
            "graded, in no score"
        )
    return lines


def _name(trial: TrialRow) -> str:
    why = STATES.get(trial["state"]) or trial["reason"] or trial["state"]
    short = why if len(why) <= 40 else f"{why[:39]}…"
    return f"{trial['system']} on {trial['instance_id']} #{trial['number'] + 1} ({short})"
