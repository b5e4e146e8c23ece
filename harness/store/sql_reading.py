"""The reading methods of a run's store in a database."""

import json
from collections.abc import Sequence
from typing import Any, cast

from harness.store.ledger import AnsweredRow, PaidRow
from harness.store.live_rows import LiveCall, LiveRows, LiveTrial
from harness.store.row_tables import Asked, RowPage, RowTables
from harness.store.rows import (
    CallRow,
    CallSums,
    CostRow,
    EarlierTrial,
    InstanceText,
    LabelRow,
    MadeSubmission,
    OutcomeRow,
    OutcomeRows,
    RunRows,
    SpanRow,
    Standing,
    SubmissionRow,
    TrialRow,
)
from harness.store.sql_interventions import SqlInterventions
from harness.types import Message

_GRADED = ("flags", "unchecked", "looks", "report", "selection_reasons")  # of a submission, in JSON


class SqlReading(SqlInterventions):
    """The reading half of a `harness.store.protocol.Store`: its docstrings are the contract."""

    async def description(self) -> dict[str, Any]:
        """See `Store.description`."""
        return {row["key"]: json.loads(row["value"]) for row in await self._rows("get_run")}

    async def paid(self, trial_id: int) -> list[PaidRow]:
        """See `Store.paid`."""
        return cast("list[PaidRow]", await self._with_json("paid", "reply", trial_id=trial_id))

    async def answered(self, model: str, prompt_sha256: str) -> AnsweredRow | None:
        """See `Store.answered`."""
        given = {"model": model, "prompt_sha256": prompt_sha256}
        rows = cast("list[AnsweredRow]", await self._with_json("answered", "reply", **given))
        return rows[0] if rows else None

    async def made(self, trial_id: int) -> list[MadeSubmission]:
        """See `Store.made`."""
        return cast("list[MadeSubmission]", await self._rows("made", trial_id=trial_id))

    async def read(self) -> RunRows:
        """See `Store.read`. One transaction, so that no table is newer than another."""
        async with self._database.snapshot():
            return RunRows(
                facts=await self.description(),
                trials=await self.trials(),
                calls=await self.calls(),
                submissions=await self.submissions(),
                spans=await self.spans(),
                interventions=await self.interventions(),
            )

    async def read_outcomes(self) -> OutcomeRows:
        """See `Store.read_outcomes`. One transaction, as `read`."""
        async with self._database.snapshot():
            made = await self._with_json("outcomes", "flags", "unchecked")
            return OutcomeRows(
                facts=await self.description(),
                trials=await self.trials(),
                sums=cast("list[CallSums]", await self._rows("call_sums")),
                submissions=cast("list[OutcomeRow]", made),
            )

    async def read_beside(self, trial_id: int) -> RunRows:
        """See `Store.read_beside`. One transaction, as `read`."""
        async with self._database.snapshot():
            beside = await self._rows("beside", trial_id=trial_id)
            return await self._read_some([row["trial_id"] for row in beside])

    async def around(self, trial_id: int) -> tuple[int, int]:
        """See `Store.around`."""
        before = await self._rows("instance_before", trial_id=trial_id)
        after = await self._rows("instance_after", trial_id=trial_id)
        return before[0]["trial_id"] if before else 0, after[0]["trial_id"] if after else 0

    async def read_trial(self, trial_id: int) -> RunRows:
        """See `Store.read_trial`. One transaction, as `read`."""
        async with self._database.snapshot():
            return await self._read_some([trial_id])

    async def _read_some(self, trials: Sequence[int]) -> RunRows:
        mine = {"trials": json.dumps(trials)}
        made = await self._with_json("submissions_of", *_GRADED, **mine)
        return RunRows(
            facts=await self.description(),
            trials=cast("list[TrialRow]", await self._rows("some_trials", **mine)),
            calls=cast("list[CallRow]", await self._with_json("calls_of", "reply", **mine)),
            submissions=cast("list[SubmissionRow]", made),
            spans=cast("list[SpanRow]", await self._rows("spans_of", **mine)),
            interventions=await self.interventions(),
        )

    async def instance_text(self, instance_id: str) -> InstanceText | None:
        """See `Store.instance_text`."""
        rows = cast(
            "list[InstanceText]", await self._rows("instance_text", instance_id=instance_id)
        )
        return rows[0] if rows else None

    async def trials(self) -> list[TrialRow]:
        """See `Store.trials`."""
        return cast("list[TrialRow]", await self._rows("trials"))

    async def calls(self) -> list[CallRow]:
        """See `Store.calls`."""
        return cast("list[CallRow]", await self._with_json("calls", "reply"))

    async def costs(self) -> list[CostRow]:
        """See `Store.costs`."""
        return cast("list[CostRow]", await self._rows("costs"))

    async def submissions(self) -> list[SubmissionRow]:
        """See `Store.submissions`."""
        return cast("list[SubmissionRow]", await self._with_json("submissions", *_GRADED))

    async def spans(self) -> list[SpanRow]:
        """See `Store.spans`."""
        return cast("list[SpanRow]", await self._rows("spans"))

    async def labels(self) -> list[LabelRow]:
        """See `Store.labels`."""
        return cast("list[LabelRow]", await self._with_json("labels", "evidence"))

    async def messages(self, trial_id: int) -> dict[str, list[Message]]:
        """See `Store.messages`."""
        found: dict[str, list[Message]] = {}
        for row in await self._rows("messages", trial_id=trial_id):
            found.setdefault(row["conversation"], []).append(json.loads(row["content"]))
        return found

    async def tool_lists(self) -> dict[str, str]:
        """See `Store.tool_lists`."""
        return {row["sha256"]: row["schemas"] for row in await self._rows("tool_lists")}

    async def standing(self) -> Standing:
        """See `Store.standing`."""
        return Standing(**(await self._rows("standing"))[0])

    async def live(self, since: str) -> LiveRows:
        """See `Store.live`."""
        async with self._database.snapshot():
            money, rates = (
                (await self._rows("money"))[0],
                (await self._rows("live_rates", since=since))[0],
            )
            return LiveRows(
                trials=cast("list[LiveTrial]", await self._rows("live_trials")),
                agents=cast("list[LiveCall]", await self._rows("live_agents")),
                **money,
                **rates,
            )

    async def row_page(self, asked: Asked, sums: Sequence[str] = ()) -> RowPage | None:
        """See `Store.row_page`."""
        async with self._database.snapshot():
            return await RowTables("harness.store").page(self._database, asked, sums)

    async def earlier(self, model: str) -> list[EarlierTrial]:
        """See `Store.earlier`."""
        return cast("list[EarlierTrial]", await self._rows("earlier", model=json.dumps(model)))

    async def _with_json(self, name: str, *columns: str, **parameters: Any) -> list[dict[str, Any]]:
        """The rows of a statement, the JSON in `columns` opened."""
        rows = await self._rows(name, **parameters)
        for row in rows:
            row |= {key: json.loads(row[key]) for key in columns if row[key] is not None}
        return rows
