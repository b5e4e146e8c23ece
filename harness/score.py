"""Scores: pure functions over the rows of a run. Undefined is None, never 0."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

Row = Mapping[str, Any]


def pass_at_k(n: int, c: int, k: int) -> float | None:
    """The chance that one of `k` of `n` independent submissions, `c` of them resolved, resolves.

    `1 − C(n−c, k) / C(n, k)`, the unbiased estimator of Chen et al. 2021 (arXiv 2107.03374); None
    where `n < k`.
    """
    if n < k:
        return None
    return 1.0 - comb(n - c, k) / comb(n, k)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceScore:
    """One system on one instance."""

    system: str
    instance_id: str
    wanted: int  # submissions that were asked for: the denominator
    submissions: int  # that were made in trials which came to their end
    resolved: int
    trials: int
    started: int  # of them, whatever became of them
    infra_errors: int  # trials whose last attempt failed for infrastructure
    unfinished: int  # trials that were never run to an end
    cost_usd: float | None  # all its calls, all attempts; None as soon as one of them is unknown
    steps: int
    seconds: float


def instance_scores(
    trials: Sequence[Row], calls: Sequence[Row], submissions: Sequence[Row]
) -> list[InstanceScore]:
    """Every system on every instance that was asked for, in the order of `trials`.

    Only submissions of trials that are done count; of several attempts at a trial the last one.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for trial in last_attempts(trials):
        groups.setdefault((trial["system"], trial["instance_id"]), []).append(trial)
    spent: dict[tuple[str, str], list[Row]] = {}
    for call in calls:
        spent.setdefault((call["system"], call["instance_id"]), []).append(call)
    made: dict[int, list[Row]] = {}
    for submission in submissions:
        made.setdefault(submission["trial_id"], []).append(submission)
    return [_instance_score(key, group, spent.get(key, []), made) for key, group in groups.items()]


def last_attempts(trials: Iterable[Row]) -> list[Row]:
    """Of several attempts at a trial the last one, in the order of the first ones."""
    last: dict[tuple[str, str, int], Row] = {}
    for trial in trials:
        key = (trial["system"], trial["instance_id"], trial["number"])
        if key not in last or trial["attempt"] > last[key]["attempt"]:
            last[key] = trial
    return list(last.values())


def _instance_score(
    key: tuple[str, str], trials: list[Row], calls: list[Row], made: Mapping[int, list[Row]]
) -> InstanceScore:
    done = [trial for trial in trials if trial["state"] == "done"]
    counted = [row for trial in done for row in made.get(trial["trial_id"], [])]
    costs = [call["cost_usd"] for call in calls if call["outcome"] != "started"]
    return InstanceScore(
        system=key[0],
        instance_id=key[1],
        wanted=sum(trial["wanted"] for trial in trials),
        submissions=len(counted),
        resolved=sum(row["outcome"] == "resolved" for row in counted),
        trials=len(trials),
        started=sum(trial["state"] != "waiting" for trial in trials),
        infra_errors=sum(trial["state"] == "error" for trial in trials),
        unfinished=sum(trial["state"] in {"waiting", "running", "cancelled"} for trial in trials),
        cost_usd=None if any(cost is None for cost in costs) else float(sum(costs)),
        steps=len(calls),
        seconds=sum(trial["seconds"] or 0.0 for trial in trials),
    )


def repeated_tokens(call: Row) -> int:
    """Of a call's prompt tokens, those with which an earlier prompt of its trial begins too."""
    share: float = call["repeated"]
    prompt_tokens: int = call["prompt_tokens"]
    return round(share * prompt_tokens)


def prefix_share(calls: Iterable[Row]) -> float | None:
    """The share of prompt tokens that a prefix cache could serve; None without any."""
    mine = list(calls)
    prompts = sum(call["prompt_tokens"] for call in mine)
    return sum(map(repeated_tokens, mine)) / prompts if prompts else None


def _selected(trials: Sequence[Row], submissions: Sequence[Row], system: str) -> float | None:
    """The mean over instances of how many of its trials would ship a submission that resolves.

    A trial that is not done, or chose nothing, ships nothing; None where none ever chose.
    """
    chosen = {
        row["trial_id"]: row["outcome"] == "resolved" for row in submissions if row["selected"]
    }
    mine = [trial for trial in trials if trial["system"] == system]
    if not any(trial["trial_id"] in chosen for trial in mine):
        return None
    shares: dict[str, list[bool]] = {}
    for trial in mine:
        good = trial["state"] == "done" and chosen.get(trial["trial_id"], False)
        shares.setdefault(trial["instance_id"], []).append(good)
    return _mean(sum(each) / len(each) for each in shares.values())


def table(trials: Sequence[Row], calls: Sequence[Row], submissions: Sequence[Row]) -> list[Row]:
    """One row a system: the columns of `table.csv`."""
    scores = instance_scores(trials, calls, submissions)
    agents = {trial["system"]: trial["agents"] for trial in trials}
    single = {trial["system"]: trial["wanted"] == 1 for trial in trials}
    rows: list[Row] = []
    for system in dict.fromkeys(score.system for score in scores):
        mine = [score for score in scores if score.system == system]
        cost = _sum(score.cost_usd for score in mine)
        started = sum(score.started for score in mine)
        made = sum(score.submissions for score in mine)
        resolved = sum(score.resolved for score in mine)
        average = _mean(score.resolved / score.wanted for score in mine)
        rows.append(
            {
                "system": system,
                "agents": agents[system],
                "instances": len(mine),
                "trials": sum(score.trials for score in mine),
                "wanted": sum(score.wanted for score in mine),
                "submissions": made,
                "resolved": resolved,
                "avg_at_1": average,
                "pass_at_2": _mean(pass_at_k(s.wanted, s.resolved, 2) for s in mine),
                "pass_at_4": _mean(pass_at_k(s.wanted, s.resolved, 4) for s in mine),
                # a trial with one submission ships that one
                "selected_at_1": average
                if single[system]
                else _selected(last_attempts(trials), submissions, system),
                "cost_per_task_usd": _ratio(cost, started),
                "cost_per_submission_usd": _ratio(cost, made),
                "cost_usd": cost,
                "prefix_share": prefix_share(call for call in calls if call["system"] == system),
                "steps_per_task": _ratio(sum(score.steps for score in mine), started),
                "seconds_per_task": _ratio(sum(score.seconds for score in mine), started),
                "infra_errors": sum(score.infra_errors for score in mine),
                "unfinished": sum(score.unfinished for score in mine),
            }
        )
    return rows


COLUMNS = (
    "system", "agents", "instances", "trials", "wanted", "submissions", "resolved", "avg_at_1",
    "pass_at_2", "pass_at_4", "selected_at_1", "cost_per_task_usd", "cost_per_submission_usd",
    "cost_usd", "prefix_share", "steps_per_task", "seconds_per_task", "infra_errors", "unfinished",
)  # fmt: skip


def _mean(values: Iterable[float | None]) -> float | None:
    known = list(values)
    if not known or any(value is None for value in known):
        return None
    return sum(value for value in known if value is not None) / len(known)


def _sum(values: Iterable[float | None]) -> float | None:
    known = list(values)
    return None if any(v is None for v in known) else sum(v for v in known if v is not None)


def _ratio(amount: float | None, count: int) -> float | None:
    return None if amount is None or not count else amount / count
