"""Run an instance's tests with and without its fault: which of them see it, and do so each time."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import anyio

from harness.benchmarks.swebench.calibrate import NOTHING
from harness.benchmarks.swebench.eval_script import plain_script
from harness.benchmarks.swebench.guard.flags import FAILED, PASSED
from harness.benchmarks.swebench.injected.instances import Injection, release_item
from harness.benchmarks.swebench.items import IssueItem
from harness.benchmarks.swebench.log_reader import read_log
from harness.benchmarks.swebench.official import (
    Log,
    apply_patch,
    evaluation_script,
    log_text,
    run_script,
)
from harness.errors import LogUnreadable, UserError
from harness.protocols import Sandboxes

RUNS = 2  # of the tests on each tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The tests of an instance, in the order of their names."""

    fail_to_pass: tuple[str, ...]  # pass in the release, do not with the fault
    pass_to_pass: tuple[str, ...]  # pass in both
    unstable: tuple[str, ...]  # differ between two runs of the same tree


class FaultRuns:
    """Runs tests in fresh sandboxes, whose environments were prepared."""

    def __init__(self, sandboxes: Sandboxes, timeout_s: float) -> None:
        self._sandboxes = sandboxes
        self._timeout_s = timeout_s

    async def measure(self, name: str, injection: Injection) -> Measured:
        """Which tests see the fault of the instance `name`, from two runs of each tree.

        Raises `UserError`: the tests came to no end, or their output cannot be read.
        """
        item = _on_visible_tests(release_item(name, injection), injection)
        sound = [await self._statuses(item, NOTHING) for _ in range(RUNS)]
        faulty = [await self._statuses(item, injection.fault_patch) for _ in range(RUNS)]
        return compare(sound, faulty, leave_out=injection.facts.leave_out)

    async def still_failing(
        self, item: IssueItem, injection: Injection, measured: Measured
    ) -> tuple[str, ...]:
        """The tests that a system would see fail in the repository that it gets, as that is.

        Only those count that pass in the release.
        """
        statuses = await self._statuses(_on_visible_tests(item, injection), NOTHING)
        passing = {*measured.fail_to_pass, *measured.pass_to_pass}
        return tuple(sorted(name for name in passing if statuses.get(name) in FAILED))

    async def _statuses(self, item: IssueItem, patch: str) -> Mapping[str, str]:
        sandbox = await self._sandboxes.open(item, purpose="grading")
        try:
            applied, _ = await apply_patch(sandbox, patch, Log())
            if not applied:
                raise UserError("the fault cannot be applied as a patch")
            script = evaluation_script(item.reference)
            output = await run_script(sandbox, script, self._timeout_s)
        finally:
            with anyio.CancelScope(shield=True):
                await sandbox.close()
        if output.cut_short:
            raise UserError(f"its tests came to no end within the limits: {output.output[-200:]}")
        log = log_text(output, self._timeout_s).encode()
        try:
            reading = await read_log(item.reference, log, patch=patch, model_name="inject")
        except LogUnreadable as error:
            raise UserError(f"the output of its tests cannot be read: {error}") from error
        return reading.statuses


def compare(
    sound: Sequence[Mapping[str, str]],
    faulty: Sequence[Mapping[str, str]],
    *,
    leave_out: Collection[str] = (),
) -> Measured:
    """The lists, from the statuses by test of every run without and with the fault."""
    names = set[str]().union(*sound, *faulty).difference(leave_out)
    unstable = {name for name in names if _varies(name, sound) or _varies(name, faulty)}
    passing = {name for name in names - unstable if sound[0].get(name) in PASSED}
    noticed = {name for name in passing if faulty[0].get(name) not in PASSED}
    return Measured(
        fail_to_pass=tuple(sorted(noticed)),
        pass_to_pass=tuple(sorted(passing - noticed)),
        unstable=tuple(sorted(unstable)),
    )


def _varies(name: str, runs: Sequence[Mapping[str, str]]) -> bool:
    return len({statuses.get(name) in PASSED for statuses in runs}) > 1


def _on_visible_tests(item: IssueItem, injection: Injection) -> IssueItem:
    """The item with a script that brings in no other tests."""
    script = plain_script(injection.facts.command)
    return replace(item, reference=replace(item.reference, eval_script=script))
