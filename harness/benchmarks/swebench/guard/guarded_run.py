"""One run of an instance's evaluation script on planted tests, with the base's test infrastructure.

The planted files are written just before the tests begin, and the tests' Python is watched. What
the tests wrote into the report has left the sandbox at once.
"""

import secrets
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from random import SystemRandom

import anyio

from harness.benchmarks.swebench.guard.faults import GuardedRun
from harness.benchmarks.swebench.guard.guarded_script import (
    GO_ON,
    ReportPipe,
    guarded_script,
    test_commands,
)
from harness.benchmarks.swebench.guard.lone_tests import LoneRuns
from harness.benchmarks.swebench.guard.other_surroundings import surroundings
from harness.benchmarks.swebench.guard.planted_code import arguments_variable
from harness.benchmarks.swebench.guard.runtime_watch import (
    hook_source,
    install_command,
    read_report,
)
from harness.benchmarks.swebench.items import IssueItem
from harness.benchmarks.swebench.log_reader import read_log
from harness.benchmarks.swebench.official import (
    Log,
    apply_patch,
    evaluation_script,
    log_text,
    run_script,
)
from harness.errors import LogUnreadable, SandboxError
from harness.protocols import Sandbox, Sandboxes

LIST = "/tmp/.paths"  # noqa: S108 - inside the sandbox
MOST_REPORT = 50_000_000  # bytes of the report file that are read
KEEP = f"""
cd /testbed && while IFS= read -r -d '' p; do
  if [ -e "$p" ] || [ -L "$p" ]; then printf '%s\\0' "$p"; fi
done < {LIST} > {LIST}.there
tar --null -T {LIST}.there -cf {LIST}.tar
"""
TAKE_AWAY = f"cd /testbed && xargs -0 -r -a {LIST} rm -rf --"
PUT_BACK = f"{TAKE_AWAY} && tar -xf {LIST}.tar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a guarded run of one patch is made of."""

    patch: str
    files: Mapping[str, str]  # the planted test files, by path
    put_back: Collection[str]  # paths that are the base commit's
    report: str  # the path of the file in which tests and the watch write
    nonce: str  # of the watch's lines in it
    watched: Collection[str]  # files of the submission, whose looks are noted
    timeout_s: float
    options: str | None = ""  # of pytest, in other surroundings; None: in those of the official run
    lone: LoneRuns | None = None  # tests that run alone, before


async def guarded_run(
    sandboxes: Sandboxes, item: IssueItem, setting: Setting, applied: Sandbox | None = None
) -> GuardedRun:
    """Run it in a fresh sandbox, or in the one where the patch was `applied`, and close that.

    Such a one has to have only new paths among those put back. A run that cannot begin, or whose
    log cannot be read, has no statuses. Raises `SandboxError` where the base commit's files cannot
    be kept, and what a sandbox raises.
    """
    sandbox = applied or await sandboxes.open(item, purpose="grading")
    try:
        if applied is None:
            slow, began = await _prepared(sandbox, setting)
        else:
            slow, began = False, await _taken_away(sandbox, setting)
        if not began:  # a file is where a folder was, or the like: no run, no pass
            return GuardedRun(
                statuses={}, tokens={}, put_back=len(setting.put_back), cut_short=slow
            )
        hook = f"/tmp/{secrets.token_hex(16)}"  # noqa: S108 - inside the sandbox
        source = hook_source(setting.report, setting.nonce, setting.watched, setting.files)
        await sandbox.write(hook, source.encode())
        script = guarded_script(
            evaluation_script(item.reference),
            setting.files,
            install_command(hook, f"0{secrets.token_hex(8)}"),
            _surroundings(setting),
            _lone_script(item, setting),
            pipe := ReportPipe(path=setting.report),
        )
        output = await run_script(sandbox, script, setting.timeout_s)
        alone = await _report(sandbox, setting.lone.report) if setting.lone else ""
    finally:
        with anyio.CancelScope(shield=True):
            await sandbox.close()
    report, log = pipe.read(log_text(output, setting.timeout_s))
    statuses, unread = await _statuses(item, setting.patch, log)
    told = read_report(report or "", setting.nonce)
    return GuardedRun(
        statuses=statuses,
        tokens=told.tokens,
        report_ended=report is not None,
        watch=told,
        lone=setting.lone.tests if setting.lone else (),
        lone_tokens=Counter(alone.split("\n")),
        is_watched=told.began,
        put_back=len(setting.put_back),
        cut_short=slow or unread or output.cut_short,
    )


def _surroundings(setting: Setting) -> list[str]:
    return surroundings(setting.options, arguments_variable(setting.report), SystemRandom())


def _lone_script(item: IssueItem, setting: Setting) -> list[str]:
    if setting.lone is None:
        return []
    command = test_commands(evaluation_script(item.reference))
    return setting.lone.script(command, [GO_ON, *_surroundings(setting)])


async def _taken_away(sandbox: Sandbox, setting: Setting) -> bool:
    """Whether what the submission added and does not keep is gone."""
    await _listed(sandbox, setting)
    return (await sandbox.exec(TAKE_AWAY, timeout_s=300)).exit_status == 0


async def _listed(sandbox: Sandbox, setting: Setting) -> None:
    await sandbox.write(LIST, "".join(f"{path}\0" for path in sorted(setting.put_back)).encode())


async def _prepared(sandbox: Sandbox, setting: Setting) -> tuple[bool, bool]:
    """Whether a limit cut the patch's application short, and whether tests can be run on it."""
    await _listed(sandbox, setting)
    kept = await sandbox.exec(KEEP, timeout_s=300)
    if kept.exit_status != 0:
        raise SandboxError(f"test files could not be kept: {kept.output[-300:]}")
    _, slow = await apply_patch(sandbox, setting.patch, Log())
    back = await sandbox.exec(PUT_BACK, timeout_s=300)
    return slow, back.exit_status == 0


async def _report(sandbox: Sandbox, path: str) -> str:
    """What is left in the report file; nothing where the tests took it away or flooded it."""
    try:
        return (await sandbox.read(path, max_bytes=MOST_REPORT)).decode(errors="replace")
    except SandboxError:
        return ""


async def _statuses(item: IssueItem, patch: str, text: str) -> tuple[Mapping[str, str], bool]:
    """The statuses in a guarded run's log, and whether a limit cut its reading short."""
    try:
        reading = await read_log(item.reference, text.encode(), patch=patch, model_name="guard")
    except LogUnreadable as error:
        return {}, not error.repeats
    return reading.statuses, False
