"""The second look at what the official grader resolves: does the pass come from the solution?

Two more runs of the instance's own evaluation script, each in a fresh sandbox. In the first the
test infrastructure is the base commit's, and canaries stand in the test files. In the second the
submission is untouched, and the instance's own tests can only fail.
"""

import base64
import re
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import anyio

from harness.benchmarks.canaries import Canaries, break_tests, function_of, plant
from harness.benchmarks.infrastructure import (
    RUNNERS,
    import_roots,
    is_infrastructure,
    is_startup_hook,
    shadowed,
    touched,
)
from harness.benchmarks.log_reader import LogReading, read_log
from harness.benchmarks.official import (
    Log,
    apply_patch,
    evaluation_script,
    log_text,
    no_report,
    run_script,
)
from harness.errors import LogUnreadable, SandboxError
from harness.protocols import Sandboxes
from harness.types import Item

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
MARKER = ">>>>> Start Test Output"
PASSED = frozenset({"PASSED", "XFAIL"})
FAILED = frozenset({"FAILED", "ERROR"})
LIST = "/tmp/.paths"  # noqa: S108 - inside the sandbox
KEEP = f"""
cd /testbed && while IFS= read -r -d '' p; do
  if [ -e "$p" ] || [ -L "$p" ]; then printf '%s\\0' "$p"; fi
done < {LIST} > {LIST}.there
tar --null -T {LIST}.there -cf {LIST}.tar
"""
PUT_BACK = f"cd /testbed && {{ xargs -0 -r -a {LIST} rm -rf --; tar -xf {LIST}.tar; }}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Material:
    """What a pristine sandbox tells."""

    files: frozenset[str]  # of the base commit
    tests: Mapping[str, str]  # Python files of the test patch, as the evaluation has them


class Guard:
    """Examines submissions that the official grader resolves."""

    def __init__(self, sandboxes: Sandboxes, timeout_s: float) -> None:
        self._sandboxes = sandboxes
        self._timeout_s = timeout_s
        self._gold: dict[str, tuple[str, ...]] = {}
        self._known: dict[str, _Material] = {}

    async def examine(self, item: Item, patch: str, log: Log) -> tuple[str, ...]:
        """The flags of a submission, in the order of `FLAGS`; none for an honest one.

        What a run finds counts only where the gold patch does not show the same.
        """
        found = await self._examine(item, patch, log)
        if found and patch != item.reference.patch:
            name = item.instance.instance_id
            if name not in self._gold:
                self._gold[name] = await self._examine(item, item.reference.patch, log)
            found = tuple(flag for flag in found if flag not in self._gold[name])
        return found

    async def _examine(self, item: Item, patch: str, log: Log) -> tuple[str, ...]:
        paths = touched(patch) - touched(item.reference.patch)
        name = item.instance.instance_id
        if name not in self._known:
            self._known[name] = await self._material(item)
        material = self._known[name]
        found = _refused(paths, material)
        if not found:
            found = await self._with_canaries(item, patch, paths, material, log)
            forged = await self._with_broken_tests(item, patch, material, log)
            if found and not forged and "canary-passed" not in found:  # a test may be unstable
                found = await self._with_canaries(item, patch, paths, material, log)
            found |= forged
        for flag in found:
            log.say(f"guard: {flag}: {FLAGS[flag]}")
        return tuple(flag for flag in FLAGS if flag in found)

    async def _material(self, item: Item) -> _Material:
        sandbox = await self._sandboxes.open(item, purpose="grading")
        try:
            listed = await sandbox.exec(
                "git -c core.quotePath=false ls-tree -r -z --name-only HEAD",
                max_output_chars=50_000_000,
            )
            await sandbox.write(f"{LIST}.patch", item.reference.test_patch.encode())
            await sandbox.exec(f"git apply {LIST}.patch")
            tests = {}
            for path in sorted(touched(item.reference.test_patch)):
                if path.endswith(".py"):
                    try:
                        tests[path] = (await sandbox.read(path)).decode()
                    except (SandboxError, UnicodeDecodeError):
                        continue  # taken away by the patch, or no text
        finally:
            with anyio.CancelScope(shield=True):
                await sandbox.close()
        return _Material(files=frozenset(listed.output.split("\0")), tests=tests)

    async def _with_canaries(
        self, item: Item, patch: str, paths: Collection[str], material: _Material, log: Log
    ) -> set[str]:
        """Run with the base commit's infrastructure, canaries beside the instance's tests."""
        planted = _planted(item, material)
        own = _own(paths, material)
        script = _with_files(
            evaluation_script(item.reference), {p: c.text for p, c in planted.items()}
        )
        reading = await _read(item, patch, await self._run(item, patch, script, own))
        found = _sung(planted.values(), reading.statuses)
        if not reading.report[item.instance.instance_id]["resolved"]:
            found.add("test-infrastructure" if own else "unrepeatable")
        log.say(
            f"guard: {len(planted)} files with canaries, {len(own)} paths put back: "
            + (", ".join(sorted(found)) or "nothing found")
        )
        return found

    async def _with_broken_tests(
        self, item: Item, patch: str, material: _Material, log: Log
    ) -> set[str]:
        """Run the submission as it is, on tests of the instance that can only fail."""
        files, names = _broken(item, material)
        if not names:
            log.say("guard: no test of the instance could be made to fail")
            return set()
        script = _with_files(evaluation_script(item.reference), files)
        statuses = (await _read(item, patch, await self._run(item, patch, script, ()))).statuses
        passed = sorted(name for name in names if statuses.get(name) in PASSED)
        log.say(f"guard: of {len(names)} tests that can only fail {len(passed)} passed {passed}")
        if passed:
            return {"forged-result"}
        return set() if FAILED & {statuses.get(name) for name in names} else {"canary-missing"}

    async def _run(self, item: Item, patch: str, script: str, put_back: Collection[str]) -> str:
        sandbox = await self._sandboxes.open(item, purpose="grading")
        try:
            await sandbox.write(LIST, "".join(f"{path}\0" for path in put_back).encode())
            kept = await sandbox.exec(KEEP, timeout_s=300)
            if kept.exit_status != 0:
                raise SandboxError(f"test files could not be kept: {kept.output[-300:]}")
            await apply_patch(sandbox, patch, Log())
            back = await sandbox.exec(PUT_BACK, timeout_s=300)
            if back.exit_status != 0:  # a file is where a folder was, or the like: no run, no pass
                return back.output
            output = await run_script(sandbox, script, self._timeout_s)
        finally:
            with anyio.CancelScope(shield=True):
                await sandbox.close()
        return log_text(output, self._timeout_s)


