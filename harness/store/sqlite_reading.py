"""What a run's store in SQLite is asked for."""

import json
from typing import Any, cast

from harness.store.ledger import AnsweredRow, PaidRow
from harness.store.rows import (
    CallRow,
    CostRow,
    EarlierTrial,
    MadeSubmission,
    RunRows,
    SpanRow,
    Standing,
    SubmissionRow,
    TrialRow,
)
from harness.store.sqlite_file import SqliteFile
from harness.types import Message


class SqliteReading(SqliteFile):
    """The reading half of a `harness.store.protocol.Store`: its docstrings are the contract."""

    async def description(self) -> dict[str, Any]:
        """See `Store.description`."""
        return {row["key"]: json.loads(row["value"]) for row in self._rows("get_run")}

    async def paid(self, trial_id: int) -> list[PaidRow]:
        """See `Store.paid`."""
        rows = self._rows("paid", trial_id=trial_id)
        return [cast("PaidRow", row | {"reply": json.loads(row["reply"])}) for row in rows]

    async def answered(self, model: str, prompt_sha256: str) -> AnsweredRow | None:
        """See `Store.answered`."""
        for row in self._rows("answered", model=model, prompt_sha256=prompt_sha256):
            return cast("AnsweredRow", row | {"reply": json.loads(row["reply"])})
        return None

    async def made(self, trial_id: int) -> list[MadeSubmission]:
        """See `Store.made`."""
        return cast("list[MadeSubmission]", self._rows("made", trial_id=trial_id))

    async def read(self) -> RunRows:
        """One transaction, so that no table is newer than another."""
        with self._connection.snapshot():
            return RunRows(
                facts=await self.description(),
                trials=await self.trials(),
                calls=await self.calls(),
                submissions=await self.submissions(),
                spans=await self.spans(),
            )

    async def trials(self) -> list[TrialRow]:
        """See `Store.trials`."""
        return cast("list[TrialRow]", self._rows("trials"))

    async def calls(self) -> list[CallRow]:
        """See `Store.calls`."""
        return cast("list[CallRow]", self._rows("calls"))

    async def costs(self) -> list[CostRow]:
        """See `Store.costs`."""
        return cast("list[CostRow]", self._rows("costs"))

    async def submissions(self) -> list[SubmissionRow]:
        """See `Store.submissions`."""
        return cast("list[SubmissionRow]", self._rows("submissions"))

    async def spans(self) -> list[SpanRow]:
        """See `Store.spans`."""
        return cast("list[SpanRow]", self._rows("spans"))

    async def messages(self, trial_id: int) -> dict[str, list[Message]]:
        """See `Store.messages`."""
        found: dict[str, list[Message]] = {}
        for row in self._rows("messages", trial_id=trial_id):
            found.setdefault(row["conversation"], []).append(json.loads(row["content"]))
        return found

    async def standing(self) -> Standing:
        """See `Store.standing`."""
        return Standing(**self._rows("standing")[0])

    async def earlier(self, model: str) -> list[EarlierTrial]:
        """See `Store.earlier`."""
        return cast("list[EarlierTrial]", self._rows("earlier", model=json.dumps(model)))
