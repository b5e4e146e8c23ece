"""A trial for agents without a board: its model says what it is told to, its sandbox is played."""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

from harness.errors import FileMissing
from harness.types import ExecResult, Issue, Limits, Message, Reply, ToolCall

PATCH = "diff --git a/x b/x\n"
TASK = "It fails {{ when }} <it> & should not.\n"
Answer = Reply | Exception
NUMBER = itertools.count()  # a provider gives no id twice


def ran(output: str = "out\n", status: int | None = 0, **more: Any) -> ExecResult:
    """What a command did."""
    return ExecResult(
        exit_status=status, output=output, output_bytes=len(output), seconds=0.1, **more
    )


def said(*calls: tuple[str, Any], content: str = "", **more: Any) -> Reply:
    """An answer with calls: (name, arguments), arguments a mapping or raw text."""
    return Reply(
        content=content,
        tool_calls=tuple(
            ToolCall(
                id=f"id{next(NUMBER)}",
                name=name,
                arguments=a if isinstance(a, str) else json.dumps(a),
            )
            for name, a in calls
        ),
        **more,
    )


def bash(command: Any) -> tuple[str, dict[str, Any]]:
    """A call of `bash`."""
    return "bash", {"command": command}


@dataclass
class PlayedSandbox:
    """Answers every command with what `act` makes of it, at once or after `pause_s`."""

    act: Callable[[str], ExecResult] = lambda _: ran()
    patch: str | Exception = PATCH
    pause_s: float = 0
    commands: list[str] = field(default_factory=list)
    how: list[dict[str, Any]] = field(default_factory=list)
    ended: int = 0  # commands that were not cut off

    async def exec(self, command: str, **how: Any) -> ExecResult:
        self.commands.append(command)
        self.how.append(how)
        await anyio.sleep(self.pause_s)
        self.ended += 1
        return self.act(command)

    left_out = ()

    async def read(self, path: str, *, max_bytes: int = 0) -> bytes:
        raise FileMissing(f"there is no {path!r}")

    async def write(self, path: str, data: bytes) -> None:
        pass

    async def diff(self) -> str:
        await anyio.sleep(0)  # in a cancelled scope that is not shielded this raises
        if isinstance(self.patch, Exception):
            raise self.patch
        return self.patch


@dataclass
class PlayedTrial:
    """`harness.protocols.Trial`: each conversation gets `answers` in turn, the last for ever."""

    answers: Sequence[Answer]
    box: PlayedSandbox = field(default_factory=PlayedSandbox)
    agents: int = 1
    agent_tools: Sequence[str] = ("bash", "edit")
    limits: Limits = field(
        default_factory=lambda: Limits(steps=9, cost_usd=1, tokens=0, wall_clock_s=0, command_s=33)
    )

    def __post_init__(self) -> None:
        self.instance = Issue(
            instance_id="a__a-1", repo="a/a", base_commit="0", version="1", image="i",
            problem_statement=TASK,
        )  # fmt: skip
        self.prompts: dict[str, list[list[Message]]] = {}
        self.tools: dict[str, list[Any]] = {}
        self.story: dict[str, list[Message]] = {}
        self.submitted: list[tuple[str, str, str, bool]] = []
        self.did: list[tuple[str, str]] = []

    def model(self, conversation: str, *, agent: str = "", shared: bool = False) -> "PlayedModel":
        return PlayedModel(self, conversation)

    async def sandbox(self) -> PlayedSandbox:
        return self.box

    @asynccontextmanager
    async def doing(self, agent: str, what: str):
        self.did.append((agent, what))
        yield

    async def say(self, conversation: str, *messages: Message) -> None:
        await anyio.sleep(0)
        self.story.setdefault(conversation, []).extend(json.loads(json.dumps(messages)))

    async def submit(
        self, author: str, patch: str, *, reason: str, salvaged: bool = False, agent: str = ""
    ) -> None:
        assert author not in [each[0] for each in self.submitted]
        self.submitted.append((author, patch, reason, salvaged))


@dataclass
class PlayedModel:
    """One conversation."""

    trial: PlayedTrial
    conversation: str

    async def complete(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]
    ) -> Reply:
        prompts = self.trial.prompts.setdefault(self.conversation, [])
        prompts.append(json.loads(json.dumps(list(messages))))
        self.trial.tools.setdefault(self.conversation, []).append(list(tools))
        answer = self.trial.answers[min(len(prompts), len(self.trial.answers)) - 1]
        await anyio.sleep(0)
        if isinstance(answer, Exception):
            raise answer
        return answer
