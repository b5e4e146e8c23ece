"""The limits of calls under way in a database."""

import json
from collections.abc import Collection, Sequence
from typing import cast

from harness.store.call_limits import CallLimitRow, CallSlots, Change, LimitState
from harness.store.database import Run
from harness.store.sql_rows import SqlRows


class SqlCallLimits(SqlRows):
    """A `harness.store.call_limits.CallLimits`: its docstrings are the contract."""

    async def share_calls(
        self,
        model: str,
        *,
        busy: int,
        waiting: int,
        ceiling: int,
        change: Change,
        alive: Collection[str],
    ) -> tuple[LimitState, Sequence[CallSlots]]:
        """See `CallLimits.share_calls`."""
        living = json.dumps(sorted(alive))

        async def body(run: Run) -> tuple[LimitState, Sequence[CallSlots]]:
            rows = await run("call_limit", model=model)
            before = (
                LimitState(**dict(rows[0]) | {"rising": bool(rows[0]["rising"])}) if rows else None
            )
            others = [
                CallSlots(**dict(row))
                for row in await run("call_slots", model=model, alive=living)
                if row["owner"] != self._owner
            ]
            now = change(before, sum(each.busy for each in others))
            if now != before:
                await run(
                    "set_call_limit", model=model, ceiling=ceiling, total=now.total,
                    epoch=now.epoch, rising=int(now.rising), paused_s=now.paused_s,
                )  # fmt: skip
            await run("keep_call_slots", model=model, owner=self._owner, busy=busy, waiting=waiting)
            return now, others

        return await self._database.write(body)

    async def leave_calls(self) -> None:
        """See `CallLimits.leave_calls`."""
        await self._database.run("drop_call_slots", owner=self._owner)

    async def call_limits(self, alive: Collection[str]) -> list[CallLimitRow]:
        """See `CallLimits.call_limits`."""
        rows = await self._rows("call_limits", alive=json.dumps(sorted(alive)))
        return cast("list[CallLimitRow]", rows)
