"""Put a run's parts together from its configuration. With `harness.cli`, the composition root."""

import importlib
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from harness.benchmarks.rows import load
from harness.benchmarks.select import select
from harness.cache import cache_dir
from harness.config import CONFIGS, Config, SystemConfig, dataset_layer, layer, resolve
from harness.config import system_config as read_system
from harness.errors import UserError
from harness.model.backend import Backend
from harness.model.client import ModelClient, RetryPolicy
from harness.model.prices import Price, find_price, parse_overrides
from harness.model.providers import known_model, missing_key, nearest_models
from harness.model.replay import PREFIX, ReplayBackend, backend_for
from harness.protocols import System
from harness.run import Contestant
from harness.store import Store
from harness.types import Item, Limits

BUNDLED = CONFIGS / "recordings" / "verified-offline.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelParts:
    """Whatever answers, and what it costs."""

    backend: Backend
    name: str  # of the model that is priced; of a replay, the one recorded
    price: Price | None
    replay: bool
    text_protocol: bool


def configure(
    *, model: str, dataset: str, specs: Sequence[str], flags: Mapping[str, Any]
) -> Config:
    """The configuration of `delm eval`: the shipped defaults, the dataset's file, -c, the flags.

    Without a model it is the bundled replay; with one, SWE-bench Verified unless told otherwise.
    """
    given = [layer(spec) for spec in specs]
    named = model or _named(given, "model")
    chosen = dataset or _named(given, "dataset")
    shipped = dataset_layer(chosen or ("swe-bench-verified" if named else "verified-offline"))
    said: dict[str, Any] = {"model": {"name": named or f"{PREFIX}{BUNDLED}"}}
    if dataset:  # a flag wins over -c
        said["dataset"] = {"name": shipped["dataset"]["name"]}
    return resolve([shipped, *given, flags, said])


def _named(layers: Sequence[Mapping[str, Any]], section: str) -> str:
    """The name that the last of `layers` gives to the model or the dataset, or nothing."""
    for content in reversed(layers):
        found = content.get(section)
        if isinstance(found, Mapping) and found.get("name"):
            return str(found["name"])
    return ""


def model_parts(config: Config, say: Callable[[str], None]) -> ModelParts:
    """The back end of the configured model, checked: known, with a key, with a price.

    Raises `UserError` that says what is missing and where to put it.
    """
    overrides = parse_overrides(config.models)
    parameters = dict(config.model.extra)
    if "api_key" in parameters:
        raise UserError(
            "model.extra.api_key would be written into the run's files; set the variable of the "
            "provider instead (delm doctor -m MODEL names it)"
        )
    if config.model.temperature is not None:
        parameters["temperature"] = config.model.temperature
    backend, name = backend_for(
        config.model.name, overrides=overrides, parameters=parameters, on_mismatch=say
    )
    replay = isinstance(backend, ReplayBackend)
    if not replay:
        check_model(name, overrides)
    price = find_price(name, overrides)
    if price is None and not config.model.allow_unknown_price:
        raise UserError(
            f"no price is known for {name}{_near(name, overrides)}; put it under models: in "
            "configs/models.yaml, or pass --allow-unknown-price (its cost then stays blank)"
        )
    text = config.model.tools == "text" or (
        config.model.tools == "auto" and price is not None and not price.supports_tools
    )
    return ModelParts(backend=backend, name=name, price=price, replay=replay, text_protocol=text)


def check_model(name: str, overrides: Mapping[str, Any]) -> None:
    """`UserError` for a model that nobody knows, or whose key is not in the environment."""
    if not known_model(name, overrides):
        raise UserError(
            f"unknown model {name!r}{_near(name, overrides)} (names are litellm's, such as "
            "gemini/gemini-2.5-flash; an endpoint of your own goes under models: in "
            "configs/models.yaml)"
        )
    missing = missing_key(name, overrides)
    if missing:
        what = "an address" if missing.endswith("BASE") else "a key"
        raise UserError(f"{name} needs {what}; set it with: export {missing}=…")


def _near(name: str, overrides: Mapping[str, Any]) -> str:
    near = nearest_models(name, overrides)
    return f"; did you mean {', '.join(near)}?" if near else ""


def client(parts: ModelParts, config: Config, store: Store) -> ModelClient:
    """The model client on the run's ledger."""
    settings = config.model
    most = parts.price.max_output_tokens if parts.price else 0
    return ModelClient(
        parts.backend,
        parts.name,
        price=parts.price,
        ledger=store,
        # a replay's answers wait for each other, not for a provider
        limiter=anyio.CapacityLimiter(math.inf if parts.replay else settings.concurrency),
        retry=RetryPolicy(
            attempts=settings.attempts, base_s=settings.backoff_s, cap_s=settings.backoff_cap_s
        ),
        timeout_s=settings.timeout_s,
        max_output_tokens=min(settings.max_output_tokens, most or settings.max_output_tokens),
        text_protocol=parts.text_protocol,
        seed=config.seed,
    )


def items_of(config: Config, backend: Backend) -> list[Item]:
    """The instances that are asked for; of a replay, by default, those that it holds."""
    items = load(config.dataset.name, cache=cache_dir(), split=config.dataset.split)
    ids: Sequence[str] = config.instances
    chosen = bool(ids or config.filter or config.slice)
    if isinstance(backend, ReplayBackend) and not chosen:
        held = {instance for _, instance in backend.recording.keys()}  # noqa: SIM118 - a method of ours
        ids = [i.instance.instance_id for i in items if i.instance.instance_id in held]
        if not ids:
            raise UserError(f"the recording holds no instance of {config.dataset.name}")
    return select(
        items,
        ids=ids,
        filter_regex=config.filter,
        slice_spec=config.slice,
        shuffle=config.shuffle,
        seed=config.seed,
    )


def contestants(config: Config) -> list[Contestant]:
    """The systems that are asked for, imported and made, each once."""
    systems = [read_system(name) for name in dict.fromkeys(config.systems)]
    names = [system.name for system in systems]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"two systems are called {twice}; give one of their files another name")
    return [_contestant(system, config.agents) for system in systems]


def _contestant(system: SystemConfig, agents: int) -> Contestant:
    module, _, attribute = system.system.partition(":")
    try:
        factory = getattr(importlib.import_module(module), attribute)
        made: System = factory(**system.options)
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"system {system.name}: {system.system!r} cannot be imported: {error}"
        ) from None
    except TypeError as error:
        raise UserError(f"system {system.name}: its options do not fit: {error}") from None
    count = agents if agents and system.scales else system.agents
    return Contestant(
        name=system.name,
        system=made,
        agents=count,
        wanted=count if system.submissions == "each" else 1,
    )


def limits_of(config: Config) -> Limits:
    """What one trial may use."""
    budget = config.budget
    return Limits(
        steps=budget.steps,
        cost_usd=budget.cost_usd,
        tokens=budget.tokens,
        wall_clock_s=budget.wall_clock_s,
        command_s=budget.command_s,
    )


def check_disk(config: Config, *folders: Path) -> None:
    """`UserError` where a folder's disk has less room than `sandbox.min_free_gb`."""
    for folder in folders:
        there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
        free = shutil.disk_usage(there).free / 1e9
        if free < config.sandbox.min_free_gb:
            raise UserError(
                f"{there} has {free:.1f} GB free, {config.sandbox.min_free_gb:g} GB are wanted; "
                "make room, choose another --output or DELM_CACHE, or lower sandbox.min_free_gb"
            )
