"""Where the money of a run went: `cost_breakdown.csv`. Pure functions.

One row for each part of a system's cost. Parts of one kind sum to the system's row: the kinds of
work (`kind`) and the activities (`activity`) to its tokens and dollars, kinds to its calls, too;
the causes of prompt tokens (`prompt`), the pieces of answers (`output`) and `other` together to its
dollars. An `overhead` is no such part: overheads overlap each other. Undefined is None, never 0.

Counted are the calls that were sent, of every attempt at trials that came to an end, as in
`table.csv`; what other trials cost is in the rows `unfinished`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.analysis.call_costs import CallCost
from harness.analysis.cost_overheads import Overhead, OverheadSum
from harness.analysis.prompt_parts import Cause
from harness.analysis.turn_activities import Shares
from harness.score import InstanceScore, counted_attempts, ended, ran
from harness.score.cost import NOISE_USD
from harness.score.rows import repeated_tokens
from harness.store.rows import TrialRow

SYSTEM, KIND, ACTIVITY, PROMPT, OUTPUT, OTHER, OVERHEAD, UNFINISHED = (
    "system", "kind", "activity", "prompt", "output", "other", "overhead", "unfinished",
)  # fmt: skip
"""What a row is about: the values of the column `part`."""
COLUMNS = (
    "system", "part", "name", "submissions", "conversations", "calls", "count", "count_share",
    "seconds", "prompt_tokens", "fresh_tokens", "cached_tokens", "cache_write_tokens",
    "output_tokens", "cost_usd", "cost_unsure_usd", "cost_share", "token_share",
    "cost_per_submission_usd", "baseline", "ratio", "prefix_share", "own_prefix_share",
    "other_prefix_share",
)  # fmt: skip
Row = dict[str, Any]


@dataclass(slots=True)
class _Sum:
    """Calls, tokens and dollars of a part."""

    conversations: set[tuple[int, str]] = field(default_factory=set)
    calls: int = 0
    count: float = 0.0
    fresh: float = 0
    cached: float = 0
    written: float = 0
    output: float = 0
    usd: float = 0.0

    @property
    def prompt(self) -> float:
        return self.fresh + self.cached + self.written

    def add_call(self, cost: CallCost, share: float = 1) -> None:
        """Add a call, or a share of its tokens and dollars."""
        row = cost.row
        cached, written = row["cached_tokens"], row["cache_write_tokens"]
        self.conversations.add((row["trial_id"], row["conversation"]))
        self.add_prompt(
            share * (row["prompt_tokens"] - cached - written), share * cached, share * written
        )
        self.output += share * row["completion_tokens"]
        self.usd += share * cost.usd

    def add_prompt(self, fresh: float, cached: float, written: float) -> None:
        self.fresh += fresh
        self.cached += cached
        self.written += written

    def include(self, other: "_Sum") -> None:
        self.conversations |= other.conversations
        self.calls += other.calls
        self.count += other.count
        self.add_prompt(other.fresh, other.cached, other.written)
        self.output += other.output
        self.usd += other.usd


@dataclass(slots=True)
class CostSums:
    """What calls and overheads add up to."""

    whole: _Sum = field(default_factory=_Sum)
    parts: dict[tuple[str, str], _Sum] = field(default_factory=dict)
    other_usd: float = 0.0
    own_tokens: int = 0
    repeated_tokens: int = 0
    turns: int = 0
    overheads: dict[Overhead, OverheadSum] = field(
        default_factory=lambda: {name: OverheadSum() for name in Overhead}
    )

    def add(
        self,
        costs: Iterable[CallCost],
        kinds: Mapping[int, str],
        activities: Mapping[int, Shares],
        overheads: Mapping[Overhead, OverheadSum],
    ) -> None:
        """Add one attempt at a trial: its calls, their kinds and activities, and its overheads."""
        for cost in costs:
            call_id = cost.row["call_id"]
            if cost.row["paid_call"] is None:
                self._add_call(cost, kinds[call_id], activities[call_id])
        self.include_overheads(overheads)

    def _add_call(self, cost: CallCost, kind: str, activities: Shares) -> None:
        for total in (self.whole, self.part(KIND, kind)):
            total.calls += 1
            total.add_call(cost)
        for activity, share in activities.items():
            total = self.part(ACTIVITY, activity)
            total.count += share
            total.add_call(cost, share)
        for part in cost.prompt:
            total = self.part(PROMPT, part.cause)
            total.add_prompt(part.fresh, part.cached, part.written)
            total.usd += part.usd
        for piece in cost.output:
            total = self.part(OUTPUT, piece.name)
            total.calls += piece.call is not None
            total.output += piece.tokens
            total.usd += piece.usd
        self.turns += cost.row["outcome"] == "ok"
        self.other_usd += cost.other_usd
        self.own_tokens += cost.own_tokens
        self.repeated_tokens += repeated_tokens(cost.row)

    def part(self, part: str, name: str) -> _Sum:
        """The sum of a part, which begins with nothing."""
        return self.parts.setdefault((part, name), _Sum())

    def include(self, other: "CostSums") -> None:
        """Add another sum, which stays as it is."""
        self.whole.include(other.whole)
        for key, total in other.parts.items():
            self.part(*key).include(total)
        self.other_usd += other.other_usd
        self.own_tokens += other.own_tokens
        self.repeated_tokens += other.repeated_tokens
        self.turns += other.turns
        self.include_overheads(other.overheads)

    def include_overheads(self, overheads: Mapping[Overhead, OverheadSum]) -> None:
        """Add overheads."""
        for name, found in overheads.items():
            total = self.overheads[name]
            total.count += found.count
            total.seconds += found.seconds
            total.prompt_tokens += found.prompt_tokens
            total.output_tokens += found.output_tokens
            total.usd += found.usd


class SystemCost:
    """What the trials of one system cost, added up trial by trial."""

    def __init__(self) -> None:
        self._sums = CostSums()

    def include(self, trial: CostSums) -> None:
        """Add what one or more attempts cost."""
        self._sums.include(trial)

    def rows(self, system: str, scores: Sequence[InstanceScore], baseline: str) -> list[Row]:
        """The system's rows. `scores` are those of all systems of the run."""
        mine = [score for score in scores if score.system == system]
        whole = self._system_row(mine, scores, baseline)
        found = [whole]
        for (part, name), total in sorted(self._sums.parts.items(), key=_order):
            found.append(self._part_row(part, name, total))
        if abs(self._sums.other_usd) > NOISE_USD:
            row = dict.fromkeys(COLUMNS) | {"part": OTHER, "name": "not attributed"}
            found.append(row | {"cost_usd": self._sums.other_usd})
        found += [self._overhead_row(name, total) for name, total in self._sums.overheads.items()]
        unfinished = sum(score.unfinished_usd or 0.0 for score in mine)
        if unfinished:
            row = dict.fromkeys(COLUMNS) | {"part": UNFINISHED, "name": "trials that did not end"}
            found.append(row | {"cost_usd": unfinished})
        return [row | {"system": system} | _relative_to(whole, row) for row in found]

    def _system_row(
        self, mine: Sequence[InstanceScore], scores: Sequence[InstanceScore], baseline: str
    ) -> Row:
        whole = self._sums.whole
        usd, unsure = _known_usd(mine)
        other = self._sums.repeated_tokens - self._sums.own_tokens
        return _row(SYSTEM, "all", whole) | {
            "cost_usd": usd,
            "cost_unsure_usd": unsure,
            "submissions": sum(score.submissions for score in ran(mine)),
            "cost_per_submission_usd": _per_submission(mine),
            "baseline": baseline or None,
            "ratio": _relative(mine, [s for s in scores if s.system == baseline]),
            "prefix_share": _ratio(self._sums.repeated_tokens, whole.prompt),
            "own_prefix_share": _ratio(self._sums.own_tokens, whole.prompt),
            "other_prefix_share": _ratio(other, whole.prompt),
        }

    def _part_row(self, part: str, name: str, total: _Sum) -> Row:
        row = _row(part, name, total)
        if part == OUTPUT:
            return row | {
                "conversations": None,
                "calls": total.calls or None,
                "token_share": _ratio(total.output, self._sums.whole.output),
            }
        row["token_share"] = _ratio(total.prompt, self._sums.whole.prompt)
        if part == ACTIVITY:
            share = _ratio(total.count, self._sums.whole.calls)
            row |= {"calls": None, "count": total.count, "count_share": share}
        return row if part in (KIND, ACTIVITY) else row | {"conversations": None, "calls": None}

    def _overhead_row(self, name: Overhead, total: OverheadSum) -> Row:
        row = dict.fromkeys(COLUMNS) | {"part": OVERHEAD, "name": name}
        if name == Overhead.WAITING:
            return row | {"seconds": total.seconds}
        turns = name in (Overhead.COORDINATING, Overhead.FINISHING, Overhead.PUBLISHING)
        return row | {
            "count": total.count,
            "count_share": _ratio(total.count, self._sums.turns) if turns else None,
            "prompt_tokens": total.prompt_tokens,
            "output_tokens": total.output_tokens,
            "cost_usd": total.usd,
        }


