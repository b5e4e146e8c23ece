"""An answer that comes in pieces, put together as the provider would have sent it whole.

litellm puts pieces together too, but drops what it does not know, which the provider wants back,
and makes up the count of tokens that is missing.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

_WHOLE = frozenset({"role", "type", "id", "name", "format", "signature", "thought_signature"})


async def gathered(stream: Any) -> dict[str, Any]:
    """The body of a chat completion, from all pieces of litellm's `stream`.

    Raises what litellm raises of a stream that breaks off or tells a failure.
    """
    pieces: list[Any] = []
    stream.completion_stream = _noted(stream.completion_stream, pieces)
    async for _ in stream:  # litellm's own reading has one class for every error
        pass
    plain = [piece.model_dump(exclude_none=True) for piece in pieces if hasattr(piece, "choices")]
    return whole(plain)


async def _noted(stream: AsyncIterator[Any], pieces: list[Any]) -> AsyncIterator[Any]:
    async for piece in stream:
        pieces.append(piece)
        yield piece


def whole(pieces: list[dict[str, Any]]) -> dict[str, Any]:
    """The chat completion that was sent as these chunks. Without a count in them it has none."""
    body: dict[str, Any] = {}
    choice: dict[str, Any] = {}
    for piece in pieces:
        body |= {name: value for name, value in piece.items() if name != "choices"}
        for each in piece["choices"][:1]:
            choice["message"] = _joined(choice.get("message") or {}, each.get("delta") or {})
            choice |= {name: value for name, value in each.items() if name != "delta"}
    for call in choice.get("message", {}).get("tool_calls", ()):
        call.pop("index", None)
    return body | {"choices": [choice] if choice else []}


def _joined(old: Any, new: Any, name: str = "") -> Any:
    """Text goes on, lists by the index of their items; what is no text is the newer one's."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        more = {key: _joined(old.get(key), value, key) for key, value in new.items()}
        return {**old, **more}
    if isinstance(old, list) or isinstance(new, list):
        return _listed(_parts(old), _parts(new))
    if isinstance(old, str) and isinstance(new, str) and name not in _WHOLE:
        return old + new
    return old if new in (None, "") else new


def _parts(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [{"type": "text", "text": value}] if value and isinstance(value, str) else []


def _listed(old: list[Any], new: list[Any]) -> list[Any]:
    items = list(old)
    for item in new:
        index = item.get("index") if isinstance(item, Mapping) else None
        places = [n for n, each in enumerate(items) if index is not None and _index(each) == index]
        if places:
            items[places[0]] = _joined(items[places[0]], item)
        else:
            items.append(item)
    return items


def _index(item: Any) -> Any:
    return item.get("index") if isinstance(item, Mapping) else None
