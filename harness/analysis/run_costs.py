"""What the calls of a run cost, trial by trial, and the rows of `cost_breakdown.csv`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness import score
from harness.analysis.call_costs import CallCost, Count, Pricing, call_costs, schema_tokens
from harness.analysis.call_kinds import kinds_of
from harness.analysis.coordination import WAITS, workers_by_conversation
from harness.analysis.cost_breakdown import CostSums, SystemCost, baseline_of, ended_trials
from harness.analysis.cost_overheads import Overheads, overheads
from harness.analysis.narrative import TrialRecord
from harness.analysis.run_rows import material_of
from harness.analysis.timeline import Interval, seconds_by_cause, timeline
from harness.analysis.turn_activities import Shares, turn_activities
from harness.board.records import Boards
from harness.model.prices import recorded
from harness.score.rows import by_trial
from harness.store.protocol import Store
from harness.store.rows import CallRow, RunRows, SpanRow, SubmissionRow, TrialRow
from harness.system_files import baseline_system
from harness.types import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialCost:
    """What one attempt at a trial cost, and the rows from which that was computed."""

    trial: TrialRow
    spans: Sequence[SpanRow]
    messages: Mapping[str, Sequence[Message]]  # by conversation
    record: TrialRecord
    costs: Sequence[CallCost]
    kinds: Mapping[int, str]  # of work, by `call_id`
    overheads: Overheads
    activities: Mapping[int, Shares]  # by `call_id`

    def sums(self) -> CostSums:
        """The costs added up."""
        found = CostSums()
        found.add(self.costs, self.kinds, self.activities, self.overheads.sums)
        return found


class TrialCosts:
    """The costs of a run's trials, read one trial at a time: all messages together may be large."""

    def __init__(
        self, run: RunRows, store: Store, boards: Boards, schemas: Mapping[str, int], count: Count
    ) -> None:
        """See `trial_costs`."""
        self._run, self._store, self._boards = run, store, boards
        self._schemas, self._count = schemas, count
        self._pricing = _pricing(run.facts)
        self._calls, self._spans = by_trial(run.calls), by_trial(run.spans)
        self._submissions = by_trial(run.submissions)
        self._scores = score.instance_scores(run.trials, run.calls, run.submissions)
        self._baseline = baseline_of(run.trials, baseline_system())

    async def of(self, trial: TrialRow) -> TrialCost:
        """The costs of one attempt at a trial."""
        key = trial["trial_id"]
        calls, spans = self._calls.get(key, []), self._spans.get(key, [])
        said = await self._store.messages(key)
        record = await material_of(self._boards, trial, calls, self._submissions.get(key, []))
        costs = call_costs(calls, said, self._schemas, self._pricing, self._count)
        workers = workers_by_conversation(calls)
        waiting_s = _waiting_s(trial, calls, spans)
        doubled = overheads(costs, said, record.proposals, workers, waiting_s)
        return TrialCost(
            trial=trial,
            spans=spans,
            messages=said,
            record=record,
            costs=costs,
            kinds=kinds_of(calls, record.tasks, record.events),
            overheads=doubled,
            activities=turn_activities(costs, record.proposals, doubled),
        )

    async def of_conversation(self, trial: TrialRow, name: str) -> Sequence[CallCost]:
        """The calls of one conversation of an attempt at a trial: those that `of` has of it.

        Where the ledger does not have the tools of each call, all texts of the trial have to be
        counted for that.
        """
        key = trial["trial_id"]
        calls, said = self._calls.get(key, []), await self._store.messages(key)
        if all((call["tools_sha256"] or "") in self._schemas for call in calls):
            calls = [call for call in calls if call["conversation"] == name]
            said = {name: said.get(name, [])}
        costs = call_costs(calls, said, self._schemas, self._pricing, self._count)
        return [cost for cost in costs if cost.row["conversation"] == name]

    def submissions(self, trial: TrialRow) -> Sequence[SubmissionRow]:
        """The submissions of one attempt at a trial."""
        return self._submissions.get(trial["trial_id"], ())

    def scores(self, instance: str) -> list[score.InstanceScore]:
        """The score of each system on one instance."""
        return [each for each in self._scores if each.instance_id == instance]

    def intervals(self, trial: TrialRow) -> list[Interval]:
        """The time line of one attempt at a trial."""
        key = trial["trial_id"]
        return timeline(trial, self._calls.get(key, []), self._spans.get(key, []))

    def rows(
        self, sums: Mapping[int, CostSums], instances: Collection[str] = ()
    ) -> list[dict[str, Any]]:
        """The rows of every system, in the order of the run's trials.

        `sums` are those of `ended_trials` by `trial_id`. With `instances`, all figures are of these
        alone.
        """
        trials = [each for each in self._run.trials if _asked(each["instance_id"], instances)]
        systems = {trial["system"]: SystemCost() for trial in trials}
        for trial in ended_trials(trials):
            systems[trial["system"]].include(sums[trial["trial_id"]])
        scores = [each for each in self._scores if _asked(each.instance_id, instances)]
        return [
            row for name, cost in systems.items() for row in cost.rows(name, scores, self._baseline)
        ]


def _asked(instance: str, instances: Collection[str]) -> bool:
    return not instances or instance in instances


async def trial_costs(run: RunRows, store: Store, boards: Boards, count: Count) -> TrialCosts:
    """A reader of the trials of `run`. `count` counts the tokens of a text."""
    schemas = schema_tokens(await store.tool_lists(), count)
    return TrialCosts(run, store, boards, schemas, count)


async def cost_rows(
    run: RunRows, store: Store, boards: Boards, count: Count, instances: Collection[str] = ()
) -> list[dict[str, Any]]:
    """The rows of every system of a `run`, in the order of its trials.

    `count` counts the tokens of a text. With `instances`, all figures are of these alone.
    """
    reader = await trial_costs(run, store, boards, count)
    sums = {
        trial["trial_id"]: (await reader.of(trial)).sums()
        for trial in ended_trials(run.trials)
        if _asked(trial["instance_id"], instances)
    }
    return reader.rows(sums, instances)


def _pricing(facts: Mapping[str, Any]) -> Pricing:
    """The prices that the run recorded. A replay costs the same at any hour."""
    listed = {name: recorded(plain) for name, plain in (facts.get("prices") or {}).items()}
    prices = {name: price for name, price in listed.items() if price is not None}
    return Pricing(prices=prices, timed=not facts.get("replay"))


def _waiting_s(trial: TrialRow, calls: Sequence[CallRow], spans: Sequence[SpanRow]) -> float:
    """Seconds in which agents of a trial waited for other agents."""
    spent = seconds_by_cause(timeline(trial, calls, spans)).values()
    return sum(each.get(what, 0.0) for each in spent for what in WAITS)
