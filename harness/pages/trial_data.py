"""All that a page shows of one trial, read from the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.analysis.call_costs import CallCost, Count
from harness.analysis.cost_breakdown import CostSums, ended_trials
from harness.analysis.first_checks import FirstCheck, first_checks
from harness.analysis.narrative import TrialRecord
from harness.analysis.run_costs import TrialCost, TrialCosts, trial_costs
from harness.analysis.timeline import Interval, seconds_by_cause, words_of
from harness.board.records import Boards
from harness.model.token_count import count as tokens_of
from harness.score import InstanceScore, ended
from harness.score.rows import TableRow
from harness.store.protocol import Store
from harness.store.rows import (
    CallRow,
    InstanceText,
    LabelRow,
    RunRows,
    SpanRow,
    SubmissionRow,
    TrialRow,
)
from harness.types import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialTime:
    """The agent-time of a trial: seconds of all its agents by what they were busy with."""

    trial: TrialRow
    causes: Mapping[str, float]  # of `harness.analysis.timeline.WHAT`
    words: Mapping[str, str]  # what each of these is called


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialData:
    """One attempt at a trial with all its rows, and what its calls cost."""

    run: RunRows
    cost: TrialCost
    intervals: Sequence[Interval]  # its time line
    costs_here: Sequence[TableRow]  # rows of `cost_breakdown.csv` of its instance alone
    trials_here: Sequence[TrialRow]  # all attempts at trials on its instance
    submissions_here: Sequence[SubmissionRow]  # of these
    scores_here: Sequence[InstanceScore]  # of each system on its instance
    times_here: Sequence[TrialTime]  # of trials on its instance that have ended
    text: InstanceText | None  # None: an older delm planned the run
    labels: Sequence[LabelRow] = ()  # what people and models said of it; replaced ones too
    # where the run executed the checks that were remembered, by number of the proposal
    first_checks: Mapping[int, FirstCheck] = field(default_factory=dict)

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
    """Reads the trials of a run one by one. For many trials of a run, take one reader, and read
    those of one instance one after the other."""

    def __init__(
        self,
        store: Store,
        boards: Boards,
        run: RunRows,
        costs: TrialCosts,
        known: dict[int, CostSums],
    ) -> None:
        """See `trials_of`."""
        self._store, self._boards, self._run, self._costs = store, boards, run, costs
        self._rows = {trial["trial_id"]: trial for trial in run.trials}
        self._of_instance: dict[str, list[TrialRow]] = {}
        for trial in run.trials:
            self._of_instance.setdefault(trial["instance_id"], []).append(trial)
        self._over = {trial["trial_id"] for trial in ended_trials(run.trials)}
        self._known = known
        self._held: dict[int, TrialCost] = {}  # of the instance that was read last

    async def read(self, trial_id: int) -> TrialData:
        """The data of one trial. Raises `KeyError` if the run has no such trial."""
        trial = self._rows[trial_id]
        instance = trial["instance_id"]
        here = self._of_instance[instance]
        over = [each for each in here if each["trial_id"] in self._over]
        sums = {each["trial_id"]: await self._sums(each) for each in over}
        cost = await self._cost(trial)
        return TrialData(
            run=self._run,
            cost=cost,
            first_checks=await first_checks(self._store, self._boards, trial, cost.record),
            intervals=self._costs.intervals(trial),
            trials_here=here,
            submissions_here=[row for each in here for row in self._costs.submissions(each)],
            scores_here=self._costs.scores(instance),
            times_here=[self._time(each) for each in over if ended(each)],
            costs_here=self._costs.rows(sums, [instance]),
            text=await self._store.instance_text(instance),
            labels=[row for row in await self._store.labels() if row["trial_id"] == trial_id],
        )

    def run_costs(self) -> Sequence[TableRow]:
        """The rows of `cost_breakdown.csv` of the run, if the costs of every trial that has ended
        are known by now; else none."""
        if not self._over <= self._known.keys():
            return ()
        return self._costs.rows(self._known)

    def _time(self, trial: TrialRow) -> TrialTime:
        intervals = self._costs.intervals(trial)
        causes: dict[str, float] = {}
        for mine in seconds_by_cause(intervals).values():
            for what, seconds in mine.items():
                causes[what] = causes.get(what, 0.0) + seconds
        return TrialTime(trial=trial, causes=causes, words=words_of(intervals))

    async def _sums(self, trial: TrialRow) -> CostSums:
        """What a trial cost, which stays the same once it has ended."""
        key = trial["trial_id"]
        if key in self._known:
            return self._known[key]
        sums = (await self._cost(trial)).sums()
        if ended(trial):
            self._known[key] = sums
        return sums

    async def _cost(self, trial: TrialRow) -> TrialCost:
        key = trial["trial_id"]
        if any(each.trial["instance_id"] != trial["instance_id"] for each in self._held.values()):
            self._held.clear()
        if key not in self._held:
            self._held[key] = await self._costs.of(trial)
        return self._held[key]


async def trials_of(
    store: Store,
    boards: Boards,
    run: RunRows,
    known: dict[int, CostSums] | None = None,
    count: Count = tokens_of,
) -> Trials:
    """A reader of the trials of `run`.

    `known`: what trials of this run cost, by `trial_id`; the reader adds those that have ended, so
    that another reader of the same run need not read them again. `count` counts the tokens of a
    text.
    """
    costs = await trial_costs(run, store, boards, count)
    return Trials(store, boards, run, costs, {} if known is None else known)


async def trial_data(
    store: Store,
    boards: Boards,
    run: RunRows,
    trial_id: int,
    known: dict[int, CostSums] | None = None,
) -> TrialData:
    """All rows of one trial of `run`. `known`: see `trials_of`.

    Raises `KeyError` if the run has no such trial.
    """
    return await (await trials_of(store, boards, run, known)).read(trial_id)
