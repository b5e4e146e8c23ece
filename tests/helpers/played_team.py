"""A team on a real board, in a world that is played: no model, no sandbox, no network."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from team_script import task_of, turn_of

from agents import sandbox_scripts
from agents.copies import merging
from agents.delm.options import DelmOptions
from agents.delm.system import Delm
from harness.board.evidence import ATTACHED
from harness.board.sqlite.board import SqliteBoard
from harness.errors import FileMissing, SandboxError
from harness.runner.check_cache import NoCheckCache
from harness.types import ExecResult, Issue, Limits, Message, Reply, ToolCall, Usage

MOST_CALLS = 1_000  # of a trial
Say = Callable[[str, int, list[Message]], Any]  # task, turn, prompt: what the model answers


def said(*calls: tuple[str, Mapping[str, Any]], content: str = "", tokens: int = 100) -> Reply:
    return Reply(
        content=content,
        tool_calls=tuple(
            ToolCall(id="", name=name, arguments=json.dumps(dict(given))) for name, given in calls
        ),
        usage=Usage(prompt_tokens=tokens, completion_tokens=10),
    )


def fact(gist: str, **more: Any) -> tuple[str, dict[str, Any]]:
    given = {"kind": "FACT", "gist": gist, "summary": gist, "path": "a.py", "quote": "x = 1"}
    return "publish", given | more


def patch(gist: str = "mended", command: str = "python t.py") -> tuple[str, dict[str, Any]]:
    return "publish", {"kind": "PATCH", "gist": gist, "summary": gist, "command": command}


def diff_of(text: str) -> str:
    """A patch that puts `text` into a file."""
    return f"diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x = 1\n+{text}\n"


def write(text: str) -> tuple[str, dict[str, Any]]:
    return "bash", {"command": f"write {text}"}


def done(summary: str = "done") -> tuple[str, dict[str, Any]]:
    return "finish", {"summary": summary}


def passes_all(diff: str, command: str) -> bool:
    return True


class PlayedWorkspace:
    """Files are one text: `write TEXT` sets it. `passes` says of a diff whether a command that
    begins with `python ` exits with 0; what the gate runs for itself finds nothing amiss. Files
    under `/tmp/board/` are kept apart: `share NAME TEXT` sets one."""

    audit = "ok"

    def __init__(self, text: str = "", problem: Exception | None = None) -> None:
        self.passes = passes_all
        self.slow = anyio.lowlevel.checkpoint  # what a command takes
        self.ran: list[tuple[str, str]] = []
        self.text = text
        self.problem = problem
        self.closed = False
        self.left_out: tuple[str, ...] = ()
        self.forks: list[PlayedWorkspace] = []
        self.full = False
        self.shared: dict[str, bytes] = {}  # files under /tmp/board/, by path

    async def exec(self, command: str, **_: Any) -> ExecResult:
        if self.problem:
            raise self.problem
        if command.startswith("write "):
            self.text = diff_of(command.removeprefix("write "))
        if command == sandbox_scripts.CHANGES:
            return _printed("OjEwMDY0NCAxMDA2NDQgYSBiIE0AYS5weQA=")  # M a.py
        if command.startswith("python - "):
            return _printed("\nDELM[]")
        if command.startswith("python "):
            await self.slow()
            self.ran.append((self.text, command))
            status = 0 if self.passes(self.text, command) else 1
            return _printed(f"{command} ends with {status}\n", status)
        if command == merging.MERGE:
            return self._merged()
        if command.startswith("share "):
            _, name, text = command.split(" ", 2)
            self.shared[f"{ATTACHED}{name}"] = text.encode()
        return ExecResult(exit_status=0, output="ok\n", output_bytes=3, seconds=0.1)

    def _merged(self) -> ExecResult:
        """A text is merged into none, or into the same."""
        theirs = self.shared[merging.THEIRS].decode()
        if self.text not in ("", theirs):
            return _printed("a.py\n<<<<<<< your copy", merging.CONFLICT)
        self.text = theirs
        return _printed("")

    async def write(self, path: str, data: bytes) -> None:
        if self.full and path.startswith(ATTACHED):
            raise SandboxError("the disk is full")
        if path.startswith((ATTACHED, merging.AT)):
            self.shared[path] = data
        else:
            self.text = data.decode()

    async def read(self, path: str, *, max_bytes: int = 10_000_000) -> bytes:
        if not path.startswith(ATTACHED):
            return (self.text or "x = 1\n").encode()
        if path not in self.shared:
            raise FileMissing(f"there is no {path}")
        return self.shared[path]

    async def diff(self) -> str:
        return self.text

    async def fork(self) -> "PlayedWorkspace":
        self.forks.append(PlayedWorkspace(self.text, self.problem))
        self.forks[-1].left_out = self.left_out
        self.forks[-1].passes, self.forks[-1].ran = self.passes, self.ran
        self.forks[-1].slow = self.slow
        return self.forks[-1]

    async def close(self) -> None:
        self.closed = True


def _printed(output: str, status: int = 0) -> ExecResult:
    return ExecResult(exit_status=status, output=output, output_bytes=len(output), seconds=1.0)


@dataclass
class PlayedTrial:
    """`harness.protocols.Trial` for a team."""

    say_what: Say
    board: SqliteBoard
    agents: int = 2
    cores: int = 2
    agent_tools: Sequence[str] = ("bash", "edit")
    limits: Limits = field(
        default_factory=lambda: Limits(steps=0, cost_usd=0, tokens=0, wall_clock_s=0, command_s=5)
    )

    def __post_init__(self) -> None:
        self.instance = Issue(
            instance_id="a__a-1", repo="a/a", base_commit="0", version="1", image="i",
            problem_statement="It fails.",
        )  # fmt: skip
        mine = self.board.of(1)
        self.queue, self.context = mine.queue, mine.context
        self.check_cache = NoCheckCache()
        self.pristine = PlayedWorkspace()
        self.prompts: dict[str, list[list[Message]]] = {}
        self.submitted: dict[str, tuple[str, str, str, bool]] = {}
        self.left: dict[str, float] = {}  # of an agent's share of the budget
        self.links: dict[str, tuple[str, str]] = {}  # of submissions: built_on, copy_of
        self.selected: tuple[str, Sequence[str]] | None = None
        self.did: list[tuple[str, str]] = []

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def model(self, conversation: str, *, agent: str = "", shared: bool = False) -> "PlayedModel":
        return PlayedModel(self, conversation)

    def budget_left(self, agent: str) -> float:
        return self.left.get(agent, 1.0)

    async def sandbox(self) -> PlayedWorkspace:
        return self.pristine

    @asynccontextmanager
    async def doing(self, agent: str, what: str):
        self.did.append((agent, what))
        yield

    async def say(self, conversation: str, *messages: Message) -> None:
        pass

    async def submit(
        self, author: str, patch: str, *, reason: str, salvaged: bool = False, agent: str = "",
        built_on: str = "", copy_of: str = "",
    ) -> None:  # fmt: skip
        assert author not in self.submitted
        self.links[author] = (built_on, copy_of)
        self.submitted[author] = (patch, agent, reason, salvaged)

    async def select(self, author: str, reasons: Sequence[str]) -> None:
        assert self.selected is None
        self.selected = (author, reasons)

    async def tasks(self) -> dict[str, str]:
        return {task.label: task.state for task in await self.queue.tasks()}


@dataclass
class PlayedModel:
    trial: PlayedTrial
    conversation: str

    async def complete(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]
    ) -> Reply:
        prompt = json.loads(json.dumps(list(messages)))
        self.trial.prompts.setdefault(self.conversation, []).append([list(tools), *prompt])
        assert sum(map(len, self.trial.prompts.values())) < MOST_CALLS, "the script has no end"
        request = {"messages": prompt}
        answer = self.trial.say_what(task_of(request), turn_of(request), prompt)
        if hasattr(answer, "__await__"):
            answer = await answer
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Reply)
        return answer


def usual(task: str, turn: int, prompt: list[Message]) -> Reply:
    """What an agent does who does what it is asked."""
    if task.startswith("localize"):
        found = fact(f"the fault is in a.py, says {task}", quote=f"x = {task}")
        return said(found) if turn == 0 else said(done())
    if task.startswith(("patch", "repair")):
        return [said(write(task)), said(patch(f"by {task}")), said(done())][min(turn, 2)]
    return said(done())


@contextmanager
def played(folder: Path, say: Say = usual, *, agents: int = 2):
    board = SqliteBoard(folder / "board.db")
    try:
        yield PlayedTrial(say, board, agents=agents)
    finally:
        board.close()


def team(**options: Any) -> Delm:
    """The system, unverified: here is nothing to run a command in."""
    return Delm(
        DelmOptions(**{"verification": False, "gist_check": False, "lease_s": 5.0} | options)
    )


PIPELINE = {
    "localizers": "each", "early_release": False, "carry_tokens": 0, "verdicts": "at_once",
    "patch_ends": False, "tests": "each",
}  # fmt: skip


def pipeline(**options: Any) -> Delm:
    """The system where two agents localize, then all patch, and every patch is tested."""
    return team(**PIPELINE | options)
