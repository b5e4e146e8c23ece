"""What was said, in the form that OpenTelemetry's conventions give to messages.

Only for who asks for it. A call has its answer, and of its prompt the messages that no earlier call
of the conversation had, because prompts only grow: a whole prompt at every call would be the square
of a conversation. Long texts lose their middle.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.board.vocabulary import CARRIED
from harness.exports import otel_names as names
from harness.exports.atif_steps import answers, text_of
from harness.store.rows import CallRow
from harness.types import Message

MOST = 20_000  # characters of one text
MOST_MESSAGES = 50  # of one call


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What was said in a trial, by conversation, and the tools that were offered, by their hash."""

    messages: Mapping[str, Sequence[Message]]
    tools: Mapping[str, str]


class SaidInTrial:
    """What each call of a trial was asked and answered, and each of its tool calls."""

    def __init__(self, content: Content, calls: Sequence[CallRow]) -> None:
        self._content = content
        self._answers: dict[int, int] = {}  # by call id, the number of its message
        self._before: dict[int, int] = {}  # the same of the answer before it, or -1
        for name in {row["conversation"] for row in calls}:
            self._find([row for row in calls if row["conversation"] == name], name)

    def call(self, row: CallRow) -> dict[str, str | int]:
        """The attributes of a call that say what was asked and answered."""
        found: dict[str, str | int] = {}
        if reply := row["reply"]:
            parts = _said(reply.get("content"), reply.get("tool_calls"))
            reason = reply.get("finish_reason") or "unknown"
            answer = {"role": "assistant", "parts": parts, "finish_reason": reason}
            found[names.OUTPUT] = json.dumps([answer])
        if row["call_id"] in self._answers:
            found |= self._prompt(row)
        offered = self._content.tools.get(row["tools_sha256"] or "", "[]")
        if row["position"] == 0 and offered != "[]":
            found[names.TOOLS] = _short(offered)
        return found

    def tool(self, row: CallRow, index: int) -> dict[str, str]:
        """The attributes of tool call `index` of a call: what it was given and what came of it."""
        called = (row["reply"] or {})["tool_calls"][index]
        found = {names.TOOL_ARGUMENTS: _short(str(called.get("arguments") or ""))}
        messages = self._content.messages.get(row["conversation"], ())
        at = self._answers.get(row["call_id"])
        sent = messages[at].get("tool_calls") or () if at is not None else ()
        if at is not None and index < len(sent):
            key = sent[index]["id"]
            results = (m for m in messages[at:] if m.get("tool_call_id") == key)
            if result := next(results, None):
                found[names.TOOL_RESULT] = _short(text_of(result.get("content")))
        return found

    def _find(self, calls: Sequence[CallRow], conversation: str) -> None:
        """Give each call the message with its answer, in the order of both."""
        left, last = sorted(calls, key=lambda row: row["position"]), -1
        for number, message in enumerate(self._content.messages.get(conversation, ())):
            if message.get("role") != "assistant":
                continue
            at = next((i for i, row in enumerate(left) if answers(row, message)), None)
            if at is not None and not message.get(CARRIED):
                self._answers[left[at]["call_id"]] = number
                self._before[left[at]["call_id"]] = last
                left = left[at + 1 :]
            last = number

    def _prompt(self, row: CallRow) -> dict[str, str | int]:
        start, end = self._before[row["call_id"]] + 1, self._answers[row["call_id"]]
        new = self._content.messages[row["conversation"]][start:end]
        system = [_text(each.get("content")) for each in new if each.get("role") == "system"]
        asked = [_message(each) for each in new if each.get("role") != "system"]
        found: dict[str, str | int] = {names.BEFORE: start}
        if system:
            found[names.SYSTEM_TEXT] = json.dumps(system)
        if asked:
            found[names.INPUT] = json.dumps(asked[-MOST_MESSAGES:])
        return found


def _message(message: Message) -> dict[str, Any]:
    role = message.get("role")
    if role == "tool":
        answered = {"type": "tool_call_response", "id": message.get("tool_call_id")}
        return {
            "role": role,
            "parts": [answered | {"response": _short(text_of(message["content"]))}],
        }
    calls = [{"id": call["id"], **call["function"]} for call in message.get("tool_calls") or ()]
    return {"role": role, "parts": _said(message.get("content"), calls)}


def _said(content: object, calls: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [_text(content)] if text_of(content) else []
    return parts + [
        {
            "type": "tool_call",
            "id": call.get("id"),
            "name": call.get("name"),
            "arguments": _short(str(call.get("arguments") or "")),
        }
        for call in calls or ()
    ]


def _text(content: object) -> dict[str, str]:
    return {"type": "text", "content": _short(text_of(content))}


def _short(text: str) -> str:
    if len(text) <= MOST:
        return text
    half = MOST // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half:,} characters left out …]\n{text[-half:]}"
