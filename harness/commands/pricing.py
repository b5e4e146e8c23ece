"""The expected cost, disk space and time of a run, printed before it starts."""

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from harness import event_loop
from harness.benchmarks.protocol import Benchmark
from harness.benchmarks.rows import Dataset
from harness.cache import cache_dir
from harness.commands.compose import ModelParts
from harness.config import Config
from harness.environments.rebuild import is_prepared
from harness.errors import StoreUnavailable, UserError
from harness.model.prices import Price
from harness.results.estimate import (
    REBUILT_BYTES,
    RUN_BYTES,
    Estimate,
    PastTrial,
    Planned,
    estimate,
    from_runs,
    gigabytes,
    hours,
    thousands,
    to_pull,
)
from harness.results.run_folder import RunFolder, run_folders
from harness.runner.planning import RunSystem
from harness.sandbox.docker import client
from harness.sandbox.docker.image_cache import IMAGE_BYTES
from harness.score.published import SWE_BENCH, counterpart
from harness.system_files import system_config
from harness.text.counted import counted
from harness.types import Environment, Item


def foresee(
    out: Console,
    config: Config,
    parts: ModelParts,
    run_systems: Sequence[RunSystem],
    dataset: Dataset,
    folder: RunFolder,
) -> None:
    """Print the expected tokens, cost, disk space and time of the run."""
    trials = len(dataset.items) * sum(run_system.trials for run_system in run_systems)
    lines = [
        *([] if parts.replay else _model(config, parts, run_systems, dataset, folder.path.parent)),
        *disk(config, dataset.benchmark, dataset.items, trials),
    ]
    for line in lines:
        out.print(line, highlight=False, markup=False)


def _model(
    config: Config,
    parts: ModelParts,
    run_systems: Sequence[RunSystem],
    dataset: Dataset,
    output: Path,
) -> list[str]:
    before, items = event_loop.run(earlier, output, parts.name), dataset.items
    planned = []
    basis = {each.name: each.cost_basis for each in map(system_config, config.systems)}
    for each in run_systems:
        expected = from_runs(each.name, before) or dataset.benchmark.expected(
            each.name, basis[each.name], items
        )
        if expected is None:
            return [f"expected cost of {each.name}: unknown until it has run once here"]
        trials = len(items) * each.trials
        one = Planned(expected=expected, trials=trials, submissions=trials * each.wanted)
        planned.append(one)
    found = estimate(
        planned,
        price=parts.price,
        submission_usd=config.budget.cost_usd,
        run_usd=config.budget.run_cost_usd,
        trial_wall_s=config.budget.wall_clock_s,
        workers=config.workers,
    )
    beside = published_beside(run_systems, parts.name)
    return [*priced(planned, found, parts.price, config.workers), *beside]


def published_beside(run_systems: Sequence[RunSystem], model: str) -> list[str]:
    """A line with what was published for a submission of these systems, where anything was."""
    found: dict[str, str] = {}
    for each in run_systems:
        beside = counterpart(each.name, each.agents, model)
        usd = beside.cost_usd(1) if beside else None
        if beside is not None and usd is not None:
            found[beside.label] = f"{beside.label}: ${usd:.2f}"
    if not found:
        return []
    return [
        f"published per submission on all of {SWE_BENCH}, and not used here: "
        f"{'; '.join(found.values())}"
    ]


def priced(
    planned: Sequence[Planned], found: Estimate, price: Price | None, workers: int
) -> list[str]:
    """The lines on tokens, dollars and time."""
    lines = ["expected per submission:"]
    for each in planned:
        tokens = each.expected.likely
        cost = "" if price is None else f", ${tokens.usd(price):.4f}"
        lines.append(
            f"  {each.expected.system}: {thousands(tokens.prompt)} prompt tokens "
            f"({thousands(tokens.cached)} cached), {thousands(tokens.completion)} completion"
            f"{cost} ({each.expected.source})"
        )
    words = dict.fromkeys(each.expected.assumption for each in planned if each.expected.assumed)
    lines += [f"  {assumption}" for assumption in words]
    all_ = found.tokens
    lines.append(
        f"expected in all: {thousands(all_.prompt)} prompt tokens ({thousands(all_.cached)} "
        f"cached), {thousands(all_.completion)} completion"
    )
    lines.append(f"dollars: {_dollars(found)}")
    likely = "unknown" if found.likely_s is None else f"likely {hours(found.likely_s)}"
    most = "no limit" if found.high_s is None else f"high {hours(found.high_s)} (the budget)"
    lines.append(f"wall clock: {likely}, {most}, {counted(workers, 'trial')} at a time")
    return lines


