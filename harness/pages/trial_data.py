"""All that a page shows of one trial, read from the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.analysis.call_costs import CallCost, Count
from harness.analysis.narrative import TrialRecord
from harness.analysis.run_costs import TrialCost, TrialCosts, trial_costs
from harness.board.records import Boards
from harness.model.token_count import count as tokens_of
from harness.store.protocol import Store
from harness.store.rows import CallRow, RunRows, SpanRow, SubmissionRow, TrialRow
from harness.types import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialData:
    """One attempt at a trial with all its rows, and what its calls cost."""

    run: RunRows
    cost: TrialCost

    @property
    def facts(self) -> Mapping[str, Any]:
        """The facts of the run: `Store.description`."""
        return self.run.facts

    @property
    def trial(self) -> TrialRow:
        """Its row."""
        return self.cost.trial

    @property
    def trial_id(self) -> int:
        """The id of its row."""
        return self.cost.trial["trial_id"]

    @property
    def record(self) -> TrialRecord:
        """The rows of its board, its calls and its submissions."""
        return self.cost.record

    @property
    def calls(self) -> Sequence[CallRow]:
        """Its model calls, oldest first."""
        return self.cost.record.calls

    @property
    def submissions(self) -> Sequence[SubmissionRow]:
        """Its submissions with their grades."""
        return self.cost.record.submissions

    @property
    def spans(self) -> Sequence[SpanRow]:
        """What its agents did besides model calls."""
        return self.cost.spans

    @property
    def messages(self) -> Mapping[str, Sequence[Message]]:
        """What was said in each conversation, by its name."""
        return self.cost.messages

    @property
    def costs(self) -> Sequence[CallCost]:
        """Each call taken apart: what its tokens stand for, and what they cost."""
        return self.cost.costs

    @property
    def kinds(self) -> Mapping[int, str]:
        """The kind of work of each call, by `call_id`."""
        return self.cost.kinds


class Trials:
    """Reads the trials of a run one by one. For many trials of a run, take one reader."""

    def __init__(self, run: RunRows, costs: TrialCosts) -> None:
        """See `trials_of`."""
        self._run, self._costs = run, costs
        self._rows = {trial["trial_id"]: trial for trial in run.trials}

    async def read(self, trial_id: int) -> TrialData:
        """The data of one trial. Raises `KeyError` if the run has no such trial."""
        return TrialData(run=self._run, cost=await self._costs.of(self._rows[trial_id]))


async def trials_of(store: Store, boards: Boards, run: RunRows, count: Count = tokens_of) -> Trials:
    """A reader of the trials of `run`. `count` counts the tokens of a text."""
    return Trials(run, await trial_costs(run, store, boards, count))


async def trial_data(store: Store, boards: Boards, run: RunRows, trial_id: int) -> TrialData:
    """All rows of one trial of `run`. Raises `KeyError` if the run has no such trial."""
    return await (await trials_of(store, boards, run)).read(trial_id)
