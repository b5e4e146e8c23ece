"""A `Store` in a SQLite file.

Its methods have no await inside: what they do is done on the event loop, between two other tasks,
and nothing can cancel half of it. A commit takes 0.05 ms, the way to a thread and back four times
that; a read of the whole ledger takes long, and is done where nothing else runs.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from harness.store.rows import ClaimedTrial, NewInstance, NewTrial
from harness.store.sqlite_ledger import SqliteLedger
from harness.store.sqlite_reading import SqliteReading
from harness.text.timestamps import now
from harness.types import Message, Verdict


class SqliteStore(SqliteReading, SqliteLedger):
    """A `harness.store.protocol.Store`: its docstrings are the contract, the ones here say what is
    particular."""

    def __init__(
        self, path: Path, *, owner: str = "", cap_usd: float = 0.0, read_only: bool = False
    ) -> None:
        """See `harness.store.opening.open_store`."""
        super().__init__(path, cap_usd=cap_usd, read_only=read_only)
        self._owner = owner

    # -- the run ---------------------------------------------------------------------------------

    async def describe(self, **values: Any) -> None:
        """See `Store.describe`."""
        await self._write(
            *(("put_run", {"key": k, "value": json.dumps(v)}) for k, v in values.items())
        )

    async def plan(
        self,
        instances: Sequence[NewInstance],
        trials: Iterable[NewTrial],
        alive: Collection[str] = (),
        *,
        retry_failed: bool = False,
    ) -> None:
        """See `Store.plan`."""
        await self._write(
            *self._let_go(alive),
            *(("put_instance", {**row, "position": i}) for i, row in enumerate(instances)),
            *(("plan_trial", row) for row in trials),
            ("plan_again", {"retry_failed": retry_failed}),
        )

    async def take_over(self, alive: Collection[str]) -> None:
        """See `Store.take_over`."""
        await self._write(*self._let_go(alive), ("plan_cut_again", {}))

    def _let_go(self, alive: Collection[str]) -> list[tuple[str, Mapping[str, Any]]]:
        parameters = {"alive": json.dumps(list(alive)), "now": now()}
        return [(name, parameters) for name in ("charge_left", "leave_grading", "cancel_left")]

    async def others(self) -> set[str]:
        """See `Store.others`."""
        return {row["owner"] for row in self._read("others", owner=self._owner)}

    async def claim_trial(self) -> ClaimedTrial | None:
        """See `Store.claim_trial`."""
        rows = await self._write(("claim_trial", {"now": now(), "owner": self._owner}))
        return cast("ClaimedTrial", rows[0]) if rows else None

    async def restart_clock(self, trial_id: int) -> None:
        """See `Store.restart_clock`."""
        parameters = {"trial_id": trial_id, "now": now(), "owner": self._owner}
        await self._write(("restart_clock", parameters))

    async def begin_grading(self, trial_id: int, *, reason: str, seconds: float) -> None:
        """See `Store.begin_grading`."""
        parameters = {"trial_id": trial_id, "reason": reason, "seconds": seconds}
        await self._write(("begin_grading", parameters | {"owner": self._owner}))

    async def hand_grading_on(self, trial_id: int) -> bool:
        """See `Store.hand_grading_on`."""
        parameters = {"trial_id": trial_id, "owner": self._owner}
        return bool(await self._write(("hand_grading_on", parameters)))

    async def note_sandbox(self, trial_id: int, *, sandbox: str, image: str, audit: str) -> None:
        """See `Store.note_sandbox`."""
        parameters = {"trial_id": trial_id, "sandbox": sandbox, "image": image, "audit": audit}
        await self._write(("note_sandbox", parameters))

    async def finish_trial(
        self, trial_id: int, state: str, *, reason: str, seconds: float, detail: str = ""
    ) -> None:
        """See `Store.finish_trial`."""
        parameters = {
            "trial_id": trial_id,
            "state": state,
            "reason": reason,
            "detail": detail,
            "seconds": seconds,
            "now": now(),
            "owner": self._owner,
        }
        await self._write(("finish_trial", parameters))

    # -- trajectories, submissions, grades -------------------------------------------------------

    async def say(self, trial_id: int, conversation: str, messages: Iterable[Message]) -> None:
        """See `Store.say`."""
        about = {"trial_id": trial_id, "conversation": conversation}
        said = [about | {"content": json.dumps(message)} for message in messages]
        await self._write(*(("add_message", each) for each in said))

    async def submit(
        self,
        trial_id: int,
        author: str,
        patch: str,
        *,
        reason: str,
        salvaged: bool,
        agent: str = "",
    ) -> int:
        """See `Store.submit`."""
        parameters = {
            "trial_id": trial_id,
            "author": author,
            "agent": agent or author,
            "patch": patch,
            "patch_sha256": hashlib.sha256(patch.encode()).hexdigest(),
            "reason": reason,
            "salvaged": int(salvaged),
            "now": now(),
        }
        return int((await self._write(("add_submission", parameters)))[0]["submission_id"])

    async def select(self, submission_id: int, reasons: Sequence[str]) -> None:
        """See `Store.select`."""
        parameters = {"submission_id": submission_id, "reasons": json.dumps(list(reasons))}
        await self._write(("add_selection", parameters))

    async def grade(self, submission_id: int, verdict: Verdict) -> None:
        """See `Store.grade`."""
        parameters = {
            "submission_id": submission_id,
            "outcome": verdict.outcome,
            "reason": verdict.reason,
            "official": verdict.official,
            "flags": json.dumps(verdict.flags),
            "unchecked": json.dumps(verdict.unchecked),
            "report": json.dumps(verdict.report),
            "cached": int(verdict.cached),
            "seconds": verdict.seconds,
            "now": now(),
        }
        await self._write(("add_grade", parameters))
