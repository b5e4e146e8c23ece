"""`delm grade --calibrate`: find tests that are unstable on this machine."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from rich.console import Console

from harness import event_loop
from harness.benchmarks.registry import require
from harness.benchmarks.rows import Dataset
from harness.benchmarks.swebench.calibrate import (
    FILE,
    Calibration,
    Calibrator,
    calibration_row,
    write_calibration,
)
from harness.cache import cache_dir
from harness.commands import compose
from harness.commands.grade import Request, configured
from harness.commands.json_output import notes_console, print_json
from harness.config import Config
from harness.errors import UserError
from harness.runner.progress import Progress
from harness.runner.signals import STOPPED, until_signal

FORM = "{:<30}  {:>8}  {:>8}  {:>7}  {}"


def calibrate_instances(request: Request, runs: int) -> int:
    """Grade gold and empty patches `runs` times each and print the table.

    Writes the results of the instances that were finished. Returns exit code 130 if it was stopped.
    """
    if request.gold or request.empty or request.predictions is not None:
        raise UserError("--calibrate grades gold and empty patches, and takes no predictions")
    config, dataset = configured(request)
    require(dataset.benchmark, "calibration", "--calibrate")
    request.output.mkdir(parents=True, exist_ok=True)
    compose.check_disk(config, request.output, cache_dir())
    out = notes_console(as_json=request.as_json)
    code, found = event_loop.run(_calibrate, out, config, dataset, request, runs)
    if request.as_json:
        rows = {one.instance_id: calibration_row(one) for one in found}
        print_json({"path": str(request.output / FILE), "instances": rows})
    return code


async def _calibrate(
    out: Console, config: Config, dataset: Dataset, request: Request, runs: int
) -> tuple[int, list[Calibration]]:
    """Return the exit code and the finished calibrations."""
    items: list[Any] = dataset.items
    sandboxes = compose.sandboxes(config, dataset.benchmark, items)
    progress = Progress(out, total=len(items))
    found: dict[str, Calibration] = {}

    def done(one: Calibration) -> None:
        found[one.instance_id] = one
        progress.say(f"{one.instance_id}: {len(one.unstable)} unstable tests, {one.seconds:.1f} s")

    async def work() -> None:
        calibrator = Calibrator(sandboxes, config.grading, runs=runs)
        await calibrator.calibrate(items, workers=config.workers, done=done)

    with closing(sandboxes):
        await sandboxes.prepare(items, progress.say)
        stopped = await until_signal(work, progress.say)
    ordered = [found[name] for name in (i.instance.instance_id for i in items) if name in found]
    for line in table_lines(ordered):
        out.print(line, highlight=False, markup=False, soft_wrap=True)
    path = request.output / FILE
    if ordered:
        write_calibration(path, ordered)
        out.print(f"kept in {path}", highlight=False, markup=False)
    return STOPPED if stopped else 0, ordered


def table_lines(found: Sequence[Calibration]) -> list[str]:
    """One line per instance, one for each further unstable test, and a total."""
    lines = [FORM.format("instance", "gold", "empty", "seconds", "unstable tests")]
    for one in found:
        first, *others = one.unstable or ("none",)
        gold, empty = (f"{n} of {one.runs}" for n in (one.gold_resolved, one.empty_resolved))
        lines.append(FORM.format(one.instance_id, gold, empty, f"{one.seconds:.1f}", first))
        lines += [FORM.format("", "", "", "", test) for test in others]
    unstable = sum(len(one.unstable) for one in found)
    broken = sum(one.gold_resolved == 0 for one in found)
    lines.append(
        f"{unstable} unstable tests in {sum(bool(one.unstable) for one in found)} of {len(found)} "
        f"instances; {broken} whose gold patch never resolves"
    )
    return lines
