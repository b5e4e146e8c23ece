"""A run's store in a PostgreSQL server."""

import json
from collections.abc import Callable
from typing import cast

from harness.errors import LimitReached, StoreConflict
from harness.store.database import Run
from harness.store.interventions import Action
from harness.store.joined_agents import JoinedTrial
from harness.store.rows import ClaimedTrial
from harness.store.sql_store import SqlStore
from harness.types import Limits

INTERRUPTED = "interrupted"  # the reason of a trial whose process was asked to end


class PostgresStore(SqlStore):
    """See `harness.store.opening.open_store`."""

    async def workers(self) -> dict[str, str] | None:
        """See `Store.workers`."""
        return {row["owner"]: row["place"] for row in await self._database.read("workers")}

    async def finish_trial(
        self, trial_id: int, state: str, *, reason: str, seconds: float, detail: str = ""
    ) -> None:
        """See `Store.finish_trial`. What is interrupted waits again where another process lives."""

        async def body(run: Run) -> None:
            await run(
                "finish_trial", trial_id=trial_id, state=state, reason=reason, detail=detail,
                seconds=seconds, owner=self._owner,
            )  # fmt: skip
            if reason == INTERRUPTED and any(
                row["owner"] != self._owner for row in await run("workers")
            ):
                await run("plan_cut_again")

        await self._database.write(body, alone=reason == INTERRUPTED)

    async def _drop_dead(self, run: Run, alive: str) -> None:
        await run("drop_dead", owner=self._owner)
        await run("drop_slots")
        await run("lock_left", alive=alive)

    # -- agents of one trial in several processes --------------------------------------------------

    async def join_trial(
        self, trial_id: int, agents: int, *, by: str, name: Callable[[int], str]
    ) -> JoinedTrial:
        """See `harness.store.joined_agents.JoinableStore.join_trial`."""

        async def body(run: Run) -> JoinedTrial:
            found = await run("running_trial", trial_id=trial_id)
            if not found:
                raise StoreConflict(f"no process runs trial {trial_id}")
            (row,) = map(dict, found)
            more = {name: row.pop(name) for name in ("owner", "elapsed", "moments")}
            (there,) = await run("joined", trial_id=trial_id)
            first = row["agents"] + there["joined"] + 1
            names = [name(number) for number in range(first, first + agents)]
            (made,) = await run(
                "add_intervention", by=by, reason="delm agent", action=str(Action.JOIN),
                trial_id=trial_id, target=" ".join(names), value=json.dumps(agents),
            )  # fmt: skip
            key = made["intervention_id"]
            await run("add_applied", intervention_id=key, owner=self._owner, outcome="they joined")
            return JoinedTrial(
                row=cast("ClaimedTrial", row),
                owner=more["owner"],
                agents=names,
                seconds=more["elapsed"] or 0.0,
                moments=more["moments"],
            )

        return await self._database.write(body, alone=True)  # names are counted

    async def goes_on(self, joined: JoinedTrial) -> bool:
        """See `harness.store.joined_agents.JoinableStore.goes_on`."""
        trial_id, owner = joined.row["trial_id"], joined.owner
        return bool(await self._database.read("goes_on", trial_id=trial_id, owner=owner))

    async def _has_room(
        self, run: Run, trial_id: int, limits: Limits, usd: float, *, steps: int
    ) -> bool:
        """See `SqlLedger._has_room`. Tokens of calls under way are counted by their own processes
        only."""
        (found,) = await run("joined", trial_id=trial_id)
        if not found["joined"]:
            return True
        await run("calls_alone", trial_id=trial_id)
        (used,) = await run("used", trial_id=trial_id)
        for name, much, most in (
            ("steps", used["steps"] + steps, limits.steps),
            ("tokens", used["tokens"], limits.tokens),
            ("cost", used["usd"] + usd, limits.cost_usd),
        ):
            if most and much > most:
                raise LimitReached(name, f"{name}: what all agents of the trial may use is used up")
        return not limits.cost_usd or used["usd"] + used["held"] + usd <= limits.cost_usd
