"""The tools with which an agent of any system works in its copy of the repository."""

from collections.abc import Callable, Mapping, Sequence

from agents.near_lines import nearest_line
from agents.prompts import enclosed
from agents.tools.toolbox import Arguments, BadCall, Finished, Tool
from harness.board.vocabulary import ToolName
from harness.errors import FileMissing, FileTooLarge, SandboxError
from harness.protocols import Sandbox, Trial
from harness.types import ExecResult

VIEW_LINES, VIEW_WIDTH = 200, 400


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
        description="Run a bash command in the repository.",
        parameters={"command": ""},
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
        description="Replace a text that occurs once in a file.",
        parameters={
            "path": "",
            "old": "Verbatim; empty: make a new file",
            "new": "",
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


_MADE: Mapping[str, Callable[[Sandbox], Tool]] = {ToolName.EDIT: edit, ToolName.VIEW: view}


def workspace_tools(trial: Trial, sandbox: Sandbox) -> Sequence[Tool]:
    """Those that the run gives to every agent, on `sandbox`, in the order of the setting."""
    return [
        bash(sandbox, timeout_s=trial.limits.command_s)
        if name == ToolName.BASH
        else _MADE[name](sandbox)
        for name in trial.agent_tools
    ]
