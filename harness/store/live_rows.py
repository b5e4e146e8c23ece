"""Rows of a run that works, as its page follows them. The conventions are those of
`harness.store.rows`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from harness.store.rows import CallState, TrialState


class LiveTrial(TypedDict):
    """The last attempt at a trial, while its run is followed.

    `news` is another text after each call, message, submission or grade of a trial that is running
    or being graded; of others it is empty.
    """

    trial_id: int
    system: str
    instance_id: str
    number: int
    attempt: int
    state: TrialState
    reason: str
    detail: str  # of a trial that failed, else empty
    started_at: str | None
    finished_at: str | None
    news: str


class LiveCall(TypedDict):
    """The last call of an agent of a running trial. `tools` are the names of the tools that its
    answer calls, as JSON."""

    trial_id: int
    conversation: str
    agent: str
    call_id: int
    outcome: CallState
    started_at: str
    ended_at: str | None
    tools: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRows:
    """What changes of a run while it works, as it was at one moment.

    `calls` and `tokens`: of the answers since the time that was asked for, at most the last 5,000.
    `spent` and `reserved`: USD that count against the run's cap.
    """

    trials: Sequence[LiveTrial]
    agents: Sequence[LiveCall]
    calls: int
    tokens: int
    spent: float
    reserved: float
