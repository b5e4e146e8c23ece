"""What the official `swebench` package (5.x) does, on our sandboxes: the only file that knows it.

The patch ladder, the evaluation script and the report are its own; the judgement is left to it.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.protocols import Sandbox
from harness.types import ExecResult, Reference

PATCH_FILE = "/tmp/patch.diff"  # noqa: S108 - inside the sandbox, where the official harness has it
# Each as swebench's own GIT_APPLY_CMDS has it; a test holds them to that.
APPLY = (
    "git apply --verbose",
    "git apply --verbose --3way",
    "git apply --verbose --reject",
    "patch --batch --forward --fuzz=5 -p1 -i",
)
APPLIED, NOT_APPLIED = ">>>>> Applied Patch", ">>>>> Patch Apply Failed"


class Log:
    """The lines of one `run_instance.log`."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def say(self, line: str) -> None:
        """Append a line, or several."""
        self._lines.append(line)

    def text(self) -> str:
        """The whole file."""
        return "\n".join(self._lines) + "\n"


async def apply_patch(sandbox: Sandbox, patch: str, log: Log) -> bool:
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


async def run_script(sandbox: Sandbox, script: str, timeout_s: float) -> ExecResult:
    """Run an evaluation script where the official harness has it."""
    await sandbox.write("/eval.sh", script.encode())
    return await sandbox.exec(
        "/bin/bash /eval.sh", timeout_s=timeout_s, max_output_chars=50_000_000
    )


def log_text(result: ExecResult | None, timeout_s: float) -> str:
    """What `test_output.txt` holds; None: the patch does not apply."""
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


def evaluation_script(reference: Reference) -> str:
    """The script as the package gives it."""
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


def official_statuses(reference: Reference, output: str) -> dict[str, str]:
    """What the package's own parser reads out of `output`: by test, its status."""
    from swebench.harness.grading import get_logs_eval
    from swebench.harness.utils import make_test_spec

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test_output.txt"
        path.write_text(output, encoding="utf-8")
        found, _ = get_logs_eval(make_test_spec(_row(reference)), str(path))
    return dict(found)
