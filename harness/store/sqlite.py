"""The run's store: what it holds, written before anything acts on what it says."""

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import anyio

from harness.errors import RUN_COST, LimitReached
from harness.store.database import Database, Row
from harness.text.reply_json import reply_row
from harness.text.timestamps import now
from harness.types import Activity, Message, Reply, Usage, Verdict

__all__ = ["Row", "Store", "now"]

LOOK_S = 0.2  # between two looks whether another process has given money back


class Store(Database):
    """`run.db`. Safe to call from many tasks of one event loop; a transaction has no await."""

    def __init__(self, path: Path, *, owner: str = "", cap_usd: float = 0.0) -> None:
        """Open or create. `UserError`: the file is not a store of this program.

        `owner` is this process among those that work on the run; `cap_usd` bounds what all of them
        spend together (0: nothing does).
        """
        super().__init__(path)
        self.owner = owner
        self._cap_usd = cap_usd

    # -- the run ---------------------------------------------------------------------------------

    async def describe(self, **values: Any) -> None:
        """Set facts of the run; each value is kept as JSON."""
        await self._write(
            *(("put_run", {"key": k, "value": json.dumps(v)}) for k, v in values.items())
        )

    def description(self) -> dict[str, Any]:
        """All facts that `describe` was given."""
        return {row["key"]: json.loads(row["value"]) for row in self._read("get_run")}

    async def note_first_call(self, facts: Row, usd: float) -> None:
        """Keep a call that is part of no trial; `usd` of the run's money are spent on it."""
        made = [*self.description().get("first_calls", ()), facts]
        row = {"key": "first_calls", "value": json.dumps(made)}
        await self._write(("put_run", row), ("spend", {"usd": usd}))

    async def plan(
        self,
        instances: Sequence[Row],
        trials: Iterable[Row],
        alive: Collection[str] = (),
        *,
        retry_failed: bool = False,
    ) -> None:
        """Add what is missing of instances and trials, and a new attempt for what has to run again.

        Trials that a process left running which is not among `alive` count as cancelled. What
        failed in the system's own code runs again only to `retry_failed`.
        """
        await self._write(
            *self._let_go(alive),
            *(
                ("put_instance", {"length": "", **row, "position": i})
                for i, row in enumerate(instances)
            ),
            *(("plan_trial", row) for row in trials),
            ("plan_again", {"retry_failed": retry_failed}),
        )

    async def take_over(self, alive: Collection[str]) -> None:
        """Put what processes had that are not among `alive` back to what is to be done."""
        await self._write(*self._let_go(alive), ("plan_cut_again", {}))

    def _let_go(self, alive: Collection[str]) -> list[tuple[str, Row]]:
        parameters = {"alive": json.dumps(list(alive)), "now": now()}
        return [(name, parameters) for name in ("charge_left", "leave_grading", "cancel_left")]

    def others(self) -> set[str]:
        """The other processes that have a trial under way."""
        return {row["owner"] for row in self._read("others", owner=self.owner)}

    async def claim_trial(self) -> Row | None:
        """The next trial that waits, now running, or waits to be graded, or None."""
        rows = await self._write(("claim_trial", {"now": now(), "owner": self.owner}))
        return rows[0] if rows else None

    async def restart_clock(self, trial_id: int) -> None:
        """What the trial waited for is here: its latency counts from now."""
        parameters = {"trial_id": trial_id, "now": now(), "owner": self.owner}
        await self._write(("restart_clock", parameters))

    async def begin_grading(self, trial_id: int, *, reason: str, seconds: float) -> None:
        """The trial has its submissions: only grades are missing."""
        parameters = {"trial_id": trial_id, "reason": reason, "seconds": seconds}
        await self._write(("begin_grading", parameters | {"owner": self.owner}))

    async def hand_grading_on(self, trial_id: int) -> bool:
        """Leave a trial of this process whose submissions are made to the next one; False where
        they are not made."""
        parameters = {"trial_id": trial_id, "owner": self.owner}
        return bool(await self._write(("hand_grading_on", parameters)))

    async def note_sandbox(self, trial_id: int, *, sandbox: str, image: str, audit: str) -> None:
        """What the trial runs in, and what the audit of it said."""
        parameters = {"trial_id": trial_id, "sandbox": sandbox, "image": image, "audit": audit}
        await self._write(("note_sandbox", parameters))

    async def finish_trial(
        self, trial_id: int, state: str, *, reason: str, seconds: float, detail: str = ""
    ) -> None:
        """End a trial of this process as done, failed, error or cancelled."""
        parameters = {
            "trial_id": trial_id,
            "state": state,
            "reason": reason,
            "detail": detail,
            "seconds": seconds,
            "now": now(),
            "owner": self.owner,
        }
        await self._write(("finish_trial", parameters))

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
        paid_call: int | None = None,
    ) -> int:
        """A row before the call is sent, once the run's money covers it.

        `LimitReached` where it does not, whatever calls under way in other processes give back.
        """
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
            "cap_usd": self._cap_usd,
            "paid_call": paid_call,
        }
        while not (rows := await self._write(("begin_call", parameters))):
            self._check_money(reserved_usd or 0.0, reserved=0.0)
            await anyio.sleep(LOOK_S)
        return int(rows[0]["call_id"])

    async def hold_more(self, call_id: int, usd: float) -> None:
        """Have so much reserved for a call in all. `LimitReached`: it is not there.

        Not after a wait: calls that wait for each other's money while they hold some would never
        end.
        """
        parameters = {"call_id": call_id, "usd": usd, "cap_usd": self._cap_usd}
        if not await self._write(("hold_more", parameters)):
            self._check_money(usd, reserved=self._read("money")[0]["reserved"])

    def _check_money(self, usd: float, *, reserved: float) -> None:
        spent = self._read("money")[0]["spent"] + reserved
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
        said = reply and json.dumps(reply_row(reply))
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

    async def share_call(self, call_id: int) -> None:
        """See `harness.model.ledger.Ledger.share_call`."""
        await self._write(("share_call", {"call_id": call_id}))

    async def say(self, trial_id: int, conversation: str, messages: Iterable[Message]) -> None:
        """Append messages to a trajectory."""
        about = {"trial_id": trial_id, "conversation": conversation}
        said = [about | {"content": json.dumps(message)} for message in messages]
        await self._write(*(("add_message", each) for each in said))

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
            "official": verdict.official,
            "flags": json.dumps(verdict.flags),
            "unchecked": json.dumps(verdict.unchecked),
            "report": json.dumps(verdict.report),
            "cached": int(verdict.cached),
            "seconds": verdict.seconds,
            "now": now(),
        }
        await self._write(("add_grade", parameters))

    # -- what a trial goes on from ----------------------------------------------------------------

    def paid(self, trial_id: int) -> list[Row]:
        """Answered calls of earlier attempts at the trial, the newest attempt first."""
        rows = self._read("paid", trial_id=trial_id)
        return [row | {"reply": json.loads(row["reply"])} for row in rows]

    def answered(self, model: str, prompt_sha256: str) -> Row | None:
        """A call of this run with just this prompt that was answered and paid for, or None."""
        rows = self._read("answered", model=model, prompt_sha256=prompt_sha256)
        return rows[0] | {"reply": json.loads(rows[0]["reply"])} if rows else None

    def made(self, trial_id: int) -> list[Row]:
        """Submissions of the trial: submission_id, author, patch, selected, outcome if graded."""
        return self._read("made", trial_id=trial_id)

    # -- reading ---------------------------------------------------------------------------------

    def trials(self) -> list[Row]:
        """Every trial with its instance, all attempts."""
        return self._read("trials")

    def calls(self) -> list[Row]:
        """The ledger."""
        return self._read("calls")

    def standing(self) -> Row:
        """`ended`, `failed` and `usd`: see `harness.runner.progress.Standing`."""
        return self._read("standing")[0]

    def costs(self) -> list[Row]:
        """What `harness.score.cost.spent` needs of the calls that were sent."""
        return self._read("costs")

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
