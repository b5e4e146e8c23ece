"""Interventions in a database: each is checked and written in one transaction."""

import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

from harness.store.database import Row, Run
from harness.store.interventions import (
    Action,
    AppliedRow,
    CarriedRow,
    InterventionRefused,
    InterventionRow,
    NewIntervention,
)
from harness.store.sql_rows import SqlRows
from harness.text.visible import is_visible

MOST_NAME, MOST_REASON = 100, 2_000  # characters
MOST_WORKERS = 1_000
AGAIN = frozenset({"cancelled", "error", "failed"})  # states of attempts that can be run again
UNDER_WAY = frozenset({"waiting", "running", "grading"})
SUSPECT_ONLY = '["suspect"]'  # flags of a grade, as they are stored


class SqlInterventions(SqlRows):
    """The part of a `harness.store.protocol.Store`: its docstrings are the contract."""

    _owner: str

    async def intervene(
        self, new: NewIntervention, *, alive: Collection[str] = (), cap: float = 0.0
    ) -> InterventionRow:
        """See `Store.intervene`."""
        _check_words(new)

        async def body(run: Run) -> InterventionRow:
            outcome = await _RULES[new.action](_Asked(run, new, alive, cap))
            value = sorted(alive) if new.action == Action.STOP else new.value
            (row,) = await run(
                "add_intervention",
                by=new.by.strip(),
                reason=new.reason.strip(),
                action=str(new.action),
                trial_id=new.trial_id,
                target=new.target,
                value=json.dumps(value),
            )
            applied: list[AppliedRow] = []
            if outcome:
                key = row["intervention_id"]
                await run("add_applied", intervention_id=key, owner="", outcome=outcome)
                applied.append({"owner": "", "at": row["at"], "outcome": outcome})
            return _intervention(dict(row), applied)

        return await self._database.write(body, alone=True)

    async def interventions(self, after: int = 0, limit: int = -1) -> list[InterventionRow]:
        """See `Store.interventions`."""
        applied: dict[int, list[AppliedRow]] = {}
        found = await self._rows("interventions", after=after, limit=limit)
        for row in await self._rows("applied", after=after) if found else ():
            key = row.pop("intervention_id")
            applied.setdefault(key, []).append(cast("AppliedRow", row))
        return [_intervention(row, applied.get(row["intervention_id"], [])) for row in found]

    async def carried(self, trial_id: int) -> list[CarriedRow]:
        """See `Store.carried`."""
        rows = await self._rows("carried", trial_id=trial_id)
        return [cast("CarriedRow", _intervention(row, [])) for row in rows]

    async def has_waiting(self) -> bool:
        """See `Store.has_waiting`."""
        return bool((await self._rows("has_waiting"))[0]["found"])

    async def note_applied(self, intervention_id: int, outcome: str) -> None:
        """See `Store.note_applied`."""
        key = {"intervention_id": intervention_id, "owner": self._owner}
        await self._database.run("add_applied", **key, outcome=outcome)


def _intervention(row: Mapping[str, Any], applied: list[AppliedRow]) -> InterventionRow:
    opened = {"action": Action(row["action"]), "value": json.loads(row["value"])}
    return cast("InterventionRow", {**row, **opened, "applied": applied})


def _check_words(new: NewIntervention) -> None:
    for what, text, most in (
        ("the name of who does it", new.by, MOST_NAME),
        ("a reason", new.reason, MOST_REASON),
    ):
        if not is_visible(text):
            raise InterventionRefused(f"{what} is missing: the run's record holds it")
        if len(text) > most:
            raise InterventionRefused(f"{what} has at most {most} characters")


