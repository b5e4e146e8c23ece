"""A run's store in a PostgreSQL server."""

from harness.store.database import Run
from harness.store.sql_store import SqlStore

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
        await run("lock_left", alive=alive)
