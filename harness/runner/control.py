"""What a person does to a run from outside: checked against the run, and written for its processes.

Both `delm ctl` and the live page come here. Whatever acts on it (`harness.runner.interventions`)
does so because the row is there.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.board.records import Boards
from harness.config import Config, validate
from harness.model.budget import times
from harness.runner.membership import alive_in
from harness.store.interventions import (
    Action,
    Cap,
    InterventionRefused,
    InterventionRow,
    NewIntervention,
)
from harness.store.protocol import Store
from harness.store.rows import TrialRow
from harness.types import Limits

OF_RUN = frozenset({Action.PAUSE, Action.RESUME, Action.STOP, Action.WORKERS})
OF_TRIAL = frozenset(
    {Action.CANCEL, Action.REQUEUE, Action.STOP_AGENT, Action.PIN, Action.VETO}
    | {Action.ACCEPT, Action.REFUSE}
)  # a raise is of either
WHOLE = (Cap.STEPS, Cap.TOKENS)  # caps that are whole numbers
_NAMED = re.compile(r"(?P<system>[^/]+)/(?P<instance>.+?)(?:#(?P<number>\d+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The state in which people have left a run."""

    paused: InterventionRow | None  # the pause that holds now
    cap_usd: float  # of the run; 0: none
    workers: int  # of each process; 0: as its configuration says


def standing_of(rows: Sequence[InterventionRow], *, cap_usd: float) -> Standing:
    """The state of a run from all its interventions. `cap_usd`: its cap at the start; 0: none."""
    pauses = [row for row in rows if row["action"] in (Action.PAUSE, Action.RESUME)]
    last = pauses[-1] if pauses and pauses[-1]["action"] == Action.PAUSE else None
    caps_of_run = [
        row["value"] for row in rows if row["action"] == Action.RAISE and row["trial_id"] is None
    ]
    workers = [row["value"] for row in rows if row["action"] == Action.WORKERS]
    return Standing(
        paused=last,
        cap_usd=max([cap_usd, *caps_of_run]) if cap_usd else 0.0,
        workers=workers[-1] if workers else 0,
    )


async def intervene(
    store: Store, boards: Boards, folder: Path, new: NewIntervention
) -> InterventionRow:
    """Do what a person wants to the run in `folder`, or write it down for its processes to do.

    `InterventionRefused` says in one line why it cannot be done; then nothing has changed.
    """
    new = _checked(new)
    cap = 0.0
    if new.action == Action.RAISE:
        cap = await _cap_at_start(store, new)
    if new.action in (Action.PIN, Action.VETO) and new.trial_id is not None:
        entry = await boards.of(new.trial_id).context.entry(new.target)
        if entry is None:
            raise InterventionRefused(f"trial {new.trial_id} has no entry {new.target[:80]!r}")
    return await store.intervene(new, alive=set(await alive_in(store, folder)), cap=cap)


def trial_named(trials: Sequence[TrialRow], name: str) -> int:
    """The `trial_id` of the last attempt at the trial that a person names.

    By its id, or as SYSTEM/INSTANCE or SYSTEM/INSTANCE#NUMBER. `InterventionRefused` otherwise.
    """
    if name.isdecimal():
        if any(trial["trial_id"] == int(name) for trial in trials):
            return int(name)
        raise InterventionRefused(f"there is no trial {name}")
    parts = _NAMED.fullmatch(name)
    if not parts:
        raise InterventionRefused(
            f"{name[:80]!r} names no trial; give its id, or SYSTEM/INSTANCE#NUMBER"
        )
    mine = [
        trial
        for trial in trials
        if (trial["system"], trial["instance_id"]) == (parts["system"], parts["instance"])
    ]
    numbers = {trial["number"] + 1 for trial in mine}
    number = int(parts["number"] or min(numbers, default=0))
    if number not in numbers:
        raise InterventionRefused(f"there is no trial {name[:200]!r}")
    if not parts["number"] and len(numbers) > 1:
        raise InterventionRefused(f"{name} has {len(numbers)} trials; name one: {name}#{number}")
    same = [trial for trial in mine if trial["number"] + 1 == number]
    return max(same, key=lambda trial: trial["attempt"])["trial_id"]


def _checked(new: NewIntervention) -> NewIntervention:
    """The same, its value a number where it has to be one."""
    if new.action == Action.JOIN:
        raise InterventionRefused("agents join a trial by delm agent, which works for them")
    if new.action in OF_RUN and new.trial_id is not None:
        raise InterventionRefused(f"{new.action} is for the whole run; it takes no trial")
    if new.action in OF_TRIAL and new.trial_id is None:
        raise InterventionRefused(f"{new.action} needs a trial")
    if new.action == Action.RAISE:
        return _raise(new)
    if new.action == Action.WORKERS:
        return replace(new, value=_whole("the number of workers", new.value))
    if new.action == Action.PAUSE:
        return replace(new, value=True if new.value is True else None)
    return replace(new, value=None)


def _raise(new: NewIntervention) -> NewIntervention:
    if new.target not in set(Cap):
        raise InterventionRefused(f"a cap is one of {', '.join(Cap)}, not {new.target[:80]!r}")
    if new.trial_id is None and new.target != Cap.DOLLARS:
        raise InterventionRefused(f"a run has a cap on its dollars only; {new.target}: of a trial")
    if new.target in WHOLE:
        return replace(new, value=_whole(f"a cap on {new.target}", new.value))
    return replace(new, value=_number(f"a cap on {new.target}", new.value))


def _number(what: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise InterventionRefused(f"{what} is a number above 0, not {str(value)[:80]!r}")
    return number


def _whole(what: str, value: Any) -> int:
    number = _number(what, value)
    if number != int(number):
        raise InterventionRefused(f"{what} is a whole number, not {number:g}")
    return int(number)


async def _cap_at_start(store: Store, new: NewIntervention) -> float:
    """The cap by the run's configuration; 0: there is none."""
    facts = await store.description()
    if "config" not in facts:
        raise InterventionRefused("the run has not begun: it has no configuration yet")
    budget = validate(Config, facts["config"], "run.db").budget
    if new.trial_id is None:
        return budget.run_cost_usd
    wanted = {row["trial_id"]: row["wanted"] for row in await store.trials()}
    if new.trial_id not in wanted:
        raise InterventionRefused(f"there is no trial {new.trial_id}")
    limits = times(budget.limits(), wanted[new.trial_id])
    return float(caps(limits)[Cap(new.target)])


def caps(limits: Limits) -> Mapping[Cap, float]:
    """The caps of a trial's budget; 0: none."""
    return {
        Cap.DOLLARS: limits.cost_usd,
        Cap.STEPS: limits.steps,
        Cap.TOKENS: limits.tokens,
        Cap.SECONDS: limits.wall_clock_s,
    }


def raised(limits: Limits, cap: Cap, value: float) -> Limits:
    """The limits with a cap that is no lower than it was; where there was none, there is none."""
    if not caps(limits)[cap] or value <= caps(limits)[cap]:
        return limits
    match cap:
        case Cap.DOLLARS:
            return replace(limits, cost_usd=value)
        case Cap.STEPS:
            return replace(limits, steps=int(value))
        case Cap.TOKENS:
            return replace(limits, tokens=int(value))
        case Cap.SECONDS:
            return replace(limits, wall_clock_s=value)