@dataclass(frozen=True, slots=True)
class _Asked:
    """An intervention in its transaction: what the rules look at."""

    run: Run
    new: NewIntervention
    alive: Collection[str]
    cap: float

    async def attempt(self) -> Row:
        """The attempt that it is about, which has to be the last one at its trial."""
        rows = await self.run("attempt", trial_id=self.new.trial_id)
        if not rows:
            raise InterventionRefused(f"there is no trial {self.new.trial_id}")
        row = rows[0]
        if row["attempt"] != row["last"]:
            raise InterventionRefused(
                f"{named(row)} was followed by attempt {row['last'] + 1}; name that one"
            )
        return row

    def is_held(self, row: Row) -> bool:
        """Whether a living process works on the attempt."""
        return row["state"] in ("running", "grading") and row["owner"] in self.alive

    async def before(self) -> Row | None:
        """The same intervention, where somebody made it before."""
        new = self.new
        key = {"action": str(new.action), "trial_id": new.trial_id, "target": new.target}
        return next(iter(await self.run("said_before", **key)), None)


def named(row: Mapping[str, Any] | Row) -> str:
    """A trial in words."""
    again = f", attempt {row['attempt'] + 1}" if row["attempt"] else ""
    where = f"{row['system']} on {row['instance_id']} #{row['number'] + 1}"
    return f"trial {row['trial_id']} ({where}{again})"


async def _pause(asked: _Asked) -> str:
    if not (await asked.run("to_be_run"))[0]["found"]:
        raise InterventionRefused("no trial is left to be run")
    last = next(iter(await asked.run("last_pause")), None)
    harder = bool(asked.new.value) and last is not None and last["value"] != "true"
    if last is not None and last["action"] == Action.PAUSE and not harder:
        raise InterventionRefused(f"the run is paused already, by {last['by']} at {last['at']}")
    return ""


async def _resume(asked: _Asked) -> str:
    last = next(iter(await asked.run("last_pause")), None)
    if last is None or last["action"] != Action.PAUSE:
        raise InterventionRefused("the run is not paused")
    return ""


async def _stop(asked: _Asked) -> str:
    if not asked.alive:
        raise InterventionRefused("no process works on the run")
    before = await asked.before()
    if before and set(asked.alive) <= set(json.loads(before["value"])):
        raise InterventionRefused(
            f"the run is being stopped already, by {before['by']} at {before['at']}"
        )
    return ""


async def _cancel(asked: _Asked) -> str:
    row = await asked.attempt()
    before = await asked.before()
    if before:
        raise InterventionRefused(
            f"{named(row)} was cancelled already, by {before['by']} at {before['at']}"
        )
    # what was interrupted or failed would be run again with the run: that can be cancelled, too
    if row["state"] in ("done", "failed"):
        raise InterventionRefused(f"{named(row)} is {row['state']}: there is nothing to cancel")
    if row["state"] not in UNDER_WAY:
        return f"its attempt had ended ({row['state']}); the trial is not run again"
    reason = f"cancelled by {asked.new.by.strip()}: {asked.new.reason.strip()}"
    key = {"trial_id": asked.new.trial_id}
    if not await asked.run("cancel_now", **key, reason=reason, alive=json.dumps(list(asked.alive))):
        return ""
    await asked.run("charge_cancelled", **key)
    return "cancelled" if row["state"] == "waiting" else "cancelled: no process had it any more"


async def _requeue(asked: _Asked) -> str:
    row = await asked.attempt()
    if row["state"] not in AGAIN:
        more = ": cancel it first" if row["state"] in ("running", "grading") else ""
        raise InterventionRefused(
            f"{named(row)} is {row['state']}{more}; only a trial that was cancelled or failed can "
            "be run again"
        )
    (made,) = await asked.run("requeue", trial_id=asked.new.trial_id)
    return f"attempt {made['attempt'] + 1} waits: trial {made['trial_id']}"


