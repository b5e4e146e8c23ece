"""The rows of a run's store, as they are read and written.

Times are UTC in ISO 8601 (`str`), durations seconds, money USD. None means unknown, never zero.
What each column says stands in `store.sql`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from harness.store.ledger import UsageColumns
from harness.types import Activity

TrialState = Literal["waiting", "running", "grading", "done", "failed", "error", "cancelled"]
CallState = Literal["started", "ok", "failed", "cancelled"]
GradeOutcome = Literal["resolved", "unresolved", "error"]
Submits = Literal["one", "independent", "shared"]


class NewInstance(TypedDict):
    """An instance as a run plans it. `length` is of a question's document, else empty."""

    instance_id: str
    repo: str
    difficulty: str
    length: str


class NewTrial(TypedDict):
    """A trial as a run plans it. `number` counts from 0, `wanted` is its submissions."""

    system: str
    instance_id: str
    number: int
    agents: int
    wanted: int
    submits: Submits


class ClaimedTrial(TypedDict):
    """A trial in the hands of one process.

    `state` is `running`, or `grading` where its submissions are made and only grades are missing;
    then `reason` and `seconds` are those of the process that made them.
    """

    trial_id: int
    system: str
    instance_id: str
    number: int
    attempt: int
    agents: int
    wanted: int
    state: TrialState
    reason: str
    seconds: float | None


class TrialRow(NewTrial, NewInstance):
    """An attempt at a trial, with its instance."""

    trial_id: int
    attempt: int
    state: TrialState
    owner: str
    reason: str
    detail: str
    sandbox: str
    image: str
    audit: str
    started_at: str | None
    finished_at: str | None
    seconds: float | None
    position: int


class CostRow(TypedDict):
    """What `harness.score.cost.spent` needs of a call."""

    outcome: CallState
    cost_usd: float | None
    charged_usd: float | None
    reserved_usd: float | None


class CallRow(UsageColumns, CostRow):
    """A call of the ledger. `trial` is the trial's number, `cut` 1 where the answer was cut off at
    the limit of its tokens, `reply` what `reply_row` made. `tools_sha256` is the key of its tools
    in `Store.tool_lists`, None where an older delm made the call."""

    call_id: int
    trial_id: int
    system: str
    instance_id: str
    trial: int
    attempt: int
    conversation: str
    agent: str
    position: int
    model: str
    prompt_sha256: str
    repeated: float
    attempts: int
    latency_s: float | None
    error: str
    reply: Mapping[str, Any] | None
    started_at: str
    ended_at: str | None
    began: int
    ended: int | None
    paid_call: int | None
    cut: int
    tools_sha256: str | None


class SpanRow(TypedDict):
    """What an agent was busy with when it was not with the model."""

    span_id: int
    trial_id: int
    agent: str
    what: Activity
    started_at: str
    seconds: float


class MadeSubmission(TypedDict):
    """A submission of a trial that is worked on. `outcome` is None where it is not graded."""

    submission_id: int
    author: str
    patch: str
    outcome: GradeOutcome | None
    selected: int


class SubmissionRow(MadeSubmission):
    """A submission with its trial, its selection and, where it has one, its grade.

    `trial` is the trial's number.
    """

    trial_id: int
    system: str
    instance_id: str
    trial: int
    attempt: int
    agent: str
    patch_sha256: str
    reason: str
    salvaged: int
    created_at: str
    grade_reason: str | None
    official: Literal["", "resolved", "unresolved"] | None  # empty: the official grader gave none
    flags: Sequence[str] | None
    unchecked: Sequence[str] | None
    report: Mapping[str, Any] | None
    grade_cached: int | None
    grade_seconds: float | None
    selection_reasons: Sequence[str] | None


class EarlierTrial(TypedDict):
    """What a trial that is done took: what an estimate of another run is made of."""

    system: str
    wanted: int
    seconds: float | None
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a run is: trials whose last attempt is over, those among them that are not done, and
    the dollars that count against its budget."""

    ended: int
    failed: int
    usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRows:
    """All that the figures of a run are made of, as it stood at one moment.

    Trials in the order of instances, systems, numbers and attempts; everything else oldest first.
    """

    facts: Mapping[str, Any]  # what `Store.describe` was given
    trials: Sequence[TrialRow]
    calls: Sequence[CallRow]
    submissions: Sequence[SubmissionRow]
    spans: Sequence[SpanRow]
