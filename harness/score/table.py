"""One row a system: `table.csv`."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from harness.score.budgets import Allowance, allowance_of
from harness.score.estimators import METHOD, SHARE, mean, mean_interval, ratio_interval
from harness.score.latency import Story, latencies
from harness.score.readings import Unstable, readings
from harness.score.rows import (
    MAIN,
    InstanceScore,
    Row,
    instance_scores,
    prefix_share,
    sent,
    tokens_by_kind,
)

COLUMNS = (
    "system", "agents", "main_agents", "submissions_kind",
    "budget_per_submission_usd", "budget_per_submission_steps", "budget_per_submission_tokens",
    "budget_per_instance_usd", "budget_per_instance_steps", "budget_per_instance_tokens",
    "budget_wall_clock_s", "instances", "trials", "wanted",
    "submissions", "resolved", "resolved_instances",
    "official_resolved", "flagged", "flake_adjusted_resolved", "avg_at_1_official",
    "avg_at_1_flake_adjusted", "avg_at_1",
    "avg_at_1_low", "avg_at_1_high", "avg_at_1_by_repo", "avg_at_1_by_repo_sd",
    "pass_at_2", "pass_at_2_low", "pass_at_2_high",
    "pass_at_2_kind", "pass_at_4", "pass_at_4_low", "pass_at_4_high", "pass_at_4_kind",
    "selected_at_1", "selected_at_1_low", "selected_at_1_high", "cost_per_task_usd",
    "cost_per_task_usd_low", "cost_per_task_usd_high", "cost_per_submission_usd",
    "cost_per_resolved_usd", "cost_usd", "cost_unsure_usd", "served_usd", "fresh_prompt_tokens",
    "cached_tokens",
    "cache_write_tokens", "completion_tokens", "reasoning_tokens", "prefix_share",
    "steps_per_task", "seconds_per_task", "latency_first_verified_s", "verified_trials",
    "latency_mean_s", "latency_last_s", "trial_retries", "call_retries", "infra_errors",
    "unfinished", "intervals",
)  # fmt: skip


def table(
    trials: Sequence[Row],
    calls: Sequence[Row],
    submissions: Sequence[Row],
    *,
    description: Mapping[str, Any] | None = None,
    stories: Mapping[int, Story] | None = None,
    unstable: Unstable | None = None,
) -> list[Row]:
    """One row a system: `COLUMNS`.

    `description` is `Store.description` (without it budgets are unknown), `stories` the boards by
    trial (without them nothing is known of verified patches), `unstable` the unstable tests by
    instance (without them nothing is flake-adjusted).
    """
    scores = instance_scores(trials, calls, submissions)
    allowance = allowance_of(description or {})
    agents = {trial["system"]: trial["agents"] for trial in trials}
    otherwise = readings(trials, submissions, unstable)
    rows: list[Row] = []
    for system in dict.fromkeys(score.system for score in scores):
        mine = [score for score in scores if score.system == system]
        spoken = [call for call in sent(calls) if call["system"] == system]
        its_trials = [trial for trial in trials if trial["system"] == system]
        cost = money(mine)
        row = {
            "system": system,
            "agents": agents[system],
            "main_agents": int(any(call["agent"] == MAIN for call in spoken)),
            "submissions_kind": mine[0].submits,
            **_budget(mine, allowance),
            **_outcomes(mine),
            **otherwise[system],
            **cost,
            "served_usd": served_usd(its_trials, calls) if cost["cost_usd"] is not None else None,
            **tokens_by_kind(spoken),
            "prefix_share": prefix_share(spoken),
            **_effort(mine),
            **latencies(its_trials, submissions, stories or {}),
            "call_retries": sum(max(0, call["attempts"] - 1) for call in spoken),
            "intervals": METHOD,
        }
        rows.append({column: row[column] for column in COLUMNS})
    return rows


def estimate(name: str, values: Sequence[float | None]) -> dict[str, float | None]:
    """The mean of a share over instances and its interval: `name`, `name_low`, `name_high`."""
    interval = mean_interval(values, within=SHARE)
    return {
        name: mean(values),
        f"{name}_low": interval.low if interval else None,
        f"{name}_high": interval.high if interval else None,
    }


def by_repo(mine: Sequence[InstanceScore]) -> dict[str, float | None]:
    """Avg.@1 where each repository, or domain of questions, counts alike, however many instances
    it has; and its standard deviation over trials, None of fewer than two. Shares.

    It is the average that LongBench-v2's scores are published as (arXiv 2606.10662, Table 2).
    """
    repos = [[s for s in mine if s.repo == repo] for repo in dict.fromkeys(s.repo for s in mine)]
    each = range(min(len(score.of_trials) for score in mine))
    shares = [
        mean(mean(_share(score, trial) for score in repo) or 0.0 for repo in repos)
        for trial in each
    ]
    known = [share for share in shares if share is not None]
    return {
        "avg_at_1_by_repo": mean(mean(s.average for s in repo) or 0.0 for repo in repos),
        "avg_at_1_by_repo_sd": statistics.stdev(known) if len(known) > 1 else None,
    }


def _share(score: InstanceScore, trial: int) -> float:
    resolved, wanted = score.of_trials[trial]
    return resolved / wanted


def money(mine: Sequence[InstanceScore]) -> dict[str, float | None]:
    """The cost columns, the least that it can be; and in all, what it may be more.

    All are None as soon as the cost of one answer is unknown.
    """
    costs = [score.cost_usd for score in mine]
    known = [cost for cost in costs if cost is not None]
    cost = sum(known) if len(known) == len(costs) else None
    unsure = sum(score.cost_unsure_usd or 0.0 for score in mine)
    started = [score.started for score in mine]
    interval = ratio_interval(costs, started)
    return {
        "cost_per_task_usd": _ratio(cost, sum(started)),
        "cost_per_task_usd_low": interval.low if interval else None,
        "cost_per_task_usd_high": interval.high if interval else None,
        "cost_per_submission_usd": _ratio(cost, sum(score.submissions for score in mine)),
        "cost_per_resolved_usd": _ratio(cost, sum(score.resolved > 0 for score in mine)),
        "cost_usd": cost,
        "cost_unsure_usd": None if cost is None else unsure,
    }


def served_usd(trials: Sequence[Row], calls: Sequence[Row]) -> float | None:
    """What some trials would have paid more if nothing were shared: the cost of answers that other
    trials of the run had paid for. None where the cost of one is unknown."""
    mine = {trial["trial_id"] for trial in trials}
    given = [call for call in calls if call.get("paid_call") is not None]
    payers = {call["call_id"]: _place(call) for call in calls} if given else {}
    served = [
        call["cost_usd"]
        for call in given
        if call["trial_id"] in mine and payers[call["paid_call"]] != _place(call)
    ]
    return None if None in served else sum(served)


def _place(call: Row) -> tuple[str, str, int]:
    return call["system"], call["instance_id"], call["trial"]


def _outcomes(mine: Sequence[InstanceScore]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "instances": len(mine),
        "trials": sum(score.trials for score in mine),
        "wanted": sum(score.wanted for score in mine),
        "submissions": sum(score.submissions for score in mine),
        "resolved": sum(score.resolved for score in mine),
        "resolved_instances": sum(score.resolved > 0 for score in mine),
        **estimate("avg_at_1", [score.average for score in mine]),
        **by_repo(mine),
        **estimate("selected_at_1", [score.selected for score in mine]),
    }
    for k in (2, 4):
        name = f"pass_at_{k}"
        found |= estimate(name, [score.pass_at(k) for score in mine])
        found[f"{name}_kind"] = None if found[name] is None else mine[0].kind
    return found


def _budget(mine: Sequence[InstanceScore], one: Allowance | None) -> dict[str, Any]:
    """Of one submission, and of an instance where the same number is wanted on each."""
    counts = {score.wanted for score in mine}
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


def _effort(mine: Sequence[InstanceScore]) -> dict[str, Any]:
    started = sum(score.started for score in mine)
    return {
        "steps_per_task": _ratio(sum(score.steps for score in mine), started),
        "seconds_per_task": _ratio(sum(score.seconds for score in mine), started),
        "trial_retries": sum(score.retries for score in mine),
        "infra_errors": sum(score.infra_errors for score in mine),
        "unfinished": sum(score.unfinished for score in mine),
    }


def _ratio(amount: float | None, count: int) -> float | None:
    return None if amount is None or not count else amount / count
