"""What people do to a run while it works: the rows, and what each action may say.

action      trial   target            value
pause       –       –                 true: what is in flight is held, too; else null
resume      –       –                 null
stop        –       –                 the processes that are to stop: a list of names
cancel      yes     –                 null
requeue     yes     –                 null
stop-agent  yes     the agent         null
raise       or not  a `Cap`           the new cap, a number
workers     –       –                 trials at a time of each process, a whole number
pin, veto   yes     an entry's label  null
join        yes     the agents' names  how many
accept      yes     a submission's id  null
refuse      yes     a submission's id  null
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypedDict

from harness.errors import UserError


class InterventionRefused(UserError):
    """The run is not in a state in which this can be done; nothing was written."""


class Action(StrEnum):
    """What a person can do to a run."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"  # the processes that work on the run
    CANCEL = "cancel"  # a trial: it is not run again
    REQUEUE = "requeue"  # a trial that was cancelled or failed
    STOP_AGENT = "stop-agent"
    RAISE = "raise"  # a cap of the run or of a trial
    WORKERS = "workers"
    PIN = "pin"  # an entry: it is in every opening
    VETO = "veto"  # an entry: it is in none any more
    JOIN = "join"  # agents of another process, by `delm agent`
    ACCEPT = "accept"  # a pass that is suspect: it counts as resolved
    REFUSE = "refuse"  # a pass that is suspect: it does not, whatever was said before


class Cap(StrEnum):
    """A cap that can be raised. A run has only dollars."""

    DOLLARS = "dollars"
    STEPS = "steps"
    TOKENS = "tokens"
    SECONDS = "seconds"  # of the trial's wall clock


@dataclass(frozen=True, slots=True, kw_only=True)
class NewIntervention:
    """What a person wants to be done. `trial_id` is of the attempt; None: the run."""

    action: Action
    by: str
    reason: str
    trial_id: int | None = None
    target: str = ""
    value: Any = None


class AppliedRow(TypedDict):
    """A process has acted on an intervention. An empty `owner`: it was done as it was written."""

    owner: str
    at: str
    outcome: str


class InterventionRow(TypedDict):
    """An intervention. `applied` is empty as long as no process has acted on it."""

    intervention_id: int
    at: str
    by: str
    reason: str
    action: Action
    trial_id: int | None
    target: str
    value: Any
    applied: Sequence[AppliedRow]


class CarriedRow(InterventionRow):
    """An intervention on a trial that holds for a later attempt at it, too.

    `answers`: how many its attempt (of a stopped agent: that agent) had got when it was done.
    """

    answers: int


_WORDS: Mapping[Action, Callable[[InterventionRow], str]] = {
    Action.PAUSE: lambda row: "paused the run" + (", answers too" if row["value"] else ""),
    Action.RESUME: lambda row: "resumed the run",
    Action.STOP: lambda row: "stopped the run",
    Action.CANCEL: lambda row: f"cancelled trial {row['trial_id']}",
    Action.REQUEUE: lambda row: f"requeued trial {row['trial_id']}",
    Action.STOP_AGENT: lambda row: f"stopped {row['target']} of trial {row['trial_id']}",
    Action.RAISE: lambda row: (
        f"raised the cap on {row['target']} of {_whose(row)} to {row['value']:g}"
    ),
    Action.WORKERS: lambda row: f"set {row['value']} workers",
    Action.PIN: lambda row: f"pinned {row['target']} of trial {row['trial_id']}",
    Action.VETO: lambda row: f"vetoed {row['target']} of trial {row['trial_id']}",
    Action.JOIN: lambda row: f"let {row['target'].replace(' ', ', ')} join trial {row['trial_id']}",
    Action.ACCEPT: lambda row: f"accepted the suspect pass of {_submission(row)}",
    Action.REFUSE: lambda row: f"refused the suspect pass of {_submission(row)}",
}


def _submission(row: InterventionRow) -> str:
    return f"submission {row['target']} of trial {row['trial_id']}"


def _whose(row: InterventionRow) -> str:
    return "the run" if row["trial_id"] is None else f"trial {row['trial_id']}"


def in_words(row: InterventionRow) -> str:
    """What a person did, without name and reason."""
    return _WORDS[row["action"]](row)
