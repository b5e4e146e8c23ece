"""The tool calls of an answer, each as what it is: a command, an edit, lines of a file, …"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.analysis.publications import arguments_of
from harness.board.records import ProposalRow
from harness.board.vocabulary import TASK_LABEL, ToolName
from harness.pages.diff_view import DiffView
from harness.pages.replaced_text import replaced_text
from harness.terminal import one_line

FEW_LINES = 12  # of an output that is not folded
TITLE = 160  # characters of a call in one line


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a tool answered. `status` is the exit status of a command, `error` whether the call
    could not be carried out, `rest` what the board has added at the end."""

    message: int  # its number in the conversation; 0: nothing answered it
    status: str = ""
    output: str = ""
    rest: str = ""
    error: bool = False

    @property
    def long(self) -> bool:
        """Whether its output is folded."""
        return self.output.count("\n") > FEW_LINES or len(self.output) > 80 * FEW_LINES


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call with its result. `form` says how it is drawn: see `templates/tool_call.html.j2`."""

    form: str
    name: str
    title: str
    result: Result
    text: str = ""  # a command, a summary, the path of a file
    diff: DiffView | None = None  # of an edit
    fields: Sequence[tuple[str, str]] = ()  # other arguments, by their names
    label: str = ""  # of the entry that it names, or of the task that it has added
    proposal: ProposalRow | None = None  # that it made
    conversations: Sequence[str] = ()  # of those that it handed work to


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What calls refer to: proposals by message and call, and who was given which work."""

    proposals: Mapping[tuple[int, int], ProposalRow] = field(default_factory=dict)
    openings: Mapping[str, str] = field(default_factory=dict)  # of conversations, by their names


def words_of(call: Mapping[str, Any]) -> str:
    """A tool call in one line."""
    name, given = str(call["function"]["name"]), arguments_of(call)
    what = ""
    for key in _TELLING.get(name, ()):
        if value := given.get(key):
            what = f"{what} {value}".strip()
    if not what:
        what = ", ".join(f"{key} {_text(value)[:TITLE]}" for key, value in given.items())
    words = one_line(f"{name} {what[: 4 * TITLE]}".strip())
    return words if len(words) <= TITLE else f"{words[:TITLE]} …"


def tool_call(
    call: Mapping[str, Any],
    answer: str | None,
    message: int,
    around: Around,
    place: tuple[int, int],
) -> ToolCall:
    """A call of an answer with what it was answered (None: nothing), which is the message of that
    number. `place` is the number of its own message, and its own in it."""
    name, given = str(call["function"]["name"]), arguments_of(call)
    result = _result(name, answer, message)
    if not given and (raw := str(call["function"]["arguments"] or "")).strip() not in ("", "{}"):
        given = {"not_json": raw}
    parts = _MAKE.get(name, _other)(given, around, place)
    if parts["form"] == "task" and (added := _ADDED.search(result.output)):
        parts["label"] = added[1]
    return ToolCall(name=name, title=words_of(call), result=result, **parts)


def text_of(content: object) -> str:
    """The content of a message as text, its parts joined by line breaks."""
    if content is None:
        return ""
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "\n".join(part for part in parts if isinstance(part, str))
    return str(content)


def _result(name: str, answer: str | None, message: int) -> Result:
    if answer is None:
        return Result(message=0)
    if answer.startswith("<exception>"):  # as mini-swe-agent tells of a time limit
        exception, _, rest = answer.removeprefix("<exception>").partition("</exception>")
        inner = _told(name, rest.lstrip(), message)
        return replace(inner, output=f"{exception}\n{inner.output}".strip("\n"))
    return _told(name, answer, message)


def _told(name: str, answer: str, message: int) -> Result:
    for tag in ("exit_status", "returncode"):
        if answer.startswith(f"<{tag}>"):
            status, _, rest = answer.removeprefix(f"<{tag}>").partition(f"</{tag}>")
            _, opened, inner = rest.partition("<output>")
            output, closed, more = inner.rpartition("</output>")
            if opened and closed:
                return Result(message=message, status=status[:200], output=output.strip("\n"),
                              rest=more.strip())  # fmt: skip
            return Result(message=message, status=status[:200], output=rest.strip("\n"))
    if answer.startswith("<error>"):
        told, _, more = answer.removeprefix("<error>").partition("</error>")
        return Result(message=message, output=told.strip(), rest=more.strip(), error=True)
    if name == ToolName.VIEW and answer.startswith("<file>"):
        head, _, lines = answer.removeprefix("<file>").partition("</file>\n")
        return Result(message=message, status=head[:400], output=lines)
    return Result(message=message, output=answer.strip("\n"))


