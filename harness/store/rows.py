"""The rows of a run's store, as they are read and written.

Times are UTC in ISO 8601 (`str`), durations seconds, money USD. None means unknown, never zero.
`store.sql` describes each column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, TypedDict

from harness.store.interventions import InterventionRow
from harness.store.ledger import UsageColumns
from harness.types import Activity

TrialState = Literal["waiting", "running", "grading", "done", "failed", "error", "cancelled"]
CallState = Literal["started", "ok", "failed", "cancelled"]
GradeOutcome = Literal["resolved", "unresolved", "error"]
Submits = Literal["one", "independent", "shared"]
Label = Literal[
    "legitimate",
    "cheated",
    "agent's fault",
    "unfair task",
    "broken verifier",
    "environment",
    "incomplete",
    "unclear",
]


class NewInstance(TypedDict):
    """An instance as a run plans it. `length` is of a question's document, else empty."""

    instance_id: str
    repo: str
    difficulty: str
    length: str


class InstanceText(TypedDict):
    """What an instance asks, and the submission that is known to be right. For people: no system
    is shown it."""

    instance_id: str
    asked: str
    gold: str


class NewTrial(TypedDict):
    """A trial as a run plans it. `number` counts from 0, `wanted` is its submissions."""

    system: str
    instance_id: str
    number: int
    agents: int
    wanted: int
    submits: Submits


class ClaimedTrial(TypedDict):
    """A trial that one process has claimed.

    `state` is `running`, or `grading` if its submissions are made and only grades are missing; then
    `reason` and `seconds` are those of the process that made them.
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
    """The columns of a call that `harness.score.cost.spent` reads."""

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


class CallSums(TypedDict):
    """The calls of one trial added up, as `harness.score.cost.spent` and `harness.score.rows.sent`
    would. `calls`: those that were sent; `last_at`: when the last one ended, or began."""

    trial_id: int
    calls: int
    usd: float | None
    unsure_usd: float | None
    last_at: str | None


class SpanRow(TypedDict):
    """An activity of an agent besides model calls: `what`, from `started_at`, for `seconds`."""

    span_id: int
    trial_id: int
    agent: str
    what: Activity
    started_at: str
    seconds: float


class Ranked(TypedDict):
    """What ranks a submission. `outcome` is None if it is not graded; `selected` is 0 or 1."""

    submission_id: int
    author: str
    outcome: GradeOutcome | None
    selected: int


class MadeSubmission(Ranked):
    """A submission of a trial."""

    patch: str


class OutcomeRow(Ranked):
    """What became of a submission, without its texts and tests."""

    trial_id: int
    system: str
    salvaged: int
    built_on: str
    copy_of: str
    flags: Sequence[str] | None
    unchecked: Sequence[str] | None


class SubmissionRow(MadeSubmission, OutcomeRow):
    """A submission with its trial, its selection and, if it has one, its grade.

    `trial` is the trial's number.
    """

    instance_id: str
    trial: int
    attempt: int
    agent: str
    patch_sha256: str
    reason: str
    created_at: str
    grade_reason: str | None
    official: Literal["", "resolved", "unresolved"] | None  # empty: the official grader gave none
    looks: Sequence[str] | None  # lines of its patch that look at who calls them
    report: Mapping[str, Any] | None
    grade_cached: int | None
    grade_seconds: float | None
    selection_reasons: Sequence[str] | None


class Quotation(TypedDict):
    """A piece of evidence: words that stand verbatim at a place of a trial."""

    place: str  # see harness/labels/places.py
    quote: str
    command: NotRequired[str]  # of a critic, whose output the place is


class NewLabel(TypedDict):
    """What a person or a model says of a trial, or of one submission of it.

    `confidence` is from 0 to 1, or None where none was said. `replaces` is the `label_id` of an
    earlier label of the same author on the same trial, which this one corrects.
    """

    trial_id: int
    submission_id: int | None
    label: Label
    author: str
    by_model: int
    confidence: float | None
    comment: str
    evidence: Sequence[Quotation]
    replaces: int | None


class LabelRow(NewLabel):
    """A label with its trial. `replaced_by` is the `label_id` of its correction, if it has one;
    `trial` is the trial's number."""

    label_id: int
    created_at: str
    system: str
    instance_id: str
    trial: int
    attempt: int
    replaced_by: int | None


class EarlierTrial(TypedDict):
    """The seconds and tokens of a done trial, from which another run's cost is estimated."""

    system: str
    wanted: int
    seconds: float | None
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The progress of a run.

    `ended`: trials whose last attempt has ended; `failed`: those of them that are not done; `usd`:
    the dollars that count against the run's budget.
    """

    ended: int
    failed: int
    usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRows:
    """What became of every trial, and what it cost, as it was at one moment; without calls and
    texts, so that it is read in a fraction of a second however large the run is.

    In the order of `RunRows`.
    """

    facts: Mapping[str, Any]
    trials: Sequence[TrialRow]
    sums: Sequence[CallSums]  # of trials with calls
    submissions: Sequence[OutcomeRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRows:
    """All rows from which the figures of a run are computed, as they were at one moment.

    Trials in the order of instances, systems, numbers and attempts; everything else oldest first.
    """

    facts: Mapping[str, Any]  # what `Store.describe` was given
    trials: Sequence[TrialRow]
    calls: Sequence[CallRow]
    submissions: Sequence[SubmissionRow]
    spans: Sequence[SpanRow]
    interventions: Sequence[InterventionRow] = ()  # of people
