"""What an agent can do: each tool is a schema that the model sees and a function that acts."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import SandboxError
from harness.protocols import Sandbox
from harness.types import ExecResult, ToolCall

Arguments = Mapping[str, Any]


class Finished(Exception):
    """The agent declared its work done; `summary` is what it said."""

    def __init__(self, summary: str) -> None:
        super().__init__(summary)
        self.summary = summary


class BadCall(Exception):
    """A tool call that cannot be carried out; the message tells the model how to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool. `parameters` maps each required string argument to what it means."""

    name: str
    description: str
    parameters: Mapping[str, str]
    act: Callable[[Arguments], Awaitable[str]]

    def schema(self) -> dict[str, Any]:
        """The tool in the OpenAI form."""
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": {
                    "type": "object",
                    "properties": {
                        name: {"type": "string", "description": meaning}
                        for name, meaning in self.parameters.items()
                    },
                    "required": list(self.parameters),
                    "additionalProperties": False,
                },
            },
        }


class Toolbox:
    """The tools of one agent."""

    def __init__(self, *tools: Tool) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self.schemas = [tool.schema() for tool in tools]

    async def call(self, call: ToolCall) -> str:
        """Carry out one call and return what the model is told.

        Raises `BadCall` for an unknown tool or unusable arguments, `Finished` when that was asked.
        """
        tool = self._tools.get(call.name)
        if tool is None:
            raise BadCall(
                f"There is no tool {call.name!r}. The tools are: {', '.join(self._tools)}."
            )
        return await tool.act(_arguments(tool, call.arguments))


def _arguments(tool: Tool, text: str) -> Arguments:
    wanted = ", ".join(f'"{name}": "…"' for name in tool.parameters)
    try:
        given = json.loads(text or "{}")
    except ValueError as error:
        raise BadCall(
            f"The arguments of {tool.name} are not valid JSON ({error}). Send {{{wanted}}}."
        ) from None
    if not isinstance(given, dict):
        raise BadCall(f"The arguments of {tool.name} must be an object: {{{wanted}}}.")
    for name in tool.parameters:
        if not isinstance(given.get(name), str):
            raise BadCall(f"{tool.name} needs the text argument {name!r}: {{{wanted}}}.")
    # JSON can spell half a surrogate pair, which is no text
    return {name: given[name].encode(errors="replace").decode() for name in tool.parameters}


def bash(sandbox: Sandbox, *, timeout_s: float) -> Tool:
    """Run a command in `sandbox`."""

    async def act(arguments: Arguments) -> str:
        try:
            result = await sandbox.exec(arguments["command"], timeout_s=timeout_s)
        except SandboxError as error:
            raise BadCall(f"The command was not run: {error}.") from None
        return observation(result)

    return Tool(
        name="bash",
        description="Run a bash command in the repository and see its output and exit status.",
        parameters={"command": "The command. It may have several lines."},
        act=act,
    )


def finish() -> Tool:
    """End the work; the patch is whatever differs then."""

    async def act(arguments: Arguments) -> str:
        raise Finished(arguments["summary"])

    return Tool(
        name="finish",
        description="Hand in your work. Your patch is everything that now differs from the start.",
        parameters={"summary": "What was wrong, what you changed, and how you know that it works."},
        act=act,
    )


def observation(result: ExecResult) -> str:
    """A command's result as the model reads it."""
    if result.timed_out:
        status = f"killed after {result.seconds:.0f} s, its time limit"
    elif result.flooded:
        status = f"killed for writing too much ({result.output_bytes} bytes)"
    elif result.exit_status is None:
        status = "killed"
    else:
        status = str(result.exit_status)
    end = "" if not result.output or result.output.endswith("\n") else "\n"
    return f"<exit_status>{status}</exit_status>\n<output>\n{result.output}{end}</output>"
