"""A trial of `delm` whose model and sandboxes only take time, on a clock that leaps.

Part of `bench_coordination.py`. Everything else is the real thing: prompts, the board in its file,
the gate, cross-checks and selection. Where nothing can run, the event loop's clock leaps to the
next moment at which something is due: a trial of an hour takes as long as its own code.
"""

import asyncio
import base64
import json
import re
import selectors
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

from agents import sandbox_scripts
from harness.board.sqlite.board import SqliteBoard
from harness.board.vocabulary import GIST_CHECK, Tag, ToolName, task_of
from harness.errors import AgentLimitReached, ContextOverflow, ConversationRefused, FileMissing
from harness.runner.check_cache import NoCheckCache
from harness.types import ExecResult, Issue, Limits, Message, Reply, ToolCall, Usage

CALL_S, COMMAND_S, OWN_S = 10.0, 2.0, 0.005  # a model call; an agent's command; the gate's scripts
SHOWN = re.compile(
    rf"<{Tag.SHARED_CONTEXT}(?:-\d+)?>\n(.*?)</{Tag.SHARED_CONTEXT}(?:-\d+)?>", re.DOTALL
)
FAULTS: tuple[tuple[str, Callable[[], Exception]], ...] = (
    ("context overflow", lambda: ContextOverflow("the prompt is too long")),
    ("share used up", lambda: AgentLimitReached("cost", "its share is used up")),
    ("refused by the provider", lambda: ConversationRefused("not this text")),
)
"""What ends one agent, in a trial of four agents and more; of two, the first of them."""


class LeapingLoop(asyncio.SelectorEventLoop):
    """Its time moves when it would wait, at once and by as much."""

    def __init__(self) -> None:
        self.leapt = 0.0
        super().__init__(_Leaping(self))

    def time(self) -> float:
        """Simulated seconds."""
        return self.leapt


