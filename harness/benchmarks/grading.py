"""Grading by the official `swebench` package (5.x) in a sandbox that no agent has touched.

This file is the only one that knows the package. It does what its `run_instance` does (the patch
ladder, the evaluation script, the report) on our sandboxes, and leaves the judgement to it.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread
from unidiff import PatchSet, UnidiffParseError

from harness.config import GradingConfig
from harness.errors import SandboxError, SandboxUnavailable
from harness.protocols import Sandbox, Sandboxes
from harness.secrets import redact
from harness.types import ExecResult, Item, Reference, Verdict

RECIPE = 1  # raise it when the same inputs could be graded otherwise
ATTEMPTS = 3  # of an evaluation whose sandbox fails
PATCH_FILE = "/tmp/patch.diff"  # noqa: S108 - inside the sandbox, where the official harness has it
# Each as swebench's own GIT_APPLY_CMDS has it; a test holds them to that.
APPLY = (
    "git apply --verbose",
    "git apply --verbose --3way",
    "git apply --verbose --reject",
    "patch --batch --forward --fuzz=5 -p1 -i",
)
APPLIED, NOT_APPLIED = ">>>>> Applied Patch", ">>>>> Patch Apply Failed"
LOG_FILES = ("patch.diff", "eval.sh", "test_output.txt", "report.json", "run_instance.log")


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchFacts:
    """What a patch touches, as `unidiff` reads it."""

    readable: bool
    files: tuple[str, ...] = ()
    added: int = 0
    removed: int = 0


def patch_facts(patch: str) -> PatchFacts:
    """Files and line counts of a patch; `readable` False where it is no unified diff."""
    try:
        parsed = PatchSet(patch)
    except UnidiffParseError:
        return PatchFacts(readable=False)
    return PatchFacts(
        readable=bool(parsed) or not patch.strip(),
        files=tuple(sorted(file.path for file in parsed)),
        added=sum(file.added for file in parsed),
        removed=sum(file.removed for file in parsed),
    )


class Grader:
    """Grades patches in fresh sandboxes, keeps the official logs, and remembers verdicts.

    A verdict is remembered by patch, image, evaluation script, expected tests and versions; an
    infrastructure error never is.
    """

    def __init__(
        self, sandboxes: Sandboxes, logs: Path, cache: Path | None, config: GradingConfig
    ) -> None:
        self._sandboxes = sandboxes
        self._logs = logs
        self._cache = cache / "grades" if cache and config.cache else None
        self._config = config

    async def grade(self, item: Item, patch: str, *, model_name: str) -> Verdict:
        """The verdict on `patch`, its logs in `logs/<model_name>/<instance_id>/`."""
        folder = self._logs / model_name.replace("/", "__") / item.instance.instance_id
        if not patch.strip():
            return Verdict(outcome="unresolved", reason="empty patch", report={}, seconds=0.0)
        key = self._key(item, patch)
        known = self._recall(key, folder)
        if known is not None:
            return known
        started = anyio.current_time()
        for attempt in range(ATTEMPTS):
            try:
                verdict = await self._evaluate(item, patch, model_name, folder)
            except (SandboxUnavailable, SandboxError) as error:
                if attempt + 1 < ATTEMPTS:
                    await anyio.sleep(1 + attempt)
                    continue
                return Verdict(
                    outcome="error",
                    reason=f"infrastructure: {error}",
                    report={},
                    seconds=anyio.current_time() - started,
                )
            self._remember(key, folder, verdict)
            return verdict
        raise AssertionError("unreachable")

    async def _evaluate(self, item: Item, patch: str, model_name: str, folder: Path) -> Verdict:
        started = anyio.current_time()
        log = _Log()
        sandbox = await self._sandboxes.open(item, purpose="grading")
        try:
            applied = await _apply(sandbox, patch, log)
            output = None
            script = _script(item.reference)
            if applied:
                output = await self._run(sandbox, script, log)
        finally:
            with anyio.CancelScope(shield=True):
                await sandbox.close()
        text = _output(output, self._config.timeout_s)
        prediction = {
            "instance_id": item.instance.instance_id,
            "model_patch": patch,
            "model_name_or_path": model_name,
        }
        report = await to_thread.run_sync(official_report, item.reference, prediction, text)
        log.say(f"report: {json.dumps(report)}")
        files = {
            "patch.diff": patch,
            "eval.sh": script,
            "test_output.txt": text,
            "report.json": json.dumps(report, indent=4),
            "run_instance.log": log.text(),
        }
        await to_thread.run_sync(_write_folder, folder, files)
        mine = report[item.instance.instance_id]
        return Verdict(
            outcome="resolved" if mine["resolved"] else "unresolved",
            reason=_reason(mine, applied, output),
            report=report,
            seconds=anyio.current_time() - started,
        )

    async def _run(self, sandbox: Sandbox, script: str, log: "_Log") -> ExecResult:
        await sandbox.write("/eval.sh", script.encode())
        output = await sandbox.exec(
            "/bin/bash /eval.sh", timeout_s=self._config.timeout_s, max_output_chars=50_000_000
        )
        log.say(f"Test runtime: {output.seconds:.2f} seconds, exit status {output.exit_status}")
        return output

    def _key(self, item: Item, patch: str) -> str:
        reference = item.reference
        parts = [
            RECIPE,
            version("swebench"),
            patch,
            self._sandboxes.fingerprint(item),
            self._config.network,
            reference.eval_script,
            reference.log_parser,
            reference.eval_type,
            reference.fail_to_pass,
            reference.pass_to_pass,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _recall(self, key: str, folder: Path) -> Verdict | None:
        if self._cache is None or not (kept := self._cache / key).is_dir():
            return None
        verdict = json.loads((kept / "verdict.json").read_text())
        _write_folder(folder, {name: (kept / name).read_text() for name in LOG_FILES})
        return Verdict(**verdict, cached=True)

    def _remember(self, key: str, folder: Path, verdict: Verdict) -> None:
        if self._cache is None:
            return
        kept = {
            "outcome": verdict.outcome,
            "reason": verdict.reason,
            "report": verdict.report,
            "seconds": verdict.seconds,
        }
        files = {name: (folder / name).read_text() for name in LOG_FILES}
        _write_folder(self._cache / key, files | {"verdict.json": json.dumps(kept)})


class _Log:
    def __init__(self) -> None:
        self._lines: list[str] = []

    def say(self, line: str) -> None:
        self._lines.append(line)

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"


async def _apply(sandbox: Sandbox, patch: str, log: _Log) -> bool:
    """The official ladder: git apply, three-way, with rejects, `patch` with fuzz."""
    await sandbox.write(PATCH_FILE, patch.encode())
    for attempt, command in enumerate(APPLY):
        if attempt:  # what a failed attempt left behind would fail the next one
            await sandbox.exec("git checkout -- . ; git clean -fd")
        result = await sandbox.exec(f"{command} {PATCH_FILE}", timeout_s=300)
        if result.exit_status == 0:
            log.say(f"{APPLIED}:\n{result.output}")
            return True
        log.say(f"Failed to apply patch to container: {command}\n{result.output}")
    reverse = await sandbox.exec(f"git apply --check --reverse {PATCH_FILE}")
    if reverse.exit_status == 0:
        log.say(f"{APPLIED}: verified already applied")
        return True
    log.say(NOT_APPLIED)
    return False


def _output(result: ExecResult | None, timeout_s: float) -> str:
    if result is None:
        return f"{NOT_APPLIED}\n"
    if result.timed_out:
        return f"{result.output}\n\nTimeout error: {timeout_s} seconds exceeded."
    return result.output


def _row(reference: Reference) -> dict[str, Any]:
    return {
        "instance_id": reference.instance_id,
        "image": reference.image,
        "repo": reference.repo,
        "version": reference.version,
        "FAIL_TO_PASS": list(reference.fail_to_pass),
        "PASS_TO_PASS": list(reference.pass_to_pass),
        "eval_script": reference.eval_script,
        "log_parser": reference.log_parser,
        "eval_type": reference.eval_type,
    }


def _script(reference: Reference) -> str:
    from swebench.harness.utils import make_test_spec

    return str(make_test_spec(_row(reference)).eval_script)


def official_report(
    reference: Reference, prediction: Mapping[str, str], output: str
) -> dict[str, Any]:
    """What `swebench` says of a prediction whose tests wrote `output`: by instance, its report."""
    from swebench.harness.grading import get_eval_report
    from swebench.harness.utils import make_test_spec

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test_output.txt"
        path.write_text(output, encoding="utf-8")
        report = get_eval_report(
            make_test_spec(_row(reference)), dict(prediction), str(path), include_tests_status=True
        )
    return dict(report)


def _reason(report: Mapping[str, Any], applied: bool, output: ExecResult | None) -> str:
    if report["resolved"]:
        return ""
    if not applied:
        return "the patch does not apply"
    if output is not None and output.timed_out:
        return "the tests ran out of time"
    if output is not None and output.flooded:
        return "the tests wrote too much"
    status = report.get("tests_status")
    if not status:
        return "the log holds no trustworthy test results"
    fixed = status["FAIL_TO_PASS"]
    broken = len(status["PASS_TO_PASS"]["failure"])
    missing = len(fixed["failure"])
    total = missing + len(fixed["success"])
    reasons = [f"{missing} of {total} failing tests still fail"] if missing else []
    return "; ".join(reasons + ([f"{broken} passing tests broken"] if broken else []))


def _write_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Write `files` beside `folder` and rename, so that it is there whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    beside.chmod(0o755)
    for name, text in files.items():
        (beside / name).write_text(redact(text), encoding="utf-8")
    try:
        beside.rename(folder)
    except OSError:  # an earlier grading's folder is there
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
