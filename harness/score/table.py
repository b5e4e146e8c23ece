"""One row per system: `table.csv`."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from harness.board.vocabulary import MAIN
from harness.score.alternative_scores import Unstable, readings
from harness.score.budgets import Allowance, allowance_of
from harness.score.estimators import METHOD, SHARE, Interval, mean, mean_interval, ratio_interval
from harness.score.latency import BoardRows, latencies
from harness.score.pauses import pauses
from harness.score.rows import (
    InstanceScore,
    TableRow,
    equal_submissions,
    prefix_share,
    ran,
    seconds_before,
    sent,
    tokens_by_kind,
)
from harness.store.rows import CallRow, RunRows, TrialRow

COLUMNS = (
    "system", "agents", "main_agents", "submissions_kind",
    "budget_per_submission_usd", "budget_per_submission_steps", "budget_per_submission_tokens",
    "budget_per_instance_usd", "budget_per_instance_steps", "budget_per_instance_tokens",
    "budget_wall_clock_s", "instances", "instances_run", "trials", "trials_run", "wanted",
    "wanted_run", "submissions", "copies", "resolved", "resolved_instances",
    "official_resolved", "flagged", "flake_adjusted_resolved", "avg_at_1_official",
    "avg_at_1_flake_adjusted", "avg_at_1",
    "avg_at_1_low", "avg_at_1_high", "avg_at_1_by_repo", "avg_at_1_by_repo_sd",
    "pass_at_2", "pass_at_2_low", "pass_at_2_high",
    "pass_at_2_kind", "pass_at_4", "pass_at_4_low", "pass_at_4_high", "pass_at_4_kind",
    "selected_at_1", "selected_at_1_low", "selected_at_1_high",
    "equal_submissions", "cost_per_instance_usd", "cost_per_instance_usd_low",
    "cost_per_instance_usd_high", "cost_per_task_usd",
    "cost_per_task_usd_low", "cost_per_task_usd_high", "cost_per_submission_usd",
    "cost_per_submission_usd_low", "cost_per_submission_usd_high",
    "cost_per_resolved_usd", "cost_usd", "cost_unsure_usd", "unfinished_usd",
    "unfinished_unsure_usd", "served_usd", "served_calls", "fresh_prompt_tokens", "cached_tokens",
    "cache_write_tokens", "completion_tokens", "reasoning_tokens", "prefix_share",
    "steps_per_task", "seconds_per_task", "latency_first_verified_s", "verified_trials",
    "latency_mean_s", "latency_last_s", "trial_retries", "call_retries", "cut_answers",
    "infra_errors", "system_errors", "unfinished", "intervals",
)  # fmt: skip
MONEY = (
    *(f"{name}{end}" for name in ("cost_per_instance_usd", "cost_per_task_usd",
      "cost_per_submission_usd") for end in ("", "_low", "_high")),
    "cost_per_resolved_usd", "cost_usd", "cost_unsure_usd", "unfinished_usd",
    "unfinished_unsure_usd",
)  # fmt: skip


def table(
    run: RunRows,
    scores: Sequence[InstanceScore],
    *,
    stories: Mapping[int, BoardRows] | None = None,
    unstable: Unstable | None = None,
) -> list[TableRow]:
    """One row a system: `COLUMNS`.

    `scores` are the `instance_scores` of the `run` (without facts budgets are unknown), `stories`
    the boards by trial (without them nothing is known of verified patches), `unstable` the unstable
    tests by instance (without them nothing is flake-adjusted).
    """
    trials, calls, submissions = run.trials, run.calls, run.submissions
    allowance = allowance_of(run.facts)
    agents = {trial["system"]: trial["agents"] for trial in trials}
    submissions_each, before = equal_submissions(scores), seconds_before(trials, calls)
    paused = pauses(run.interventions)
    otherwise = readings(trials, submissions, unstable)
    rows: list[TableRow] = []
    for system in dict.fromkeys(score.system for score in scores):
        mine = [score for score in scores if score.system == system]
        spoken = [call for call in sent(calls) if call["system"] == system]
        its_trials = [trial for trial in trials if trial["system"] == system]
        cost = money(mine, submissions_each)
        row = {
            "system": system,
            "agents": agents[system],
            "main_agents": int(any(call["agent"] == MAIN for call in spoken)),
            "submissions_kind": mine[0].submits,
            **_budget(mine, allowance),
            **outcomes(mine),
            **otherwise[system],
            "equal_submissions": submissions_each,
            **cost,
            "served_usd": served_usd(its_trials, calls) if cost["cost_usd"] is not None else None,
            "served_calls": sum(
                call["system"] == system and call.get("paid_call") is not None for call in calls
            ),
            **tokens_by_kind(spoken),
            "prefix_share": prefix_share(spoken),
            **effort(mine),
            **latencies(its_trials, submissions, stories or {}, before, paused),
            "call_retries": sum(max(0, call["attempts"] - 1) for call in spoken),
            "cut_answers": sum(call.get("cut") or 0 for call in spoken),
            "intervals": METHOD,
        }
        rows.append({column: row[column] for column in COLUMNS})
    return rows


def estimate(name: str, values: Sequence[float | None]) -> dict[str, float | None]:
    """The mean of a share over instances and its interval: `name`, `name_low`, `name_high`."""
    return _with_ends(name, mean(values), mean_interval(values, within=SHARE))


def by_repo(mine: Sequence[InstanceScore]) -> dict[str, float | None]:
    """Avg.@1 where each repository, or domain of questions, counts alike, however many instances
    it has; and its standard deviation over the trials that ran on every one of these instances,
    None of fewer than two. Shares.

    It is the average that LongBench-v2's scores are published as (arXiv 2606.10662, Table 2).
    """
    repos = [
        [s for s in mine if s.cluster == name] for name in dict.fromkeys(s.cluster for s in mine)
    ]
    everywhere = [
        number
        for number in (mine[0].of_trials if mine else ())
        if all(number in score.of_trials for score in mine)
    ]
    shares = [
        mean(mean(_share(score, trial) for score in repo) for repo in repos) for trial in everywhere
    ]
    known = [share for share in shares if share is not None]
    return {
        "avg_at_1_by_repo": mean(mean(s.average for s in repo) for repo in repos),
        "avg_at_1_by_repo_sd": statistics.stdev(known) if len(known) > 1 else None,
    }


def _share(score: InstanceScore, trial: int) -> float:
    resolved, wanted = score.of_trials[trial]
    return resolved / wanted


def money(mine: Sequence[InstanceScore], submissions: int) -> dict[str, float | None]:
    """The cost columns, the least that it can be; and in all, what it may be more.

    What an instance, a task and a submission cost is told of trials that ran; of an instance, at so
    many `submissions`. All are None as soon as the cost of one answer is unknown, and where nothing
    was spent because nothing was started.
    """
    over = ran(mine)
    costs = [score.cost_usd for score in over]
    cost, unfinished = _sum(costs), _sum([score.unfinished_usd for score in mine])
    started = bool(over) or any(score.started for score in mine)
    if cost is None or unfinished is None or not started:
        return dict.fromkeys(MONEY)
    each = [score.cost_of(submissions) for score in over]
    trials, made = [score.ran for score in over], [score.submissions for score in over]
    in_doubt = sum(score.unfinished_unsure_usd or 0.0 for score in mine)
    return {
        **_with_ends("cost_per_instance_usd", mean(each), mean_interval(each)),
        **_with_ends("cost_per_task_usd", _ratio(cost, sum(trials)), ratio_interval(costs, trials)),
        **_with_ends(
            "cost_per_submission_usd",
            _ratio(cost, sum(made)),
            ratio_interval(costs, made, empty=True),
        ),
        "cost_per_resolved_usd": _ratio(cost, sum(score.resolved > 0 for score in over)),
        "cost_usd": cost + unfinished,
        "cost_unsure_usd": in_doubt + sum(score.cost_unsure_usd or 0.0 for score in over),
        "unfinished_usd": unfinished,
        "unfinished_unsure_usd": in_doubt,
    }


def _with_ends(
    name: str, value: float | None, interval: Interval | None
) -> dict[str, float | None]:
    return {
        name: value,
        f"{name}_low": interval.low if interval else None,
        f"{name}_high": interval.high if interval else None,
    }


def _sum(amounts: Sequence[float | None]) -> float | None:
    """The sum; None if one value is None, 0 without values."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None


