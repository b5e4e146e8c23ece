"""A `Store` in a SQLite file.

Its methods have no await inside: they run on the event loop as a whole, and nothing can cancel half
of one. A commit takes 0.05 ms, a thread and back four times that. Reading the whole ledger takes
long, and is done when nothing else runs.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from harness.store.connection import Run
from harness.store.rows import ClaimedTrial, InstanceText, NewInstance, NewLabel, NewTrial
from harness.store.sqlite_ledger import SqliteLedger
from harness.store.sqlite_reading import SqliteReading
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
        with self._connection.write() as run:
            for key, value in values.items():
                run("put_run", key=key, value=json.dumps(value))

    async def plan(
        self,
        instances: Sequence[NewInstance],
        trials: Iterable[NewTrial],
        alive: Collection[str] = (),
        *,
        retry_failed: bool = False,
    ) -> None:
        """See `Store.plan`."""
        with self._connection.write() as run:
            _let_go(run, alive)
            for position, instance in enumerate(instances):
                run("put_instance", **instance, position=position)
            for trial in trials:
                run("plan_trial", **trial)
            run("plan_again", retry_failed=retry_failed)

    async def keep_texts(self, texts: Iterable[InstanceText]) -> None:
        """See `Store.keep_texts`."""
        with self._connection.write() as run:
            for each in texts:
                run("keep_text", **each)

    async def take_over(self, alive: Collection[str]) -> None:
        """See `Store.take_over`."""
        with self._connection.write() as run:
            _let_go(run, alive)
            run("plan_cut_again")

    async def others(self) -> set[str]:
        """See `Store.others`."""
        return {row["owner"] for row in self._connection.read("others", owner=self._owner)}

    async def claim_trial(self) -> ClaimedTrial | None:
        """See `Store.claim_trial`."""
        with self._connection.write() as run:
            rows = run("claim_trial", owner=self._owner)
        return cast("ClaimedTrial", dict(rows[0])) if rows else None

    async def restart_clock(self, trial_id: int) -> None:
        """See `Store.restart_clock`."""
        with self._connection.write() as run:
            run("restart_clock", trial_id=trial_id, owner=self._owner)

    async def begin_grading(self, trial_id: int, *, reason: str, seconds: float) -> None:
        """See `Store.begin_grading`."""
        with self._connection.write() as run:
            run(
                "begin_grading",
                trial_id=trial_id,
                reason=reason,
                seconds=seconds,
                owner=self._owner,
            )

    async def hand_grading_on(self, trial_id: int) -> bool:
        """See `Store.hand_grading_on`."""
        with self._connection.write() as run:
            return bool(run("hand_grading_on", trial_id=trial_id, owner=self._owner))

    async def note_sandbox(self, trial_id: int, *, sandbox: str, image: str, audit: str) -> None:
        """See `Store.note_sandbox`."""
        with self._connection.write() as run:
            run("note_sandbox", trial_id=trial_id, sandbox=sandbox, image=image, audit=audit)

    async def finish_trial(
        self, trial_id: int, state: str, *, reason: str, seconds: float, detail: str = ""
    ) -> None:
        """See `Store.finish_trial`."""
        with self._connection.write() as run:
            run(
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
        with self._connection.write() as run:
            for message in messages:
                content = json.dumps(message)
                run("add_message", trial_id=trial_id, conversation=conversation, content=content)

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
        with self._connection.write() as run:
            (row,) = run(
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
        with self._connection.write() as run:
            run("add_selection", submission_id=submission_id, reasons=json.dumps(list(reasons)))

    async def grade(self, submission_id: int, verdict: Verdict) -> None:
        """See `Store.grade`."""
        with self._connection.write() as run:
            run(
                "add_grade",
                submission_id=submission_id,
                outcome=verdict.outcome,
                reason=verdict.reason,
                official=verdict.official,
                flags=json.dumps(verdict.flags),
                unchecked=json.dumps(verdict.unchecked),
                report=json.dumps(verdict.report),
                cached=int(verdict.cached),
                seconds=verdict.seconds,
            )

    async def label(self, new: NewLabel) -> int:
        """See `Store.label`."""
        evidence = json.dumps(list(new["evidence"]))
        with self._connection.write() as run:
            (row,) = run("add_label", **{**new, "evidence": evidence})
        return int(row["label_id"])


def _let_go(run: Run, alive: Collection[str]) -> None:
    for name in ("charge_left", "leave_grading", "cancel_left"):
        run(name, alive=json.dumps(list(alive)))
    run("cancel_asked")
    run("settle_cancels", alive=json.dumps(list(alive)))
