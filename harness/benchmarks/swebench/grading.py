"""Grading by the official `swebench` package (5.x) in a sandbox that no agent has touched.

The official verdict is the package's own. What it resolves is looked at again (`guard/`), and is
resolved in our score only where that finds nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from harness.benchmarks.swebench.guard.examination import Examination, Guard
from harness.benchmarks.swebench.items import IssueItem
from harness.benchmarks.swebench.log_reader import read_log
from harness.benchmarks.swebench.official import (
    Log,
    apply_patch,
    evaluation_script,
    log_text,
    no_report,
    run_script,
)
from harness.benchmarks.swebench.row_advice import unknown_tests
from harness.cache import write_folder
from harness.config import GradingConfig, SandboxConfig, SandboxLimits
from harness.errors import (
    DelmError,
    GradingUnavailable,
    LogUnreadable,
    SandboxError,
    SandboxLost,
    SandboxUnavailable,
)
from harness.protocols import Sandboxes
from harness.secrets import redact
from harness.text.unified_diff import parse
from harness.types import ExecResult, Verdict

RECIPE = 7  # raise it when the same inputs could be graded otherwise
TRIES = 3  # of an evaluation whose sandbox fails, but not by what the tests did in it
LOG_FILES = ("patch.diff", "eval.sh", "test_output.txt", "report.json", "run_instance.log")


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchFacts:
    """The files that a patch touches, as `unidiff` reads them."""

    files: tuple[str, ...]
    added: int
    removed: int


def _ungraded(error: DelmError, *, seconds: float) -> Verdict:
    """The verdict where no attempt came to its end: of a patch that ends the sandbox that it is run
    in, or breaks each, its own outcome; else infrastructure, which is graded again."""
    if isinstance(error, (SandboxLost, SandboxError)):
        return Verdict(
            outcome="unresolved",
            reason=f"its sandbox: {error}",
            report={},
            seconds=seconds,
            official="unresolved",
        )
    return Verdict(outcome="error", reason=f"infrastructure: {error}", report={}, seconds=seconds)


def patch_facts(patch: str) -> PatchFacts | None:
    """Files and line counts of a patch; None if it is not a readable unified diff."""
    try:
        parsed = parse(patch)
    except ValueError:
        return None
    if patch.strip() and not parsed:
        return None
    return PatchFacts(
        files=tuple(sorted(file.path for file in parsed)),
        added=sum(file.added for file in parsed),
        removed=sum(file.removed for file in parsed),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Graded:
    """A verdict, and whether grading again would give the same one."""

    verdict: Verdict
    repeats: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What the log of an official run says."""

    report: dict[str, Any]  # the official one
    reason: str  # for not resolved
    repeats: bool  # whether the same log always reads the same
    statuses: Mapping[str, str] = field(default_factory=dict)  # by test


