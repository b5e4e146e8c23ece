"""What the pages inside of a trial are made of: its rows and messages, and nothing beside it.

`TrialData` has all of this, too. It also knows what the trial and those beside it cost, for which
all their texts are cut into tokens: a page of one conversation need not wait for that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.analysis.call_costs import CallCost, Count
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
    def costs(self) -> Sequence[CallCost]:
        """Each call taken apart; empty where nobody asked for that."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InsideRows:
    """See `TrialInside`."""

    trial: TrialRow
    record: TrialRecord
    messages: Mapping[str, Sequence[Message]]
    costs: Sequence[CallCost] = ()

    @property
    def trial_id(self) -> int:
        """The id of its row."""
        return self.trial["trial_id"]

    @property
    def calls(self) -> Sequence[CallRow]:
        """Its model calls, oldest first."""
        return self.record.calls


async def inside_of(store: Store, boards: Boards, run: RunRows) -> InsideRows:
    """The only trial of `run` from inside, without costs."""
    (trial,) = run.trials
    trial_id = trial["trial_id"]
    record = await material_of(boards, trial_id, run.calls, run.submissions)
    return InsideRows(trial=trial, record=record, messages=await store.messages(trial_id))


async def inside_with_costs(
    store: Store, boards: Boards, run: RunRows, count: Count = tokens_of
) -> InsideRows:
    """The only trial of `run` from inside. `count` counts the tokens of a text."""
    (trial,) = run.trials
    cost = await (await trial_costs(run, store, boards, count)).of(trial)
    return InsideRows(trial=trial, record=cost.record, messages=cost.messages, costs=cost.costs)