def _dollars(found: Estimate) -> str:
    """Low, likely and high; where the budget is less than what is likely, that it stops the run."""
    low, likely, high, wanted = found.low_usd, found.likely_usd, found.high_usd, found.wanted_usd
    if low is None or likely is None or wanted is None:
        return "unknown, because the model has no price"
    if high is None:
        return f"low ${low:.2f}, likely ${likely:.2f}, high no limit (the budget)"
    if likely >= high and wanted > high:
        return (
            f"likely ${wanted:.2f}, and the budget stops it at ${high:.2f}; what is unfinished "
            "then is submitted as it is, or not run"
        )
    told = f"low ${low:.2f}, likely ${likely:.2f}, high ${high:.2f} (the budget)"
    if wanted > likely + 0.005:
        told += f"; ${wanted:.2f} without the limit of a submission, at which some will stop"
    return told


def disk(
    config: Config, benchmark: Benchmark[Any], items: Sequence[Item], trials: int
) -> list[str]:
    """The disk space for images or environments to come, and for the run folder."""
    left = f"run folder: about {gigabytes(trials * RUN_BYTES)}"
    if not benchmark.needs_sandbox:
        return [f"disk: {left}"]
    environments = {each.environment.name: each.environment for each in items if each.environment}
    rebuilt = len(environments) and all(each.environment for each in items)
    bubblewrap = config.sandbox.kind == "bubblewrap" or (
        config.sandbox.kind == "auto" and rebuilt and shutil.which("bwrap")
    )
    if bubblewrap:
        missing = event_loop.run(_count_missing, list(environments.values()))
        return [
            f"disk: {missing} of {len(environments)} environments to build, about "
            f"{gigabytes(missing * REBUILT_BYTES)} with downloads; {left}"
        ]
    wanted = {each.instance.image: each for each in items}
    here = _images()
    lacking = to_pull(list(wanted), here or [])
    pulls = [name for name in lacking if wanted[name].environment is None]
    need = len(pulls) * IMAGE_BYTES + (len(lacking) - len(pulls)) * REBUILT_BYTES
    ceiling = config.sandbox.disk_gb
    at_once = f", at most {ceiling:g} GB of pulled images at a time" if ceiling and pulls else ""
    unsure = "" if here is not None else " (Docker does not answer: all count as missing)"
    return [
        f"disk: {len(lacking)} of {len(wanted)} images are missing{unsure}: {len(pulls)} to pull, "
        f"{len(lacking) - len(pulls)} to build, about {gigabytes(need)}{at_once}; {left}"
    ]


async def earlier(output: Path, model: str) -> list[PastTrial]:
    """The trials of earlier runs in `output` with `model`, as `from_runs` takes them.

    Skips replays, whose tokens were counted when they were recorded, and stores that cannot be
    read or were written by another version of this program.
    """
    found: list[PastTrial] = []
    for folder in run_folders(output):
        with contextlib.suppress(UserError, StoreUnavailable):
            async with folder.open(read_only=True) as store:
                found += [{**row, "run": folder.run_id} for row in await store.earlier(model)]
    return found


async def _count_missing(environments: Sequence[Environment]) -> int:
    return sum([not await is_prepared(each, cache_dir()) for each in environments])


def _images() -> list[str] | None:
    """The tags of the images on this machine; None if no Docker engine answers."""
    try:
        with client.connected() as engine:
            return [tag for image in engine.images.list() for tag in image.tags]
    except UserError:
        return None
