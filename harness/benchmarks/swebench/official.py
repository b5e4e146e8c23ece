"""What the official `swebench` package (5.x) does, on our sandboxes; `log_process` reads logs.

The patch ladder, the evaluation script and the report are its own; the judgement is left to it.
"""

from functools import lru_cache
from importlib.metadata import version
from typing import Any

from harness.benchmarks.swebench.items import IssueReference
from harness.protocols import Sandbox
from harness.types import ExecResult

PATCH_FILE = "/tmp/patch.diff"  # noqa: S108 - inside the sandbox, where the official harness has it
# Each as swebench's own GIT_APPLY_CMDS has it; a test holds them to that.
APPLY = (
    "git apply --verbose",
    "git apply --verbose --3way",
    "git apply --verbose --reject",
    "patch --batch --forward --fuzz=5 -p1 -i",
)
# Parsers that it has: those of the repositories of SWE-bench.
PARSERS = frozenset({
    "parse_log_astroid", "parse_log_astropy", "parse_log_django", "parse_log_flask",
    "parse_log_matplotlib", "parse_log_pylint", "parse_log_pytest", "parse_log_pytest_options",
    "parse_log_pytest_v2", "parse_log_requests", "parse_log_scikit", "parse_log_seaborn",
    "parse_log_sphinx", "parse_log_sympy", "parse_log_xarray",
})  # fmt: skip
HEAD = ("#!/bin/bash", "set -uxo pipefail")
END, EXIT_CODE = ">>>>> End Test Output", "SWEBENCH_TEST_EXIT_CODE"
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


async def apply_patch(sandbox: Sandbox, patch: str, log: Log) -> tuple[bool, bool]:
    """The official ladder: git apply, three-way, with rejects, `patch` with fuzz.

    Whether the patch is applied, and whether a limit cut an attempt short.
    """
    await sandbox.write(PATCH_FILE, patch.encode())
    cut_short = False
    for attempt, command in enumerate(APPLY):
        if attempt:  # what a failed attempt left behind would fail the next one
            await sandbox.exec("git checkout -- . ; git clean -fd")
        result = await sandbox.exec(f"{command} {PATCH_FILE}", timeout_s=300)
        cut_short = cut_short or result.cut_short
        if result.exit_status == 0:
            log.say(f"{APPLIED}:\n{result.output}")
            return True, cut_short
        log.say(f"Failed to apply patch to container: {command}\n{result.output}")
    reverse = await sandbox.exec(f"git apply --check --reverse {PATCH_FILE}")
    if reverse.exit_status == 0:
        log.say(f"{APPLIED}: verified already applied")
        return True, cut_short
    log.say(NOT_APPLIED)
    return False, cut_short


async def run_script(sandbox: Sandbox, script: str, timeout_s: float) -> ExecResult:
    """Run an evaluation script where the official harness has it."""
    await sandbox.write("/eval.sh", script.encode())
    return await sandbox.exec(
        "/bin/bash /eval.sh", timeout_s=timeout_s, max_output_chars=50_000_000
    )


def log_text(result: ExecResult | None, timeout_s: float) -> str:
    """The content of `test_output.txt`; None if the patch does not apply."""
    if result is None:
        return f"{NOT_APPLIED}\n"
    if result.timed_out:  # the official limit is a whole number, and 1800 is written without .0
        seconds = int(timeout_s) if timeout_s == int(timeout_s) else timeout_s
        return f"{result.output}\n\nTimeout error: {seconds} seconds exceeded."
    return result.output


def specification(reference: IssueReference) -> dict[str, Any]:
    """The fields of the package's own `TestSpec` of an instance.

    As its `make_test_spec` says them, whose module imports pandas, datasets and Docker's client and
    reads a `.env` file: 1.5 s in every run. A test holds them to that.
    """
    return {
        "instance_id": reference.instance_id,
        "image": reference.image,
        "eval_script_list": _with_exit_code(reference.eval_script),
        "repo": reference.repo,
        "version": reference.version,
        "FAIL_TO_PASS": list(reference.fail_to_pass),
        "PASS_TO_PASS": list(reference.pass_to_pass),
        "log_parser": reference.log_parser,
        "eval_type": reference.eval_type,
        "image_assets": {},
    }


def _with_exit_code(script: str) -> list[str]:
    """The lines of an evaluation script but its head, the tests' exit status among them."""
    lines = [line for line in script.strip().split("\n") if line not in HEAD]
    for number, line in enumerate(lines):
        if END in line:
            tell = f'echo ">>>>> Test Exit Code: ${EXIT_CODE}"'
            return [*lines[:number], f"{EXIT_CODE}=$?", line, tell, *lines[number + 1 :]]
    return lines


@lru_cache(maxsize=16)
def evaluation_script(reference: IssueReference) -> str:
    """The evaluation script as the package gives it.

    Cached, because the grading of an instance asks for it up to five times.
    """
    from swebench.types import TestSpec

    return str(TestSpec(**specification(reference)).eval_script)


def known_parser(name: str) -> str:
    """`name`, where the package has a log parser of that name.

    Raises `ValueError`. Only for a name that none of SWE-bench's own repositories has is the
    package imported, which takes a second.
    """
    if name not in PARSERS:
        from swebench.harness.log_parsers import PARSER_REGISTRY

        from harness.config import nearest

        if name not in PARSER_REGISTRY:
            near = nearest(name, PARSER_REGISTRY)
            raise ValueError(f"swebench {version('swebench')} has no parser {name!r}{near}")
    return name


def no_report(instance_id: str, why: str) -> dict[str, Any]:
    """The report for a log that the package cannot read to its end: nothing is resolved."""
    return {
        instance_id: {
            "patch_is_None": False,
            "patch_exists": True,
            "patch_successfully_applied": False,
            "resolved": False,
            "infra_failure": False,
            "error": why,
        }
    }