def served_usd(trials: Sequence[TrialRow], calls: Sequence[CallRow]) -> float | None:
    """What some trials would have paid more if nothing were shared: the cost of answers that other
    trials of the run had paid for. None where the cost of one is unknown."""
    mine = {trial["trial_id"] for trial in trials}
    given = [(call, payer) for call in calls if (payer := call.get("paid_call")) is not None]
    places = {call["call_id"]: _place(call) for call in calls} if given else {}
    return _sum(
        [
            call["cost_usd"]
            for call, payer in given
            if call["trial_id"] in mine and places[payer] != _place(call)
        ]
    )


def _place(call: CallRow) -> tuple[str, str, int]:
    return call["system"], call["instance_id"], call["trial"]


def outcomes(mine: Sequence[InstanceScore]) -> dict[str, Any]:
    """What was asked for, what of that ran, and what came of it: None where nothing ran."""
    over = ran(mine)
    found: dict[str, Any] = {
        "instances": len(mine),
        "instances_run": len(over),
        "trials": sum(score.trials for score in mine),
        "trials_run": sum(score.ran for score in mine),
        "wanted": sum(score.asked for score in mine),
        "wanted_run": sum(score.wanted for score in mine),
        "submissions": sum(score.submissions for score in over) if over else None,
        "copies": sum(score.copies for score in over) if over else None,
        "resolved": sum(score.resolved for score in over) if over else None,
        "resolved_instances": sum(score.resolved > 0 for score in over) if over else None,
        **estimate("avg_at_1", [score.average for score in over]),
        **by_repo(over),
        **estimate("selected_at_1", [score.selected for score in over]),
    }
    for k in (2, 4):
        name = f"pass_at_{k}"
        found |= estimate(name, [score.pass_at(k) for score in over])
        found[f"{name}_kind"] = None if found[name] is None else over[0].kind
    return found


