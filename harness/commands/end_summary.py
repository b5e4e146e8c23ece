"""What `delm eval` says at its end: what it cost, what is missing and why, and how to go on."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from harness.commands.missing_trials import missing
from harness.errors import UserError
from harness.no_space import lack
from harness.results.run_folder import RunFolder
from harness.runner.run import StopCause
from harness.runner.signals import STOPPED
from harness.score import last_attempts
from harness.score.cost import in_doubt, spent
from harness.score.rows import UNFINISHED, sent
from harness.store.rows import RunRows, TrialRow
from harness.text.counted import counted

DELM = ".venv/bin/delm"


def say_how_it_ended(
    out: Console,
    run: RunRows,
    folder: RunFolder,
    output: Path,
    *,
    stopped: bool,
    reason: str,
    cause: StopCause,
) -> int:
    """Say it, and return the exit code: 0, 1 where trials are missing or failed, 130 if `stopped`.

    2 where the machine lacks something, which its user can mend. `reason` is why no further trial
    was started, and `cause` what that is about; both empty where all were.
    """

    def say(line: str) -> None:
        out.print(line, highlight=False, markup=False)

    last = last_attempts(run.trials)
    lacking = cause == "machine"
    failed = [trial for trial in last if trial["state"] == "failed"]
    errors = sum(trial["state"] == "error" for trial in last)
    unfinished = sum(trial["state"] in UNFINISHED for trial in last)
    say(f"written: {folder.path}")
    if not run.facts.get("replay"):
        say(in_doubt(spent(sent(run.calls))))
    if reason:
        say(f"stopped starting trials: {reason}")
    for line in [*own_errors(failed, folder, output), *missing(run.trials, run.submissions)]:
        say(line)
    if errors or unfinished or stopped:
        how = ", once the model answers (another address or key may be set)" if reason else ""
        if cause == "budget":
            how = " with a higher --max-cost (make: MAX_COST=…)"
        if lacking:
            how = ", once that is mended"
        say(
            f"trials failed for infrastructure: {errors}, not done: {unfinished}; to go on"
            f"{how}: {go_on(folder, output)}"
        )
    if stopped:
        return STOPPED
    if lacking and (errors or unfinished):
        return 2
    return 1 if errors or unfinished or failed else 0


@contextmanager
def told_to_score(folder: RunFolder, output: Path) -> Iterator[None]:
    """`UserError` where what is derived from the store cannot be written for lack of room."""
    try:
        yield
    except OSError as error:
        if not (lacking := lack(error)):
            raise
        raise UserError(
            f"{lacking}: the CSVs are not written; run.db holds all that they are made of; once "
            f"that is mended, {command(folder, output, 'score')} writes them, and to go on: "
            f"{go_on(folder, output)}"
        ) from None


def own_errors(failed: Sequence[TrialRow], folder: RunFolder, output: Path) -> list[str]:
    """Each error in a system's own code once, with the number of trials that it ended."""
    by_reason: dict[str, list[TrialRow]] = {}
    for trial in failed:
        by_reason.setdefault(trial["reason"], []).append(trial)
    lines = []
    for reason, trials in by_reason.items():
        one = trials[0]
        shown = command(folder, output, "show", one["instance_id"], "-s", one["system"])
        lines.append(f"{reason}: {counted(len(trials), 'trial')}; the traceback: {shown}")
    if lines:
        mended = f"{go_on(folder, output, make=False)} --retry-failed --accept-changes"
        lines.append(f"counted as not resolved, and not run again; once it is mended: {mended}")
    return lines


def go_on(folder: RunFolder, output: Path, *, make: bool = True) -> str:
    """The command that goes on with the run, word for word."""
    words = ["eval", "--run-id", folder.run_id]
    if output == Path("results"):
        pasted = f"{DELM} {shlex.join(words)}"
        plain = shlex.quote(folder.run_id) == folder.run_id  # make takes no blank in a name
        return f"make eval RUN={folder.run_id} (or {pasted})" if make and plain else pasted
    return f"{DELM} {shlex.join([*words, '-o', str(output)])}"


def command(folder: RunFolder, output: Path, name: str, *words: str) -> str:
    """`delm NAME RUN …` as it can be pasted."""
    run = folder.run_id if output == Path("results") else str(folder.path)
    return f"{DELM} {shlex.join([name, run, *words])}"
