"""What each piece of a prompt is there for: the causes of prompt tokens. Pure functions.

Agents enclose text that is not their own in tags (`harness.board.vocabulary.Tag`). A user message
is cut at these tags, and what stands outside them belongs to the block that it introduces.
"""

import json
import re
from collections.abc import Iterator, Mapping

from harness.board.vocabulary import Tag, Word
from harness.types import Message


class Cause(Word):
    """Why a token stands in a prompt."""

    SCHEMAS = "tool schemas"
    SYSTEM = "system text"
    ISSUE = "issue or question"
    DOCUMENT = "document"
    SHARED = "shared context"  # in the opening, and news: of it, and of one's own findings
    TASK = "task text"
    ANSWERS = "own earlier answers"
    OBSERVATIONS = "observations"
    UNKNOWN = "not stored"  # prompts of conversations whose messages no trajectory holds


_BLOCK = re.compile(rf"<(?P<tag>(?P<name>{'|'.join(Tag)})(?:-\d+)?)>\n.*?</(?P=tag)>", re.DOTALL)
_CAUSES: Mapping[str, Cause] = {
    Tag.ISSUE: Cause.ISSUE,
    Tag.QUESTION: Cause.ISSUE,
    Tag.DOCUMENT: Cause.DOCUMENT,
    Tag.TEXT: Cause.DOCUMENT,
    Tag.PARTS: Cause.SHARED,
    Tag.TASK: Cause.TASK,
    Tag.SHARED_CONTEXT: Cause.SHARED,
    Tag.REPORTS: Cause.SHARED,
    Tag.VERDICTS: Cause.SHARED,
}
_NEWS_END = re.compile(rf"</((?:{Tag.SHARED_CONTEXT}|{Tag.VERDICTS})(?:-\d+)?)>\s*\Z")


def message_parts(message: Message, *, opening: bool) -> list[tuple[Cause, str]]:
    """The text of a message in pieces, in order, each with its cause.

    `opening`: no answer of the conversation stands before it. Of an answer, its calls count, and
    the thoughts that are sent back as text; signatures of thoughts do not.
    """
    role, content = message["role"], _text(message.get("content"))
    if role == "system":
        return [(Cause.SYSTEM, content)]
    if role == "assistant":
        return [(Cause.ANSWERS, _answer(message, content))]
    if role == "tool":
        return _with_news(content)
    return _user_parts(content, Cause.TASK if opening else Cause.OBSERVATIONS)


def _user_parts(content: str, default: Cause) -> list[tuple[Cause, str]]:
    """What stands outside of blocks goes with the block after it, at the end with the one before;
    shared context takes none with it, and without another block it is of the cause `default`."""
    pieces = list(_pieces(content))
    own = [cause for cause, _ in pieces if cause not in (None, Cause.SHARED)]
    found: list[tuple[Cause, str]] = []
    before: Cause | None = None
    for index, (cause, text) in enumerate(pieces):
        if cause is None:
            after = [each for each, _ in pieces[index:] if each in own]
            cause = next(iter(after), before or default)
        elif cause is not Cause.SHARED:
            before = cause
        found.append((cause, text))
    return found


def _pieces(content: str) -> Iterator[tuple[Cause | None, str]]:
    """The blocks of a text, and what stands between them with None."""
    at = 0
    for block in _BLOCK.finditer(content):
        if block.start() > at:
            yield None, content[at : block.start()]
        yield _CAUSES[block["name"]], block[0]
        at = block.end()
    if at < len(content):
        yield None, content[at:]


def _with_news(content: str) -> list[tuple[Cause, str]]:
    """An observation, and the news at its end.

    Only the end counts: what a command printed may hold any tag.
    """
    start = len(content)
    while end := _NEWS_END.search(content[:start]):
        before = content.rfind(f"<{end[1]}>\n", 0, start)
        if before < 0:
            break
        start = before
    news = [(Cause.SHARED, content[start:])] if start < len(content) else []
    return [(Cause.OBSERVATIONS, content[:start]), *news]


def _answer(message: Message, content: str) -> str:
    calls = [
        f"{call['function']['name']} {call['function']['arguments']}"
        for call in message.get("tool_calls") or ()
    ]
    thoughts = (message.get("opaque") or {}).get("reasoning_content")
    return "\n".join(filter(None, [thoughts if isinstance(thoughts, str) else "", content, *calls]))


def _text(content: object) -> str:
    """The text of a message's content, which may be a list of typed parts."""
    if isinstance(content, str):
        return content
    return json.dumps(content, ensure_ascii=False) if content else ""
