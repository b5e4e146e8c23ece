"""Find tests that are unstable on this machine, by grading the same patches several times."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from harness.benchmarks.swebench.items import IssueItem, IssueReference
from harness.benchmarks.swebench.log_reader import read_log
from harness.benchmarks.swebench.official import (
    Log,
    apply_patch,
    evaluation_script,
    log_text,
    run_script,
)
from harness.cache import write_beside
from harness.config import GradingConfig
from harness.errors import LogUnreadable, UserError
from harness.protocols import Sandboxes

# grades like no patch at all, but is run: an empty one never is
NOTHING = """\
diff --git a/delm_empty_patch b/delm_empty_patch
new file mode 100644
index 0000000..e69de29
"""
FILE = "calibration.json"  # in the output folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The results of one instance."""

    instance_id: str
    runs: int  # of each of the two patches
    gold_resolved: int  # of them
    empty_resolved: int
    seconds: float  # mean of one
    unstable: tuple[str, ...]  # tests with more than one outcome on the same patch
    image: str  # what the sandboxes were made from


class Calibrator:
    """Grades gold and empty patches with the official grader alone, without a cache."""

    def __init__(self, sandboxes: Sandboxes, config: GradingConfig, *, runs: int) -> None:
        self._sandboxes = sandboxes
        self._config = config
        self._runs = runs

    async def calibrate(
        self,
        items: Sequence[IssueItem],
        *,
        workers: int,
        done: Callable[[Calibration], None],
    ) -> None:
        """Call `done` for each item after its last run. Raises `GradingUnavailable`."""
        limiter = anyio.CapacityLimiter(workers)

        async def one(item: IssueItem) -> None:
            async with self._sandboxes.holding(item):
                done(await self._item(item, limiter))

        async with anyio.create_task_group() as tasks:
            for item in items:
                tasks.start_soon(one, item)

    async def _item(self, item: IssueItem, limiter: anyio.CapacityLimiter) -> Calibration:
        passed: dict[str, list[frozenset[str]]] = {"gold": [], "empty": []}
        seconds: list[float] = []

        async def one(kind: str, patch: str) -> None:
            async with limiter:
                started = anyio.current_time()
                passed[kind].append(await self._passed(item, patch))
                seconds.append(anyio.current_time() - started)

        async with anyio.create_task_group() as tasks:
            for _ in range(self._runs):
                tasks.start_soon(one, "gold", item.reference.patch)
                tasks.start_soon(one, "empty", NOTHING)
        every = expected(item.reference)
        return Calibration(
            instance_id=item.instance.instance_id,
            runs=self._runs,
            gold_resolved=sum(run == every for run in passed["gold"]),
            empty_resolved=sum(run == every for run in passed["empty"]),
            seconds=sum(seconds) / len(seconds),
            unstable=tuple(sorted(_varying(passed["gold"]) | _varying(passed["empty"]))),
            image=self._sandboxes.fingerprint(item),
        )

    async def _passed(self, item: IssueItem, patch: str) -> frozenset[str]:
        """The expected tests that pass; empty if the log cannot be trusted."""
        sandbox = await self._sandboxes.open(item, purpose="grading")
        script = evaluation_script(item.reference)
        output = None
        try:
            applied, _ = await apply_patch(sandbox, patch, Log())
            if applied:
                output = await run_script(sandbox, script, self._config.timeout_s)
        finally:
            with anyio.CancelScope(shield=True):
                await sandbox.close()
        log = log_text(output, self._config.timeout_s).encode()
        try:
            reading = await read_log(item.reference, log, patch=patch, model_name="calibrate")
        except LogUnreadable:
            return frozenset()
        status = reading.report[item.instance.instance_id].get("tests_status", {})
        kinds = ("FAIL_TO_PASS", "PASS_TO_PASS")
        return frozenset(test for kind in kinds for test in status.get(kind, {}).get("success", ()))


def expected(reference: IssueReference) -> frozenset[str]:
    """The tests that a solution has to pass."""
    return frozenset((*reference.fail_to_pass, *reference.pass_to_pass))


def _varying(runs: Sequence[frozenset[str]]) -> frozenset[str]:
    """Tests that pass in some of the runs and fail in others."""
    return frozenset[str]().union(*runs) - frozenset.intersection(*runs)


def write_calibration(path: Path, found: Sequence[Calibration]) -> None:
    """Add the results to the file at `path`; it keeps other instances."""
    kept = dict(_read(path)) if path.exists() else {}
    kept |= {one.instance_id: calibration_row(one) for one in found}
    write_beside(path, (json.dumps(dict(sorted(kept.items())), indent=1) + "\n").encode())


def calibration_row(one: Calibration) -> dict[str, Any]:
    """The row of an instance in the file."""
    return {
        "runs": one.runs,
        "gold_resolved": one.gold_resolved,
        "empty_resolved": one.empty_resolved,
        "seconds": round(one.seconds, 3),
        "unstable": list(one.unstable),
        "image": one.image,
    }


def read_unstable(path: Path) -> dict[str, list[str]] | None:
    """Unstable tests by instance; None without a file. Raises `UserError` for a damaged file."""
    if not path.exists():
        return None
    try:
        return {name: [str(test) for test in one["unstable"]] for name, one in _read(path).items()}
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: no calibration ({error}); remove it, or calibrate anew") from None


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: no calibration; remove it, or calibrate anew")
    return content