def _order(part: tuple[tuple[str, str], _Sum]) -> tuple[int, float]:
    """Kinds, activities, causes, answers: causes as a prompt has them, else the dearest first."""
    (kind, name), total = part
    place = list(Cause).index(Cause(name)) if kind == PROMPT else -total.usd
    return (KIND, ACTIVITY, PROMPT, OUTPUT).index(kind), place


def ended_trials(trials: Sequence[TrialRow]) -> list[TrialRow]:
    """All attempts at trials that came to an end: what is added up here."""
    over = {_key(trial) for trial in counted_attempts(trials) if ended(trial)}
    return [trial for trial in trials if _key(trial) in over]


def baseline_of(trials: Sequence[TrialRow], usual: str) -> str:
    """The system that others are compared with: `usual` where the run has it, else its first
    system of agents that know nothing of each other, else its first of one agent; or none."""
    if any(trial["system"] == usual for trial in trials):
        return usual
    apart = [t["system"] for t in trials if t["submits"] == "independent"]
    alone = [t["system"] for t in trials if t["submits"] == "one" and t["agents"] == 1]
    return next(iter([*apart, *alone]), "")


def _key(trial: TrialRow) -> tuple[str, str, int]:
    return trial["system"], trial["instance_id"], trial["number"]


def _row(part: str, name: str, total: _Sum) -> Row:
    return dict.fromkeys(COLUMNS) | {
        "part": part,
        "name": name,
        "conversations": len(total.conversations),
        "calls": total.calls,
        "prompt_tokens": total.prompt,
        "fresh_tokens": total.fresh,
        "cached_tokens": total.cached,
        "cache_write_tokens": total.written,
        "output_tokens": total.output,
        "cost_usd": total.usd,
    }


