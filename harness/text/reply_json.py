"""Model replies as plain JSON: the form of the store and of recordings."""

from collections.abc import Mapping
from typing import Any

from harness.types import Reply, ToolCall, Usage


def reply_row(reply: Reply) -> dict[str, Any]:
    """A reply as plain JSON, without its usage, which a ledger has in columns of their own."""
    row = {
        "content": reply.content,
        "tool_calls": [
            {"id": call.id, "name": call.name, "arguments": call.arguments}
            for call in reply.tool_calls
        ],
        "finish_reason": reply.finish_reason,
    }
    return row | ({"opaque": reply.opaque} if reply.opaque else {})


def reply_of(row: Mapping[str, Any], usage: Usage) -> Reply:
    """The reply that `reply_row` made `row` of; rows from before `opaque` was kept have none."""
    return Reply(
        content=row.get("content", ""),
        tool_calls=tuple(ToolCall(**call) for call in row.get("tool_calls", ())),
        usage=usage,
        finish_reason=row.get("finish_reason", ""),
        opaque=row.get("opaque", {}),
    )
