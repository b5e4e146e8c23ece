"""A trial of one agent whose model and sandbox are played."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from agents import tools
from agents.loop import converse
from harness.types import ExecResult, Issue, Limits, Message, Reply, ToolCall

PATCH = "diff --git a/x b/x\n"

OPENING = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]


def ran(output: str = "out\n", status: int | None = 0, **more: Any) -> ExecResult:
    return ExecResult(
        exit_status=status, output=output, output_bytes=len(output), seconds=1.5, **more
    )


def said(*calls: tuple[str, Any] | ToolCall, content: str = "") -> Reply:
    """An answer that calls tools: (name, arguments), arguments a mapping or raw text."""
    return Reply(
        content=content,
        tool_calls=tuple(
            call
            if isinstance(call, ToolCall)
            else ToolCall(
                id=f"id{index}",
                name=call[0],
                arguments=call[1] if isinstance(call[1], str) else json.dumps(call[1]),
            )
            for index, call in enumerate(calls)
        ),
    )


def bash(command: str) -> tuple[str, dict[str, str]]:
    return "bash", {"command": command}


FINISH = ("finish", {"summary": "done"})


class PlayedSandbox:
    """Answers every command with what `act` makes of it."""

    def __init__(self, act: Callable[[str], ExecResult] = lambda _: ran()) -> None:
        self.commands: list[tuple[str, float]] = []
        self.patch: str | Exception = PATCH
        self._act = act

    async def exec(self, command: str, *, timeout_s: float = 60, **_: Any) -> ExecResult:
        self.commands.append((command, timeout_s))
        return self._act(command)

    left_out = ()

    async def diff(self) -> str:
        if isinstance(self.patch, Exception):
            raise self.patch
        return self.patch


class PlayedTrial:
    """`harness.protocols.Trial` and its one `Model`: gives the answers in turn, keeps the rest."""

    def __init__(self, *answers: Reply | Exception, sandbox: PlayedSandbox | None = None) -> None:
        self.instance = Issue(
            instance_id="a__a-1", repo="a/a", base_commit="0", version="1", image="i",
            problem_statement="It fails {{ when }} <it> & should not.",
        )  # fmt: skip
        self.agents = 1
        self.agent_tools: Sequence[str] = ("bash", "edit")
        self.limits = Limits(steps=9, cost_usd=1, tokens=0, wall_clock_s=0, command_s=33)
        self.box = sandbox or PlayedSandbox()
        self.asked: list[list[Message]] = []
        self.offered: list[list[str]] = []
        self.story: list[Message] = []
        self.submitted: list[tuple[str, str, str, bool]] = []
        self.did: list[tuple[str, str]] = []
        self._answers = list(answers)

    def model(self, conversation: str, *, agent: str = "", shared: bool = False) -> "PlayedTrial":
        return self

    async def complete(
        self, messages: Sequence[Message], schemas: Sequence[Mapping[str, Any]]
    ) -> Reply:
        self.asked.append(json.loads(json.dumps(list(messages))))
        self.offered.append([schema["function"]["name"] for schema in schemas])
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sandbox(self) -> PlayedSandbox:
        return self.box

    @asynccontextmanager
    async def doing(self, agent: str, what: str):
        self.did.append((agent, what))
        yield

    async def say(self, conversation: str, *messages: Message) -> None:
        self.story += messages

    async def submit(self, author: str, patch: str, *, reason: str, salvaged: bool = False) -> None:
        self.submitted.append((author, patch, reason, salvaged))

    async def talk(self) -> str:
        box = tools.Toolbox(tools.bash(self.box, timeout_s=7), tools.finish())
        return (await converse(self, "agent-1", OPENING, box, agent="agent-1")).reason