def _budget(mine: Sequence[InstanceScore], one: Allowance | None) -> dict[str, Any]:
    """The budget of one submission, and of an instance if all instances request the same number."""
    counts = {score.asked for score in mine}
    all_ = one.times(counts.pop()) if one and len(counts) == 1 else None
    return {
        "budget_per_submission_usd": one and one.usd,
        "budget_per_submission_steps": one and one.steps,
        "budget_per_submission_tokens": one and one.tokens,
        "budget_per_instance_usd": all_ and all_.usd,
        "budget_per_instance_steps": all_ and all_.steps,
        "budget_per_instance_tokens": all_ and all_.tokens,
        "budget_wall_clock_s": one and one.wall_clock_s,
    }


def effort(mine: Sequence[InstanceScore]) -> dict[str, Any]:
    """Steps and seconds per trial, over the same trials as the cost per task."""
    over = ran(mine)
    trials = sum(score.ran for score in over)
    return {
        "steps_per_task": _ratio(sum(score.steps for score in over), trials),
        "seconds_per_task": _ratio(sum(score.seconds for score in over), trials),
        "trial_retries": sum(score.retries for score in mine),
        "infra_errors": sum(score.infra_errors for score in mine),
        "system_errors": sum(score.system_errors for score in mine),
        "unfinished": sum(score.unfinished for score in mine),
    }


def _ratio(amount: float | None, count: int) -> float | None:
    return None if amount is None or not count else amount / count
