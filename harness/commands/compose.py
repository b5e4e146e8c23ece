"""Put a run's parts together from its configuration. With `harness.cli`, the composition root."""

import hashlib
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.benchmarks.protocol import Benchmark
from harness.benchmarks.rows import HUB_NAME, Dataset, load
from harness.benchmarks.selection import neighbours, select
from harness.cache import cache_dir
from harness.commands import replay_checks
from harness.commands.eval_options import Options
from harness.commands.model_checks import check_model, nearest
from harness.config import Config
from harness.errors import UserError
from harness.model.backend import Backend
from harness.model.call_limit import CallLimit
from harness.model.client import ModelClient, RetryPolicy
from harness.model.endpoint_health import PATIENCE
from harness.model.litellm_backend import LitellmBackend
from harness.model.prices import Price, find_price
from harness.model.replay import ReplayBackend, backend_for
from harness.model_entries import parse_overrides
from harness.protocols import CheckCache, Sandboxes
from harness.runner import systems
from harness.runner.check_cache import FileCheckCache, NoCheckCache
from harness.runner.planning import RunSystem
from harness.sandbox.no_sandboxes import NoSandboxes
from harness.sandbox.on_demand import OnDemand
from harness.sandbox.providers import choose
from harness.store.protocol import Store
from harness.system_files import UnknownSystem, system_names, without_variants
from harness.system_files import system_config as read_system
from harness.text.counted import counted
from harness.types import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelParts:
    """The model's backend, its price and its limits."""

    backend: Backend
    name: str  # of the model that is priced; of a replay, the one recorded
    price: Price | None
    replay: bool
    text_protocol: bool
    endpoint: str  # where calls go and with which key, in words; of a replay nowhere
    verifier: "ModelParts | None" = None  # what compares findings with their evidence; None: this

    def each(self) -> "list[ModelParts]":
        """These, and those of the verifier where it is another model."""
        return [self, *([self.verifier] if self.verifier else [])]


