"""The result of each system on each instance. All other figures derive from these rows."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeVar

from harness.score.cost import Spent, added, spent
from harness.score.estimators import mean, pass_at_k
from harness.score.submission_rank import choosers, shipped
from harness.store.rows import CallRow, CallSums, OutcomeRow, SpanRow, SubmissionRow, TrialRow

TableRow = Mapping[str, Any]
"""A row of a derived table: its columns are the `COLUMNS` of the module that makes it."""
OfTrial = TypeVar("OfTrial", CallRow, OutcomeRow, SubmissionRow, SpanRow)
Kind = Literal["independent", "shared"]
UNFINISHED = frozenset({"waiting", "running", "grading", "cancelled"})
"""States of an attempt that did not come to an end: `trial` in harness/store/sqlite/store.sql."""
TOKENS: Final = ("cached_tokens", "cache_write_tokens", "completion_tokens", "reasoning_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceScore:
    """One system on one instance. A trial ran if one of its attempts ended."""

    system: str
    instance_id: str
    cluster: str  # instances that are alike: the repository, or the domain; column `repo`
    difficulty: str
    length: str
    submits: str  # one, independent or shared: see `trial` in harness/store/sqlite/store.sql
    asked: int  # submissions that were asked for, over all trials
    wanted: int  # of these, the submissions of trials that ran: the denominator
    submissions: int  # that were made in trials which are done
    copies: int  # of these, another author's patch as it is
    resolved: int
    of_trials: Mapping[int, tuple[int, int]]  # of each trial that ran, by number: resolved, wanted
    selected: float | None  # share of trials that ship what resolves; None: the system never chose
    ships: bool | None  # whether what its first trial ships resolves; None: that did not run
    trials: int  # that were asked for
    started: bool  # whether any attempt at one of them was
    infra_errors: int  # trials that ran and failed for infrastructure
    system_errors: int  # trials that ran and failed in the system's own code
    retries: int  # attempts at its trials beyond the first of each, that were started
    cost_usd: float | None  # all calls of all attempts at trials that ran, at least: see `spending`
    cost_unsure_usd: float | None  # what it may be more
    unfinished_usd: float | None  # the same of trials that did not come to an end
    unfinished_unsure_usd: float | None
    steps: int  # calls that were sent for trials that ran
    seconds: float  # of all attempts at trials that ran

    @property
    def ran(self) -> int:
        """The number of trials that ended."""
        return len(self.of_trials)

    @property
    def unfinished(self) -> int:
        """The number of trials that never started, still run, or were interrupted."""
        return self.trials - self.ran

    @property
    def average(self) -> float | None:
        """Resolved submissions divided by requested submissions of trials that ran; None if none
        ran."""
        return self.resolved / self.wanted if self.wanted else None

    def cost_of(self, submissions: int) -> float | None:
        """The cost of `submissions` on this instance in USD; None if unknown or nothing ran."""
        return self._times(submissions, self.cost_usd)

    def unsure_of(self, submissions: int) -> float | None:
        """USD that this cost may be too low."""
        return self._times(submissions, self.cost_unsure_usd)

    def _times(self, submissions: int, usd: float | None) -> float | None:
        return None if usd is None or not self.wanted else usd / self.wanted * submissions

    def pass_at(self, k: int) -> float | None:
        """The chance that one of `k` submissions resolves; None where that is not defined.

        Independent submissions: the unbiased estimator over all of them. Submissions that share a
        context are not independent: any of N, for trials of exactly `k`, mean over trials.
        """
        if self.kind == "independent":
            return pass_at_k(self.wanted, self.resolved, k)
        if any(wanted != k for _, wanted in self.of_trials.values()):
            return None
        return mean(float(resolved > 0) for resolved, _ in self.of_trials.values())

    @property
    def kind(self) -> Kind:
        """`shared` if the submissions of a trial share a context, else `independent`."""
        several = any(wanted > 1 for _, wanted in self.of_trials.values())
        return "shared" if self.submits == "shared" and several else "independent"


def instance_scores(
    trials: Sequence[TrialRow], calls: Sequence[CallRow], submissions: Sequence[SubmissionRow]
) -> list[InstanceScore]:
    """Every system on every instance that was asked for, in the order of `trials`."""
    return scores_from_sums(trials, call_sums(calls), submissions)


def scores_from_sums(
    trials: Sequence[TrialRow], sums: Iterable[CallSums], submissions: Sequence[OutcomeRow]
) -> list[InstanceScore]:
    """`instance_scores`, from the `call_sums` of the trials.

    Of several attempts at a trial the one that `counted_attempts` names; of these, only submissions
    of what is done count.
    """
    groups: dict[tuple[str, str], list[TrialRow]] = {}
    for trial in trials:
        groups.setdefault((trial["system"], trial["instance_id"]), []).append(trial)
    asked = {each["trial_id"]: each for each in sums}
    made = by_trial(submissions)
    counted = {trial["trial_id"] for trial in counted_attempts(trials)}
    choosing = choosers(submissions, counted)
    return [
        _instance_score(group, counted, asked, made, chooses=key[0] in choosing)
        for key, group in groups.items()
    ]


def call_sums(calls: Iterable[CallRow]) -> list[CallSums]:
    """The calls of each trial added up: the same as `Store.read_outcomes` has."""
    return [
        CallSums(
            trial_id=trial_id,
            calls=len(sent(mine)),
            usd=(cost := spent(sent(mine))).usd,
            unsure_usd=cost.unsure_usd,
            last_at=max(call.get("ended_at") or call.get("started_at") or "" for call in mine)
            or None,
        )
        for trial_id, mine in by_trial(calls).items()
    ]


def ran(scores: Iterable[InstanceScore]) -> list[InstanceScore]:
    """Of `scores`, those with a trial that came to its end: what every estimate is made of."""
    return [score for score in scores if score.ran]


def equal_submissions(scores: Iterable[InstanceScore]) -> int:
    """The number of submissions per instance at which systems are compared.

    It is the largest number that any system was asked for; 0 without scores.
    """
    return max((score.asked for score in scores), default=0)


def sent(calls: Iterable[CallRow]) -> list[CallRow]:
    """The calls that were sent to a provider, without those answered from an earlier attempt."""
    return [call for call in calls if call.get("paid_call") is None]


def last_attempts(trials: Iterable[TrialRow]) -> list[TrialRow]:
    """The last attempt of each trial, in the order of the first attempts."""
    last: dict[tuple[str, str, int], TrialRow] = {}
    for trial in trials:
        key = _key(trial)
        if key not in last or trial["attempt"] > last[key]["attempt"]:
            last[key] = trial
    return list(last.values())


def counted_attempts(trials: Iterable[TrialRow]) -> list[TrialRow]:
    """Of several attempts at a trial the last that came to an end, else the last one.

    What failed for infrastructure goes on counting while its next attempt waits, runs or is cut.
    """
    attempts: dict[tuple[str, str, int], list[TrialRow]] = {}
    for trial in trials:
        attempts.setdefault(_key(trial), []).append(trial)
    return [
        max(mine, key=lambda trial: (ended(trial), int(trial["attempt"])))
        for mine in attempts.values()
    ]


def ended(attempt: TrialRow) -> bool:
    """Whether an attempt ended, whatever the outcome."""
    return attempt["state"] not in UNFINISHED


def seconds_of(attempt: TrialRow, last_at: str | None) -> float:
    """The wall clock of an attempt. Where nobody could write it down, because its process was
    killed: until `last_at`, when its last call ended; 0 where it was never started."""
    if attempt["seconds"] is not None:
        return float(attempt["seconds"])
    if attempt["started_at"] is None or last_at is None:
        return 0.0
    return max(0.0, _moment(last_at) - _moment(attempt["started_at"]))


def seconds_before(trials: Iterable[TrialRow], calls: Iterable[CallRow]) -> dict[int, float]:
    """By attempt (its `trial_id`), the wall clock of the earlier attempts at the same trial."""
    last_at = {each["trial_id"]: each["last_at"] for each in call_sums(calls)}
    so_far: dict[tuple[str, str, int], float] = {}
    found: dict[int, float] = {}
    for attempt in sorted(trials, key=lambda trial: int(trial["attempt"])):
        key = _key(attempt)
        found[attempt["trial_id"]] = so_far.get(key, 0.0)
        took = seconds_of(attempt, last_at.get(attempt["trial_id"]))
        so_far[key] = found[attempt["trial_id"]] + took
    return found


def _moment(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def _key(trial: TrialRow) -> tuple[str, str, int]:
    return trial["system"], trial["instance_id"], trial["number"]


def by_trial(rows: Iterable[OfTrial]) -> dict[int, list[OfTrial]]:
    """The rows of each trial, by its `trial_id`."""
    found: dict[int, list[OfTrial]] = {}
    for row in rows:
        found.setdefault(row["trial_id"], []).append(row)
    return found


def _instance_score(
    attempts: Sequence[TrialRow],
    counted: Collection[int],
    sums: Mapping[int, CallSums],
    made: Mapping[int, Sequence[OutcomeRow]],
    *,
    chooses: bool,
) -> InstanceScore:
    trials = [attempt for attempt in attempts if attempt["trial_id"] in counted]
    first = min(trials, key=lambda trial: int(trial["number"]))
    over = [trial for trial in trials if ended(trial)]
    mine = {
        trial["number"]: made.get(trial["trial_id"], []) if trial["state"] == "done" else []
        for trial in over
    }
    resolved = {number: sum(map(_resolves, rows)) for number, rows in mine.items()}
    ships = {
        trial["number"]: _ships(mine[trial["number"]], trial["wanted"], chooses=chooses)
        for trial in over
    }
    chosen = chooses or all(trial["wanted"] == 1 for trial in trials)
    tried = [attempt for attempt in attempts if attempt["number"] in mine]
    asked = [sums[each["trial_id"]] for each in tried if each["trial_id"] in sums]
    last_at = {each["trial_id"]: each["last_at"] for each in asked}
    others = [each for each in attempts if each["number"] not in mine]
    made_of = [row for rows in mine.values() for row in rows]
    cost = _together(asked)
    cut = _together(sums[each["trial_id"]] for each in others if each["trial_id"] in sums)
    return InstanceScore(
        system=first["system"],
        instance_id=first["instance_id"],
        cluster=first["repo"],
        difficulty=first["difficulty"],
        length=first["length"],
        submits="shared" if any(map(_is_linked, made_of)) else first["submits"],
        asked=sum(trial["wanted"] for trial in trials),
        wanted=sum(trial["wanted"] for trial in over),
        submissions=sum(map(len, mine.values())),
        copies=sum(bool(row["copy_of"]) for row in made_of),
        resolved=sum(resolved.values()),
        of_trials={trial["number"]: (resolved[trial["number"]], trial["wanted"]) for trial in over},
        selected=mean(map(float, ships.values())) if chosen else None,
        ships=ships.get(first["number"]),
        trials=len(trials),
        started=any(each["state"] != "waiting" for each in attempts),
        infra_errors=sum(trial["state"] == "error" for trial in over),
        system_errors=sum(trial["state"] == "failed" for trial in over),
        retries=sum(each["attempt"] > 0 and each["state"] != "waiting" for each in attempts),
        cost_usd=cost.usd,
        cost_unsure_usd=cost.unsure_usd,
        unfinished_usd=cut.usd,
        unfinished_unsure_usd=cut.unsure_usd,
        steps=sum(each["calls"] for each in asked),
        seconds=sum(seconds_of(each, last_at.get(each["trial_id"])) for each in tried),
    )


def _together(sums: Iterable[CallSums]) -> Spent:
    return added(Spent(usd=each["usd"], unsure_usd=each["unsure_usd"]) for each in sums)


def _resolves(submission: OutcomeRow) -> bool:
    return submission["outcome"] == "resolved"


def _is_linked(submission: OutcomeRow) -> bool:
    """Whether it contains, or is, another submission's patch."""
    return bool(submission["built_on"] or submission["copy_of"])


def _ships(made: Sequence[OutcomeRow], wanted: int, *, chooses: bool) -> bool:
    """Whether the selected submission of a trial is resolved; False if it selected none."""
    one = shipped(made, wanted, chooses=chooses)
    return one is not None and _resolves(one)


def repeated_tokens(call: CallRow) -> int:
    """Prompt tokens that an earlier prompt of the same trial begins with, too."""
    return round(call["repeated"] * call["prompt_tokens"])


def prefix_share(calls: Iterable[CallRow]) -> float | None:
    """The share of prompt tokens that a prefix cache could serve; None without prompt tokens."""
    mine = list(calls)
    prompts = sum(call["prompt_tokens"] for call in mine)
    return sum(map(repeated_tokens, mine)) / prompts if prompts else None


def tokens_by_kind(calls: Iterable[CallRow]) -> dict[str, int | None]:
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