class _Leaping(selectors.PollSelector):
    def __init__(self, loop: LeapingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        self._loop.leapt += timeout
        return super().select(0)


def tokens(text: str) -> int:
    """Four characters are a token here."""
    return len(text) // 4


def source(lines: int) -> str:
    """The one file of the repository."""
    return "".join(f"value_{n} = {n}  # what part {n} begins with\n" for n in range(1, lines + 1))


class StubSandbox:
    """A copy of the repository: `write N` mends line N; every reproduction passes with a patch."""

    audit = "ok"
    left_out: tuple[str, ...] = ()

    def __init__(self, world: "SimulatedTrial", diff: str = "", *, emptied: bool = False) -> None:
        self._world, self._diff, self._emptied = world, diff, emptied
        self._files: dict[str, bytes] = {}

    async def exec(
        self, command: str, *, env: Mapping[str, str] | None = None, **_: Any
    ) -> ExecResult:
        """Takes its time; `check` is the command of a proposal."""
        if command.startswith("check "):
            return await self._check(command)
        if command.startswith("write "):
            self._diff = mended(int(command.removeprefix("write ")))
        elif command.startswith(sandbox_scripts.APPLY):
            self._diff = self._files.pop(sandbox_scripts.DIFF).decode()
        elif command == sandbox_scripts.EMPTY:
            self._emptied = True
        await anyio.sleep(COMMAND_S if command.startswith(("look", "write")) else OWN_S)
        return _result(self._answer(command), 0, OWN_S)

    async def _check(self, command: str) -> ExecResult:
        self._world.checks += 1
        await anyio.sleep(COMMAND_S)
        self._world.check_s += COMMAND_S
        good = not self._emptied and (bool(self._diff) or command.startswith("check suite"))
        return _result(f"{command}: {'passed' if good else 'failed'}\n", int(not good), COMMAND_S)

    def _answer(self, command: str) -> str:
        if command == sandbox_scripts.CHANGES:
            changed = b":100644 100644 a b M\0core.py\0"
            return base64.b64encode(changed).decode()
        return "\nDELM[]" if command.startswith("python - ") else "ok\n"

    async def read(self, path: str, **_: Any) -> bytes:
        """The source, or a file that was written."""
        if path in self._files:
            return self._files[path]
        if path.removeprefix("/testbed/") != "core.py":
            raise FileMissing(f"there is no {path}")
        return self._world.source.encode()

    async def write(self, path: str, data: bytes) -> None:
        """Keeps it."""
        self._files[path] = data

    async def diff(self) -> str:
        """What was mended."""
        return self._diff

    async def fork(self) -> "StubSandbox":
        """Another one."""
        return StubSandbox(self._world, self._diff, emptied=self._emptied)

    async def close(self) -> None:
        """Nothing to close."""


def mended(line: int) -> str:
    """The patch of one seat: each mends a line of its own."""
    old = f"value_{line} = {line}  # what part {line} begins with"
    return (
        f"diff --git a/core.py b/core.py\n--- a/core.py\n+++ b/core.py\n@@ -{line} +{line} @@\n"
        f"-{old}\n+{old.replace(f'= {line} ', f'= {line + 1} ')}\n"
    )


def _result(output: str, status: int, seconds: float) -> ExecResult:
    return ExecResult(exit_status=status, output=output, output_bytes=len(output), seconds=seconds)


@dataclass
class SimulatedTrial:
    """`harness.protocols.Trial`, with counts of what it was asked for."""

    board: SqliteBoard
    agents: int
    looks: int  # calls of an agent before it publishes a patch
    cores: int = 8
    agent_tools: Sequence[str] = (ToolName.BASH, ToolName.EDIT)
    context_tokens: int = 0
    limits: Limits = field(
        default_factory=lambda: Limits(steps=0, cost_usd=0, tokens=0, wall_clock_s=0, command_s=60)
    )

    def __post_init__(self) -> None:
        self.instance = Issue(
            instance_id="own__bench-1", repo="own/bench", base_commit="0", version="1", image="i",
            problem_statement="Every part begins one too low.",
        )  # fmt: skip
        mine = self.board.of(1)
        self.queue, self.context = mine.queue, mine.context
        self.check_cache = NoCheckCache()
        self.source = source(2 * self.agents + 8)
        self.checks, self.check_s, self.calls = 0, 0.0, 0
        self.shown: list[int] = []  # tokens of shared context in each call
        self.faults: Counter[str] = Counter()
        self.doubted: list[str] = []  # agents' conversations that a fault has ended
        self.submitted: dict[str, str] = {}
        self.selected = ""
        self.selecting_since = 0.0
        self.selection_s = 0.0

    def count_tokens(self, text: str) -> int:
        """See `tokens`."""
        return tokens(text)

    def budget_left(self, agent: str) -> float:
        """All of it: nothing is spent here."""
        return 1.0

    def model(self, conversation: str, *, agent: str = "", shared: bool = False) -> "StubModel":
        """An agent's."""
        return StubModel(self, conversation, agent)

    def verifier(self, conversation: str, agent: str) -> "StubModel":
        """Approves everything."""
        return StubModel(self, conversation, agent)

    async def sandbox(self) -> StubSandbox:
        """The pristine one."""
        return StubSandbox(self)

    @asynccontextmanager
    async def doing(self, agent: str, what: str) -> AsyncIterator[None]:
        """Not kept."""
        yield

    async def say(self, conversation: str, *messages: Message) -> None:
        """Not kept."""

    async def submit(self, author: str, submission: str, **_: Any) -> None:
        """Keeps it; with the first one selection begins."""
        self.selecting_since = self.selecting_since or anyio.current_time()
        self.submitted[author] = submission

    async def select(self, author: str, reasons: Sequence[str]) -> None:
        """Keeps it."""
        self.selected = author
        self.selection_s = anyio.current_time() - self.selecting_since


class StubModel:
    """One conversation: looks around, then publishes its finding and its patch."""

    def __init__(self, trial: SimulatedTrial, conversation: str, agent: str) -> None:
        self._trial, self._agent = trial, agent
        self._label = task_of(conversation)
        self._turn = 0

    async def complete(
        self, messages: Sequence[Message], schemas: Sequence[Mapping[str, Any]]
    ) -> Reply:
        """Takes `CALL_S` seconds."""
        trial = self._trial
        await anyio.sleep(CALL_S)
        trial.calls += 1
        if self._label == GIST_CHECK:
            count = len(re.findall(r"(?m)^Finding \d+:$", str(messages[0]["content"])))
            return Reply(content="\n".join(f"{n + 1} APPROVED" for n in range(count)))
        text = "\n".join(str(message.get("content") or "") for message in messages)
        trial.shown.append(sum(tokens(lines) for lines in SHOWN.findall(text)))
        if fault := self._fault():
            raise fault
        self._turn += 1
        return _reply(*self._plan(), tokens=tokens(text))

    def _fault(self) -> Exception | None:
        """The one fault of this agent, in its second call of a patch."""
        number = int(self._agent.rpartition("-")[2]) - 2
        most = len(FAULTS) if self._trial.agents > 3 else 1
        if self._turn != 1 or not 0 <= number < most or self._trial.faults[FAULTS[number][0]]:
            return None
        name, make = FAULTS[number]
        self._trial.faults[name] += 1
        return make()

    def _plan(self) -> list[tuple[str, dict[str, Any]]]:
        kind, _, digits = self._label.rpartition("-")
        line = int(digits) + (self._trial.agents if kind == "repair" else 0)
        if kind not in ("localize", "patch", "repair"):
            return [(ToolName.FINISH, {"summary": "Nothing more."})]
        if self._turn == 1 and kind == "localize":
            return [_fact(self._trial.agents + 5, ""), _constraint()]
        if self._turn == 2 and kind == "patch":
            return [(ToolName.BASH, {"command": "look"}), _fact(line, f"seat {line} read it.")]
        if self._turn <= self._trial.looks:
            return [(ToolName.BASH, {"command": "look"})]
        if self._turn == self._trial.looks + 1:
            command = f"check part {line}"
            gist = f"Part {line} begins where it should, by one more, as the issue asks for it."
            given = {"kind": "PATCH", "gist": gist, "command": command}
            return [(ToolName.BASH, {"command": f"write {line}"}), (ToolName.PUBLISH, given)]
        return [(ToolName.FINISH, {"summary": "It was refused."})]


def _fact(line: int, more: str) -> tuple[str, dict[str, Any]]:
    return ToolName.PUBLISH, {
        "kind": "FACT",
        "gist": f"Part {line} begins with {line}, which is one too low for what uses it. {more}",
        "path": "core.py",
        "line": str(line),
        "quote": f"value_{line} = {line}  # what part {line} begins with",
    }


def _constraint() -> tuple[str, dict[str, Any]]:
    return ToolName.PUBLISH, {
        "kind": "CONSTRAINT",
        "gist": "The tests near it pass and have to go on passing.",
        "command": "check suite",
        "exit_status": "0",
        "output": "check suite: passed",
    }


def _reply(*calls: tuple[str, dict[str, Any]], tokens: int) -> Reply:
    return Reply(
        content="",
        tool_calls=tuple(
            ToolCall(id="", name=name, arguments=json.dumps(given)) for name, given in calls
        ),
        usage=Usage(prompt_tokens=tokens, completion_tokens=100),
    )
