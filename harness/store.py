"""The run's store: one SQLite file, written before anything acts on what it says.

Every public write is one transaction. WAL with `synchronous=NORMAL`: a killed process loses
nothing that was written; a power cut may lose the last moments, never corrupt what is there.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.sql import keep_a_log, small_pages, statements, storable
from harness.types import Activity, Message, Reply, Usage, Verdict

Row = dict[str, Any]
APPLICATION_ID = 0x64656C6D  # "delm"
SCHEMA = 4  # raise it when a table changes


def now() -> str:
    """This moment in UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Store:
    """`run.db`. Safe to call from many tasks of one event loop; a transaction has no await."""

    def __init__(self, path: Path) -> None:
        """Open or create. `UserError`: the file is not a store of this program."""
        self.path = path
        self._sql = statements("harness", "store.sql")
        try:
            self._db = sqlite3.connect(path, timeout=30, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise
        except sqlite3.DatabaseError as error:
            raise UserError(f"{path}: not a run's database: {error}") from None

    def _prepare(self) -> None:
        self._db.row_factory = sqlite3.Row
        small_pages(self._db)
        self._claim()
        keep_a_log(self._db)
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(self._sql["schema"])

    def _claim(self) -> None:
        """Mark a new file as ours; `sqlite3.DatabaseError` for one that is somebody else's."""
        owner = self._db.execute("PRAGMA application_id").fetchone()[0]
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if owner != APPLICATION_ID:
            if owner or tables:
                raise sqlite3.DatabaseError("it belongs to another program")
            self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        schema = self._db.execute("PRAGMA user_version").fetchone()[0]
        if tables and schema != SCHEMA:
            raise sqlite3.DatabaseError("another version of delm made it; take another --run-id")
        self._db.execute(f"PRAGMA user_version = {SCHEMA}")

    def close(self) -> None:
        """Close the file; the write-ahead log is folded into it."""
        self._db.close()

    async def _write(self, *steps: tuple[str, Mapping[str, Any]]) -> list[Row]:
        """Run named statements in one transaction; the rows that the last one returned.

        Not in a thread: a commit takes 0.05 ms, the way to a thread and back four times that, and
        without an await inside, nothing comes between and nothing can cancel half of it.
        """
        self._db.execute("BEGIN IMMEDIATE")
        try:
            rows: list[Row] = []
            for name, parameters in steps:
                cursor = self._db.execute(self._sql[name], storable(parameters))
                rows = [dict(row) for row in cursor.fetchall()]
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a full disk may have ended it already
                self._db.execute("ROLLBACK")
            raise
        return rows

    def _read(self, name: str, **parameters: Any) -> list[Row]:
        return [dict(row) for row in self._db.execute(self._sql[name], parameters)]

    # -- the run ---------------------------------------------------------------------------------

    async def describe(self, **values: Any) -> None:
        """Set facts of the run; each value is kept as JSON."""
        await self._write(
            *(("put_run", {"key": k, "value": json.dumps(v)}) for k, v in values.items())
        )

    def description(self) -> dict[str, Any]:
        """All facts that `describe` was given."""
        return {row["key"]: json.loads(row["value"]) for row in self._read("get_run")}

    async def plan(self, instances: Sequence[Row], trials: Iterable[Row]) -> None:
        """Add what is missing of instances and trials, and a new attempt for what has to run again.

        Trials that a dead process left running count as cancelled; the caller has the run's lock.
        """
        await self._write(
            ("cancel_running", {"now": now()}),
            *(("put_instance", row | {"position": i}) for i, row in enumerate(instances)),
            *(("plan_trial", row) for row in trials),
            ("plan_again", {}),
        )

    async def claim_trial(self) -> Row | None:
        """The next waiting trial, now running, or None."""
        rows = await self._write(("claim_trial", {"now": now()}))
        return rows[0] if rows else None

    async def note_sandbox(self, trial_id: int, *, sandbox: str, image: str, audit: str) -> None:
        """What the trial runs in, and what the audit of it said."""
        await self._write(
            (
                "note_sandbox",
                {"trial_id": trial_id, "sandbox": sandbox, "image": image, "audit": audit},
            )
        )

    async def finish_trial(
        self, trial_id: int, state: str, *, reason: str, seconds: float, detail: str = ""
    ) -> None:
        """End a running trial as done, error or cancelled."""
        await self._write(
            (
                "finish_trial",
                {
                    "trial_id": trial_id,
                    "state": state,
                    "reason": reason,
                    "detail": detail,
                    "seconds": seconds,
                    "now": now(),
                },
            )
        )

    # -- the ledger (harness.model.ledger.Ledger) ------------------------------------------------

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
    ) -> int:
        """A row before the call is sent."""
        parameters = {
            "trial_id": trial_id,
            "conversation": conversation,
            "agent": agent,
            "position": position,
            "model": model,
            "prompt_sha256": prompt_sha256,
            "repeated": repeated,
            "reserved_usd": reserved_usd,
            "moment": moment,
            "now": now(),
        }
        rows = await self._write(("begin_call", parameters))
        return int(rows[0]["call_id"])

    async def end_call(
        self,
        call_id: int,
        *,
        outcome: str,
        reply: Reply | None,
        usage: Usage,
        cost_usd: float | None,
        charged_usd: float | None = None,
        latency_s: float,
        attempts: int,
        error: str,
        moment: int,
    ) -> None:
        """Fill the row in: ok, failed or cancelled."""
        said = reply and json.dumps(
            {
                "content": reply.content,
                "tool_calls": [
                    {"id": c.id, "name": c.name, "arguments": c.arguments} for c in reply.tool_calls
                ],
                "finish_reason": reply.finish_reason,
            }
        )
        parameters = {
            "call_id": call_id,
            "outcome": outcome,
            "reply": said,
            "prompt_tokens": usage.prompt_tokens,
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "completion_tokens": usage.completion_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "cost_usd": cost_usd,
            "charged_usd": charged_usd,
            "latency_s": latency_s,
            "attempts": attempts,
            "error": error,
            "moment": moment,
            "now": now(),
        }
        await self._write(("end_call", parameters))

    # -- trajectories, submissions, grades -------------------------------------------------------

    async def say(self, trial_id: int, conversation: str, messages: Iterable[Message]) -> None:
        """Append messages to a trajectory."""
        await self._write(
            *(
                (
                    "add_message",
                    {
                        "trial_id": trial_id,
                        "conversation": conversation,
                        "content": json.dumps(message),
                    },
                )
                for message in messages
            )
        )

    async def note_span(
        self, trial_id: int, *, agent: str, what: Activity, started_at: str, seconds: float
    ) -> None:
        """What an agent was busy with, from when, for how long."""
        parameters = {
            "trial_id": trial_id,
            "agent": agent,
            "what": what,
            "started_at": started_at,
            "seconds": seconds,
        }
        await self._write(("add_span", parameters))

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
        """A submission; `sqlite3.IntegrityError` if its author has one already."""
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
        """Note that its trial would ship this one; `sqlite3.IntegrityError` if it has one."""
        parameters = {"submission_id": submission_id, "reasons": json.dumps(list(reasons))}
        await self._write(("add_selection", parameters))

    async def grade(self, submission_id: int, verdict: Verdict) -> None:
        """The one verdict on a submission."""
        parameters = {
            "submission_id": submission_id,
            "outcome": verdict.outcome,
            "reason": verdict.reason,
            "report": json.dumps(verdict.report),
            "cached": int(verdict.cached),
            "seconds": verdict.seconds,
            "now": now(),
        }
        await self._write(("add_grade", parameters))

    # -- reading ---------------------------------------------------------------------------------

    def trials(self) -> list[Row]:
        """Every trial with its instance, all attempts."""
        return self._read("trials")

    def calls(self) -> list[Row]:
        """The ledger."""
        return self._read("calls")

    def spans(self) -> list[Row]:
        """What agents were busy with when they were not with the model."""
        return self._read("spans")

    def submissions(self) -> list[Row]:
        """Every submission with its grade, if it has one."""
        return self._read("submissions")

    def messages(self, trial_id: int) -> dict[str, list[Message]]:
        """The trajectory of each conversation of a trial."""
        found: dict[str, list[Message]] = {}
        for row in self._read("messages", trial_id=trial_id):
            found.setdefault(row["conversation"], []).append(json.loads(row["content"]))
        return found

    def spent(self) -> float:
        """USD over all calls; where nobody can tell what one cost, the most that it can have."""
        return float(self._read("spent")[0]["usd"])