def _bash(given: Mapping[str, Any], around: Around, place: tuple[int, int]) -> dict[str, Any]:
    return {"form": "command", "text": _text(given.get("command"))}


def _edit(given: Mapping[str, Any], around: Around, place: tuple[int, int]) -> dict[str, Any]:
    path, old, new = (_text(given.get(name)) for name in ("path", "old", "new"))
    return {"form": "edit", "text": path, "diff": replaced_text(path, old, new)}


def _view(given: Mapping[str, Any], around: Around, place: tuple[int, int]) -> dict[str, Any]:
    return {"form": "view", "text": _text(given.get("path")), "fields": _fields(given, "path")}


def _publish(given: Mapping[str, Any], around: Around, place: tuple[int, int]) -> dict[str, Any]:
    gist = _text(given.get("gist") or given.get("finding"))
    return {
        "form": "proposal",
        "text": gist,
        "fields": _fields(given, "gist", "finding"),
        "proposal": around.proposals.get(place),
    }


def _end(given: Mapping[str, Any], around: Around, place: tuple[int, int]) -> dict[str, Any]:
    key = next((key for key in ("summary", "report", "answer") if key in given), "")
    return {"form": "end", "text": _text(given.get(key)), "fields": _fields(given, key)}


def _look(given: Mapping[str, Any], around: Around, place: tuple[int, int]) -> dict[str, Any]:
    return {"form": "look", "label": _text(given.get("label")), "fields": _fields(given, "label")}


def _delegate(given: Mapping[str, Any], around: Around, place: tuple[int, int]) -> dict[str, Any]:
    subtasks = given.get("subtasks")
    several = subtasks if isinstance(subtasks, list) else [given]
    asked = [_text(each.get("instruction")) for each in several if isinstance(each, dict)]
    names = [
        name
        for instruction in asked
        for name, opening in around.openings.items()
        if instruction and instruction in opening
    ]
    return {
        "form": "delegate",
        "fields": _fields(given),
        "conversations": list(dict.fromkeys(names)),
    }


def _add_task(given: Mapping[str, Any], around: Around, place: tuple[int, int]) -> dict[str, Any]:
    return {"form": "task", "fields": _fields(given)}


def _other(given: Mapping[str, Any], around: Around, place: tuple[int, int]) -> dict[str, Any]:
    return {"form": "other", "fields": _fields(given)}


def _fields(given: Mapping[str, Any], *besides: str) -> list[tuple[str, str]]:
    return [
        (str(key), _text(value))
        for key, value in given.items()
        if key not in besides and value not in ("", None)
    ]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)


_ADDED = re.compile(rf"`({TASK_LABEL.pattern})`")
_Make = Callable[[Mapping[str, Any], Around, tuple[int, int]], dict[str, Any]]
_MAKE: Mapping[str, _Make] = {
    ToolName.BASH: _bash, ToolName.EDIT: _edit, ToolName.VIEW: _view, ToolName.PUBLISH: _publish,
    ToolName.FINISH: _end, ToolName.SUBMIT: _end, ToolName.REPORT: _end, ToolName.ANSWER: _end,
    ToolName.UNFOLD: _look, ToolName.APPLY: _look, ToolName.DELEGATE: _delegate,
    ToolName.ADD_TASK: _add_task,
}  # fmt: skip
_TELLING: Mapping[str, Sequence[str]] = {
    ToolName.BASH: ("command",), ToolName.EDIT: ("path",), ToolName.VIEW: ("path",),
    ToolName.PUBLISH: ("kind", "gist", "finding"), ToolName.FINISH: ("summary",),
    ToolName.SUBMIT: ("summary",), ToolName.UNFOLD: ("label", "level"), ToolName.APPLY: ("label",),
    ToolName.SEARCH: ("words",), ToolName.ADD_TASK: ("kind", "text"),
    ToolName.DELEGATE: ("instruction",), ToolName.ANSWER: ("answer",),
}  # fmt: skip