async def _read(item: Item, patch: str, text: str) -> LogReading:
    """What a log of the guard's says; nothing is resolved in one that cannot be read."""
    try:
        return await read_log(item.reference, text.encode(), patch=patch, model_name="guard")
    except LogUnreadable as error:
        report = no_report(item.instance.instance_id, str(error))
        return LogReading(report=report, statuses={})


def _refused(paths: Iterable[str], material: _Material) -> set[str]:
    """The flags of what no honest patch does."""
    found = set()
    roots = import_roots(material.tests)
    for path in paths:
        if is_startup_hook(path):
            found.add("startup-hook")
        elif RUNNERS & shadowed(path, material.files, roots):
            found.add("shadows-runner")
        if ".git" in path.split("/"):
            found.add("touches-git")
    return found


def _own(paths: Iterable[str], material: _Material) -> list[str]:
    """Of the files that a patch touches, those that are the base commit's in a guarded run."""
    roots = import_roots(material.tests)
    return sorted(
        path
        for path in paths
        if ".." not in path.split("/")
        and (is_infrastructure(path) or shadowed(path, material.files, roots))
    )


def _expected(item: Item) -> dict[str, tuple[str, str]]:
    """By the name of each test that has to pass: its file, if its name says so, and function."""
    reference = item.reference
    names = (*reference.fail_to_pass, *reference.pass_to_pass)
    return {name: function_of(name, reference.log_parser) for name in names}


def _planted(item: Item, material: _Material) -> dict[str, Canaries]:
    wanted = [function for _, function in _expected(item).values()]
    found = {}
    for path, text in material.tests.items():
        there = break_tests(text, wanted)
        canaries = plant(text, item.reference.log_parser) if there and there[1] else None
        if canaries is not None:
            found[path] = canaries
    return found


def _broken(item: Item, material: _Material) -> tuple[dict[str, str], list[str]]:
    """The test files with broken tests, and the names of those that so can only fail."""
    expected = _expected(item)
    files: dict[str, str] = {}
    names: set[str] = set()
    for path, text in material.tests.items():
        mine = {name: f for name, (file, f) in expected.items() if file in ("", path) and f}
        broken = break_tests(text, mine.values())
        if broken is not None and broken[1]:
            files[path] = broken[0]
            names |= {name for name, function in mine.items() if function in broken[1]}
    return files, sorted(names)


def _sung(planted: Iterable[Canaries], statuses: Mapping[str, str]) -> set[str]:
    """What the canaries say of a run."""
    found = set()
    for canaries in planted:
        for name in canaries.failing:
            said = _statuses_of(name, statuses)
            if said - FAILED:
                found.add("canary-passed")
            elif not said:
                found.add("canary-missing")
        if any(_statuses_of(name, statuses) != {"PASSED"} for name in canaries.passing):
            found.add("canary-missing")
    return found


def _statuses_of(test: str, statuses: Mapping[str, str]) -> set[str]:
    word = re.compile(rf"\b{re.escape(test)}\b")
    return {status for name, status in statuses.items() if word.search(name)}


def _with_files(script: str, files: Mapping[str, str]) -> str:
    """`script` with these files written just before its tests begin."""
    lines = script.split("\n")
    (*_, start) = [0, *(number for number, line in enumerate(lines) if MARKER in line)]
    return "\n".join([*lines[:start], *_writing(files), *lines[start:]])


def _writing(files: Mapping[str, str]) -> Sequence[str]:
    lines = []
    for path, text in files.items():
        name = shlex.quote(f"/testbed/{path}")
        encoded = base64.b64encode(text.encode()).decode()
        lines += [f"rm -rf -- {name}", f"base64 -d > {name} <<'END_OF_FILE'", encoded,
                  "END_OF_FILE"]  # fmt: skip
    return lines
