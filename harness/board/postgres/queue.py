"""The tasks of one trial in PostgreSQL: what agents do most often is one statement.

Such a statement may be sent again when its answer got lost: it carries a token that the row keeps.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from harness.board import limits
from harness.board.protocols import Claim, LeaseLost, NewTask, Task
from harness.board.sql_queue import SqlQueue, fenced, task_of
from harness.store.database import Row, Run
from harness.store.postgres.database import PostgresDatabase


class PostgresQueue(SqlQueue):
    """A `TaskQueue`. Claims pass over what another claim has locked."""

    _database: PostgresDatabase

    async def claim(self, agent: str, *, lease_s: float) -> Claim | None:
        """See `TaskQueue.claim`. An agent that has not joined joins by claiming."""
        limits.check_agent(agent)
        rows = await self._database.once(
            "claim_best", self._trial, agent=agent, lease_s=lease_s, token=secrets.token_hex(8)
        )
        return _claim_of(rows, agent)

    async def finish(
        self,
        claim: Claim,
        *,
        state: Literal["done", "failed"] = "done",
        result: Mapping[str, Any] | None = None,
        then: Sequence[NewTask] = (),
    ) -> list[Task]:
        """See `TaskQueue.finish`."""
        if then:
            return await super().finish(claim, state=state, result=result, then=then)
        said = limits.result_in_json(result or {})
        (row,) = await self._database.once(
            "finish_only", self._trial, **fenced(claim), state=state, result=said,
            token=secrets.token_hex(8),
        )  # fmt: skip
        if not row["finished"]:
            raise LeaseLost(claim.task.label)
        return []

    async def finish_and_claim(
        self,
        claim: Claim,
        *,
        state: Literal["done", "failed"] = "done",
        result: Mapping[str, Any] | None = None,
        then: Sequence[NewTask] = (),
        lease_s: float,
    ) -> tuple[list[Task], Claim | None]:
        """See `TaskQueue.finish_and_claim`."""
        if then:
            return await super().finish_and_claim(
                claim, state=state, result=result, then=then, lease_s=lease_s
            )
        rows = await self._database.once(
            "finish_and_claim", self._trial, **fenced(claim), state=state,
            result=limits.result_in_json(result or {}), lease_s=lease_s,
            token=secrets.token_hex(8),
        )  # fmt: skip
        if not rows[0]["finished"]:
            raise LeaseLost(claim.task.label)
        return [], _claim_of([row for row in rows if row["label"] is not None], claim.agent)

    async def _claim(self, run: Run, agent: str, lease_s: float) -> Claim | None:
        given = {"agent": agent, "lease_s": lease_s, "token": secrets.token_hex(8)}
        return _claim_of(await run("claim_best", **given), agent)


def _claim_of(rows: Sequence[Row], agent: str) -> Claim | None:
    for row in rows:
        task = task_of(row)
        return Claim(task=task, agent=agent, fence=task.attempts)
    return None
