"""A run as it stands now: what its page says while it works. Pure functions."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.runner.control import standing_of
from harness.store.interventions import InterventionRow
from harness.store.live_rows import LiveCall, LiveRows, LiveTrial

STATES = ("waiting", "running", "grading", "done", "failed", "error", "cancelled")
BROKEN = ("failed", "error")
WHY = 300  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """What an agent of a running trial does now.

    `doing`: `model`, or the names of the tools that its last answer calls; empty: nothing is known.
    """

    trial: LiveTrial
    agent: str
    conversation: str
    call_id: int
    doing: str
    since: str  # UTC, ISO 8601


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A trial that failed, and why."""

    trial: LiveTrial
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveState:
    """The progress of a run, its spending and its agents, at one moment."""

    processes: Sequence[str]  # that work on it; none: it does not run now
    paused: str  # by whom and why, in words; empty: it is not
    states: dict[str, int]  # trials by the state of their last attempt; no zeros
    trials: int
    spent_usd: float
    reserved_usd: float
    cap_usd: float  # 0: none
    calls_a_minute: int
    tokens_a_minute: int
    agents: Sequence[Agent]
    broken: Sequence[Broken]
    version: str  # another text after each change that a page of the run shows

    @property
    def ended(self) -> int:
        """Trials that are over."""
        return sum(self.states.get(state, 0) for state in ("done", "failed", "error", "cancelled"))

    @property
    def share_spent(self) -> float | None:
        """The share of its limit that is spent; None without a limit."""
        return min(self.spent_usd / self.cap_usd, 1.0) if self.cap_usd else None


def live_state(
    rows: LiveRows,
    *,
    cap_usd: float,
    processes: Sequence[str],
    interventions: Sequence[InterventionRow] = (),
) -> LiveState:
    """The state of a run from its rows. `rows` counts calls and tokens of the last minute.

    `cap_usd` is its cap at the start.
    """
    stands = standing_of(interventions, cap_usd=cap_usd)
    by_id = {trial["trial_id"]: trial for trial in rows.trials}
    counts: Counter[str] = Counter(trial["state"] for trial in rows.trials)
    return LiveState(
        processes=processes,
        paused=_paused(stands.paused),
        states={state: counts[state] for state in STATES if counts[state]},
        trials=len(rows.trials),
        spent_usd=rows.spent,
        reserved_usd=rows.reserved,
        cap_usd=stands.cap_usd,
        calls_a_minute=rows.calls if processes else 0,
        tokens_a_minute=rows.tokens if processes else 0,
        agents=[_agent(by_id[call["trial_id"]], call) for call in rows.agents if processes],
        broken=[
            Broken(trial=trial, why=_why(trial))
            for trial in rows.trials
            if trial["state"] in BROKEN
        ],
        version=_version(rows.trials, interventions),
    )


def _paused(row: InterventionRow | None) -> str:
    if row is None:
        return ""
    answers = ", answers held," if row["value"] else ""
    return f"paused{answers} by {row['by']}: {row['reason']}"


def changed(before: Sequence[LiveTrial], after: Sequence[LiveTrial]) -> list[int]:
    """The trials of `after` that are not in `before` as they are now."""
    known = {trial["trial_id"]: trial for trial in before}
    return [trial["trial_id"] for trial in after if trial != known.get(trial["trial_id"])]


def _agent(trial: LiveTrial, call: LiveCall) -> Agent:
    asks = call["outcome"] == "started"
    tools = [str(name) for name in json.loads(call["tools"])]
    return Agent(
        trial=trial,
        agent=call["agent"],
        conversation=call["conversation"],
        call_id=call["call_id"],
        doing="model" if asks else ", ".join(dict.fromkeys(tools)),
        since=call["started_at"] if asks else call["ended_at"] or call["started_at"],
    )


def _why(trial: LiveTrial) -> str:
    """The reason, else the last line of the traceback."""
    lines = trial["detail"].strip().splitlines()
    last = lines[-1].strip() if lines else ""
    why = ": ".join(dict.fromkeys(filter(None, [trial["reason"], last])))
    return why if len(why) <= WHY else f"{why[:WHY]}…"


def _version(trials: Sequence[LiveTrial], interventions: Sequence[InterventionRow]) -> str:
    people = [len(interventions), sum(len(row["applied"]) for row in interventions)]
    told = json.dumps([people, *([t["trial_id"], t["state"], t["news"]] for t in trials)])
    return hashlib.sha256(told.encode()).hexdigest()[:16]
