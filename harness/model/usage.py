"""Token counts out of whatever a provider sent."""

from collections.abc import Mapping
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
    """Whether the provider counted at all: no prompt has no tokens."""
    return usage.prompt_tokens > 0 or usage.completion_tokens > 0


def parse_usage(found: Mapping[str, Any]) -> Usage:
    """Usage in the OpenAI form, as litellm gives it for every provider. What is missing is 0."""
    prompt, written = _part(found, "prompt_tokens"), _part(found, "completion_tokens")
    prompt_details = _mapping(found, "prompt_tokens_details")
    reasoning = _part(_mapping(found, "completion_tokens_details"), "reasoning_tokens")
    cached = _part(prompt_details, "cached_tokens") or _part(found, "cache_read_input_tokens")
    cached = cached or _part(found, "prompt_cache_hit_tokens")  # DeepSeek
    cache_write = _part(prompt_details, "cache_creation_tokens")
    cache_write = cache_write or _part(found, "cache_creation_input_tokens")
    if reasoning and _part(found, "total_tokens") == prompt + written + reasoning:
        written += reasoning  # some count it beside the completion instead of in it
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
        thought = _part(google, "thoughtsTokenCount")
        return Usage(
            prompt_tokens=_part(google, "promptTokenCount"),
            cached_tokens=_part(google, "cachedContentTokenCount"),
            completion_tokens=_part(google, "candidatesTokenCount") + thought,
            reasoning_tokens=thought,
        )
    usage = _mapping(body, "usage")
    if "input_tokens" not in usage:
        return parse_usage(usage)
    cached = _part(usage, "cache_read_input_tokens")
    written = _part(usage, "cache_creation_input_tokens")
    return Usage(
        prompt_tokens=_part(usage, "input_tokens") + cached + written,
        cached_tokens=cached,
        cache_write_tokens=written,
        completion_tokens=_part(usage, "output_tokens"),
    )


def _part(found: Mapping[str, Any], name: str) -> int:
    value = found.get(name)
    return max(0, int(value)) if isinstance(value, int | float) else 0


def _mapping(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = found.get(name)
    return value if isinstance(value, Mapping) else {}
