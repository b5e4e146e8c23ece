"""Cache marks in prompts, for providers that cache only marked prefixes (Anthropic)."""

from collections.abc import Sequence

from harness.types import Message


def wants_marks(model: str) -> bool:
    """Whether prompts to `model` need marks."""
    return "anthropic" in model or "claude" in model


def mark_cache(messages: Sequence[Message]) -> list[Message]:
    """The messages with Anthropic's cache marks at the end and after the part that agents share.

    That part is everything up to the first user message; with only the mark at the end, as
    mini-swe-agent sets it, the agents of a trial would not read each other's cache.
    """
    marked = [dict(message) for message in messages]
    users = [i for i, message in enumerate(marked) if message["role"] == "user"]
    for i in {*users[:1], len(marked) - 1} if marked else ():
        marked[i] = _marked(marked[i])
    return marked


def _marked(message: Message) -> Message:
    mark = {"type": "ephemeral"}
    content = message.get("content")
    if not content or message["role"] == "tool":
        return message | {"cache_control": mark}
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    return message | {"content": [*parts[:-1], parts[-1] | {"cache_control": mark}]}
