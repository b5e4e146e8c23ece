"""A conversation of a trial: its messages, with tool calls as what they are, and what each model
call cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.analysis.call_costs import sent_messages
from harness.analysis.prompt_parts import message_parts
from harness.analysis.publications import publications
from harness.board.vocabulary import CARRIED, NO_ANSWER, compacted_name
from harness.model.response_body import readable_thoughts
from harness.pages.call import CallLine, Offered, call_lines, offered
from harness.pages.conversations import Heading, headings
from harness.pages.links import Links
from harness.pages.rendering import render
from harness.pages.tool_calls import Around, ToolCall, text_of, tool_call
from harness.pages.trial_inside import NotInTrial, TrialInside
from harness.types import Message

ON_A_PAGE = 200  # messages
SHOWN, WHOLE = 6_000, 400_000  # characters of one text: among others, and of a message by itself
FOLDED = 1_200  # characters of an opening text from which on it is folded


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a message: why it is there, and its text."""

    cause: str
    text: str

    @property
    def long(self) -> bool:
        """Whether it is folded."""
        return len(self.text) > FOLDED


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePart:
    """A message with its number in the conversation, from 1 on.

    An answer has the line of its model call, and before it the `lost` ones: calls that left no
    message. What tools answered stands with their calls.
    """

    number: int
    role: str
    parts: Sequence[Part] = ()
    thoughts: str = ""
    calls: Sequence[ToolCall] = ()
    line: CallLine | None = None
    lost: Sequence[CallLine] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A page of a conversation: of its `total` messages those from `first` to `last`."""

    heading: Heading
    messages: Sequence[MessagePart]
    lost: Sequence[CallLine]  # after the last message
    carried: int  # messages of the conversation `before` with which it begins
    before: str
    after: Sequence[str]  # conversations that go on with it
    tools: Sequence[Offered]
    first: int
    last: int
    total: int
    most: int
    alone: bool  # it shows one message by itself
    neighbours: tuple[str, str]  # the conversations before and behind it in the list, or empty
    entries: frozenset[str]  # the labels of the trial's entries
    tasks: frozenset[str]

    @property
    def starts(self) -> Sequence[int]:
        """The first message of each page, where there are several."""
        starts = range(self.carried + 1, self.total + 1, ON_A_PAGE)
        return starts if len(starts) > 1 else ()


def conversation_html(
    data: TrialInside,
    name: str,
    links: Links,
    tools: Mapping[str, str],
    *,
    first: int = 1,
    only: int = 0,
) -> Markup:
    """A page of a conversation as HTML, without the frame of a page.

    `tools`: `Store.tool_lists`. The page begins with the message `first`, or has just the message
    `only`, whole. Raises `NotInTrial` if there is no such conversation.
    """
    page = conversation(data, name, tools, first=first, only=only)
    return render("conversation", page=page, data=data, links=links)


def conversation(
    data: TrialInside, name: str, tools: Mapping[str, str], *, first: int = 1, only: int = 0
) -> Conversation:
    """See `conversation_html`."""
    known = headings(data)
    heading = next((each for each in known if each.name == name), None)
    if heading is None:
        raise NotInTrial(name)
    messages = data.messages.get(name, ())
    carried = sum(1 for message in messages if message.get(CARRIED))
    only = only if carried < only <= len(messages) else 0
    shown = _Messages(data, heading, messages)
    start = only or max(carried + 1, min(first, len(messages)))
    stop = min(len(messages), start if only else start + ON_A_PAGE - 1)
    return Conversation(
        heading=heading,
        messages=shown.between(start, stop, alone=bool(only)),
        lost=shown.lost_before(len(messages)) if stop == len(messages) and not only else (),
        carried=carried,
        before=_before(name, messages, carried, data.messages),
        after=_after(name, data.messages),
        tools=offered(heading.calls, tools),
        first=start,
        last=stop,
        total=len(messages),
        most=WHOLE if only else SHOWN,
        alone=bool(only),
        neighbours=_neighbours([each.name for each in known], name),
        entries=frozenset(entry["label"] for entry in data.record.entries),
        tasks=frozenset(task["label"] for task in data.record.tasks),
    )


class _Messages:
    """The messages of one conversation as the page shows them."""

    def __init__(self, data: TrialInside, heading: Heading, messages: Sequence[Message]) -> None:
        self._messages = messages
        calls = sorted(heading.calls, key=lambda call: call["position"])
        lines = call_lines(calls)
        self._lines: dict[int, CallLine] = {}
        self._lost: dict[int, list[CallLine]] = {}
        for line, sent in zip(lines, sent_messages(calls, messages), strict=True):
            if line.row["outcome"] == "ok" and sent < len(messages):
                self._lines[sent] = line
            else:
                self._lost.setdefault(sent, []).append(line)
        self._opening = next(
            (i for i, m in enumerate(messages) if m.get("role") == "assistant"), len(messages)
        )
        self._around = _around(data, heading.name)
        self._answers = _answers(messages)

    def lost_before(self, index: int) -> Sequence[CallLine]:
        """The calls without a message that were made before the message at `index`."""
        return self._lost.get(index, ())

    def between(self, first: int, last: int, *, alone: bool = False) -> list[MessagePart]:
        """The messages with these numbers; what answers a tool call stands with it."""
        with_calls = {at for places in self._answers.values() for at in places}
        return [
            self._message(number)
            for number in range(first, last + 1)
            if alone or number - 1 not in with_calls
        ]

    def _message(self, number: int) -> MessagePart:
        index = number - 1
        message = self._messages[index]
        role = str(message.get("role", ""))
        if role == "assistant":
            return self._answer(index, message)
        return MessagePart(
            number=number,
            role=role,
            parts=_parts(role, text_of(message.get("content")), index < self._opening),
            lost=self.lost_before(index),
        )

    def _answer(self, index: int, message: Message) -> MessagePart:
        text = text_of(message.get("content"))
        calls = []
        for number, call in enumerate(message.get("tool_calls") or ()):
            at = self._answered(index, number)
            answer = None if at is None else text_of(self._messages[at].get("content"))
            calls.append(
                tool_call(
                    call, answer, 0 if at is None else at + 1, self._around, (index + 1, number)
                )
            )
        thoughts = readable_thoughts(message.get("opaque") or {})
        return MessagePart(
            number=index + 1,
            role="assistant",
            parts=[Part(cause="", text=text)] if text and text != NO_ANSWER else [],
            thoughts=thoughts or text_of(message.get("reasoning_content")),
            calls=calls,
            line=self._lines.get(index),
            lost=self.lost_before(index),
        )

    def _answered(self, index: int, number: int) -> int | None:
        """The place of the message that answers a tool call."""
        places = self._answers.get(index, ())
        return places[number] if number < len(places) else None


def _parts(role: str, text: str, opening: bool) -> list[Part]:
    """The pieces of a message; neighbours with one cause are one."""
    found: list[Part] = []
    for cause, piece in message_parts({"role": role, "content": text}, opening=opening):
        same = bool(found) and found[-1].cause == cause
        joined = Part(cause=str(cause), text=(found.pop().text if same else "") + piece)
        found.append(joined)
    return [
        Part(cause=each.cause, text=each.text.strip("\n")) for each in found if each.text.strip()
    ]


def _answers(messages: Sequence[Message]) -> dict[int, list[int]]:
    """By the place of an answer, those of the messages that answer its tool calls, in order."""
    found: dict[int, list[int]] = {}
    asked = -1
    for index, message in enumerate(messages):
        if message.get("role") == "assistant":
            asked = index
        elif message.get("role") == "tool" and asked >= 0:
            calls = messages[asked].get("tool_calls") or ()
            if len(found.get(asked, ())) < len(calls):
                found.setdefault(asked, []).append(index)
    return found


def _around(data: TrialInside, name: str) -> Around:
    rows = {row["number"]: row for row in data.record.proposals}
    return Around(
        proposals={
            (place.message, place.call): rows[number]
            for number, place in publications(data.record, data.messages).items()
            if place.conversation == name
        },
        openings={
            other: "\n".join(text_of(m.get("content")) for m in messages[:3])
            for other, messages in data.messages.items()
            if other != name
        },
    )


def _neighbours(names: Sequence[str], name: str) -> tuple[str, str]:
    around = ["", *names, ""]
    at = around.index(name, 1)
    return around[at - 1], around[at + 1]


def _before(
    name: str, messages: Sequence[Message], carried: int, said: Mapping[str, Sequence[Message]]
) -> str:
    """The conversation that another one goes on with; empty if it begins anew."""
    if name and compacted_name(name[:-1]) == name and name[:-1] in said:
        return name[:-1]
    last = messages[carried - 1] if carried else None
    for other, earlier in reversed(list(said.items())):
        if last and other != name and len(earlier) >= carried:
            at = earlier[carried - 1]
            if not at.get(CARRIED) and {**last, CARRIED: None} == {**at, CARRIED: None}:
                return other
    return ""


def _after(name: str, said: Mapping[str, Sequence[Message]]) -> list[str]:
    """The conversations that go on with this one."""
    found = []
    for other, messages in said.items():
        carried = sum(1 for message in messages if message.get(CARRIED))
        if other != name and (carried or other == compacted_name(name)):
            found += [other] if _before(other, messages, carried, said) == name else []
    return found
