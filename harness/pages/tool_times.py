"""What the commands of a trial were, by their places in its time line."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.analysis.call_costs import sent_messages
from harness.analysis.timeline import Interval, interval_of
from harness.analysis.tool_times import tools_of
from harness.pages.tool_calls import Around, text_of, tool_call, words_of
from harness.pages.trial_data import TrialData
from harness.store.rows import CallRow
from harness.types import Activity, Message

LIMIT = "time limit"  # stands in the status of a command that reached it


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolTime:
    """A tool call in the time line. `status`: what came of it, such as the exit status."""

    interval: Interval
    words: str
    status: str
    call_id: int

    @property
    def limited(self) -> bool:
        """Whether it reached its time limit."""
        return LIMIT in self.status


def tool_times(data: TrialData) -> dict[Interval, ToolTime]:
    """The tool calls of a trial by their intervals, where it is not ambiguous which they are."""
    places: dict[Interval, list[int]] = {}
    for row in data.spans:
        if row["what"] in (Activity.COMMAND, Activity.ADMISSION):
            at = interval_of(data.trial, row)
            if at is not None:
                places.setdefault(at, []).append(row["span_id"])
    agents = dict.fromkeys(row["agent"] for row in data.spans)
    made: dict[int, tuple[CallRow, int]] = {}
    for agent in agents:
        calls = [row for row in data.calls if row["agent"] == agent]
        made |= tools_of(calls, [row for row in data.spans if row["agent"] == agent])
    answers = _Answers(data)
    found: dict[Interval, ToolTime] = {}
    for at, spans in places.items():
        if len(spans) == 1 and spans[0] in made:
            call, index = made[spans[0]]
            words, status = answers.told(call, index)
            found[at] = ToolTime(interval=at, words=words, status=status, call_id=call["call_id"])
    return found


class _Answers:
    """Where the answer of each call stands in its conversation."""

    def __init__(self, data: TrialData) -> None:
        self._messages = data.messages
        self._at: dict[int, int] = {}
        by_name: dict[str, list[CallRow]] = {}
        for call in data.calls:
            by_name.setdefault(call["conversation"], []).append(call)
        for name, mine in by_name.items():
            ordered = sorted(mine, key=lambda call: call["position"])
            messages = data.messages.get(name, ())
            for call, at in zip(ordered, sent_messages(ordered, messages), strict=True):
                if call["outcome"] == "ok" and at < len(messages):
                    self._at[call["call_id"]] = at

    def told(self, call: CallRow, index: int) -> tuple[str, str]:
        """A tool call of an answer in one line, and the status that it came to; or empty texts."""
        messages, at = self._messages.get(call["conversation"], ()), self._at.get(call["call_id"])
        sent = messages[at].get("tool_calls") or () if at is not None else ()
        if at is None or index >= len(sent):
            return "", ""
        asked = sent[index]
        answer = _answer(messages, at, asked["id"])
        result = tool_call(asked, answer, at + 1, Around(), (at + 1, index)).result
        return words_of(asked), result.status or (result.output if result.error else "")


def _answer(messages: Sequence[Message], at: int, key: str) -> str | None:
    found = (m for m in messages[at:] if m.get("tool_call_id") == key)
    message = next(found, None)
    return None if message is None else text_of(message.get("content"))
