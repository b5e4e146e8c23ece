"""The ledger of a run in a database, with the cap on what all its processes spend together."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import anyio

from harness.errors import RUN_COST, LimitReached, TrialLost
from harness.store.database import Database, Row, Run
from harness.store.interventions import Cap
from harness.store.ledger import EndedCall, NewCall
from harness.store.sql_rows import SqlRows
from harness.text.reply_json import reply_row
from harness.types import Activity, Limits, Usage

LOOK_S = 0.2  # between two looks whether another process has given money back
ROUNDING_USD = 1e-9  # of the sums, as in store.sql


class SqlLedger(SqlRows):
    """A `harness.store.ledger.Ledger`: its docstrings are the contract."""

    def __init__(self, database: Database, *, owner: str = "", cap_usd: float = 0.0) -> None:
        """See `harness.store.opening.open_store`."""
        super().__init__(database, owner=owner)
        self._cap_usd = cap_usd
        self._freed: anyio.Event | None = None  # who waits for the run's money is told by it
        self._kept: dict[str, str] = {}  # lists of tools that are in the database, with their hash

    async def begin_call(self, call: NewCall) -> int:
        """See `Ledger.begin_call`."""
        tools = self._kept.get(call.tools) or hashlib.sha256(call.tools.encode()).hexdigest()
        columns = _columns(call) | {"tools_sha256": tools}
        del columns["limits"]

        async def body(run: Run) -> list[Row] | None:
            usd, limits = call.reserved_usd or 0.0, None if call.paid_call else call.limits
            if limits and not await self._has_room(run, call.trial_id, limits, usd, steps=1):
                return None
            if call.tools not in self._kept:
                await run("keep_tools", sha256=tools, schemas=call.tools)
            return await run("begin_call", **columns, cap_usd=self._cap_usd, owner=self._owner)

        while True:
            rows = await self._database.write(body)
            if rows is None:
                await self._until_freed()
                continue
            self._kept[call.tools] = tools
            if rows:
                return int(rows[0]["call_id"])
            await self._still_has(trial_id=call.trial_id)
            await self._money_for(call.reserved_usd or 0.0)

    async def _has_room(
        self, run: Run, trial_id: int, limits: Limits, usd: float, *, steps: int
    ) -> bool:
        """Whether what all processes have left of a trial covers `usd` and so many `steps` more;
        False: not before a call under way ends. `LimitReached`: it never will.

        Where no other process makes calls of the same trial, its own one has looked already.
        """
        return True

    async def charge(self, call_id: int, usd: float) -> None:
        """See `Ledger.charge`."""
        await self._database.run("charge", call_id=call_id, usd=usd)
        self._give_back()

    async def hold_more(self, call_id: int, usd: float, limits: Limits | None = None) -> None:
        """See `Ledger.hold_more`."""
        held = {"call_id": call_id, "usd": usd, "cap_usd": self._cap_usd, "owner": self._owner}

        async def body(run: Run) -> list[Row] | None:
            (call,) = await run("trial_of_call", call_id=call_id)
            if limits and not await self._has_room(run, call["trial_id"], limits, usd, steps=0):
                return None
            return await run("hold_more", **held)

        while not (rows := await self._database.write(body)):
            if rows is None:
                await self._until_freed()
                continue
            await self._still_has(call_id=call_id)
            await self._money_for(usd)

    async def _still_has(self, *, trial_id: int | None = None, call_id: int | None = None) -> None:
        """Raise `TrialLost` where a trial, or that of a call, is not this owner's any more."""
        place = {"trial_id": trial_id, "call_id": call_id, "owner": self._owner}
        if not await self._database.read("has_trial", **place):
            raise TrialLost("another process has taken the trial over, or it was cancelled")

    async def _money_for(self, usd: float) -> None:
        """Wait until the run may have `usd` again; `LimitReached` where it cannot."""
        while True:
            (money,) = await self._database.read("money")
            (raised,) = await self._database.read("raised", target=Cap.DOLLARS, trial_id=None)
            cap_usd = max(self._cap_usd, raised["most"] or 0.0)
            most = cap_usd + ROUNDING_USD
            spent, reserved = money["spent"], money["reserved"]
            if spent + usd > most:
                raise LimitReached(
                    RUN_COST,
                    f"{RUN_COST}: the call can cost ${usd:.4f}, and ${spent:.4f} of "
                    f"${cap_usd:.4f} are spent by all processes of the run",
                )
            if spent + reserved + usd <= most:
                return
            await self._until_freed()

    async def _until_freed(self) -> None:
        """Wait until a call of this process holds less, or for the time to look at the others'."""
        self._freed = self._freed or anyio.Event()
        with anyio.move_on_after(LOOK_S):
            await self._freed.wait()

    def _give_back(self) -> None:
        """Tell whoever waits in this process that a call holds less than it did."""
        if self._freed is not None:
            self._freed.set()
            self._freed = None

    async def end_call(self, call_id: int, end: EndedCall) -> None:
        """See `Ledger.end_call`."""
        reply = end.reply and json.dumps(reply_row(end.reply))
        columns = _columns(end) | _columns(end.usage) | {"reply": reply}
        await self._database.run("end_call", call_id=call_id, **columns)
        self._give_back()

    async def share_call(self, call_id: int) -> None:
        """See `Ledger.share_call`."""
        await self._database.run("share_call", call_id=call_id)

    async def note_span(
        self, trial_id: int, *, agent: str, what: Activity, started_at: str, seconds: float
    ) -> None:
        """See `Ledger.note_span`."""
        await self._database.run(
            "add_span",
            trial_id=trial_id,
            agent=agent,
            what=what,
            started_at=started_at,
            seconds=seconds,
        )

    async def note_first_call(self, facts: Mapping[str, Any], usd: float) -> None:
        """See `Store.note_first_call`."""

        async def body(run: Run) -> None:
            await run("note_first_call", made=json.dumps(facts))
            await run("spend", usd=usd)

        await self._database.write(body)

    async def spent(self) -> float:
        """See `Store.spent`."""
        (money,) = await self._database.read("money")
        return float(money["spent"] + money["reserved"])


def _columns(row: NewCall | EndedCall | Usage) -> dict[str, Any]:
    """The fields of a row by name; no copies, as `asdict` makes them."""
    return {field.name: getattr(row, field.name) for field in fields(row)}
