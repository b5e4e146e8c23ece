"""Token counts out of whatever a provider sent."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from harness.types import Usage


def total(usages: "list[Usage]") -> Usage:
    """The sum of several calls."""
    return Usage(
        prompt_tokens=sum(usage.prompt_tokens for usage in usages),
        cached_tokens=sum(usage.cached_tokens for usage in usages),
        cache_write_tokens=sum(usage.cache_write_tokens for usage in usages),
        completion_tokens=sum(usage.completion_tokens for usage in usages),
        reasoning_tokens=sum(usage.reasoning_tokens for usage in usages),
    )


def counted(usage: Usage) -> bool:
    """Whether the provider counted at all: no prompt has no tokens.

    What has a completion only is half a count, and half a cost is none.
    """
    return usage.prompt_tokens > 0


def parse_usage(found: Mapping[str, Any]) -> Usage:
    """Usage in the OpenAI form, as providers vary it. What is missing, null or negative is 0.

    A total that is more than prompt and completion has what neither counts: thoughts, which are
    billed as output, or what the prompt's cache served and took.
    """
    prompt, written = _part(found, "prompt_tokens"), _part(found, "completion_tokens")
    details = _mapping(found, "prompt_tokens_details")
    reasoning = _part(_mapping(found, "completion_tokens_details"), "reasoning_tokens")
    reasoning = reasoning or _part(found, "reasoning_tokens")
    cached = _first(details, ("cached_tokens", "cache_read_input_tokens")) or _first(
        found, ("cached_tokens", "cache_read_input_tokens", "prompt_cache_hit_tokens")
    )
    names = ("cache_creation_tokens", "cache_write_tokens", "cache_creation_input_tokens")
    cache_write = _first(details, names) or _first(found, names)
    beside = _part(found, "total_tokens") - prompt - written
    if beside > 0 and beside == cached + cache_write:
        prompt += beside
    elif beside > 0 and counted(Usage(prompt_tokens=prompt, completion_tokens=written)):
        written, reasoning = written + beside, max(reasoning, beside)
    cached = min(cached, prompt)
    return Usage(
        prompt_tokens=prompt,
        cached_tokens=cached,
        cache_write_tokens=min(cache_write, prompt - cached),
        completion_tokens=written,
        reasoning_tokens=min(reasoning, written),
    )


def usage_of_body(body: object) -> Usage:
    """Usage in a provider's own response body: OpenAI's, Anthropic's or Google's form.

    For answers that were billed and that litellm could not read.
    """
    if not isinstance(body, Mapping):
        return Usage()
    google = _mapping(body, "usageMetadata")
    if google:
        return _google_usage(google)
    usage = _mapping(body, "usage") or _mapping(_mapping(body, "x_groq"), "usage")
    if "prompt_tokens" in usage or "input_tokens" not in usage:
        return parse_usage(usage)
    cached = _part(usage, "cache_read_input_tokens")
    written = _part(usage, "cache_creation_input_tokens")
    return Usage(
        prompt_tokens=_part(usage, "input_tokens") + cached + written,
        cached_tokens=cached,
        cache_write_tokens=written,
        completion_tokens=_part(usage, "output_tokens"),
    )


def _google_usage(found: Mapping[str, Any]) -> Usage:
    prompt = _part(found, "promptTokenCount") + _part(found, "toolUsePromptTokenCount")
    said, thought = _part(found, "candidatesTokenCount"), _part(found, "thoughtsTokenCount")
    if prompt:  # thoughts may be in the total only
        thought = max(thought, _part(found, "totalTokenCount") - prompt - said)
    return Usage(
        prompt_tokens=prompt,
        cached_tokens=min(_part(found, "cachedContentTokenCount"), prompt),
        completion_tokens=said + thought,
        reasoning_tokens=thought,
    )


def _first(found: Mapping[str, Any], names: Sequence[str]) -> int:
    """The first of the counts that is there, and more than 0."""
    return next((n for name in names if (n := _part(found, name))), 0)


def _part(found: Mapping[str, Any], name: str) -> int:
    value = found.get(name)
    return max(0, int(value)) if isinstance(value, int | float) and isfinite(value) else 0


def _mapping(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = found.get(name)
    return value if isinstance(value, Mapping) else {}
