"""What a run's store promises, whatever database it is in.

Every method that writes is one transaction: all of it is there when it returns, and nothing of it
where it raises or is cancelled. Every method sees what has been committed before it was called, by
any process. Many tasks of one event loop may use a store at once.

Every method raises `StoreUnavailable` where the database cannot be reached, read or written, and
`StoreFull`, which is one, where its disk has no room.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from harness.store.ledger import AnsweredRow, Ledger, PaidRow
from harness.store.rows import (
    CallRow,
    ClaimedTrial,
    CostRow,
    EarlierTrial,
    MadeSubmission,
    NewInstance,
    NewTrial,
    RunRows,
    SpanRow,
    Standing,
    SubmissionRow,
    TrialRow,
)
from harness.types import Message, Verdict


class Store(Ledger, Protocol):
    """Everything that must survive of a run.

    Opened for one `owner` (a process among those that work on the run) and with a cap on the
    dollars that all of them spend together. Its `begin_call` and `hold_more` (see
    `harness.store.ledger.Ledger`) check that cap and take the money in one transaction, so that it
    is never passed, whatever runs in parallel.
    """

    # -- the run ---------------------------------------------------------------------------------

    async def describe(self, **values: Any) -> None:
        """Set facts of the run, each to a value that JSON can hold; others stay."""
        ...

    async def description(self) -> dict[str, Any]:
        """All facts that `describe` was given."""
        ...

    async def note_first_call(self, facts: Mapping[str, Any], usd: float) -> None:
        """Add a call that is part of no trial to the fact `first_calls`; `usd` of the run's money
        are spent on it, whatever the cap is."""
        ...

    async def reserve_room(self) -> None:
        """Have room for what calls under way bring, whatever else fills the disk meanwhile."""
        ...

    # -- trials ----------------------------------------------------------------------------------

    async def plan(
        self,
        instances: Sequence[NewInstance],
        trials: Iterable[NewTrial],
        alive: Collection[str] = (),
        *,
        retry_failed: bool = False,
    ) -> None:
        """Add the instances and trials that are missing, and a new attempt for what has to run
        again: what was cancelled, what failed for infrastructure, and what failed in the system's
        own code if `retry_failed`.

        First what `take_over` does. Planning twice is planning once. `StoreConflict` where a trial
        names an instance that is not there.
        """
        ...

    async def take_over(self, alive: Collection[str]) -> None:
        """Free what owners hold that are not among `alive`.

        Their running trials are cancelled and get a new attempt, their calls under way count as
        what was reserved for them, and what they were grading can be claimed.
        """
        ...

    async def others(self) -> set[str]:
        """The other owners that have a trial running or being graded."""
        ...

    async def claim_trial(self) -> ClaimedTrial | None:
        """Take a trial whose submissions nobody grades, else the first that waits; None: neither.

        No two claims get the same attempt at a trial, whatever runs in parallel.
        """
        ...

    async def restart_clock(self, trial_id: int) -> None:
        """Let `started_at` of a running trial of this owner be now; it waited for something."""
        ...

    async def note_sandbox(self, trial_id: int, *, sandbox: str, image: str, audit: str) -> None:
        """Keep what the trial runs in, and what the audit of it said."""
        ...

    async def begin_grading(self, trial_id: int, *, reason: str, seconds: float) -> None:
        """Put a running trial of this owner into `grading`: it has its submissions."""
        ...

    async def hand_grading_on(self, trial_id: int) -> bool:
        """Let another process grade a trial of this owner; False where it is not in `grading`."""
        ...

    async def finish_trial(
        self, trial_id: int, state: str, *, reason: str, seconds: float, detail: str = ""
    ) -> None:
        """End a trial of this owner as done, failed, error or cancelled.

        Writes nothing where it has ended already or is another owner's.
        """
        ...

    # -- what a trial leaves ---------------------------------------------------------------------

    async def say(self, trial_id: int, conversation: str, messages: Iterable[Message]) -> None:
        """Append messages to a trajectory, in order."""
        ...

    async def submit(
        self,
        trial_id: int,
        author: str,
        patch: str,
        *,
        reason: str,
        salvaged: bool,
        agent: str = "",
    ) -> int:
        """Keep a submission and return its id. `StoreConflict`: its author has one already."""
        ...

    async def select(self, submission_id: int, reasons: Sequence[str]) -> None:
        """Note that its trial would ship this one. `StoreConflict`: the trial has chosen."""
        ...

    async def grade(self, submission_id: int, verdict: Verdict) -> None:
        """Keep the one verdict on a submission. `StoreConflict`: it has one already."""
        ...

    # -- what a trial goes on from ---------------------------------------------------------------

    async def paid(self, trial_id: int) -> list[PaidRow]:
        """Answered calls of earlier attempts at the trial, the newest attempt first."""
        ...

    async def answered(self, model: str, prompt_sha256: str) -> AnsweredRow | None:
        """The first call of this run with just this prompt that was answered and paid for."""
        ...

    async def made(self, trial_id: int) -> list[MadeSubmission]:
        """The submissions of a trial, as they were made."""
        ...

    # -- reading ---------------------------------------------------------------------------------

    async def read(self) -> RunRows:
        """All rows that figures are made of, from one moment."""
        ...

    async def trials(self) -> list[TrialRow]:
        """Every attempt at every trial, in the order of `RunRows`."""
        ...

    async def calls(self) -> list[CallRow]:
        """The ledger."""
        ...

    async def costs(self) -> list[CostRow]:
        """What the calls that were sent cost."""
        ...

    async def submissions(self) -> list[SubmissionRow]:
        """Every submission with its grade, if it has one."""
        ...

    async def spans(self) -> list[SpanRow]:
        """What agents were busy with when they were not with the model."""
        ...

    async def messages(self, trial_id: int) -> dict[str, list[Message]]:
        """The trajectory of each conversation of a trial, in the order of their first messages."""
        ...

    async def tool_lists(self) -> dict[str, str]:
        """Each list of tools that a call offered, as JSON, by its `CallRow.tools_sha256`."""
        ...

    async def standing(self) -> Standing:
        """How far the run is."""
        ...

    async def spent(self) -> float:
        """USD that count against the cap: what is spent, and what is reserved for calls that have
        not ended; where nobody can tell what one cost, the most that it can have."""
        ...

    async def earlier(self, model: str) -> list[EarlierTrial]:
        """What trials that are done took; none of a replay, or of another model."""
        ...

    async def aclose(self) -> None:
        """Let go of the database. Closing twice is closing once."""
        ...
