"""Send proposals to gates of their own, over one pristine sandbox."""

import itertools
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from admission_cases.case import AFTER, Case
from agents.admission.executed import ExecutedEvidence
from agents.admission.gate import Gate
from harness.board.evidence import EVIDENCE
from harness.board.protocols import Proposal, Ruling
from harness.board.sqlite.board import SqliteBoard
from harness.protocols import Sandbox
from harness.types import ExecResult, Item

COMMAND_S, CHECK_S = 120.0, 300.0


@dataclass(slots=True)
class _Own:
    """How long the runs of a proposal's own command took, as it stands in the proposal."""

    command: str = ""
    seconds: list[float] = field(default_factory=list)


class Timed:
    """A sandbox that notes how long a proposal's own command runs.

    What the gate runs in its place, with more or less around it, is none.
    """

    def __init__(self, sandbox: Sandbox, own: _Own) -> None:
        self._sandbox = sandbox
        self._own = own

    async def exec(self, command: str, **how: Any) -> ExecResult:
        result = await self._sandbox.exec(command, **how)
        if command == self._own.command:
            self._own.seconds.append(result.seconds)
        return result

    async def fork(self) -> "Timed":
        return Timed(await self._sandbox.fork(), self._own)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sandbox, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a case. Seconds are of its last check, beyond what its own commands took."""

    admitted: bool
    reason: str = ""
    beyond: float = 0.0
    ran: bool = False  # whether a command of its own ran
    evidence: Mapping[str, Any] = field(default_factory=dict)  # that was sent last


@dataclass(slots=True)
class _Board:
    gate: Gate
    labels: dict[str, str] = field(default_factory=dict)  # of entries, by their evidence
    said: int = 0


class NotAdmitted(Exception):
    """What a case builds on was refused."""


class Boards:
    """The boards of one instance. Not for two tasks at a time."""

    def __init__(self, item: Item, pristine: Sandbox, folder: Path) -> None:
        self._item = item
        self._own = _Own()
        self._pristine: Any = Timed(pristine, self._own)
        self._file = SqliteBoard(folder / f"{item.instance.instance_id}.db")
        self._boards: dict[str, _Board] = {}
        self._numbers = itertools.count(1)

    async def submit(self, case: Case) -> Outcome:
        """Send a case, again in its other forms while it is refused.

        Raises `NotAdmitted` where something that has to be there before it is not.
        """
        board = self._boards.get(case.board) if case.board else None
        if board is None:
            board = self._opened()
            if case.board:
                self._boards[case.board] = board
        state = ""
        for before in case.after:
            state = board.labels.get(_key(before.evidence), "")
            if not state:
                ruling, _ = await self._send(board, before, before.evidence)
                if ruling.entry is None:
                    raise NotAdmitted(f"{before.what}: {ruling.reason}")
                state = ruling.entry.label
        for evidence in (case.evidence, *case.tries):
            if evidence.get("state") == AFTER:
                evidence = {**evidence, "state": state}
            ruling, seconds = await self._send(board, case, evidence)
            if ruling.entry is not None:
                break
        return Outcome(
            admitted=ruling.entry is not None,
            reason=ruling.reason,
            beyond=seconds - sum(self._own.seconds),
            ran=bool(self._own.seconds),
            evidence=evidence,
        )

    def close(self) -> None:
        """Close the file of the boards."""
        self._file.close()

    def _opened(self) -> _Board:
        context = self._file.of(next(self._numbers)).context
        checks = ExecutedEvidence(
            self._pristine, context, command_s=COMMAND_S, time_limit_s=CHECK_S,
            count_tokens=lambda text: len(re.findall(r"\w+|[^\w\s]", text)),
            issue=self._item.instance.problem_statement,
        )  # fmt: skip
        return _Board(gate=Gate(context, checks.by_form()))

    async def _send(
        self, board: _Board, case: Case, evidence: Mapping[str, Any]
    ) -> tuple[Ruling, float]:
        """The ruling and the seconds that it took."""
        board.said += 1
        now = time.time()
        if "{now}" in (command := str(evidence.get("command", ""))):
            evidence = {**evidence, "command": command.replace("{now}", f"{now:.2f}")}
        gist = case.gist or f"Finding {board.said} of {self._item.instance.instance_id}."
        proposal = Proposal(
            kind=case.kind, gist=gist, summary="", evidence=EVIDENCE.validate_python(evidence),
            author="bench", task="bench",
        )  # fmt: skip
        self._own.command, self._own.seconds = str(evidence.get("command", "")), []
        began = time.perf_counter()
        ruling = await board.gate.submit(proposal)
        seconds = time.perf_counter() - began
        if ruling.entry is not None:
            board.labels[_key(evidence)] = ruling.entry.label
        return ruling, seconds


def _key(evidence: Mapping[str, Any]) -> str:
    return json.dumps(evidence, sort_keys=True)