def _relative_to(whole: Row, row: Row) -> Row:
    """The dollars of a row, and what they are of those of the whole system."""
    if whole["cost_usd"] is None:
        return {"cost_usd": None}
    if row["cost_usd"] is None or row["part"] == UNFINISHED:
        return {}
    share = _ratio(row["cost_usd"], whole["cost_usd"])
    known = {"cost_share": share}
    for column in ("cost_per_submission_usd", "ratio"):
        amount = whole[column]
        known[column] = None if amount is None or share is None else amount * share
    return known


def _known_usd(scores: Sequence[InstanceScore]) -> tuple[float | None, float | None]:
    """Dollars of trials that ran, and what they may be more; None where a price is unknown."""
    costs = [score.cost_usd for score in ran(scores)]
    if any(cost is None for cost in costs):
        return None, None
    unsure = sum(score.cost_unsure_usd or 0.0 for score in ran(scores))
    return sum(cost or 0.0 for cost in costs), unsure


def _per_submission(scores: Sequence[InstanceScore]) -> float | None:
    usd, _ = _known_usd(scores)
    return _ratio(usd, sum(score.submissions for score in ran(scores)))


def _relative(mine: Sequence[InstanceScore], theirs: Sequence[InstanceScore]) -> float | None:
    """Dollars per submission relative to the baseline's, on instances on which both ran."""
    both = {s.instance_id for s in ran(mine)} & {s.instance_id for s in ran(theirs)}
    here, there = (
        _per_submission([score for score in scores if score.instance_id in both])
        for scores in (mine, theirs)
    )
    return _ratio(here, there)


def _ratio(amount: float | None, of: float | None) -> float | None:
    return None if amount is None or not of else amount / of
