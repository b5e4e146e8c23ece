"""Tool calls as text, for models that have no native ones.

The tools are explained in the system text, calls are fenced blocks, and results are user messages.
A call is read from the model's own reply only. In a result, the marks that models' templates put
between turns are broken by a blank: where tools are native, the provider's own encoding keeps them
apart. Rendering a longer conversation never changes how its beginning was rendered.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.board.vocabulary import ToolName
from harness.types import CUT, Message, Reply, ToolCall

_SHELLS = {"bash", "sh", "shell"}
_FENCE = re.compile(r" {0,3}(?P<ticks>`{3,})[ \t]*(?P<word>[\w+-]*)[ \t]*")
_TURNS = re.compile(  # what templates of models put between turns; a tokenizer may obey it anywhere
    r"<\|[\w-]{1,40}\|>|</?s>|\[/?(?:INST|SYSTEM_PROMPT)\]|<</?SYS>>|<(?:start|end)_of_turn>"
    r"|<｜[^｜<>]{1,40}｜>",
    re.IGNORECASE,
)
_RULES = """\
# How to call a tool

End your reply with one fenced block. The first block is run; everything after it is thrown away.
A shell command is a block marked `bash`:

```bash
ls -la
```

Every other tool is a block marked `tool_call` that holds one JSON object:

```tool_call
{"name": "NAME", "arguments": {}}
```

When the text inside has lines of three backticks, open and close the block with four.

# The tools
"""


def render_messages(
    messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]
) -> list[Message]:
    """The conversation in plain system, user and assistant messages.

    Neighbours of the same role are one message: some models' templates insist on turns.
    """
    rules = "" if not tools else _RULES + "".join(_tool_text(tool) for tool in tools)
    plain: list[Message] = [{"role": "system", "content": rules}] if rules else []
    names: dict[str, str] = {}
    for message in messages:
        role, text = message["role"], _text(message.get("content"))
        if role == "tool":
            name = names.get(str(message.get("tool_call_id")), "tool")
            role, text = "user", _result(name, text)
        for call in message.get("tool_calls") or ():
            function = call["function"]
            names[str(call["id"])] = str(function["name"])
            if not _first_block(text):
                text = "\n\n".join(filter(None, (text, _block(function))))
        if role == "system" and plain and plain[0]["role"] == "system" and len(plain) == 1:
            plain[0]["content"] = "\n\n".join(filter(None, (text, plain[0]["content"])))
        elif plain and plain[-1]["role"] == role:
            plain[-1]["content"] += f"\n\n{text}"
        else:
            plain.append({"role": role, "content": text} | _wanted_back(message))
    return plain


def _wanted_back(message: Message) -> Message:
    """What the provider wants back with a message of which only the text is what it sent."""
    ours = {"content", "tool_calls"}
    kept = {name: value for name, value in message.get("opaque", {}).items() if name not in ours}
    return {"opaque": kept} if kept else {}


def parse_reply(reply: Reply, call_id: str = "text_0") -> Reply:
    """`reply` with its first block as a tool call, and without what follows that block.

    What follows was written without the block's result. A block that cannot be read becomes a call
    of the tool `tool_call` with the raw text, which no agent has: its loop answers that.
    """
    if reply.tool_calls:
        return reply
    found = _first_block(reply.content)
    if found is None:
        return reply
    word, body, end = found
    name, arguments = str(ToolName.BASH), json.dumps({"command": body}, ensure_ascii=False)
    if word == "tool_call":
        name, arguments = _json_call(body)
    call = ToolCall(id=call_id, name=name, arguments=arguments)
    opaque = {name: value for name, value in reply.opaque.items() if name != "content"}
    # what is kept is whole, also where the rest was cut at the output limit
    reason = "" if reply.finish_reason == CUT else reply.finish_reason
    return replace(
        reply,
        content=reply.content[:end],
        tool_calls=(call,),
        finish_reason=reason,
        opaque=opaque,
    )


def _first_block(text: str) -> tuple[str, str, int] | None:
    """The first closed block for a tool: its word, its body, and where it ends in `text`.

    Inside a block a fence with a word opens another one, as in a file that a heredoc writes.
    Thinking out loud does not count.
    """
    thought = text.rfind("</think>")
    if thought < 0 and text.lstrip().startswith("<think>"):
        return None  # cut off while it was thinking
    offset = 0 if thought < 0 else thought + len("</think>")
    ticks, word, depth = "", "", 0
    body: list[str] = []
    for line in text[offset:].splitlines(keepends=True):
        offset += len(line)
        fence = _FENCE.fullmatch(line.rstrip("\r\n"))
        if not ticks:
            if fence:
                ticks, word, body, depth = fence["ticks"], fence["word"], [], 1
            continue
        if fence and len(fence["ticks"]) >= len(ticks):
            depth += 1 if fence["word"] else -1
        if depth == 0:
            if word in _SHELLS | {"tool_call"}:
                return word, "".join(body).rstrip("\r\n"), offset
            ticks = ""
            continue
        body.append(line)
    return None


def _json_call(body: str) -> tuple[str, str]:
    try:
        call = json.loads(body)
    except (ValueError, RecursionError):
        return "tool_call", body
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        return "tool_call", body
    arguments = call.get("arguments", {})
    return call["name"], arguments if isinstance(arguments, str) else json.dumps(arguments)


def _block(function: Mapping[str, Any]) -> str:
    name, arguments = str(function["name"]), str(function["arguments"])
    try:
        parsed: Any = json.loads(arguments)
    except (ValueError, RecursionError):
        parsed = arguments
    readable = isinstance(parsed, dict) and isinstance(parsed.get("command"), str)
    if name == ToolName.BASH and readable:
        fence = "````" if "```" in parsed["command"] else "```"
        return f"{fence}bash\n{parsed['command']}\n{fence}"
    call = json.dumps({"name": name, "arguments": parsed}, ensure_ascii=False)
    return f"```tool_call\n{call}\n```"


def _tool_text(tool: Mapping[str, Any]) -> str:
    function = tool.get("function", tool)
    parameters = json.dumps(function.get("parameters", {}), ensure_ascii=False)
    return f"\n## {function['name']}\n{function.get('description', '')}\nArguments: {parameters}\n"


def _result(name: str, text: str) -> str:
    """What a tool said, so that none of it is taken for a turn, or for the result of another."""
    text = _TURNS.sub(lambda mark: f"{mark[0][0]} {mark[0][1:]}", text)
    if "[result of " not in text and "[end of result" not in text:
        return f"[result of {name}]\n{text}"
    number = 1
    while f"[end of result {number}]" in text:
        number += 1
    end = f"[end of result {number}]"
    return f"[result of {name}, up to {end}]\n{text}\n{end}"


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))
