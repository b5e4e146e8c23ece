"""Record what a run consists of, and refuse to resume a run that has changed."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from harness import __version__
from harness.benchmarks.protocol import Benchmark
from harness.commands.compose import ModelParts
from harness.commands.resumed_endpoint import FILE_ENDPOINT, in_models_file
from harness.config import Config
from harness.errors import UserError
from harness.model.prices import snapshot
from harness.results import run_folder
from harness.results.run_folder import RunFolder
from harness.runner.changes import (
    IDENTITY,
    Change,
    benchmark_changes,
    config_changes,
    system_changes,
    told,
)
from harness.runner.code_files import code_files
from harness.runner.membership import Member
from harness.runner.planning import RunSystem
from harness.runner.program import machine, program
from harness.store.protocol import Store
from harness.text.timestamps import now

EXTENDS = ("systems", "trials", "submissions", "instances", "filter", "slice")
_NOT_EXTENDED = (
    "a run cannot be extended: run what is missing as another run and compare them (delm compare)"
)
Facts = Mapping[str, Any]  # `Store.description`
SINCE = "since"  # key of a record: trials begun at this moment or later ran what it says


@dataclass(frozen=True, slots=True, kw_only=True)
class Identified:
    """The parts of a run that its record describes."""

    config: Config
    parts: ModelParts
    run_systems: Sequence[RunSystem]
    benchmark: Benchmark[Any]
    label: str  # of the dataset
    joins: bool = False  # a process that joins a run writes nothing of it


def changes(
    facts: Facts,
    config: Config,
    run_systems: Sequence[RunSystem],
    benchmark: Benchmark[Any],
) -> list[Change]:
    """The differences between the recorded run and the current one.

    Facts without a record are skipped. The harness version does not count: a change that matters
    also changes a system's code.
    """
    if "config" not in facts:
        return []
    found = config_changes(facts["config"], config)
    if "benchmark_code" in facts:
        found += benchmark_changes(facts["benchmark_code"], benchmark_code(benchmark))
    for run_system in run_systems:
        if records := facts.get("systems", {}).get(run_system.name):
            found += system_changes(records[-1], run_system.record)
    return found


def benchmark_code(benchmark: Benchmark[Any]) -> dict[str, str]:
    """Hashes of the files of a user's own benchmark; empty for bundled benchmarks."""
    return code_files(type(benchmark).__module__)


def identity(config: Config, run_systems: Sequence[RunSystem]) -> str:
    """A hash of everything that may change a result: the configuration and every system."""
    systems = [{key: each.record.get(key) for key in IDENTITY} for each in run_systems]
    content = json.dumps([config.identity(), systems], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def refuse(folder: RunFolder, found: Sequence[Change], *, accept: bool, others: bool) -> None:
    """Raise `UserError` for differences, unless they are acceptable and `accept` is given."""
    fixed = [change for change in found if not change.acceptable]
    if not found or (accept and not fixed and not others):
        return
    only_code = all(change.file for change in fixed or found)
    what = "was begun with other code" if only_code else "exists with another configuration"
    said = f"the run {folder.run_id} {what} ({told(fixed or found)})"
    if fixed:
        hint = f"; {_NOT_EXTENDED}" if any(each.key in EXTENDS for each in fixed) else ""
        raise UserError(
            f"{said}; restore the settings, or begin a new run (another --run-id, or none){hint}"
        )
    if accept:
        raise UserError(f"{said}, and another process works on it; wait until it has ended")
    raise UserError(
        f"{said}; restore {'the files' if only_code else 'what changed'}, begin a new run "
        "(another --run-id, or none), or resume with --accept-changes"
    )


def unrecorded(facts: Facts, run_systems: Sequence[RunSystem]) -> list[str]:
    """Systems of an existing run without a record, because an older version started it."""
    known = facts.get("systems", {})
    return [c.name for c in run_systems if facts.get("config") and c.name not in known]


async def write_record(
    store: Store, folder: RunFolder, run: Identified, member: Member, *, accept: bool
) -> str:
    """Write what the run is; the id that it was begun with. `UserError` as for `refuse`.

    Its logs are found by that id, whatever the run is called now.

    A run that has no trial yet (it was refused or stopped before it began) may still change, unless
    another process is about to plan its trials.
    """
    config, run_systems = run.config, run.run_systems
    before = await store.description()
    found = changes(before, config, run_systems, run.benchmark)
    planners = set(before.get("planners", ())) & await member.alive() - {member.name}
    begun = bool(planners or await store.trials())
    if begun:
        refuse(folder, found, accept=accept, others=bool(await member.others()))
    if run.joins:
        return str(before.get("id", folder.run_id))
    moment = now()
    accepted = [*before.get("accepted", ())]
    if begun and found:
        accepted.append({SINCE: moment, "changes": [str(change) for change in found]})
    first_id = str(before.get("id", folder.run_id))
    prices, digest = snapshot({each.name: each.price for each in run.parts.each()})
    record = {
        "harness": _with(before.get("harness", ()) if begun else (), program(), moment),
        "systems": _systems(before.get("systems", {}) if begun else {}, run_systems, moment),
        "accepted": accepted,
    }
    await store.describe(
        id=first_id,
        identity=identity(config, run_systems),
        planners=sorted(planners | {member.name}),
        config=config.model_dump(mode="json"),
        model=run.parts.name,
        replay=run.parts.replay,
        dataset=run.label,
        benchmark=config.dataset.benchmark or run.benchmark.name,
        benchmark_code=benchmark_code(run.benchmark),
        prices=prices,
        prices_sha256=digest,
        prices_source=run.parts.price.source if run.parts.price else "",
        version=__version__,
        machine=machine(),
        packages=packages(run_systems, run.benchmark),
        **{FILE_ENDPOINT: in_models_file(config.model.name)},
        created_at=before.get("created_at", moment) if begun else moment,
        **record,
    )
    run_folder.write_config(folder, config.model_dump(mode="json"), record)
    return first_id


def _systems(
    before: Mapping[str, Any], run_systems: Sequence[RunSystem], moment: str
) -> dict[str, Any]:
    """The records of each system, in the order in which trials used them."""
    mine = {c.name: _with(before.get(c.name, ()), c.record, moment) for c in run_systems}
    return {**before, **mine}


def _with(records: Collection[Facts], record: Facts, moment: str) -> list[Facts]:
    """Append `record` to `records`, unless it equals the last one."""
    last = [{k: v for k, v in each.items() if k != SINCE} for each in records][-1:]
    return [*records, *([] if last == [dict(record)] else [{SINCE: moment, **record}])]


def packages(run_systems: Sequence[RunSystem], benchmark: Benchmark[Any]) -> dict[str, str]:
    """The installed versions of the packages that grade and of third-party systems."""
    systems = {getattr(run_system.system, "package", "") for run_system in run_systems}
    return {name: version(name) for name in sorted({*benchmark.packages} | systems - {""})}
