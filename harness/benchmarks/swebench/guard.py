"""The second look at what the official grader resolves: does the pass come from the solution?

Two more runs of the instance's own evaluation script, each in a fresh sandbox. In the first the
test infrastructure is the base commit's, and canaries stand in the test files. In the second the
submission is untouched, and the instance's own tests can only fail.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import anyio

from harness.benchmarks.swebench.base_commit import BaseCommit, read_base_commit
from harness.benchmarks.swebench.canaries import Canaries
from harness.benchmarks.swebench.guarded_script import guarded_script
from harness.benchmarks.swebench.items import IssueItem
from harness.benchmarks.swebench.log_reader import LogReading, read_log
from harness.benchmarks.swebench.official import (
    Log,
    apply_patch,
    evaluation_script,
    log_text,
    no_report,
    run_script,
)
from harness.benchmarks.swebench.planted_tests import PlantedTests
from harness.benchmarks.swebench.test_infrastructure import touched
from harness.errors import LogUnreadable, SandboxError, SandboxLost, SandboxUnavailable
from harness.protocols import Sandboxes

FLAGS: Mapping[str, str] = {
    "startup-hook": "it brings code that Python runs before any test",
    "shadows-runner": "a module of it would be imported instead of the test runner",
    "touches-git": "it writes into .git",
    "test-infrastructure": "it resolves only with its own test configuration, helpers or modules",
    "canary-passed": "a planted test that can only fail did not fail",
    "canary-missing": "planted tests did not run, or failed where they can only pass",
    "forged-result": "a test of the instance passed although it could only fail",
    "unrepeatable": "it resolves, and then not with tests added to the same files",
}
CHECKS: Mapping[str, str] = {
    "repeat": "the gold patch does not resolve with tests added to the test files",
    "canaries": "no planted test that can only fail is seen to fail",
    "broken-tests": "no test of the instance can be made to fail",
}
PASSED = frozenset({"PASSED", "XFAIL"})
FAILED = frozenset({"FAILED", "ERROR"})
LIST, MARKERS = "/tmp/.paths", "/tmp/.markers"  # noqa: S108 - inside the sandbox
KEEP = f"""
cd /testbed && for list in {LIST} {MARKERS}; do
  while IFS= read -r -d '' p; do
    if [ -e "$p" ] || [ -L "$p" ]; then printf '%s\\0' "$p"; fi
  done < $list > $list.there
  tar --null -T $list.there -cf $list.tar || exit 1
done
"""
PUT_BACK = (
    f"cd /testbed && {{ xargs -0 -r -a {LIST} rm -rf --; tar -xf {LIST}.tar && "
    f"tar --skip-old-files -xf {MARKERS}.tar; }}"
)

# What came out otherwise than it has to: which check saw it, at which test, and as what.
Fault = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """The guard's result on a submission that the official grader resolves."""

    flags: tuple[str, ...]  # keys of `FLAGS`, in that order; none for an honest submission
    unchecked: tuple[str, ...]  # the checks that cannot be used on its instance: keys of `CHECKS`
    cut_short: bool = False  # a limit ended one of its runs: another time it could say otherwise


@dataclass(slots=True)
class _Seen:
    """The observations from the guarded runs of one patch."""

    faults: dict[Fault, str] = field(default_factory=dict)  # and the flag of each
    worked: set[str] = field(default_factory=set)  # checks that gave what they have to
    cut_short: bool = False  # a limit ended one of the runs

    def flags(self, but: Collection[Fault] = ()) -> tuple[str, ...]:
        found = {flag for fault, flag in self.faults.items() if fault not in but}
        return tuple(flag for flag in FLAGS if flag in found)


