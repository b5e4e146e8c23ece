"""Why no further trial of a run is started, where what ended trials of it says so to all."""

from collections.abc import Sequence
from typing import Literal

from harness.errors import RUN_COST
from harness.score import last_attempts
from harness.store.rows import TrialRow

StopCause = Literal["", "budget", "machine", "model"]
"""What stopped a run: its dollars, what the machine lacks, or a model that does not answer."""
OVER = frozenset({"done", "failed", "error", "cancelled"})
MODEL = "model: "  # how the reason of a trial begins that the model ended
SILENT_TRIALS = 8  # trials that ended one after the other without an answer


def stopped_by(trials: Sequence[TrialRow]) -> tuple[str, StopCause]:
    """Why and for what cause, from all attempts of a run; both empty: it goes on.

    For a process that works on one trial and learns nothing of the others. What an earlier start of
    the run met with does not count: that has another attempt by now.
    """
    ended = [trial for trial in last_attempts(trials) if trial["state"] in OVER]
    ended.sort(key=lambda trial: trial["finished_at"] or "")
    for trial in ended:
        if trial["state"] == "cancelled" and trial["reason"] == RUN_COST:
            return f"{RUN_COST}: one of its processes found it used up", "budget"
        if trial["state"] == "cancelled" and trial["reason"].startswith(MODEL):
            return trial["reason"].removeprefix(MODEL), "model"
    silent = [
        trial["state"] == "error" and trial["reason"].startswith(MODEL)
        for trial in ended[-SILENT_TRIALS:]
    ]
    if len(silent) == SILENT_TRIALS and all(silent):
        last = ended[-1]["reason"].removeprefix(MODEL)
        return f"no answer in {SILENT_TRIALS} trials in a row; last: {last}", "model"
    return "", ""
