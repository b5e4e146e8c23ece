"""The ledger of a run in SQLite, and the money that all of its processes spend together."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio

from harness.errors import RUN_COST, LimitReached
from harness.store.ledger import CallOutcome
from harness.store.sqlite_file import SqliteFile
from harness.text.reply_json import reply_row
from harness.types import Activity, Reply, Usage

LOOK_S = 0.2  # between two looks whether another process has given money back


class SqliteLedger(SqliteFile):
    """A `harness.store.ledger.Ledger`: its docstrings are the contract."""

    def __init__(self, path: Path, *, cap_usd: float = 0.0, read_only: bool = False) -> None:
        """See `SqliteStore`."""
        super().__init__(path, read_only=read_only)
        self._cap_usd = cap_usd

    async def begin_call(
        self,
        *,
        trial_id: int,
        conversation: str,
        agent: str,
        position: int,
        model: str,
        prompt_sha256: str,
        repeated: float,
        reserved_usd: float | None,
        moment: int,
        paid_call: int | None = None,
    ) -> int:
        """Waits as long as calls under way in other processes hold what is missing."""
        while True:
            with self._connection.write() as run:
                rows = run(
                    "begin_call",
                    trial_id=trial_id,
                    conversation=conversation,
                    agent=agent,
                    position=position,
                    model=model,
                    prompt_sha256=prompt_sha256,
                    repeated=repeated,
                    reserved_usd=reserved_usd,
                    moment=moment,
                    cap_usd=self._cap_usd,
                    paid_call=paid_call,
                )
            if rows:
                return int(rows[0]["call_id"])
            self._check_money(reserved_usd or 0.0, reserved=0.0)
            await anyio.sleep(LOOK_S)

    async def hold_more(self, call_id: int, usd: float) -> None:
        """Does not wait: calls that wait for each other's money while they hold some never end."""
        with self._connection.write() as run:
            held = run("hold_more", call_id=call_id, usd=usd, cap_usd=self._cap_usd)
        if not held:
            self._check_money(usd, reserved=self._connection.read("money")[0]["reserved"])

    def _check_money(self, usd: float, *, reserved: float) -> None:
        spent = self._connection.read("money")[0]["spent"] + reserved
        if spent + usd > self._cap_usd:
            raise LimitReached(
                RUN_COST,
                f"{RUN_COST}: the call can cost ${usd:.4f}, and ${spent:.4f} of "
                f"${self._cap_usd:.4f} are spent by all processes of the run",
            )

    async def end_call(
        self,
        call_id: int,
        *,
        outcome: CallOutcome,
        reply: Reply | None,
        usage: Usage,
        cost_usd: float | None,
        charged_usd: float | None = None,
        latency_s: float,
        attempts: int,
        error: str,
        moment: int,
    ) -> None:
        """See `Ledger.end_call`."""
        with self._connection.write() as run:
            run(
                "end_call",
                call_id=call_id,
                outcome=outcome,
                reply=reply and json.dumps(reply_row(reply)),
                prompt_tokens=usage.prompt_tokens,
                cached_tokens=usage.cached_tokens,
                cache_write_tokens=usage.cache_write_tokens,
                completion_tokens=usage.completion_tokens,
                reasoning_tokens=usage.reasoning_tokens,
                cost_usd=cost_usd,
                charged_usd=charged_usd,
                latency_s=latency_s,
                attempts=attempts,
                error=error,
                moment=moment,
            )

    async def share_call(self, call_id: int) -> None:
        """See `Ledger.share_call`."""
        with self._connection.write() as run:
            run("share_call", call_id=call_id)

    async def note_span(
        self, trial_id: int, *, agent: str, what: Activity, started_at: str, seconds: float
    ) -> None:
        """See `Ledger.note_span`."""
        with self._connection.write() as run:
            run(
                "add_span",
                trial_id=trial_id,
                agent=agent,
                what=what,
                started_at=started_at,
                seconds=seconds,
            )

    async def note_first_call(self, facts: Mapping[str, Any], usd: float) -> None:
        """See `Store.note_first_call`."""
        with self._connection.write() as run:
            run("note_first_call", made=json.dumps(facts))
            run("spend", usd=usd)

    async def spent(self) -> float:
        """See `Store.spent`."""
        (money,) = self._connection.read("money")
        return float(money["spent"] + money["reserved"])