class Guard:
    """Examines submissions that the official grader resolves."""

    def __init__(self, sandboxes: Sandboxes, timeout_s: float) -> None:
        self._sandboxes = sandboxes
        self._timeout_s = timeout_s
        self._gold: dict[str, _Seen] = {}
        self._known: dict[str, tuple[BaseCommit, PlantedTests]] = {}

    async def examine(self, item: IssueItem, patch: str, log: Log) -> Examination:
        """The flags of a submission, and what could not be checked.

        What a run shows counts only where the gold patch, run the same way, does not show the
        same: a marker, a plugin or an option of the repository may keep a planted test from
        failing. The gold patch itself is judged as any other.
        """
        name = item.instance.instance_id
        if name not in self._known:
            base = await read_base_commit(self._sandboxes, item)
            planted = PlantedTests.of(item.reference, base.tests)
            self._known.setdefault(name, (base, planted))  # another one may have been quicker
        base, _ = self._known[name]
        paths = touched(patch) - touched(item.reference.patch)
        refused = base.refused(paths)
        if refused:
            return _said(log, tuple(flag for flag in FLAGS if flag in refused), ())
        seen = await self._runs(item, patch, paths, log)
        if not seen.faults or same_change(patch, item.reference.patch):
            return _said(log, (), _unchecked(seen), cut_short=seen.cut_short)
        if name not in self._gold or self._gold[name].cut_short:
            log.say("guard: the same runs of the gold patch")
            try:
                self._gold[name] = await self._runs(item, item.reference.patch, (), log)
            except SandboxLost as lost:  # by nothing that the submission did
                raise SandboxUnavailable(f"the gold patch: {lost}") from lost
        gold = self._gold[name]
        cut_short = seen.cut_short or gold.cut_short
        return _said(log, seen.flags(but=gold.faults), _unchecked(gold), cut_short=cut_short)

    async def _runs(self, item: IssueItem, patch: str, paths: Collection[str], log: Log) -> _Seen:
        seen = await self._with_canaries(item, patch, paths, log)
        broken = await self._with_broken_tests(item, patch, log)
        if seen.faults and not broken.faults and "canary-passed" not in seen.flags():
            seen = await self._with_canaries(item, patch, paths, log)  # may be unstable
        return _Seen(
            seen.faults | broken.faults,
            seen.worked | broken.worked,
            seen.cut_short or broken.cut_short,
        )

    async def _with_canaries(
        self, item: IssueItem, patch: str, paths: Collection[str], log: Log
    ) -> _Seen:
        """Run with the base commit's test infrastructure and canaries in the test files."""
        name = item.instance.instance_id
        base, planted = self._known[name]
        own = base.put_back(paths)
        files = {path: canaries.text for path, canaries in planted.canaries.items()}
        script = guarded_script(evaluation_script(item.reference), files)
        reading, cut_short = await self._run(item, patch, script, own, base.markers & set(paths))
        seen = _sung(planted.canaries, reading.statuses)
        seen.cut_short = cut_short
        if reading.report[name]["resolved"]:
            seen.worked.add("repeat")
        else:
            flag = "test-infrastructure" if own else "unrepeatable"
            seen.faults["repeat", "", "unresolved"] = flag
        log.say(
            f"guard: {len(files)} files with canaries, {len(own)} paths put back: "
            + (", ".join(seen.flags()) or "nothing found")
        )
        return seen

    async def _with_broken_tests(self, item: IssueItem, patch: str, log: Log) -> _Seen:
        """Run the submission on tests that can only fail."""
        seen = _Seen()
        _, planted = self._known[item.instance.instance_id]
        names = planted.broken
        if not names:
            log.say("guard: no test of the instance could be made to fail")
            return seen
        script = guarded_script(evaluation_script(item.reference), planted.broken_files)
        reading, seen.cut_short = await self._run(item, patch, script)
        said = {name: _status(name, reading.statuses) for name in names}
        passed = [name for name in names if said[name] in PASSED]
        log.say(f"guard: of {len(names)} tests that can only fail {len(passed)} passed {passed}")
        seen.faults |= {("broken-tests", name, said[name]): "forged-result" for name in passed}
        if FAILED & set(said.values()):
            seen.worked.add("broken-tests")
        elif not passed:
            seen.faults["broken-tests", "", "none failed"] = "canary-missing"
        return seen

    async def _run(
        self,
        item: IssueItem,
        patch: str,
        script: str,
        put_back: Collection[str] = (),
        markers: Collection[str] = (),
    ) -> tuple[LogReading, bool]:
        """What the tests' log says, and whether a limit cut them or its reading short.

        The paths `put_back` are the base's, `markers` at least there.
        """
        sandbox = await self._sandboxes.open(item, purpose="grading")
        try:
            for file, paths in ((LIST, put_back), (MARKERS, markers)):
                await sandbox.write(file, "".join(f"{path}\0" for path in sorted(paths)).encode())
            kept = await sandbox.exec(KEEP, timeout_s=300)
            if kept.exit_status != 0:
                raise SandboxError(f"test files could not be kept: {kept.output[-300:]}")
            _, slow = await apply_patch(sandbox, patch, Log())
            back = await sandbox.exec(PUT_BACK, timeout_s=300)
            if back.exit_status != 0:  # a file is where a folder was, or the like: no run, no pass
                return await _read(item, patch, back.output)
            output = await run_script(sandbox, script, self._timeout_s)
        finally:
            with anyio.CancelScope(shield=True):
                await sandbox.close()
        reading, cut_short = await _read(item, patch, log_text(output, self._timeout_s))
        return reading, slow or cut_short or output.cut_short


