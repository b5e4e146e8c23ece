"""The tools of an agent: each has a schema for the model and a function."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.types import Activity, ToolCall

Arguments = Mapping[str, Any]
DONE = "Done."


class Finished(Exception):
    """Raised when the agent says that it is done; `summary` is its text.

    `told` is what its call is answered with.
    """

    def __init__(self, summary: str, told: str = DONE) -> None:
        super().__init__(summary)
        self.summary = summary
        self.told = told


class BadCall(Exception):
    """An invalid tool call; the message tells the model how to correct it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf:
    """A required argument that is a list: of objects with `fields`, all texts, or just of texts."""

    meaning: str
    fields: dict[str, str] = field(default_factory=dict)  # name: what it means

    def schema(self) -> dict[str, Any]:
        """The argument in the OpenAI form."""
        items = _object(self.fields, list(self.fields)) if self.fields else {"type": "string"}
        return {"type": "array", "description": self.meaning, "items": items}

    def example(self) -> str:
        """An example value."""
        return "[" + (f"{{{_example(self.fields)}}}" if self.fields else '"…"') + ", …]"

    def read(self, value: Any) -> list[Any] | None:
        """The list of mappings or of texts; None if `value` is not one."""
        if isinstance(value, str):  # some models send JSON inside a text
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                return None
        if not isinstance(value, list):
            return None
        if not self.fields:
            return [_whole(each) for each in value] if _texts(value) else None
        for each in value:
            if not isinstance(each, dict) or not _texts([each.get(name) for name in self.fields]):
                return None
        return [{name: _whole(each[name]) for name in self.fields} for each in value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool. `parameters` maps each required text argument to what it means, `optional` each
    that may be left out and is then empty; `lists` are required, too."""

    name: str
    description: str
    parameters: dict[str, str]
    act: Callable[[Arguments], Awaitable[str]]
    activity: Activity | None = Activity.COMMAND  # in the trial's time line
    optional: dict[str, str] = field(default_factory=dict)
    lists: dict[str, ListOf] = field(default_factory=dict)

    def schema(self) -> dict[str, Any]:
        """The tool in the OpenAI form."""
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": _object(
                    self.parameters | self.optional,
                    [*self.parameters, *self.lists],
                    {name: each.schema() for name, each in self.lists.items()},
                ),
            },
        }


class Toolbox:
    """The tools of one agent."""

    def __init__(self, *tools: Tool) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self.schemas = [tool.schema() for tool in tools]
        self.names = tuple(self._tools)
        self.listed = ", ".join(f"`{name}`" for name in self._tools)  # for prompts

    def activity(self, name: str) -> Activity | None:
        """The activity of a tool call, for the time line."""
        return self._tools[name].activity if name in self._tools else None

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
    lists = [f'"{name}": {each.example()}' for name, each in tool.lists.items()]
    texts = [_example(tool.parameters)] if tool.parameters else []
    wanted = ", ".join([*texts, *lists])
    try:
        given = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise BadCall(
            f"The arguments of {tool.name} are not valid JSON ({error}). Send {{{wanted}}}."
        ) from None
    if not isinstance(given, dict):
        raise BadCall(f"The arguments of {tool.name} must be an object: {{{wanted}}}.")
    for name in tool.parameters:
        if not isinstance(given.get(name), str):
            raise BadCall(f"{tool.name} needs the text argument {name!r}: {{{wanted}}}.")
    read = {name: each.read(given.get(name)) for name, each in tool.lists.items()}
    for name, found in read.items():
        if found is None:
            raise BadCall(f"{tool.name} needs {name!r} as a list: {{{wanted}}}.")
    known = tool.parameters | tool.optional
    unknown = [name for name in given if name not in {*known, *read}]
    if tool.optional and unknown:  # a misspelt one would be left out without a word
        raise BadCall(f"{tool.name} has no argument {unknown[0]!r}. It takes {', '.join(known)}.")
    return {name: _whole(_text(given.get(name))) for name in known} | read


def _object(
    texts: dict[str, str], required: list[str], more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    properties: dict[str, Any] = {
        name: {"type": "string", "description": meaning} if meaning else {"type": "string"}
        for name, meaning in texts.items()
    }
    return {
        "type": "object",
        "properties": properties | dict(more or {}),
        "required": required,
    }


def _example(names: Mapping[str, str]) -> str:
    return ", ".join(f'"{name}": "…"' for name in names)


def _texts(values: list[Any]) -> bool:
    return all(isinstance(each, str) for each in values)


def _whole(text: str) -> str:
    """JSON can spell half a surrogate pair, which is no text."""
    return text.encode(errors="replace").decode()


def _text(value: Any) -> str:
    """An argument as text: models send numbers where a number is meant."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
