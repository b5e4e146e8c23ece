"""A main agent and its sub-agents in a world that is played: no model, no sandbox, no network."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

from agents.copies.merging import CONFLICT, START, THEIRS
from agents.tools import DONE
from harness.types import ExecResult, Issue, Limits, Message, Reply, ToolCall, Usage

Say = Callable[[str, int, list[Message]], Any]  # conversation, turn, prompt: what is answered
Call = tuple[str, Any]


def said(*calls: Call, content: str = "") -> Reply:
    """An answer with calls: (name, arguments), arguments a mapping or raw text."""
    return Reply(
        content=content,
        tool_calls=tuple(
            ToolCall(
                id=f"id{n}", name=name, arguments=a if isinstance(a, str) else json.dumps(a)
            )
            for n, (name, a) in enumerate(calls)
        ),
        usage=Usage(prompt_tokens=100, completion_tokens=10),
    )  # fmt: skip


def one(instruction: str, context: str = "nothing") -> Call:
    """A delegation to the one sub-agent."""
    return "delegate", {"instruction": instruction, "context": context}


def several(*instructions: str) -> Call:
    """A round of sub-agents."""
    return "delegate", {"subtasks": [{"instruction": i, "context": "c"} for i in instructions]}


def take(*agents: str) -> Call:
    return "take", {"agents": list(agents)}


SUBMIT = "submit", {"summary": "All is well."}


def write(path: str, text: str = "mended") -> Call:
    """Make `path` hold `text`."""
    return "bash", {"command": f"write {path} {text}"}


def back(report: str = "I did it.", status: str = "done") -> Call:
    """A sub-agent's report."""
    return "finish", {"status": status, "report": report}


def diff_of(files: Mapping[str, str]) -> str:
    """A patch that makes `files`."""
    return "".join(
        f"diff --git a/{path} b/{path}\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+{text}\n"
        for path, text in sorted(files.items())
    )


def files_of(diff: str) -> dict[str, str]:
    """The files of `diff_of`."""
    parts = diff.split("diff --git a/")[1:]
    return {part.split(" ")[0]: part.rstrip().rpartition("\n+")[2] for part in parts}


@dataclass
class PlayedWorkspace:
    """Files that each hold a line. A merge takes whole files, and refuses a file that both changed.

    `write PATH TEXT` makes one; `break` ends the sandbox.
    """

    files: dict[str, str] = field(default_factory=dict)
    forks: "list[PlayedWorkspace]" = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    problem: Exception | None = None  # of every call from now on
    unreadable: Exception | None = None  # of every diff
    closed: int = 0
    _notes: dict[str, str] = field(default_factory=dict)

    async def exec(self, command: str, **_: Any) -> ExecResult:
        self._check()
        self.commands.append(command)
        await anyio.sleep(0)
        status, output = 0, "ok\n"
        if command.startswith("write "):
            _, path, text = command.split(" ", 2)
            self.files[path] = text
        elif "merge-file" in command:
            status, output = self._merge()
        return ExecResult(exit_status=status, output=output, output_bytes=1, seconds=0.1)

    def _merge(self) -> tuple[int, str]:
        start, theirs = files_of(self._notes[START]), files_of(self._notes[THEIRS])
        ours = dict(self.files)
        for path in theirs:
            if theirs[path] != start.get(path):
                if ours.get(path) not in (start.get(path), theirs[path]):
                    return CONFLICT, f"{path}\n<<<<<<< {ours.get(path)} {theirs[path]}"
                self.files[path] = theirs[path]
        return 0, ""

    async def write(self, path: str, data: bytes) -> None:
        self._check()
        self._notes[path] = data.decode()

    left_out = ()

    async def diff(self) -> str:
        self._check()
        await anyio.sleep(0)  # in a cancelled scope that is not shielded this raises
        if self.unreadable:
            raise self.unreadable
        return diff_of(self.files)

    async def fork(self) -> "PlayedWorkspace":
        self._check()
        self.forks.append(PlayedWorkspace(dict(self.files)))
        return self.forks[-1]

    async def close(self) -> None:
        self.closed += 1

    def _check(self) -> None:
        assert not self.closed
        if self.problem:
            raise self.problem


@dataclass
class PlayedTrial:
    """`harness.protocols.Trial` for a main agent; `say` gives every answer."""

    say_what: Say
    agents: int = 2
    agent_tools: Sequence[str] = ("bash", "edit")
    limits: Limits = field(
        default_factory=lambda: Limits(steps=0, cost_usd=0, tokens=0, wall_clock_s=0, command_s=5)
    )

    def __post_init__(self) -> None:
        self.instance = Issue(
            instance_id="a__a-1", repo="a/a", base_commit="0", version="1", image="i",
            problem_statement="It fails {{ when }} <it> & should not.",
        )  # fmt: skip
        self.workspace = PlayedWorkspace()
        self.asked: list[str] = []  # conversations, in the order of their calls
        self.prompts: dict[str, list[list[Message]]] = {}
        self.tools: dict[str, list[Any]] = {}
        self.agent_of: dict[str, str] = {}
        self.story: dict[str, list[Message]] = {}
        self.submitted: list[tuple[str, str, str, bool]] = []
        self.spans: list[tuple[str, str, str]] = []  # agent, what, begin or end

    def model(self, conversation: str, *, agent: str = "", shared: bool = False) -> "PlayedModel":
        assert conversation not in self.agent_of, "a conversation's name is its own"
        self.agent_of[conversation] = agent
        return PlayedModel(self, conversation)

    async def sandbox(self) -> PlayedWorkspace:
        return self.workspace

    @asynccontextmanager
    async def doing(self, agent: str, what: str):
        self.spans.append((agent, what, "begin"))
        try:
            yield
        finally:
            self.spans.append((agent, what, "end"))

    async def say(self, conversation: str, *messages: Message) -> None:
        self.story.setdefault(conversation, []).extend(json.loads(json.dumps(messages)))

    async def submit(
        self, author: str, patch: str, *, reason: str, salvaged: bool = False, agent: str = ""
    ) -> None:
        await anyio.sleep(0)  # in a cancelled scope that is not shielded this raises
        self.submitted.append((author, patch, reason, salvaged))

    def told(self, conversation: str = "main") -> list[str]:
        """What tools told an agent, in order, up to its end."""
        told = [m["content"] for m in self.story[conversation] if m["role"] == "tool"]
        return [text for text in told if text != DONE]


@dataclass
class PlayedModel:
    """One conversation."""

    trial: PlayedTrial
    conversation: str

    async def complete(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]
    ) -> Reply:
        prompt = json.loads(json.dumps(list(messages)))
        self.trial.asked.append(self.conversation)
        self.trial.prompts.setdefault(self.conversation, []).append(prompt)
        self.trial.tools.setdefault(self.conversation, []).append(list(tools))
        turn = sum(message["role"] == "assistant" for message in prompt)
        answer = self.trial.say_what(self.conversation, turn, prompt)
        if hasattr(answer, "__await__"):
            answer = await answer
        await anyio.sleep(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Reply)
        return answer


def script(plans: Mapping[str, Sequence[Any]]) -> Say:
    """Answers of each conversation in turn, the last one for ever; what is callable is called.

    A call, or a list of them, is an answer that makes them.
    """

    def say(conversation: str, turn: int, prompt: list[Message]) -> Any:
        plan = plans[conversation]
        answer = plan[min(turn, len(plan) - 1)]
        if callable(answer):
            answer = answer()
        if isinstance(answer, tuple):
            return said(answer)
        return said(*answer) if isinstance(answer, list) else answer

    return say