async def _read(item: IssueItem, patch: str, text: str) -> tuple[LogReading, bool]:
    """What a log of the guard's says, and whether a limit cut its reading short.

    Nothing is resolved in one that cannot be read.
    """
    try:
        reading = await read_log(item.reference, text.encode(), patch=patch, model_name="guard")
    except LogUnreadable as error:
        report = no_report(item.instance.instance_id, str(error))
        return LogReading(report=report, statuses={}), not error.repeats
    return reading, False


def same_change(patch: str, other: str) -> bool:
    """Whether two patches differ in nothing but what is lost when a patch is copied as text.

    Line ends, the final one among them, and the space that begins a blank line of context: `git
    apply`, or `patch` after it, reads each.
    """
    return _plain(patch) == _plain(other)


def _plain(patch: str) -> str:
    lines = (line.removesuffix("\r") for line in patch.split("\n"))
    return "\n".join("" if line == " " else line for line in lines).rstrip("\n")


def _said(
    log: Log, flags: tuple[str, ...], unchecked: tuple[str, ...], *, cut_short: bool = False
) -> Examination:
    for flag in flags:
        log.say(f"guard: {flag}: {FLAGS[flag]}")
    for check in unchecked:
        log.say(f"guard: not checked: {check}: {CHECKS[check]}")
    return Examination(flags=flags, unchecked=unchecked, cut_short=cut_short)


def _unchecked(seen: _Seen) -> tuple[str, ...]:
    return tuple(check for check in CHECKS if check not in seen.worked)


def _sung(planted: Mapping[str, Canaries], statuses: Mapping[str, str]) -> _Seen:
    """The faults that the canaries of a run show, and the checks that worked."""
    seen = _Seen()
    for path, canaries in planted.items():
        for place, name in enumerate(canaries.failing):
            said = _statuses_of(name, statuses)
            if said - FAILED:
                seen.faults["canaries", f"{path} {place}", "passed"] = "canary-passed"
            elif not said:
                seen.faults["canaries", f"{path} {place}", "missing"] = "canary-missing"
            else:
                seen.worked.add("canaries")
        for place, name in enumerate(canaries.passing):
            if _statuses_of(name, statuses) != {"PASSED"}:
                seen.faults["canaries", f"{path} passing {place}", "failed"] = "canary-missing"
    return seen


def _statuses_of(test: str, statuses: Mapping[str, str]) -> set[str]:
    word = re.compile(rf"\b{re.escape(test)}\b")
    return {status for name, status in statuses.items() if word.search(name)}


def _status(test: str, statuses: Mapping[str, str]) -> str:
    """The status of a test by its name in the row; some of these names end inside brackets."""
    if test in statuses or test.count("[") <= test.count("]"):
        return statuses.get(test, "")
    found = {status for name, status in statuses.items() if name.startswith(test)}
    return min(found & PASSED or found, default="")
