"""A run with known outcomes, put into a real store: four systems, three instances, by hand."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.board.evidence import Span
from harness.board.protocols import NewTask, Proposal
from harness.board.sqlite.board import SqliteBoard
from harness.config import resolve
from harness.model.prices import Price, cost
from harness.results.run_folder import RunFolder
from harness.store.ledger import EndedCall, NewCall
from harness.store.sqlite.store import SqliteStore
from harness.types import Usage, Verdict

START = "2026-01-01T00:00:00.000+00:00"
ZERO = 1_767_225_600.0  # the same moment
INSTANCES = (
    {"instance_id": "a__a-1", "repo": "a/a", "difficulty": "<15 min fix", "length": ""},
    {"instance_id": "a__a-2", "repo": "a/a", "difficulty": "1-4 hours", "length": ""},
    {"instance_id": "b__b-3", "repo": "b/b", "difficulty": "<15 min fix", "length": ""},
)
PRICE = Price(
    input=2e-6, cached_input=0.5e-6, cache_write=2.5e-6, output=10e-6, context_tokens=0,
    max_output_tokens=0, supports_tools=True, source="test",
)  # fmt: skip
ANSWERED = Usage(prompt_tokens=1000, cached_tokens=600, cache_write_tokens=100,
                 completion_tokens=50, reasoning_tokens=20)  # fmt: skip
BILLED = Usage(prompt_tokens=400)  # of a call that failed, and was billed all the same


@dataclass(frozen=True)
class System:
    """A system, and by instance what its trials come to: R resolved, U not; the selected one in
    brackets. E is an infrastructure error, C a trial that is cut short; with > the next attempt.
    """

    agents: int
    submits: str
    outcomes: Mapping[str, Sequence[str]]

    @property
    def wanted(self) -> int:
        return 1 if self.submits == "one" else self.agents


MATRIX = {
    "single": System(1, "one", {
        "a__a-1": ["R", "U", "U", "U"],
        "a__a-2": ["R", "E>R", "E>E", "C"],  # the last one is planned again, and never started
        "b__b-3": ["U", "U", "U", "U"],
    }),
    "independent": System(2, "independent", {
        "a__a-1": ["RU", "UU"], "a__a-2": ["RR", "UU"], "b__b-3": ["UU", "UR"],
    }),
    "delm": System(4, "shared", {
        "a__a-1": ["(R)RUU"], "a__a-2": ["U(U)UU"], "b__b-3": ["(U)UUR"],
    }),
    "delm-n2": System(2, "shared", {
        "a__a-1": ["(R)U", "(U)U"], "a__a-2": ["R(R)", "E>E"], "b__b-3": ["(U)U", "U(U)"],
    }),
}  # fmt: skip


async def plant(
    output: Path,
    run_id: str = "r",
    matrix: Mapping[str, System] = MATRIX,
    *,
    price: Price | None = PRICE,
    layers: Sequence[Mapping[str, Any]] = (),
    instances: Sequence[Mapping[str, str]] = INSTANCES,
    **facts: Any,
) -> RunFolder:
    """The run of `matrix` in `output`; `facts` are laid over what it says of itself."""
    folder = RunFolder(output, run_id)
    folder.create()
    with closing(SqliteStore(folder.path / "run.db")) as store:
        await store.describe(
            **{"dataset": "d", "model": "m", "replay": False, "prices_source": "test",
               "config": resolve(layers).model_dump(mode="json"), "prices_sha256": "0",
               "prices": {"m": price and {}}} | facts,
        )  # fmt: skip
        used = {i for system in matrix.values() for i in system.outcomes}
        items = [dict(each) for each in instances if each["instance_id"] in used]
        rows = [
            {"system": name, "instance_id": instance, "number": number, "agents": system.agents,
             "wanted": system.wanted, "submits": system.submits}
            for name, system in matrix.items()
            for instance, trials in system.outcomes.items()
            for number in range(len(trials))
        ]  # fmt: skip
        for _ in range(2):
            await store.plan(items, rows)
            while (row := await store.claim_trial()) is not None:
                await _play(store, row, matrix[row["system"]], price)
    _stamp(folder)
    return folder


async def _play(
    store: SqliteStore, row: dict[str, Any], system: System, price: Price | None
) -> None:
    attempts = system.outcomes[row["instance_id"]][row["number"]].split(">")
    if row["attempt"] >= len(attempts):
        return  # `_stamp` makes it one that was never started
    said, trial = attempts[row["attempt"]], row["trial_id"]
    if said not in {"E", "C"}:
        await _call(store, trial, "ok", ANSWERED, 1, price)
        await _submit(store, trial, said)
        await store.finish_trial(trial, "done", reason="finished", seconds=40.0)
        return
    if said == "E":
        await _call(store, trial, "failed", BILLED, 3, price)
    state = "error" if said == "E" else "cancelled"
    await store.finish_trial(trial, state, reason="", seconds=7.0)


async def _submit(store: SqliteStore, trial: int, said: str) -> None:
    selected = said.find("(")
    for index, letter in enumerate(said.replace("(", "").replace(")", "")):
        author = f"patch-{index + 1}"
        made = await store.submit(trial, author, f"{trial}", reason="finished", salvaged=False)
        outcome = "resolved" if letter == "R" else "unresolved"
        await store.grade(
            made, Verdict(outcome=outcome, reason="", report={}, seconds=0, official=outcome)
        )
        if index == selected:
            await store.select(made, ["it is"])


async def _call(
    store: SqliteStore, trial: int, outcome: str, usage: Usage, attempts: int, price: Price | None
) -> None:
    call = await store.begin_call(NewCall(
        trial_id=trial, conversation="c", agent="agent-1", position=0, model="m", prompt_sha256="",
        repeated=0.25, reserved_usd=0.1, moment=1,
    ))  # fmt: skip
    await store.end_call(
        call,
        EndedCall(outcome=outcome, reply=None, usage=usage, latency_s=1, attempts=attempts,
                  error="", cost_usd=price and cost(usage, price), moment=2),
    )  # fmt: skip


def _stamp(folder: RunFolder) -> None:
    """Every trial starts at `START`; the n-th submission of a trial is made n · 10 s later."""
    with closing(sqlite3.connect(folder.path / "run.db")) as database, database:
        database.execute("UPDATE trial SET started_at = ?", (START,))
        database.execute("UPDATE trial SET state = 'waiting', started_at = NULL "
                         "WHERE state = 'running'")  # fmt: skip
        database.execute(
            "UPDATE submission SET created_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', ?,"
            " '+' || (10 * substr(author, 7)) || ' seconds')", (START[:19],)
        )  # fmt: skip


async def plant_board(folder: RunFolder, trial_id: int, *, verified_s: float | None) -> None:
    """A board: patch-1 is handed in at 5 s and repaired at 7, patch-2 at 6, patch-3 empty at 8.

    A patch is admitted at `verified_s`, if at all; a fact is, and another patch is refused.
    """
    moment = [ZERO]
    with closing(SqliteBoard(folder.path / "run.db", clock=lambda: moment[0])) as boards:
        board = boards.of(trial_id)
        await board.queue.join("agent-1", lease_s=60)
        for seconds, kind, label, subject, result in (
            (5, "patch", "patch-1", "", {"patch": "x"}),
            (6, "patch", "patch-2", "", {"patch": "x"}),
            (7, "repair", "repair-1", "patch-1", {"patch": "y"}),
            (8, "patch", "patch-3", "", {"patch": ""}),
            (9, "repair", "repair-2", "patch-2", {}),  # it changes nothing
            (9, "test", "test-1", "patch-1", {"patch": "z"}),
        ):
            await board.queue.put(NewTask(kind=kind, text=".", label=label, subject=subject), by="")
            moment[0] = ZERO + seconds - 0.5
            claim = await board.queue.claim("agent-1", lease_s=60)
            assert claim is not None
            moment[0] = ZERO + seconds
            await board.queue.finish(claim, result=result)
        for kind, at in (("FACT", 1), ("PATCH", None), ("PATCH", verified_s), ("PATCH", 9.5)):
            moment[0] = ZERO
            seen = Span(path="a.py", quote="x = 1")
            found = Proposal(kind=kind, gist=".", summary=".", evidence=seen, author="agent-1",
                             task="patch-1")  # fmt: skip
            number = await board.context.propose(found)
            if at is None:
                await board.context.reject(number, reason="no", seconds=0)
            elif verified_s is not None or kind == "FACT":
                moment[0] = ZERO + at
                await board.context.admit(number, key=f"{kind}{at}", raw="", seconds=0)