def model_parts(
    config: Config,
    mismatch: Callable[[str], None],
    *,
    sends: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> ModelParts:
    """The back end of the configured model, checked: known, with a price, and a key if it `sends`.

    A replay tells each prompt that is another one to `mismatch`; a model what it is asked otherwise
    than usual to `say`.
    Raises `UserError` that says what is missing and where to put it.
    """
    overrides = parse_overrides(config.models)
    parameters = dict(config.model.extra)
    if config.model.temperature is not None:
        parameters["temperature"] = config.model.temperature
    backend, name = backend_for(
        config.model.name,
        overrides=overrides,
        parameters=parameters,
        callbacks=config.model.callbacks,
        on_mismatch=mismatch,
        say=say,
    )
    replay = isinstance(backend, ReplayBackend)
    if not replay:
        check_model(name, overrides, sends=False)
    price = find_price(name, overrides)
    if price is None and not config.model.allow_unknown_price:
        raise UserError(
            f"no price is known for {name}{nearest(name, overrides, priced=True)}; add `{name}: "
            "{input: …, output: …}` (USD per million tokens) under models: in configs/models.yaml, "
            "or pass --allow-unknown-price (its cost then stays blank)"
        )
    if not replay:
        check_model(name, overrides, sends=sends)
    text = config.model.tools == "text" or (
        config.model.tools == "auto" and price is not None and not price.supports_tools
    )
    endpoint = str(backend.endpoint) if isinstance(backend, LitellmBackend) else ""
    return ModelParts(
        backend=backend, name=name, price=price, replay=replay, text_protocol=text,
        endpoint=endpoint,
        verifier=None if replay else _verifier(config, sends=sends, say=say),
    )  # fmt: skip


def _verifier(config: Config, *, sends: bool, say: Callable[[str], None]) -> ModelParts | None:
    """Those of `model.verifier`, where another model is named."""
    name = config.model.verifier
    if name in {"", config.model.name}:
        return None
    update: dict[str, Any] = {"name": name, "verifier": "", "temperature": None, "extra": {}}
    update["callbacks"] = ()  # those of a process hear of the calls of every model
    settings = config.model.model_copy(update=update)
    other = config.model_copy(update={"model": settings})
    return model_parts(other, lambda _: None, sends=sends, say=say)


def most_output(config: Config, price: Price | None) -> int:
    """The output token limit of one answer: the smaller of the configured and the model's."""
    most = price.max_output_tokens if price else 0
    return min(config.model.max_output_tokens, most or config.model.max_output_tokens)


def client(
    parts: ModelParts,
    config: Config,
    store: Store,
    waiting: Callable[[int, str], None],
    lacks: Callable[[], str],
) -> ModelClient:
    """The model client on the run's ledger; `lacks` as for `EndpointHealth`."""
    settings = config.model
    return ModelClient(
        parts.backend,
        parts.name,
        price=parts.price,
        ledger=store,
        # a replay's answers wait for each other, not for a provider
        limit=CallLimit(math.inf if parts.replay else settings.concurrency),
        retry=RetryPolicy(
            attempts=settings.attempts, base_s=settings.backoff_s, cap_s=settings.backoff_cap_s
        ),
        timeout_s=settings.timeout_s,
        max_output_tokens=most_output(config, parts.price),
        text_protocol=parts.text_protocol,
        seed=config.seed,
        waiting=waiting,
        # as many as were under way when it went away, and as many after them
        patience=max(PATIENCE, 2 * config.workers),
        lacks=lacks,
    )


def sandboxes(
    config: Config, benchmark: Benchmark[Any], items: Sequence[Item], run_id: str = ""
) -> Sandboxes:
    """Those that the configuration asks for, marked with the run; `UserError` as for `choose`.

    None where the benchmark needs none.
    """
    if not benchmark.needs_sandbox:
        return NoSandboxes()
    return choose(
        config.sandbox,
        cache_dir(),
        items,
        labels={"delm.run": run_id} if run_id else {},
        grading_network=config.grading.network,
    )


def run_sandboxes(options: Options, dataset: Dataset, run_id: str) -> Sandboxes:
    """Those of this machine, which has none where others do the work; of one that joins a run, made
    ready as instances need them."""
    if options.launch:
        return NoSandboxes()
    made = sandboxes(options.config, dataset.benchmark, dataset.items, run_id)
    return OnDemand(made) if options.joins else made


def check_cache(config: Config, sandboxes: Sandboxes) -> Callable[[Item], CheckCache]:
    """The check cache for findings, keyed by the sandbox's source and limits."""

    def of(item: Item) -> CheckCache:
        if not config.sandbox.remember_checks:
            return NoCheckCache()
        made_from = sandboxes.fingerprint(item).replace(":", "-")
        lent = config.sandbox.model_dump_json(include={"limits", "network"})  # what it may use
        digest = hashlib.sha256(lent.encode()).hexdigest()[:12]
        return FileCheckCache(cache_dir() / "checks" / f"{sandboxes.kind}-{made_from}-{digest}")

    return of


def dataset(config: Config) -> Dataset:
    """The whole dataset that the configuration names. Raises `UserError` as `load` does."""
    named = config.dataset
    return load(named.name, cache=cache_dir(), split=named.split, benchmark=named.benchmark)


def dataset_of(
    config: Config,
    backend: Backend,
    run_systems: Sequence[RunSystem],
    note: Callable[[str], None],
) -> Dataset:
    """The instances that are asked for; of a replay, by default, those that it holds, or the
    quick ones among them.

    Those that share an image follow each other: what is pulled is used up before it is removed.
    Raises `UserError` where a replay does not hold all that is asked for.
    """
    if HUB_NAME.fullmatch(config.dataset.name):
        note(f"loading {config.dataset.name} from the dataset hub, or its copy on this machine")
    whole = dataset(config)
    items = whole.items
    ids: Sequence[str] = config.instances
    names = [run_system.name for run_system in run_systems]
    replayed = backend.recording if isinstance(backend, ReplayBackend) else None
    if replayed is not None and not (ids or config.filter or config.slice):
        held = replay_checks.instances(replayed, names)
        ids = [i.instance.instance_id for i in items if i.instance.instance_id in held]
        if not ids:
            raise UserError(
                f"the recording holds no instance of {config.dataset.name} for "
                f"{' and '.join(names)}; it holds {replay_checks.held(replayed)}; "
                "what is not recorded needs a model (-m)"
            )
        if quick := [one for one in ids if one in replayed.header.quick]:
            note(
                f"{len(quick)} of the {counted(len(ids), 'recorded instance')}, whose commands "
                "are short; -i names others"
            )
            ids = quick
        elif len(ids) < len(items):
            all_ = counted(len(items), "instance")
            note(f"{len(ids)} of the {all_}: those that the recording holds")
    chosen = select(
        items,
        ids=ids,
        filter_regex=config.filter,
        slice_spec=config.slice,
        shuffle=config.shuffle,
        seed=config.seed,
    )
    if replayed is not None:
        chosen_ids = [item.instance.instance_id for item in chosen]
        replay_checks.check(replayed, {c.name: c.trials for c in run_systems}, chosen_ids)
    _check_fit(run_systems, whole.benchmark)
    return Dataset(benchmark=whole.benchmark, items=neighbours(chosen))


def _check_fit(run_systems: Sequence[RunSystem], benchmark: Benchmark[Any]) -> None:
    """Raise `UserError` if a system does not support the benchmark."""
    strange = [c.name for c in run_systems if not benchmark.fits(c.benchmark)]
    if strange:
        fit = [name for name in system_names() if benchmark.fits(read_system(name).benchmark)]
        them = (
            f"one of: {without_variants(fit)}, or a variant (configs/systems)"
            if fit
            else (f"a system whose file says benchmark: {benchmark.name}")
        )
        raise UserError(
            f"{strange[0]} does not take instances of {benchmark.name}; take (-s, make: SYSTEMS) "
            f"{them}"
        )


def load_systems(config: Config, backend: Backend) -> list[RunSystem]:
    """The systems of the run. A replay uses the recorded number of agents."""
    recorded = backend.recording.header.agents if isinstance(backend, ReplayBackend) else {}
    try:
        return systems.load_systems(config, recorded)
    except UnknownSystem as unknown:
        raise UnknownSystem(unknown.name, _benchmark_name(config)) from None


def _benchmark_name(config: Config) -> str:
    """The benchmark of a dataset that is on this machine; empty where it would be downloaded."""
    if HUB_NAME.fullmatch(config.dataset.name):
        return ""
    try:
        return dataset(config).benchmark.name
    except UserError:
        return ""


def check_disk(config: Config, *folders: Path) -> None:
    """Raise `UserError` if a folder's disk has less free space than `sandbox.min_free_gb`."""
    for folder in folders:
        there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
        free = shutil.disk_usage(there).free / 1e9
        if free < config.sandbox.min_free_gb:
            raise UserError(
                f"{there} has {free:.1f} GB free, {config.sandbox.min_free_gb:g} GB are needed; "
                "make room, choose another --output or DELM_CACHE, or lower sandbox.min_free_gb"
            )
