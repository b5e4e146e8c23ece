"""What a token costs, and whose list says so.

Our own entries (configs/models.yaml) come first, then the table that ships inside litellm. The
table is read as a file: importing litellm takes seconds.
"""

import hashlib
import importlib.util
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from harness.model.off_peak_prices import OffPeak, Window, windows_of
from harness.model_entries import ModelOverride, parse_overrides
from harness.types import Usage

REQUEST_OVERHEAD_TOKENS = 1_000
"""What a provider may add to a request: role marks, the system text that explains tools."""

_RATES = {
    "input": "input_cost_per_token",
    "cached_input": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "output": "output_cost_per_token",
}
_CHAT = {"chat", "completion", "responses"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Prices in USD per token of calls with a prompt of more than `above` tokens."""

    above: int
    input: float
    cached_input: float
    cache_write: float
    output: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """USD per token of one model, and its sizes. 0 for a size means that the list does not say."""

    input: float  # fresh prompt tokens
    cached_input: float  # prompt tokens that the provider served from its cache
    cache_write: float  # prompt tokens that the provider put into its cache
    output: float  # completion tokens, reasoning included
    context_tokens: int
    max_output_tokens: int
    supports_tools: bool
    source: str  # whose price list
    tiers: tuple[Tier, ...] = ()  # dearer long prompts, by rising `above`
    off_peak: OffPeak | None = None  # of a call that no tier is for


def override_for(model: str, overrides: Mapping[str, Any]) -> ModelOverride | None:
    """The entry of `model`. `overrides` holds parsed entries or their plain content."""
    entry = overrides.get(model)
    if entry is None or isinstance(entry, ModelOverride):
        return entry
    return parse_overrides({model: entry})[model]


def find_price(model: str, overrides: Mapping[str, Any]) -> Price | None:
    """The price of `model`, or None when no list knows it."""
    listed = _listed_price(model)
    own = override_for(model, overrides)
    if own is None:
        return listed
    sizes: dict[str, Any] = {
        "context_tokens": own.context_tokens or (listed.context_tokens if listed else 0),
        "max_output_tokens": own.max_output_tokens or (listed.max_output_tokens if listed else 0),
    }
    tools = own.supports_tools
    if own.input is None or own.output is None:
        if listed is None:
            return None
        supports = listed.supports_tools if tools is None else tools
        return replace(listed, supports_tools=supports, **sizes)
    million = 1e6
    return Price(
        input=own.input / million,
        cached_input=(own.input if own.cached_input is None else own.cached_input) / million,
        cache_write=(own.input if own.cache_write is None else own.cache_write) / million,
        output=own.output / million,
        supports_tools=True if tools is None else tools,
        source=own.source,
        **sizes,
    )


def cost(usage: Usage, price: Price, at: datetime | None = None) -> float:
    """The USD of one call: fresh, cached, cache-written and completion tokens priced apart.

    `at` is when it was sent, for prices by the time of day; None: the dearer of them.
    """
    rates = rates_of(price, usage.prompt_tokens, at)
    fresh = max(0, usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens)
    return (
        fresh * rates.input
        + usage.cached_tokens * rates.cached_input
        + usage.cache_write_tokens * rates.cache_write
        + usage.completion_tokens * rates.output
    )


def worst_case(prompt_bytes: int, max_output_tokens: int, price: Price) -> float:
    """The most USD that a request of so many UTF-8 bytes can cost: a byte is at most a token."""
    tokens = prompt_bytes + REQUEST_OVERHEAD_TOKENS
    reachable: list[Price | Tier | OffPeak] = [price]
    reachable += [tier for tier in price.tiers if tokens > tier.above]
    reachable += [price.off_peak] if price.off_peak else []
    return max(
        tokens * max(rates.input, rates.cached_input, rates.cache_write)
        + max_output_tokens * rates.output
        for rates in reachable
    )


def snapshot(prices: Mapping[str, Price | None]) -> tuple[dict[str, Any], str]:
    """The prices by model as plain JSON for the run's record, and the sha256 of that."""
    plain = {name: _plain(price) if price else None for name, price in sorted(prices.items())}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    plain = json.loads(text)  # tuples become lists: what is returned is what was hashed
    return plain, hashlib.sha256(text.encode()).hexdigest()


def recorded(plain: Mapping[str, Any] | None) -> Price | None:
    """The price of a model in a run's record, as `snapshot` put it there; None: there is none."""
    if not plain:
        return None
    off_peak = plain.get("off_peak")
    if off_peak is not None:
        windows = [
            Window(**{**each, "weekdays": tuple(each["weekdays"])}) for each in off_peak["windows"]
        ]
        off_peak = OffPeak(**{**off_peak, "windows": tuple(windows)})
    tiers = tuple(Tier(**tier) for tier in plain.get("tiers", ()))
    return Price(**{**plain, "tiers": tiers, "off_peak": off_peak})


@cache
def price_table() -> Mapping[str, Mapping[str, Any]]:
    """litellm's own table, as its installed package ships it."""
    spec = importlib.util.find_spec("litellm")
    if spec is None or spec.origin is None:
        return {}
    path = Path(spec.origin).with_name("model_prices_and_context_window_backup.json")
    table: dict[str, dict[str, Any]] = json.loads(path.read_text())
    return {name: entry for name, entry in table.items() if entry.get("mode") in _CHAT}


def _plain(price: Price) -> dict[str, Any]:
    """A price as JSON; without `off_peak` where there is none, as before there was such a thing."""
    return {k: v for k, v in asdict(price).items() if k != "off_peak" or v is not None}


def rates_of(price: Price, prompt_tokens: int, at: datetime | None) -> Price | Tier | OffPeak:
    """What the tokens of one call cost; `at` as for `cost`."""
    reached: Price | Tier | OffPeak = price
    if at is not None and price.off_peak is not None and price.off_peak.holds(at):
        reached = price.off_peak
    for tier in price.tiers:
        if prompt_tokens > tier.above:
            reached = tier
    return reached


def _names(model: str) -> Iterator[tuple[str, str]]:
    """The names under which the table may know `model`, each with the provider it must be of."""
    yield model, ""
    provider, slash, rest = model.partition("/")
    if slash:
        yield rest, provider


def _listed_price(model: str) -> Price | None:
    table = price_table()
    for name, provider in _names(model):
        entry = table.get(name)
        if entry and str(entry.get("litellm_provider", "")).startswith(provider):
            return _from_entry(entry, name)
    return None


def _from_entry(entry: Mapping[str, Any], name: str) -> Price | None:
    steps = sorted(entry.get("tiered_pricing") or [], key=lambda step: step.get("range", [0])[0])
    first = _entry_rates(steps[0] if steps else entry, suffix="")
    if first is None:
        return None
    tiers = [
        Tier(above=int(step["range"][0]), **rates)
        for step in steps[1:]
        if (rates := _entry_rates(step, suffix="")) is not None
    ]
    for above in _thresholds(entry):
        dearer = _entry_rates(entry, suffix=f"_above_{above}k_tokens", fallback=first)
        if dearer is not None:
            tiers.append(Tier(above=above * 1000, **dearer))
    return Price(
        **first,
        off_peak=_off_peak(entry, first),
        tiers=tuple(sorted(tiers, key=lambda tier: tier.above)),
        context_tokens=_size(entry, "max_input_tokens"),
        max_output_tokens=_size(entry, "max_output_tokens"),
        supports_tools=bool(entry.get("supports_function_calling")),
        source=f"litellm {version('litellm')}: {name}",
    )


def _off_peak(entry: Mapping[str, Any], standard: Mapping[str, float]) -> OffPeak | None:
    listed = entry.get("off_peak_pricing")
    windows = windows_of(listed) if isinstance(listed, Mapping) else ()
    if not windows or not isinstance(listed, Mapping):
        return None
    rates = _entry_rates(listed, suffix="", fallback=standard)
    return OffPeak(**rates, windows=windows) if rates else None


def _thresholds(entry: Mapping[str, Any]) -> list[int]:
    prefix, suffix = "input_cost_per_token_above_", "k_tokens"
    cut = [key.removeprefix(prefix).removesuffix(suffix) for key in entry if key.startswith(prefix)]
    return sorted(int(part) for part in cut if part.isdigit())


def _entry_rates(
    entry: Mapping[str, Any], *, suffix: str, fallback: Mapping[str, float] | None = None
) -> dict[str, float] | None:
    """The four rates of a table entry; None when it does not price both directions."""
    rates = {ours: entry.get(theirs + suffix) for ours, theirs in _RATES.items()}
    if fallback:
        rates = {name: fallback[name] if rate is None else rate for name, rate in rates.items()}
    if rates["input"] is None or rates["output"] is None:
        return None
    reasoning = entry.get("output_cost_per_reasoning_token") or 0.0
    known = {name: float(rates["input"] if rate is None else rate) for name, rate in rates.items()}
    return known | {"output": max(known["output"], float(reasoning))}


def _size(entry: Mapping[str, Any], key: Literal["max_input_tokens", "max_output_tokens"]) -> int:
    value = entry.get(key) or entry.get("max_tokens")
    return int(value) if isinstance(value, int | float) else 0
