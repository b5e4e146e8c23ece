"""The report at the end of `delm eval`."""

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console

from harness.commands.end_summary import command
from harness.report import FILE
from harness.results.run_folder import RunFolder
from harness.results.server_file import environment
from harness.secrets import child_environment
from harness.terminal import one_line

STOPPED_S = 10.0  # for the trials in the report of a run that was stopped


def report_at_end(out: Console, folder: RunFolder, output: Path, *, stopped: bool) -> None:
    """Write the report of a run that has ended, in a process of its own: whatever happens to it,
    the run's results and exit code stay what they are. Prints where it is, or why there is none.
    """
    path = folder.path / FILE
    words = ["report", str(folder.path), *(["--seconds", str(STOPPED_S)] if stopped else [])]
    with out.status("writing the report") if out.is_terminal else nullcontext():
        done = subprocess.run(
            [sys.executable, "-P", "-m", "harness.cli", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=child_environment.reader()
            | (environment(folder.address) if folder.on_server else {}),
        )
    if done.returncode == 0 and path.exists():
        _say(out, f"report: {path}")
        return
    again = command(folder, output, "report")
    _say(out, f"report: not written ({_reason(done.stderr)}); to try again: {again}")


def _reason(said: str) -> str:
    """The last line of what a process said before it ended."""
    lines = [line for line in said.splitlines() if line.strip()]
    return one_line(lines[-1].removeprefix("error: "))[:200] if lines else "it was stopped"


def _say(out: Console, line: str) -> None:
    out.print(line, highlight=False, markup=False, soft_wrap=True)
