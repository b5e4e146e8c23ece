"""A `Store` in a database, of whatever kind."""

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any, cast

from harness.store.database import Run
from harness.store.rows import ClaimedTrial, InstanceText, NewInstance, NewLabel, NewTrial
from harness.store.sql_call_limits import SqlCallLimits
from harness.store.sql_ledger import SqlLedger
from harness.store.sql_reading import SqlReading
from harness.types import Message, Verdict


class SqlStore(SqlReading, SqlLedger, SqlCallLimits):
    """A `harness.store.protocol.Store`: its docstrings are the contract, the ones here say what is
    particular."""

    # -- the run ---------------------------------------------------------------------------------

    async def describe(self, **values: Any) -> None:
        """See `Store.describe`."""

        async def body(run: Run) -> None:
            for key, value in values.items():
                await run("put_run", key=key, value=json.dumps(value))

        await self._database.write(body)

    async def workers(self) -> dict[str, str] | None:
        """See `Store.workers`: files know them."""
        return None

    async def plan(
        self,
        instances: Sequence[NewInstance],
        trials: Iterable[NewTrial],
        alive: Collection[str] = (),
        *,
        retry_failed: bool = False,
    ) -> None:
        """See `Store.plan`."""

        async def body(run: Run) -> None:
            await self._let_go(run, alive)
            for position, instance in enumerate(instances):
                await run("put_instance", **instance, position=position)
            for trial in trials:
                await run("plan_trial", **trial)
            await run("plan_again", retry_failed=retry_failed)

        await self._database.write(body, alone=True)

    async def keep_texts(self, texts: Iterable[InstanceText]) -> None:
        """See `Store.keep_texts`."""

        async def body(run: Run) -> None:
            for each in texts:
                await run("keep_text", **each)

        await self._database.write(body)

    async def take_over(self, alive: Collection[str]) -> None:
        """See `Store.take_over`."""

        async def body(run: Run) -> None:
            await self._let_go(run, alive)
            await run("plan_cut_again")

        await self._database.write(body, alone=True)

    async def others(self) -> set[str]:
        """See `Store.others`."""
        return {row["owner"] for row in await self._database.read("others", owner=self._owner)}

    async def claim_trial(self) -> ClaimedTrial | None:
        """See `Store.claim_trial`."""
        rows = await self._database.run("claim_trial", owner=self._owner)
        return cast("ClaimedTrial", dict(rows[0])) if rows else None

    async def restart_clock(self, trial_id: int) -> None:
        """See `Store.restart_clock`."""
        await self._database.run("restart_clock", trial_id=trial_id, owner=self._owner)

    async def begin_grading(self, trial_id: int, *, reason: str, seconds: float) -> None:
        """See `Store.begin_grading`."""
        await self._database.run(
            "begin_grading",
            trial_id=trial_id,
            reason=reason,
            seconds=seconds,
            owner=self._owner,
        )

    async def hand_grading_on(self, trial_id: int) -> bool:
        """See `Store.hand_grading_on`."""
        return bool(
            await self._database.run("hand_grading_on", trial_id=trial_id, owner=self._owner)
        )

    async def note_sandbox(self, trial_id: int, *, sandbox: str, image: str, audit: str) -> None:
        """See `Store.note_sandbox`."""
        await self._database.run(
            "note_sandbox", trial_id=trial_id, sandbox=sandbox, image=image, audit=audit
        )

    async def finish_trial(
        self, trial_id: int, state: str, *, reason: str, seconds: float, detail: str = ""
    ) -> None:
        """See `Store.finish_trial`."""
        await self._database.run(
            "finish_trial",
            trial_id=trial_id,
            state=state,
            reason=reason,
            detail=detail,
            seconds=seconds,
            owner=self._owner,
        )

    # -- trajectories, submissions, grades -------------------------------------------------------

    async def say(self, trial_id: int, conversation: str, messages: Iterable[Message]) -> None:
        """See `Store.say`."""

        async def body(run: Run) -> None:
            for message in messages:
                content = json.dumps(message)
                await run(
                    "add_message", trial_id=trial_id, conversation=conversation, content=content
                )

        await self._database.write(body)

    async def submit(
        self,
        trial_id: int,
        author: str,
        patch: str,
        *,
        reason: str,
        salvaged: bool,
        agent: str = "",
        built_on: str = "",
        copy_of: str = "",
    ) -> int:
        """See `Store.submit`."""
        (row,) = await self._database.run(
            "add_submission",
            trial_id=trial_id,
            author=author,
            agent=agent or author,
            patch=patch,
            patch_sha256=hashlib.sha256(patch.encode()).hexdigest(),
            reason=reason,
            salvaged=int(salvaged),
            built_on=built_on,
            copy_of=copy_of,
        )
        return int(row["submission_id"])

    async def select(self, submission_id: int, reasons: Sequence[str]) -> None:
        """See `Store.select`."""
        await self._database.run(
            "add_selection", submission_id=submission_id, reasons=json.dumps(list(reasons))
        )

    async def grade(self, submission_id: int, verdict: Verdict) -> None:
        """See `Store.grade`."""
        await self._database.run(
            "add_grade",
            submission_id=submission_id,
            outcome=verdict.outcome,
            reason=verdict.reason,
            official=verdict.official,
            flags=json.dumps(verdict.flags),
            unchecked=json.dumps(verdict.unchecked),
            looks=json.dumps(verdict.looks),
            report=json.dumps(verdict.report),
            cached=int(verdict.cached),
            seconds=verdict.seconds,
            owner=self._owner,
        )

    async def label(self, new: NewLabel) -> int:
        """See `Store.label`."""
        evidence = json.dumps(list(new["evidence"]))
        (row,) = await self._database.run("add_label", **{**new, "evidence": evidence})
        return int(row["label_id"])

    async def _let_go(self, run: Run, alive: Collection[str]) -> None:
        await self._drop_dead(run, json.dumps(list(alive)))
        for name in ("charge_left", "leave_grading", "cancel_left"):
            await run(name, alive=json.dumps(list(alive)))
        await run("cancel_asked")
        await run("settle_cancels", alive=json.dumps(list(alive)))

    async def _drop_dead(self, run: Run, alive: str) -> None:
        """Where the database knows who lives: forget who does not. `alive`: JSON."""