async def _stop_agent(asked: _Asked) -> str:
    row = await asked.attempt()
    if row["state"] != "running" or not asked.is_held(row):
        raise InterventionRefused(f"{named(row)} is not running: it has no agent to stop")
    seen = [each["agent"] for each in await asked.run("agents_seen", trial_id=asked.new.trial_id)]
    if asked.new.target not in seen:
        there = ", ".join(seen) or "none yet"
        raise InterventionRefused(
            f"{named(row)} has no agent {asked.new.target[:80]!r}; there are: {there}"
        )
    key = {"trial_id": asked.new.trial_id, "target": asked.new.target}
    for before in await asked.run("stopped_before", **key):
        raise InterventionRefused(
            f"{asked.new.target} was stopped already, by {before['by']} at {before['at']}"
        )
    return ""


async def _raise(asked: _Asked) -> str:
    new = asked.new
    if new.trial_id is not None:
        row = await asked.attempt()
        if row["state"] in ("grading", "done"):
            raise InterventionRefused(f"{named(row)}: its agents have ended, no cap holds them")
    if not asked.cap:
        raise InterventionRefused(f"there is no cap on its {new.target}")
    (raised,) = await asked.run("raised", target=new.target, trial_id=new.trial_id)
    cap = max(asked.cap, raised["most"] or 0.0)
    if float(new.value) <= cap:
        raise InterventionRefused(
            f"the cap on its {new.target} is {cap:g} already; it can only be raised"
        )
    return f"the run may spend ${new.value:g}" if new.trial_id is None else ""


async def _workers(asked: _Asked) -> str:
    if not 1 <= int(asked.new.value) <= MOST_WORKERS:
        raise InterventionRefused(f"a process has 1 to {MOST_WORKERS} workers")
    before = await asked.before()
    if before and json.loads(before["value"]) == asked.new.value:
        raise InterventionRefused(
            f"there are {asked.new.value} workers already, by {before['by']} at {before['at']}"
        )
    return ""


async def _mark(asked: _Asked) -> str:
    row, new = await asked.attempt(), asked.new
    # what was interrupted or failed for infrastructure goes on in its next attempt
    if row["state"] not in ("running", "cancelled", "error"):
        raise InterventionRefused(f"{named(row)} is {row['state']}: no agent reads its entries")
    for action in {Action.VETO, new.action}:
        key = {"action": str(action), "trial_id": new.trial_id, "target": new.target}
        for before in await asked.run("said_before", **key):
            done = "vetoed" if action == Action.VETO else "pinned"
            raise InterventionRefused(
                f"{new.target} was {done} already, by {before['by']} at {before['at']}"
            )
    return ""


async def _judge(asked: _Asked) -> str:
    """A person's word on a pass whose only flag is that it is suspect."""
    new = asked.new
    rows = await asked.run("suspect", trial_id=new.trial_id, target=new.target)
    if not rows:
        raise InterventionRefused(
            f"trial {new.trial_id} has no graded submission {new.target[:80]}"
        )
    row, accepted = rows[0], new.action == Action.ACCEPT
    if row["flags"] != SUSPECT_ONLY:
        flags = ", ".join(json.loads(row["flags"])) or "none"
        raise InterventionRefused(
            f"submission {new.target} is not suspect (flags: {flags}); a person judges only a pass "
            "whose one flag is `suspect`"
        )
    counts = "resolved" if accepted else "unresolved"
    if row["outcome"] == counts and (accepted or row["judged"]):
        raise InterventionRefused(f"submission {new.target} counts as {counts} already")
    return f"submission {new.target} counts as {counts}"


_RULES: Mapping[Action, Callable[[_Asked], Awaitable[str]]] = {
    Action.PAUSE: _pause,
    Action.RESUME: _resume,
    Action.STOP: _stop,
    Action.CANCEL: _cancel,
    Action.REQUEUE: _requeue,
    Action.STOP_AGENT: _stop_agent,
    Action.RAISE: _raise,
    Action.WORKERS: _workers,
    Action.PIN: _mark,
    Action.VETO: _mark,
    Action.ACCEPT: _judge,
    Action.REFUSE: _judge,
}
"""What each action needs; the outcome, where it is done as it is written, else an empty string."""
