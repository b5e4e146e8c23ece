"""The rows of `cost_breakdown.csv`, read from the store and the boards of a run."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness import score
from harness.analysis.call_costs import Count, Pricing, call_costs, schema_tokens
from harness.analysis.call_kinds import kinds_of
from harness.analysis.coordination import WAITS, workers_by_conversation
from harness.analysis.cost_breakdown import SystemCost, baseline_of, ended_trials
from harness.analysis.cost_overheads import overheads
from harness.analysis.timeline import seconds_by_cause, timeline
from harness.board.records import Boards
from harness.model.prices import recorded
from harness.score.rows import by_trial
from harness.store.protocol import Store
from harness.store.rows import CallRow, RunRows, SpanRow, TrialRow
from harness.system_files import baseline_system


async def cost_rows(
    run: RunRows, store: Store, boards: Boards, count: Count
) -> list[dict[str, Any]]:
    """The rows of every system of a `run`, in the order of its trials.

    Reads one trial at a time, because all messages together may be large. `count` counts the tokens
    of a text.
    """
    calls_of, spans_of = by_trial(run.calls), by_trial(run.spans)
    schemas = schema_tokens(await store.tool_lists(), count)
    pricing = _pricing(run.facts)
    systems = {trial["system"]: SystemCost() for trial in run.trials}
    for trial in ended_trials(run.trials):
        key = trial["trial_id"]
        calls, said = calls_of.get(key, []), await store.messages(key)
        costs = call_costs(calls, said, schemas, pricing, count)
        kinds = kinds_of(calls, await boards.tasks(key), await boards.events(key))
        workers = workers_by_conversation(calls)
        waiting_s = _waiting_s(trial, calls, spans_of.get(key, []))
        proposals = await boards.proposals(key)
        found = overheads(costs, said, proposals, workers, waiting_s)
        systems[trial["system"]].add(costs, kinds, found)
    scores = score.instance_scores(run.trials, run.calls, run.submissions)
    baseline = baseline_of(run.trials, baseline_system())
    return [row for name, cost in systems.items() for row in cost.rows(name, scores, baseline)]


def _pricing(facts: Mapping[str, Any]) -> Pricing:
    """The prices that the run recorded. A replay costs the same at any hour."""
    listed = {name: recorded(plain) for name, plain in (facts.get("prices") or {}).items()}
    prices = {name: price for name, price in listed.items() if price is not None}
    return Pricing(prices=prices, timed=not facts.get("replay"))


def _waiting_s(trial: TrialRow, calls: Sequence[CallRow], spans: Sequence[SpanRow]) -> float:
    """Seconds in which agents of a trial waited for other agents."""
    spent = seconds_by_cause(timeline(trial, calls, spans)).values()
    return sum(each.get(what, 0.0) for each in spent for what in WAITS)
