"""What a prompt is recognised by: in a recording, in what was paid for, in what trials share."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from harness.types import Message

_LONG = 200  # characters; what is shorter stands as it is, not as its digest
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_DAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,?\s+)?"
_ZONE = r"(?:Z|\s?[+-]\d\d:?\d\d)?"
_VOLATILE = re.compile(
    "|".join(
        (
            rf"(?P<stamp>\b\d{{4}}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?{_ZONE})?"
            rf"|\b{_DAY}{_MONTH}\s+\d{{1,2}}(?:,?\s+\d{{4}})?\b"
            rf"|\b{_DAY}\d{{1,2}}\s+{_MONTH}\s+\d{{4}}\b)",
            r"(?P<clock>\b\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?\b)",
            r"(?P<duration>\b\d+(?:\.\d+)?(?:e-?\d+)?\s?"
            r"(?:ns|us|µs|ms|s|secs?|seconds?|min|minutes?|h|hours?)\b)",
            r"(?P<address>\b0x[0-9a-fA-F]{6,}\b)",
            r"(?P<tmp>\btmp[a-z0-9_]{8}\b|\btmp\.[A-Za-z0-9]{6,}\b|\bpytest-of-\w+/pytest-\d+)",
        )
    )
)
_MEMO: dict[bytes, str] = {}  # messages by their digest: every call repeats what earlier ones sent
_MOST = 8192


def prompt_hash(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> str:
    """The sha256 of a request, the same when the same commands print other times and addresses."""
    both = (
        "[" + ",".join(_steady_json(json.dumps(each)) for each in part) + "]"
        for part in (messages, tools)
    )
    text = "[" + ",".join(both) + "]"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def exact_hash(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> str:
    """The sha256 of a request in which nothing may differ: documents may differ by a date."""
    text = json.dumps([list(messages), list(tools)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _steady(value: Any) -> Any:
    if isinstance(value, str):
        return _steady_text(value) if len(value) < _LONG else _steady_digest(value)
    if isinstance(value, Mapping):
        return {str(key): _steady(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_steady(item) for item in value]
    return value


def _steady_text(text: str) -> str:
    return _VOLATILE.sub(lambda match: f"<{match.lastgroup}>", text)


def _steady_json(text: str) -> str:
    """One message or tool; its long texts are digests, so that the memo stays small."""
    key = hashlib.sha256(text.encode()).digest()
    known = _MEMO.get(key)
    if known is None:
        steady = _steady(json.loads(text))
        known = json.dumps(steady, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        if len(_MEMO) >= _MOST:
            _MEMO.pop(next(iter(_MEMO)), None)
        _MEMO[key] = known
    return known


def _steady_digest(text: str) -> str:
    return hashlib.sha256(_steady_text(text).encode("utf-8", "surrogatepass")).hexdigest()
