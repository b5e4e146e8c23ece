"""The last lines of `delm eval`: cost, missing trials with reasons, and how to resume."""

import shlex
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from harness.analysis.interventions import left_cancelled
from harness.commands.missing_trials import missing_trials
from harness.errors import UserError
from harness.no_space import lack
from harness.results.run_folder import RunFolder
from harness.runner.signals import STOPPED
from harness.runner.stopping import StopCause
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
    placement: Sequence[str] = (),
) -> int:
    """Print the summary and return the exit code.

    0: all trials are done; 1: trials are missing, cancelled or failed; 2: trials are missing
    because the machine lacks something; 130: `stopped`. `reason` and `cause` say why the run
    stopped starting trials; both are empty if it started all of them. `placement`: see
    `resume_command`.
    """

    def say(line: str) -> None:
        out.print(line, highlight=False, markup=False)

    last = last_attempts(run.trials)
    lacking = cause == "machine"
    held = left_cancelled(run.trials, run.interventions)
    failed = [trial for trial in last if trial["state"] == "failed"]
    to_run = [trial for trial in last if trial["trial_id"] not in held]
    errors = sum(trial["state"] == "error" for trial in to_run)
    unfinished = sum(trial["state"] in UNFINISHED for trial in to_run)
    say(f"written: {folder.path}")
    if not run.facts.get("replay"):
        say(in_doubt(spent(sent(run.calls))))
    if reason:
        say(f"stopped starting trials: {reason}")
    missing = missing_trials(run.trials, run.submissions)
    broken = own_errors(failed, folder, output, placement)
    for line in [*broken, *missing, *_cancelled(held, folder, output)]:
        say(line)
    if errors or unfinished or stopped:
        how = " when the model answers again (you may set another address or key)" if reason else ""
        if cause == "budget":
            how = " with a higher --max-cost (make: MAX_COST=…)"
        if lacking:
            how = " after fixing that"
        say(
            f"infrastructure failures: {errors}, not finished: {unfinished}; to resume"
            f"{how}: {resume_command(folder, output, placement)}"
        )
    if stopped:
        return STOPPED
    if lacking and (errors or unfinished):
        return 2
    return 1 if errors or unfinished or failed or held else 0


def say_joined_ended(out: Console, reason: str, cause: StopCause, *, stopped: bool) -> int:
    """Say why a process that joined a run ends; its exit code, 0 also where trials failed. What the
    run came to is told by the process that began it, or by `delm score`."""
    why = "it was stopped" if stopped else reason or "there is no trial left for it"
    out.print(f"this process ends: {why}", highlight=False, markup=False)
    return STOPPED if stopped else 2 if cause == "machine" else 0


def _cancelled(held: Collection[int], folder: RunFolder, output: Path) -> list[str]:
    """That people cancelled the attempts `held`, and how one is run again."""
    if not held:
        return []
    requeue = command(folder, output, "ctl", "requeue", str(min(held)))
    return [
        f"cancelled by people and not run again: {counted(len(held), 'trial')}; to run one again: "
        f"{requeue} --by NAME --reason TEXT"
    ]


@contextmanager
def explained_lack_of_space(
    folder: RunFolder, output: Path, placement: Sequence[str] = ()
) -> Iterator[None]:
    """Raise `UserError` if the CSVs cannot be written for lack of disk space."""
    try:
        yield
    except OSError as error:
        if not (lacking := lack(error)):
            raise
        raise UserError(
            f"{lacking}; the CSVs were not written, run.db is complete. Free space, then write "
            f"them with {command(folder, output, 'score')}, or resume: "
            f"{resume_command(folder, output, placement)}"
        ) from None


def own_errors(
    failed: Sequence[TrialRow], folder: RunFolder, output: Path, placement: Sequence[str] = ()
) -> list[str]:
    """Each error in a system's own code once, with the number of failed trials."""
    by_reason: dict[str, list[TrialRow]] = {}
    for trial in failed:
        by_reason.setdefault(trial["reason"], []).append(trial)
    lines = []
    for reason, trials in by_reason.items():
        one = trials[0]
        shown = command(folder, output, "show", one["instance_id"], "-s", one["system"])
        where = f"; traceback: {shown}" if one["detail"] else f"; its messages: {shown}"
        lines.append(f"{reason}: {counted(len(trials), 'trial')}{where}")
    if lines:
        resume = resume_command(folder, output, placement, make=False)
        fixed = f"{resume} --retry-failed --accept-changes"
        lines.append(f"counted as not resolved and not rerun; after a fix, rerun with: {fixed}")
    return lines


def resume_command(
    folder: RunFolder, output: Path, placement: Sequence[str] = (), *, make: bool = True
) -> str:
    """The command that resumes the run, ready to paste, with the same words for its `placement`
    (`--executor`). The server that has its store stands in its folder."""
    words = ["eval", "--run-id", folder.run_id, *placement]
    if output == Path("results"):
        pasted = f"{DELM} {shlex.join(words)}"
        plain = shlex.quote(folder.run_id) == folder.run_id  # make cannot pass a blank in a name
        make = make and plain and not placement
        return f"make eval RUN={folder.run_id} (or {pasted})" if make else pasted
    return f"{DELM} {shlex.join([*words, '-o', str(output)])}"


def command(folder: RunFolder, output: Path, name: str, *words: str) -> str:
    """`delm NAME RUN …`, ready to paste."""
    run = folder.run_id if output == Path("results") else str(folder.path)
    return f"{DELM} {shlex.join([name, run, *words])}"
