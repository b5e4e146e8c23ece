"""Other ways to ask the same, for endpoints that refuse the usual one and say which they take.

Only what changes nothing that is measured is done by itself, and it is said once. Every other
parameter that is refused is the user's to change: `harness.model.error_responses` says which.
"""

from collections.abc import Callable, Mapping
from typing import Any

from harness.model.error_responses import ErrorMeaning

SAID: Mapping[str, str] = {
    "max_completion_tokens": "is asked with max_completion_tokens instead of max_tokens",
    "stream": "is asked for streams: it answers in no other way",
}


class RequestVariants:
    """What is asked otherwise from now on, because an endpoint has said that it must be."""

    def __init__(self, model: str, say: Callable[[str], None]) -> None:
        self._model = model
        self._say = say
        self._taken: dict[str, None] = {}

    @property
    def taken(self) -> frozenset[str]:
        """The ways that are taken at this moment."""
        return frozenset(self._taken)

    def find(self, reading: ErrorMeaning, sent: frozenset[str]) -> bool:
        """Whether what was refused, as it was `sent`, can be asked in another way now."""
        way = reading.mending
        if way not in SAID or way in sent:
            return False
        if way not in self._taken:
            self._taken[way] = None
            self._say(f"{self._model} {SAID[way]}")
        return True

    def apply(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """`request` in the ways that are taken."""
        asked = dict(request)
        if "max_completion_tokens" in self._taken:
            asked["max_completion_tokens"] = asked.pop("max_tokens")
        if "stream" in self._taken:
            asked |= {"stream": True, "stream_options": {"include_usage": True}}
        return asked
