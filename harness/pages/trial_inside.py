"""What the pages inside of a trial are made of: its rows and messages, and nothing beside it.

`TrialData` has all of this, too. It also knows what the trial and those beside it cost, for which
all their texts are cut into tokens: a page of one conversation need not wait for that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from harness.analysis.call_costs import CallCost, Count
from harness.analysis.first_checks import FirstCheck, first_checks
from harness.analysis.narrative import TrialRecord
from harness.analysis.run_costs import trial_costs
from harness.analysis.run_rows import material_of
from harness.board.records import Boards
from harness.model.token_count import count as tokens_of
from harness.store.protocol import Store
from harness.store.rows import CallRow, RunRows, TrialRow
from harness.types import Message


class NotInTrial(Exception):
    """The trial has no such conversation, call, entry or proposal."""


class TrialInside(Protocol):
    """A trial from inside."""

    @property
    def trial(self) -> TrialRow:
        """Its row."""
        ...

    @property
    def trial_id(self) -> int:
        """The id of its row."""
        ...

    @property
    def record(self) -> TrialRecord:
        """The rows of its board, its calls and its submissions."""
        ...

    @property
    def calls(self) -> Sequence[CallRow]:
        """Its model calls, oldest first."""
        ...

    @property
    def messages(self) -> Mapping[str, Sequence[Message]]:
        """What was said in each conversation, by its name."""
        ...

    @property
    def first_checks(self) -> Mapping[int, FirstCheck]:
        """Where the run executed the checks that were remembered: by number of the proposal."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InsideRows:
    """See `TrialInside`."""

    trial: TrialRow
    record: TrialRecord
    messages: Mapping[str, Sequence[Message]]
    first_checks: Mapping[int, FirstCheck] = field(default_factory=dict)

    @property
    def trial_id(self) -> int:
        """The id of its row."""
        return self.trial["trial_id"]

    @property
    def calls(self) -> Sequence[CallRow]:
        """Its model calls, oldest first."""
        return self.record.calls


async def inside_of(store: Store, boards: Boards, run: RunRows) -> InsideRows:
    """The only trial of `run` from inside."""
    (trial,) = run.trials
    trial_id = trial["trial_id"]
    record = await material_of(boards, trial, run.calls, run.submissions)
    return InsideRows(
        trial=trial,
        record=record,
        messages=await store.messages(trial_id),
        first_checks=await first_checks(store, boards, trial, record),
    )


async def costs_of_call(
    store: Store, boards: Boards, run: RunRows, call_id: int, count: Count = tokens_of
) -> Sequence[CallCost]:
    """The calls of the conversation of a call, taken apart; none where the only trial of `run` has
    no such call. `count` counts the tokens of a text."""
    (trial,) = run.trials
    name = next((row["conversation"] for row in run.calls if row["call_id"] == call_id), None)
    if name is None:
        return ()
    return await (await trial_costs(run, store, boards, count)).of_conversation(trial, name)
