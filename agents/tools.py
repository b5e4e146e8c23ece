"""The tools of an agent: each has a schema for the model and a function."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.near_lines import nearest_line
from agents.prompts import enclosed
from harness.board.vocabulary import ToolName
from harness.errors import FileMissing, FileTooLarge, SandboxError
from harness.protocols import Sandbox
from harness.types import Activity, ExecResult, ToolCall

Arguments = Mapping[str, Any]
VIEW_LINES, VIEW_WIDTH = 200, 400
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
        "additionalProperties": False,
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


def bash(sandbox: Sandbox, *, timeout_s: float) -> Tool:
    """Run a command in `sandbox`."""

    async def act(arguments: Arguments) -> str:
        try:
            result = await sandbox.exec(arguments["command"], timeout_s=timeout_s)
        except SandboxError as error:
            raise BadCall(f"The command was not run: {error}.") from None
        return observation(result)

    return Tool(
        name=ToolName.BASH,
        description="Run a bash command in the repository and see its output and exit status.",
        parameters={"command": "The command. It may have several lines."},
        act=act,
    )


def view(sandbox: Sandbox) -> Tool:
    """Show numbered lines of a file."""

    async def act(arguments: Arguments) -> str:
        first, last = _number(arguments, "first", 1), _number(arguments, "last", 0)
        lines = _lines(await _read(sandbox, arguments["path"]))
        last = min(last or first + VIEW_LINES - 1, len(lines), first + VIEW_LINES - 1)
        if first > len(lines):
            raise BadCall(f"{arguments['path']} has {len(lines)} lines only.")
        shown = "\n".join(f"{n:6}  {lines[n - 1][:VIEW_WIDTH]}" for n in range(first, last + 1))
        return f"<file>{arguments['path']}, {first} to {last} of {len(lines)} lines</file>\n{shown}"

    return Tool(
        name=ToolName.VIEW,
        description=f"Show lines of a file with their numbers, at most {VIEW_LINES} at a time.",
        parameters={"path": "The file."},
        optional={"first": "The first line, 1 if left out.", "last": "The last line."},
        act=act,
    )


def edit(sandbox: Sandbox) -> Tool:
    """Replace a text that occurs once in a file, or create a file."""

    async def act(arguments: Arguments) -> str:
        path, old, new = arguments["path"], arguments["old"], arguments["new"]
        if not old:
            return await _create(sandbox, path, new)
        content = await _read(sandbox, path)
        if _has_carriage_returns(content) and "\r" not in old + new:
            old, new = old.replace("\n", "\r\n"), new.replace("\n", "\r\n")
        count = content.count(old)
        if count != 1:
            raise BadCall(_not_once(path, content, old, count))
        await _write(sandbox, path, content.replace(old, new))
        line = content[: content.index(old)].count("\n") + 1
        return f"{path}: replaced at line {line}."

    return Tool(
        name=ToolName.EDIT,
        description="Replace a piece of a file that occurs in it exactly once; or make a new file.",
        parameters={
            "path": "The file.",
            "old": "The text to replace, verbatim with its indentation. Empty: make a new file.",
            "new": "What stands there instead.",
        },
        act=act,
    )


async def _create(sandbox: Sandbox, path: str, content: str) -> str:
    try:
        await sandbox.read(path, max_bytes=1)
    except FileMissing:
        await _write(sandbox, path, content)
        return f"{path}: made, {len(_lines(content))} lines."
    except FileTooLarge:
        pass  # than one byte: it is there
    except SandboxError as error:
        raise BadCall(f"{error}.") from None
    raise BadCall(f"{path} exists. Give in `old` the text that is to be replaced.")


def _not_once(path: str, content: str, old: str, count: int) -> str:
    if count:
        return (
            f"That text occurs {count} times in {path}, nothing was changed. Give more lines "
            "around it, so that it is the only one."
        )
    lines, first = _lines(content), _lines(old.strip())[:1]
    near = nearest_line(lines, first[0]) if first else 0
    hint = f" The nearest line is {near}: {lines[near - 1][:VIEW_WIDTH]!r}" if near else ""
    return f"That text does not occur in {path}, nothing was changed.{hint}"


def _lines(content: str) -> list[str]:
    """The lines as git, grep and tracebacks count them, without what ends them.

    `str.splitlines` would also cut at form feeds and other separators.
    """
    lines = content.split("\n")
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def _has_carriage_returns(content: str) -> bool:
    """Whether every line ends with one, which `view` does not show: an edit keeps them."""
    return 0 < content.count("\n") == content.count("\r\n")


async def _read(sandbox: Sandbox, path: str) -> str:
    try:
        return (await sandbox.read(path)).decode()
    except SandboxError as error:
        raise BadCall(f"{error}.") from None
    except UnicodeDecodeError:
        raise BadCall(f"{path} is not UTF-8 text; use bash.") from None


async def _write(sandbox: Sandbox, path: str, content: str) -> None:
    try:
        await sandbox.write(path, content.encode())
    except SandboxError as error:
        raise BadCall(f"{error}.") from None


def _number(arguments: Arguments, name: str, default: int) -> int:
    text = str(arguments[name]).strip()
    if not text:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise BadCall(f"{name} must be a line number from 1, not {text!r}.")
    return int(text)


def finish() -> Tool:
    """End the work; the patch is the diff at that time."""

    async def act(arguments: Arguments) -> str:
        raise Finished(arguments["summary"])

    return Tool(
        name=ToolName.FINISH,
        description="Hand in your work. Your patch is everything that now differs from the start.",
        parameters={"summary": "What was wrong, what you changed, and how you know that it works."},
        act=act,
        activity=None,
    )


def observation(result: ExecResult) -> str:
    """The result of a command, as the model sees it."""
    if result.timed_out:
        status = f"killed after {result.seconds:.0f} s, its time limit"
    elif result.flooded:
        status = f"killed for writing too much ({result.output_bytes} bytes)"
    elif result.disk_full:
        status = "killed: the files of the sandbox take more room than they may"
    elif result.exit_status is None:
        status = "killed"
    else:
        status = str(result.exit_status)
    if result.out_of_memory:
        status += f" ({result.out_of_memory})"
    return f"<exit_status>{status}</exit_status>\n{enclosed('output', result.output)}"
