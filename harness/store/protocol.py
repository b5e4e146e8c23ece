"""What a run's store promises, whatever database it is in.

Every method that writes is one transaction: all of it is written when the method returns, and
nothing if it raises or is cancelled. Every method sees what any process has committed before the
call. Many tasks of one event loop may use a store at once.

Every method raises `StoreUnavailable` if the database cannot be reached, read or written, and its
subclass `StoreFull` if the disk has no room.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from harness.store.call_limits import CallLimits
from harness.store.interventions import CarriedRow, InterventionRow, NewIntervention
from harness.store.ledger import AnsweredRow, Ledger, PaidRow
from harness.store.live_rows import LiveRows
from harness.store.row_tables import Asked, RowPage
from harness.store.rows import (
    CallRow,
    ClaimedTrial,
    CostRow,
    EarlierTrial,
    InstanceText,
    LabelRow,
    MadeSubmission,
    NewInstance,
    NewLabel,
    NewTrial,
    OutcomeRows,
    RunRows,
    SpanRow,
    Standing,
    SubmissionRow,
    TrialRow,
)
from harness.types import Message, Verdict


class Store(Ledger, CallLimits, Protocol):
    """Everything that must survive of a run.

    Opened for one `owner` (a process among those that work on the run) and with a cap on the
    dollars that all of them spend together. Its `begin_call` and `hold_more` (see
    `harness.store.ledger.Ledger`) check that cap and take the money in one transaction, so that it
    is never passed, whatever runs in parallel.
    """

    # -- the run ---------------------------------------------------------------------------------

    async def describe(self, **values: Any) -> None:
        """Set facts of the run; other facts stay. Values must be JSON."""
        ...

    async def description(self) -> dict[str, Any]:
        """All facts of the run by name."""
        ...

    async def note_first_call(self, facts: Mapping[str, Any], usd: float) -> None:
        """Add a call outside of all trials to the fact `first_calls`, and spend `usd` of the run's
        money on it, even beyond the cap."""
        ...

    async def reserve_room(self) -> None:
        """Reserve disk space, so that calls under way can be recorded when the disk fills up."""
        ...

    async def workers(self) -> dict[str, str] | None:
        """The names of the processes that work on the run now, on any machine, each with what
        people call it; None where the database does not know them."""
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

        Does what `take_over` does first. A second, equal call changes nothing. `StoreConflict`: a
        trial names an unknown instance.
        """
        ...

    async def keep_texts(self, texts: Iterable[InstanceText]) -> None:
        """Keep the texts of planned instances; those that are kept already stay as they are.

        `StoreConflict`: an instance is unknown.
        """
        ...

    async def take_over(self, alive: Collection[str]) -> None:
        """Free what owners that are not in `alive` hold.

        Their running trials are cancelled and get a new attempt, their calls under way are charged
        with what was reserved for them, and trials that they were grading can be claimed.
        """
        ...

    async def others(self) -> set[str]:
        """The other owners that have a trial running or being graded."""
        ...

    async def claim_trial(self) -> ClaimedTrial | None:
        """Claim a trial that has to be graded, else the first waiting one, of several machines the
        first that suits this one (see the statement); None if there is none.

        Two claims never get the same attempt, whatever runs in parallel.
        """
        ...

    async def restart_clock(self, trial_id: int) -> None:
        """Set `started_at` of a running trial of this owner to now, after it has waited."""
        ...

    async def note_sandbox(self, trial_id: int, *, sandbox: str, image: str, audit: str) -> None:
        """Record the kind of sandbox of a trial, its image's hash and the result of its audit."""
        ...

    async def begin_grading(self, trial_id: int, *, reason: str, seconds: float) -> None:
        """Set a running trial of this owner to `grading`, since its submissions are complete."""
        ...

    async def hand_grading_on(self, trial_id: int) -> bool:
        """Let another process grade a trial of this owner; False if it is not in `grading`."""
        ...

    async def finish_trial(
        self, trial_id: int, state: str, *, reason: str, seconds: float, detail: str = ""
    ) -> None:
        """End a trial of this owner as done, failed, error or cancelled.

        Writes nothing if it has ended already or belongs to another owner.
        """
        ...

    # -- what a trial leaves ---------------------------------------------------------------------

    async def say(self, trial_id: int, conversation: str, messages: Iterable[Message]) -> None:
        """Append messages to the trajectory of a conversation, in order."""
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
        built_on: str = "",
        copy_of: str = "",
    ) -> int:
        """Add a submission and return its id. `StoreConflict`: its author has one already.

        `built_on` and `copy_of`: the label of another seat's patch that it contains, or is.
        """
        ...

    async def select(self, submission_id: int, reasons: Sequence[str]) -> None:
        """Mark a submission as the one that its trial selected, with the reasons.

        `StoreConflict`: the trial has a selected submission already.
        """
        ...

    async def grade(self, submission_id: int, verdict: Verdict) -> None:
        """Record the verdict on a submission. `StoreConflict`: it has one already."""
        ...

    async def label(self, new: NewLabel) -> int:
        """Add a label and return its id. It changes no figure of the run.

        `StoreConflict`: there is no such trial, its submission is another trial's, or what it
        replaces has been replaced, or is another author's or trial's.
        """
        ...

    # -- what people do to the run ---------------------------------------------------------------

    async def intervene(
        self, new: NewIntervention, *, alive: Collection[str] = (), cap: float = 0.0
    ) -> InterventionRow:
        """Check whether the state of the run allows it, write it, and do at once what needs no
        process: requeue a trial, or cancel one that no process in `alive` has.

        All of that in one transaction, so that of two people who want the same one is refused.
        `cap`: what a cap to be raised was at the start. `InterventionRefused` says why not.
        """
        ...

    async def interventions(self, after: int = 0, limit: int = -1) -> list[InterventionRow]:
        """The first `limit` interventions (-1: all) whose id is greater than `after`, in order."""
        ...

    async def carried(self, trial_id: int) -> list[CarriedRow]:
        """The interventions that hold for an attempt though they were written before it began: on
        its caps, and on the agents and entries of the attempts that it goes on from."""
        ...

    async def has_waiting(self) -> bool:
        """Whether a trial could be claimed."""
        ...

    async def note_applied(self, intervention_id: int, outcome: str) -> None:
        """Record, once, that this owner has acted on an intervention, and what came of it."""
        ...

    # -- what a trial goes on from ---------------------------------------------------------------

    async def paid(self, trial_id: int) -> list[PaidRow]:
        """Answered calls of earlier attempts at the trial, the newest attempt first."""
        ...

    async def answered(self, model: str, prompt_sha256: str) -> AnsweredRow | None:
        """The first answered and paid call of this run with this prompt; None if there is none."""
        ...

    async def made(self, trial_id: int) -> list[MadeSubmission]:
        """The submissions of a trial, in the order in which they were made."""
        ...

    # -- reading ---------------------------------------------------------------------------------

    async def read(self) -> RunRows:
        """All rows from which figures are computed, as they were at one moment."""
        ...

    async def read_outcomes(self) -> OutcomeRows:
        """What became of every trial, and what it cost, as it was at one moment."""
        ...

    async def read_beside(self, trial_id: int) -> RunRows:
        """The rows of all trials of the instance of this one, in the form of `read`. Empty but for
        the facts if there is no such attempt."""
        ...

    async def around(self, trial_id: int) -> tuple[int, int]:
        """The last attempts at this trial's system and number on the instance before and on the
        next one, by `trial_id`; 0: there is none."""
        ...

    async def read_trial(self, trial_id: int) -> RunRows:
        """The rows of one attempt at a trial, as they were at one moment, in the form of `read`.
        Empty but for the facts if there is no such attempt."""
        ...

    async def instance_text(self, instance_id: str) -> InstanceText | None:
        """The texts of an instance; None where an older delm planned it."""
        ...

    async def trials(self) -> list[TrialRow]:
        """Every attempt at every trial, in the order of `RunRows`."""
        ...

    async def calls(self) -> list[CallRow]:
        """Every model call, oldest first."""
        ...

    async def costs(self) -> list[CostRow]:
        """The costs of the calls that were sent: not those answered from an earlier attempt."""
        ...

    async def submissions(self) -> list[SubmissionRow]:
        """Every submission with its grade, if it has one."""
        ...

    async def spans(self) -> list[SpanRow]:
        """The activities of agents besides model calls, oldest first."""
        ...

    async def labels(self) -> list[LabelRow]:
        """Every label, replaced ones included, oldest first."""
        ...

    async def messages(self, trial_id: int) -> dict[str, list[Message]]:
        """The trajectory of each conversation of a trial, in the order of their first messages."""
        ...

    async def tool_lists(self) -> dict[str, str]:
        """Each list of tools that a call offered, as JSON, by its `CallRow.tools_sha256`."""
        ...

    async def standing(self) -> Standing:
        """The progress of the run."""
        ...

    async def live(self, since: str) -> LiveRows:
        """What changes of a run while it works; `since`: of the calls and tokens that it counts."""
        ...

    async def row_page(self, asked: Asked, sums: Sequence[str] = ()) -> RowPage | None:
        """Some rows of a table; None if the store has no table of that name.

        `UserError`: the table has no such column.
        """
        ...

    async def spent(self) -> float:
        """The USD that count against the cap: spent, or reserved for calls that have not ended. A
        call of unknown cost counts with its worst case."""
        ...

    async def earlier(self, model: str) -> list[EarlierTrial]:
        """The usage of done trials of `model`; empty for a replay or a run of another model."""
        ...

    async def aclose(self) -> None:
        """Close the connection to the database. A second call does nothing."""
        ...
