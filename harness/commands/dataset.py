"""`delm dataset check`: check every row, and that gold patches pass and empty patches fail."""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio

from harness import event_loop
from harness.benchmarks.protocol import Benchmark
from harness.benchmarks.rows import check_rows
from harness.benchmarks.selection import neighbours, select
from harness.cache import cache_dir
from harness.commands import compose
from harness.commands.dataset_layer import dataset_layer
from harness.config import Config, layer, resolve
from harness.errors import SandboxError, SandboxUnavailable, UserError
from harness.protocols import Grader, Sandboxes
from harness.runner.progress import console
from harness.runner.signals import STOPPED, until_signal
from harness.terminal import one_line
from harness.text.counted import counted
from harness.types import Item

Say = Callable[[str], None]
SHOWN = 3  # names in a line


def check(
    name: str,
    ids: Sequence[str],
    specs: Sequence[str],
    flags: Mapping[str, Any],
    *,
    rows_only: bool,
) -> int:
    """Print every fault of every row, and what gold and empty patches do; 0 where all is right.

    1: something is wrong. Where the tests cannot be run here that is said, and is no fault. Raises
    `UserError` where it is no dataset.
    """
    out = console()

    def say(line: str) -> None:
        out.print(one_line(line), highlight=False, markup=False, soft_wrap=True)

    config = resolve([dataset_layer(name), *(layer(spec) for spec in specs), flags])
    named = config.dataset
    benchmark, checked = check_rows(
        named.name, cache=cache_dir(), split=named.split, benchmark=named.benchmark
    )
    rows = list(checked)
    for row in rows:
        for fault in row.faults:
            say(f"{row.where} {fault}")
    items = [row.item for row in rows if row.item]
    bad = sum(bool(row.faults) for row in rows)
    say(f"{counted(len(rows), 'row')}: {len(items)} whole, {bad} with faults")
    if left := len(rows) - len(items) - bad:
        say(f"{left} left out: not {benchmark.asked}")
    if not items or rows_only:
        return int(bad > 0)
    chosen = select(items, ids=ids)
    return max(int(bad > 0), event_loop.run(_run, config, benchmark, chosen, say))


async def _run(config: Config, benchmark: Benchmark[Any], items: Sequence[Item], say: Say) -> int:
    """Grade gold and empty submissions; return an exit code, also after a signal."""
    right: dict[str, bool] = {}
    stopped = await until_signal(lambda: _grade_all(config, benchmark, items, right, say), say)
    if right:
        say(f"{sum(right.values())} of {counted(len(right), 'instance')} graded as they should be")
    return STOPPED if stopped else int(not all(right.values()))


async def _grade_all(
    config: Config,
    benchmark: Benchmark[Any],
    items: Sequence[Item],
    right: dict[str, bool],
    say: Say,
) -> None:
    """Put into `right` whether each instance that can be run here does what it should.

    What can be rebuilt and what has an image only are tried apart: one may work without the other.
    """
    for rebuilt in (True, False):
        mine = neighbours([item for item in items if (item.environment is not None) == rebuilt])
        if not mine:
            continue
        try:
            sandboxes = compose.sandboxes(config, benchmark, mine)
        except (UserError, SandboxUnavailable) as error:
            say(f"not run: {counted(len(mine), 'instance')}: {error}")
            continue
        ready = await _prepared(sandboxes, mine, say)
        if not ready:
            continue
        logs = Path(tempfile.mkdtemp(prefix="delm-dataset-check-"))
        grader = benchmark.grader(sandboxes, config, logs=logs, cache=None)
        try:
            await _grade(config, benchmark, ready, sandboxes, grader, right, say)
        finally:
            if all(right.values()):
                shutil.rmtree(logs)
            else:
                say(f"logs: {logs}")


async def _prepared(sandboxes: Sandboxes, items: Sequence[Item], say: Say) -> list[Item]:
    """The items whose images or environments can be had. Of the others it is said why not."""
    try:
        await sandboxes.prepare(items, say)
        return list(items)
    except (UserError, SandboxUnavailable) as error:
        if len(items) == 1:
            say(f"not run: 1 instance: {error}")
            return []
    ready, lacking = [], dict[str, list[str]]()
    for item in items:  # one that cannot be had keeps no other from being checked
        try:
            await sandboxes.prepare([item], say)
            ready.append(item)
        except (UserError, SandboxUnavailable) as error:
            lacking.setdefault(str(error), []).append(item.instance.instance_id)
    for why, names in lacking.items():
        named = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
        say(f"not run: {counted(len(names), 'instance')} ({named}): {why}")
    return ready


async def _grade(
    config: Config,
    benchmark: Benchmark[Any],
    items: Sequence[Item],
    sandboxes: Sandboxes,
    grader: Grader[Any],
    right: dict[str, bool],
    say: Say,
) -> None:
    limiter = anyio.CapacityLimiter(config.workers)

    async def one(item: Item) -> None:
        async with limiter:
            faults = await _faults(item, benchmark, sandboxes, grader)
            left = await _left(item, benchmark, sandboxes, config)
        name = item.instance.instance_id
        right[name] = not faults
        say(f"{name}: {'; '.join(faults) or 'gold resolves it, empty does not'}")
        if left:
            shown = ", ".join(left[:SHOWN]) + (", …" if len(left) > SHOWN else "")
            say(
                f"{name}: warning: running its tests leaves {counted(len(left), 'file')} that "
                f"would be part of every patch ({shown}); ignore them in .gitignore of the base "
                "commit (of .pyc files, PYTHONDONTWRITEBYTECODE=1 in the image helps, too)"
            )

    async with anyio.create_task_group() as tasks:
        for item in items:
            tasks.start_soon(one, item)


async def _left(
    item: Item, benchmark: Benchmark[Any], sandboxes: Sandboxes, config: Config
) -> Sequence[str]:
    """What the tests leave; nothing where they cannot be run or compared, which grading says."""
    try:
        async with sandboxes.holding(item):
            return await benchmark.leftovers(item, sandboxes, config)
    except (SandboxUnavailable, SandboxError, ValueError):
        return ()


async def _faults(
    item: Item, benchmark: Benchmark[Any], sandboxes: Sandboxes, grader: Grader[Any]
) -> list[str]:
    """What is wrong with the verdicts on the gold and on the empty submission."""
    found = []
    try:
        async with sandboxes.holding(item):
            gold = await grader.grade(item, benchmark.gold(item), model_name="gold")
            empty = await grader.grade(item, benchmark.empty(item), model_name="empty")
    except SandboxUnavailable as error:
        return [f"it cannot be run: {error}"]
    if gold.outcome != "resolved":
        found.append(f"gold does not resolve it ({gold.reason})")
    if empty.outcome != "unresolved":
        why = f" ({empty.reason})" if empty.reason else ": its tests pass without a patch"
        found.append(f"empty is {empty.outcome}{why}")
    return found
