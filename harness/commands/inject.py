"""`delm dataset inject`: find the tests that see each fault of a dataset file, and check it."""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio

from harness import event_loop
from harness.benchmarks.swebench.benchmark import SweBench
from harness.benchmarks.swebench.calibrate import Calibration, Calibrator
from harness.benchmarks.swebench.injected.instances import (
    Injection,
    injection_of,
    item_of,
    release_item,
)
from harness.benchmarks.swebench.injected.measure import RUNS, FaultRuns, Measured
from harness.benchmarks.swebench.injected.sheet import read_sheet
from harness.benchmarks.swebench.injected.written_lists import with_lists
from harness.benchmarks.swebench.items import IssueItem
from harness.cache import cache_dir, write_beside
from harness.commands import compose
from harness.config import Config, layer, nearest, resolve
from harness.errors import SandboxUnavailable, UserError
from harness.protocols import Sandboxes
from harness.runner.progress import console
from harness.runner.signals import STOPPED, until_signal
from harness.terminal import one_line
from harness.text.counted import counted

FORM = "{:<34}  {:>5}  {:>12}  {:>12}  {:>7}  {}"
SHOWN = 3  # names of tests in one line
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found of one instance."""

    name: str
    level: int
    measured: Measured
    seconds: float  # one evaluation
    faults: tuple[str, ...]  # empty: the instance can be used


def inject(
    spec: Path, out: Path | None, ids: Sequence[str], specs: Sequence[str], flags: Mapping[str, Any]
) -> int:
    """Write the lists of tests of every instance that is right into `out`, else into `spec`.

    0: all are right; 1: some are not, which is said; 130: stopped. Raises `UserError` for a
    mistake in the file, with the instance and the field.
    """
    injections = _injections(spec, ids)
    with_lists(
        _text(spec), dict.fromkeys(injections, _nothing())
    )  # refuse its form before the work
    config = resolve([{"dataset": {"name": str(spec)}}, *(layer(each) for each in specs), flags])
    printer = console()

    def say(line: str) -> None:
        printer.print(one_line(line), highlight=False, markup=False, soft_wrap=True)

    found: dict[str, Checked] = {}
    stopped = event_loop.run(_run, config, injections, found, say)
    ordered = [found[name] for name in injections if name in found]
    for line in _table(ordered):
        say(line)
    right = {each.name: each.measured for each in ordered if not each.faults}
    if right:
        target = out or spec
        write_beside(target, with_lists(_text(spec), right).encode())
        say(f"wrote the lists of {counted(len(right), 'instance')} into {target}")
    return STOPPED if stopped else int(len(right) < len(injections))


def _text(spec: Path) -> str:
    """The file as it is now: its user may have changed an issue meanwhile."""
    return spec.read_bytes().decode()


def _injections(spec: Path, ids: Sequence[str]) -> dict[str, Injection]:
    """The instances that are asked for, with their texts."""
    sheet = read_sheet(spec)
    for name in ids:
        if name not in sheet.injected:
            raise UserError(f"{spec} has no instance {name}{nearest(name, sheet.injected)}")
    found = {}
    for name in ids or sheet.injected:
        try:
            found[name] = injection_of(name, sheet, spec.parent, cache_dir())
        except UserError as error:
            raise UserError(f"{spec}: injected.{name}.{error}") from error
    return found


def _nothing() -> Measured:
    return Measured(fail_to_pass=(), pass_to_pass=(), unstable=())


async def _run(
    config: Config, injections: Mapping[str, Injection], found: dict[str, Checked], say: Say
) -> bool:
    """Put what is found of each instance into `found`; whether a signal stopped it."""
    benchmark = SweBench()
    items = [release_item(name, injection) for name, injection in injections.items()]
    sandboxes = compose.sandboxes(config, benchmark, items)
    logs = Path(tempfile.mkdtemp(prefix="delm-dataset-inject-"))
    checker = _Checker(sandboxes, config, logs, say)

    async def work() -> None:
        await sandboxes.prepare(items, say)
        limiter = anyio.CapacityLimiter(config.workers)

        async def one(name: str, injection: Injection) -> None:
            async with limiter:
                say(f"{name}: running its tests")
                checked = await checker.check(name, injection)
            found[name] = checked
            say(f"{name}: {'; '.join(checked.faults) or 'right'}")

        async with anyio.create_task_group() as tasks:
            for name, injection in injections.items():
                tasks.start_soon(one, name, injection)

    with closing(sandboxes):
        stopped = await until_signal(work, say)
    if all(not each.faults for each in found.values()):
        await anyio.to_thread.run_sync(shutil.rmtree, logs)
    else:
        say(f"logs: {logs}")
    return stopped


class _Checker:
    """Finds the tests of one instance after another, and checks it as a dataset will have it."""

    def __init__(self, sandboxes: Sandboxes, config: Config, logs: Path, say: Say) -> None:
        self._sandboxes = sandboxes
        self._config = config
        self._runs = FaultRuns(sandboxes, config.grading.timeout_s)
        self._grader = SweBench().grader(sandboxes, config, logs=logs, cache=None)
        self._say = say

    async def check(self, name: str, injection: Injection) -> Checked:
        """What is found of the instance `name`."""
        measured, seconds = _nothing(), 0.0
        try:
            measured = await self._runs.measure(name, injection)
            faults = _faults_of(measured)
            if not faults:
                facts = injection.facts.model_copy(
                    update={
                        "fail_to_pass": measured.fail_to_pass,
                        "pass_to_pass": measured.pass_to_pass,
                    }
                )
                item = item_of(name, replace(injection, facts=facts))
                await self._sandboxes.prepare([item], self._say)
                seconds, faults = await self._verdicts(item, injection, measured)
        except (UserError, SandboxUnavailable) as error:
            faults = [str(error)]
        return Checked(
            name=name,
            level=injection.facts.level,
            measured=measured,
            seconds=seconds,
            faults=tuple(faults),
        )

    async def _verdicts(
        self, item: IssueItem, injection: Injection, measured: Measured
    ) -> tuple[float, list[str]]:
        """Seconds of one evaluation, and what is wrong with the instance as it will be loaded."""
        visible = await self._runs.still_failing(item, injection, measured)
        if visible:
            return 0.0, [f"tests that fail are left in its repository: {_some(visible)}"]
        done: list[Calibration] = []
        calibrator = Calibrator(self._sandboxes, self._config.grading, runs=RUNS)
        await calibrator.calibrate([item], workers=1, done=done.append)
        (calibration,) = done
        faults = []
        if calibration.gold_resolved < RUNS:
            faults.append(f"gold resolves {calibration.gold_resolved} of {RUNS} times")
        if calibration.empty_resolved:
            faults.append(f"empty resolves {calibration.empty_resolved} of {RUNS} times")
        if calibration.unstable:
            faults.append(f"unstable tests: {_some(calibration.unstable)}")
        gold = await self._grader.grade(item, item.reference.patch, model_name="gold")
        if gold.outcome != "resolved" and not faults:
            faults.append(f"gold does not resolve it ({gold.reason})")
        return calibration.seconds, faults


def _faults_of(measured: Measured) -> list[str]:
    """What is wrong with an instance that has these tests."""
    if measured.unstable:
        return [
            f"tests differ between two runs of the same tree: {_some(measured.unstable)}; put "
            "them into leave_out"
        ]
    if not (measured.fail_to_pass or measured.pass_to_pass):
        return ["no test passes without the fault: look at test_command and log_parser"]
    if not measured.fail_to_pass:
        return ["no test notices the fault: each that passes without it passes with it"]
    return []


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _table(found: Sequence[Checked]) -> list[str]:
    """One line per instance, and a total."""
    lines = [FORM.format("instance", "level", "FAIL_TO_PASS", "PASS_TO_PASS", "seconds", "result")]
    lines += [_line(each) for each in found]
    right = sum(not each.faults for each in found)
    lines.append(f"{right} of {counted(len(found), 'instance')} can be used")
    return lines


def _line(each: Checked) -> str:
    measured = each.measured
    return FORM.format(
        each.name,
        each.level,
        len(measured.fail_to_pass),
        len(measured.pass_to_pass),
        f"{each.seconds:.1f}",
        "wrong" if each.faults else "right",
    )