class PatchGrader:
    """Grades patches in fresh sandboxes, keeps the official logs, and remembers verdicts.

    A verdict is remembered by all that it can depend on: see `_key`. One that came of a time limit,
    of memory or of too much output never is, nor an infrastructure error. `limits` are those of
    `sandboxes`; None: the usual ones.
    """

    def __init__(
        self,
        sandboxes: Sandboxes,
        logs: Path,
        cache: Path | None,
        config: GradingConfig,
        limits: SandboxLimits | None = None,
    ) -> None:
        self._sandboxes = sandboxes
        self._logs = logs
        self._cache = cache / "grades" if cache and config.cache else None
        self._config = config
        self._limits = limits or SandboxConfig().limits  # type: ignore[call-arg]
        self._guard = Guard(sandboxes, config.timeout_s)

    async def grade(self, item: IssueItem, submission: str, *, model_name: str) -> Verdict:
        """The verdict on a patch, its logs in `logs/<model_name>/<instance_id>/`.

        What is graded is what the logs hold, byte for byte: secrets are out of it before.
        """
        patch = redact(submission)
        folder = self._logs / model_name.replace("/", "__") / item.instance.instance_id
        if not patch.strip():
            return Verdict(
                outcome="unresolved",
                reason="empty patch",
                report={},
                seconds=0.0,
                official="unresolved",
            )
        key = self._key(item, patch)
        known = self._recall(key, folder)
        if known is not None:
            return known
        started = anyio.current_time()
        tries = 0
        while True:
            try:
                graded = await self._evaluate(item, patch, model_name, folder)
                break
            except (SandboxUnavailable, SandboxError, GradingUnavailable) as error:
                tries += 1
                # a patch whose code ends the sandbox of a bad result would be run until a good one
                if tries == TRIES or isinstance(error, SandboxLost):
                    return _ungraded(error, seconds=anyio.current_time() - started)
                await anyio.sleep(tries)
        if graded.repeats:
            self._remember(key, folder, graded.verdict)
        return graded.verdict

    async def _evaluate(
        self, item: IssueItem, patch: str, model_name: str, folder: Path
    ) -> _Graded:
        started = anyio.current_time()
        log = Log()
        script = evaluation_script(item.reference)
        output, cut_short = await self._run(item, patch, script, log)
        text = await to_thread.run_sync(redact, log_text(output, self._config.timeout_s))
        read = await self._read(item, patch, model_name, output, text)
        report = read.report
        log.say(f"report: {json.dumps(report)}")
        resolved = report[item.instance.instance_id]["resolved"]
        examined = Examination()
        if resolved and self._config.guard:
            examined = await self._guard.examine(item, patch, read.statuses, log)
        flags = examined.flags
        files = {
            "patch.diff": patch,
            "eval.sh": script,
            "test_output.txt": text,
            "report.json": json.dumps(report, indent=4),
            "run_instance.log": log.text(),
        }
        written = {name: content.encode() for name, content in files.items()}
        await to_thread.run_sync(write_folder, folder, written)
        verdict = Verdict(
            outcome="resolved" if resolved and not flags else "unresolved",
            reason=f"flagged: {', '.join(flags)}" if flags else read.reason,
            report=report,
            seconds=anyio.current_time() - started,
            official="resolved" if resolved else "unresolved",
            flags=flags,
            unchecked=examined.unchecked,
            looks=examined.looks,
        )
        repeats = read.repeats and not cut_short and not examined.cut_short
        return _Graded(verdict=verdict, repeats=repeats)

    async def _read(
        self, item: IssueItem, patch: str, model_name: str, output: ExecResult | None, text: str
    ) -> _Read:
        """What the official package reads in the log."""
        name = item.instance.instance_id
        try:
            reading = await read_log(
                item.reference, text.encode(), patch=patch, model_name=model_name
            )
        except LogUnreadable as error:
            why = f"the test output cannot be read ({error})"
            return _Read(report=no_report(name, why), reason=why, repeats=error.repeats)
        report = dict(reading.report)
        if output is not None and output.timed_out and report[name]["resolved"]:
            why = "the tests ran out of time"  # the official harness reads no such log
            return _Read(report=no_report(name, why), reason=why, repeats=False)
        why = _reason(report[name], output)
        gold = patch == item.reference.patch  # then a test that did not run is the row's fault
        if gold and why and (unknown := unknown_tests(item.reference, reading.statuses)):
            why = f"{why}; {unknown}"
        return _Read(report=report, reason=why, repeats=True, statuses=reading.statuses)

    async def _run(
        self, item: IssueItem, patch: str, script: str, log: Log
    ) -> tuple[ExecResult | None, bool]:
        """What the script does on the patch in a fresh sandbox, None where that does not apply;
        and whether a limit cut something short."""
        sandbox = await self._sandboxes.open(item, purpose="grading")
        try:
            applied, cut_short = await apply_patch(sandbox, patch, log)
            if not applied:
                return None, cut_short
            output = await run_script(sandbox, script, self._config.timeout_s)
        finally:
            with anyio.CancelScope(shield=True):
                await sandbox.close()
        log.say(f"Test runtime: {output.seconds:.2f} seconds, exit status {output.exit_status}")
        if output.out_of_memory:
            log.say(f"The tests ran {output.out_of_memory}")
        return output, cut_short or output.cut_short

    def _key(self, item: IssueItem, patch: str) -> str:
        """A digest of all that a verdict can depend on: what is graded, in what, within which
        limits, by which versions; where passes are examined, on the gold patch, too."""
        reference = item.reference
        config = self._config
        parts = [
            RECIPE,
            version("swebench"),
            patch,
            self._sandboxes.kind,
            self._sandboxes.fingerprint(item),
            self._limits.model_dump(),
            config.model_dump(exclude={"cache"}),
            asdict(reference) | ({} if config.guard else {"patch": "", "test_patch": ""}),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _recall(self, key: str, folder: Path) -> Verdict | None:
        """The remembered verdict, with its logs copied into `folder`; None if missing or
        damaged."""
        if self._cache is None:
            return None
        kept = self._cache / key
        try:
            known = json.loads((kept / "verdict.json").read_text())
            files = {name: (kept / name).read_bytes() for name in LOG_FILES}
            seen = {name: tuple(known[name]) for name in ("flags", "unchecked", "looks")}
            verdict = Verdict(**known | seen, cached=True)
        except (OSError, ValueError, TypeError, KeyError):
            return None
        write_folder(folder, files)
        return verdict

    def _remember(self, key: str, folder: Path, verdict: Verdict) -> None:
        if self._cache is None:
            return
        kept = {
            "outcome": verdict.outcome,
            "reason": verdict.reason,
            "report": verdict.report,
            "seconds": verdict.seconds,
            "official": verdict.official,
            "flags": verdict.flags,
            "unchecked": verdict.unchecked,
            "looks": verdict.looks,
        }
        files = {name: (folder / name).read_bytes() for name in LOG_FILES}
        with suppress(OSError):  # a cache that cannot be written costs no verdict
            write_folder(self._cache / key, files | {"verdict.json": json.dumps(kept).encode()})


def _reason(report: Mapping[str, Any], output: ExecResult | None) -> str:
    if report["resolved"]:
        return ""
    if output is None:
        return "the patch does not apply"
    if output.timed_out:
        return "the tests ran out of time"
    if output.flooded:
        return "the tests wrote too much"
    if output.disk_full:
        return "the tests' files took more room than they may"
    memory = [f"the tests ran {output.out_of_memory}"] if output.out_of_memory else []
    status = report.get("tests_status")
    if not status:
        return "; ".join(["the log holds no trustworthy test results", *memory])
    fixed = status["FAIL_TO_PASS"]
    broken = len(status["PASS_TO_PASS"]["failure"])
    missing = len(fixed["failure"])
    total = missing + len(fixed["success"])
    reasons = [f"{missing} of {total} failing tests still fail"] if missing else []
    return "; ".join(reasons + ([f"{broken} passing tests broken"] if broken else []) + memory)
