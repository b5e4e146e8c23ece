"""What the conversations of a trial have in common: the order of their calls, their prompts."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.types import Message


class TrialCalls:
    """One trial's model traffic."""

    def __init__(self, moments: int = 0) -> None:
        """`moments` is the last one of the trial before the first call of this process."""
        self._moments = moments
        self._root = _Node()

    def moment(self) -> int:
        """1, 2, …: counts the beginnings and ends of calls, in the order in which they happen."""
        self._moments += 1
        return self._moments

    def repeated(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> float:
        """The share of a prompt, in characters, with which an earlier one of the trial begins too.

        A provider with a prefix cache could serve it from there. Tools come first, as providers
        have it; the shortest prefix that they cache (1,024 tokens and more) is not considered.
        """
        parts = [json.dumps(list(tools)), *(json.dumps(message) for message in messages)]
        shared = self._root.add(parts)
        return shared / sum(map(len, parts))


class _Node:
    """Prompts that begin alike; `after` has what follows in each."""

    def __init__(self) -> None:
        self.after: dict[str, _Node] = {}

    def add(self, parts: Sequence[str]) -> int:
        """Put a prompt in; how many characters of its beginning were there."""
        node, shared, new = self, 0, False
        for part in parts:
            if part in node.after:
                shared += len(part)
            else:
                if not new:
                    shared += max((_common(part, other) for other in node.after), default=0)
                    new = True
                node.after[part] = _Node()
            node = node.after[part]
        return shared


def _common(one: str, other: str) -> int:
    """The length of the beginning that both have."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one.startswith(other[:middle]) else (low, middle - 1)
    return low
