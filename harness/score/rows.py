"""What each system did on each instance: the rows that every other figure is made of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.score.estimators import mean, pass_at_k
from harness.score.shipping import choosers, shipped
from harness.spending import spent

Row = Mapping[str, Any]
Kind = Literal["independent", "shared"]
MAIN = "main"  # what an agent is called that leads the others and is not counted among them
TOKENS = ("cached_tokens", "cache_write_tokens", "completion_tokens", "reasoning_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceScore:
    """One system on one instance."""

    system: str
    instance_id: str
    repo: str
    difficulty: str
    length: str
    submits: str  # one, independent or shared: see `trial` in harness/store.sql
    wanted: int  # submissions that were asked for: the denominator
    submissions: int  # that were made in trials which came to their end
    resolved: int
    of_trials: tuple[tuple[int, int], ...]  # of each trial: resolved, wanted
    selected: float | None  # share of trials that ship what resolves; None: the system never chose
    ships: bool  # whether what its first trial ships resolves
    trials: int
    started: int  # of them, whatever became of them
    infra_errors: int  # trials whose last attempt failed for infrastructure
    unfinished: int  # trials that were never run to an end
    retries: int  # attempts at its trials beyond the first of each, that were started
    cost_usd: float | None  # all its calls, all attempts, at least: see `harness.spending`
    cost_unsure_usd: float | None  # what it may be more
    steps: int
    seconds: float

    @property
    def average(self) -> float:
        """Resolved submissions by those that were asked for."""
        return self.resolved / self.wanted

    def pass_at(self, k: int) -> float | None:
        """The chance that one of `k` submissions resolves; None where that is not defined.

        Independent submissions: the unbiased estimator over all of them. Submissions that share a
        context are not independent: any of N, for trials of exactly `k`, mean over trials.
        """
        if self.kind == "independent":
            return pass_at_k(self.wanted, self.resolved, k)
        if any(wanted != k for _, wanted in self.of_trials):
            return None
        return mean(float(resolved > 0) for resolved, _ in self.of_trials)

    @property
    def kind(self) -> Kind:
        """Whether submissions of one trial share a context; one alone shares with nobody."""
        several = any(wanted > 1 for _, wanted in self.of_trials)
        return "shared" if self.submits == "shared" and several else "independent"


def instance_scores(
    trials: Sequence[Row], calls: Sequence[Row], submissions: Sequence[Row]
) -> list[InstanceScore]:
    """Every system on every instance that was asked for, in the order of `trials`.

    Only submissions of trials that are done count; of several attempts at a trial the last one.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for trial in last_attempts(trials):
        groups.setdefault((trial["system"], trial["instance_id"]), []).append(trial)
    asked: dict[tuple[str, str], list[Row]] = {}
    for call in sent(calls):
        asked.setdefault((call["system"], call["instance_id"]), []).append(call)
    made: dict[int, list[Row]] = {}
    for submission in submissions:
        made.setdefault(submission["trial_id"], []).append(submission)
    retried: dict[tuple[str, str], int] = {}
    for trial in trials:
        key = (trial["system"], trial["instance_id"])
        again = trial["attempt"] > 0 and trial["state"] != "waiting"
        retried[key] = retried.get(key, 0) + again
    last = {trial["trial_id"] for group in groups.values() for trial in group}
    choosing = choosers(submissions, last)
    return [
        _instance_score(
            group,
            asked.get(key, []),
            made,
            retries=retried[key],
            chooses=key[0] in choosing,
        )
        for key, group in groups.items()
    ]


def sent(calls: Iterable[Row]) -> list[Row]:
    """The calls that a provider was asked: not those that an earlier attempt had paid for."""
    return [call for call in calls if call.get("paid_call") is None]


def last_attempts(trials: Iterable[Row]) -> list[Row]:
    """Of several attempts at a trial the last one, in the order of the first ones."""
    last: dict[tuple[str, str, int], Row] = {}
    for trial in trials:
        key = (trial["system"], trial["instance_id"], trial["number"])
        if key not in last or trial["attempt"] > last[key]["attempt"]:
            last[key] = trial
    return list(last.values())


def _instance_score(
    trials: list[Row],
    calls: list[Row],
    made: Mapping[int, list[Row]],
    *,
    retries: int,
    chooses: bool,
) -> InstanceScore:
    first = min(trials, key=lambda trial: int(trial["number"]))
    counted = {
        trial["number"]: made.get(trial["trial_id"], []) if trial["state"] == "done" else []
        for trial in trials
    }
    resolved = {n: sum(map(_resolves, rows)) for n, rows in counted.items()}
    shipped = {
        trial["number"]: _ships(counted[trial["number"]], trial["wanted"], chooses=chooses)
        for trial in trials
    }
    chosen = chooses or all(trial["wanted"] == 1 for trial in trials)
    cost = spent(calls)
    return InstanceScore(
        system=first["system"],
        instance_id=first["instance_id"],
        repo=first["repo"],
        difficulty=first["difficulty"],
        length=first["length"],
        submits=first["submits"],
        wanted=sum(trial["wanted"] for trial in trials),
        submissions=sum(map(len, counted.values())),
        resolved=sum(resolved.values()),
        of_trials=tuple((resolved[trial["number"]], trial["wanted"]) for trial in trials),
        selected=mean(map(float, shipped.values())) if chosen else None,
        ships=shipped[first["number"]],
        trials=len(trials),
        started=sum(trial["state"] != "waiting" for trial in trials),
        infra_errors=sum(trial["state"] == "error" for trial in trials),
        unfinished=sum(
            trial["state"] in {"waiting", "running", "grading", "cancelled"} for trial in trials
        ),
        retries=retries,
        cost_usd=cost.usd,
        cost_unsure_usd=cost.unsure_usd,
        steps=len(calls),
        seconds=sum(trial["seconds"] or 0.0 for trial in trials),
    )


def _resolves(submission: Row) -> bool:
    return bool(submission["outcome"] == "resolved")


def _ships(made: Sequence[Row], wanted: int, *, chooses: bool) -> bool:
    """Whether the one submission that a trial ships resolves; one that ships none does not."""
    one = shipped(made, wanted, chooses=chooses)
    return one is not None and _resolves(one)


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


def tokens_by_kind(calls: Iterable[Row]) -> dict[str, int | None]:
    """Tokens of all calls: fresh, cached and cache-written prompt, completion, reasoning in it.

    None of all of them where a call was answered and its provider counted nothing.
    """
    mine = list(calls)
    names = ("fresh_prompt_tokens", *TOKENS)
    if any(
        call["outcome"] == "ok" and not (call["prompt_tokens"] or call["completion_tokens"])
        for call in mine
    ):
        return dict.fromkeys(names)
    sums = {name: sum(call[name] for call in mine) for name in TOKENS}
    prompts = sum(call["prompt_tokens"] for call in mine)
    fresh = prompts - sums["cached_tokens"] - sums["cache_write_tokens"]
    return {"fresh_prompt_tokens": fresh, **sums}
