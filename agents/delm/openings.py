"""The texts of tasks about a candidate, which hold what else would be looked up first."""

from collections.abc import Sequence

from agents.delm.matrix import CrossCheck
from agents.prompts import one_line, render, shortened
from harness.board.evidence import Command, Patch, Span, state_of
from harness.board.protocols import Entry

DIFF_CHARS = 6_000  # of a candidate; of a longer one its task says how to see it
COMMAND_CHARS, OUTPUT_CHARS = 3_000, 2_000
QUOTED = 300  # characters of a finding


def test_text(candidate: Entry) -> str:
    """The text of a task that tests a candidate."""
    return render("task_test", patch=candidate.label, diff=shown_diff(candidate))


def repair_text(candidate: Entry, failure: Entry) -> str:
    """The text of a task that mends a candidate, with what fails."""
    return render(
        "task_repair",
        patch=candidate.label,
        diff=shown_diff(candidate),
        failure=failure.label,
        gist=one_line(failure.gist, QUOTED),
        shown=shown_evidence(failure),
    )


def disagreement_text(
    passes: Entry, fails: Entry, checks: Sequence[CrossCheck], failure: str
) -> str:
    """The text of a task that finds out which of two candidates is right.

    `checks`: the commands that one passes and the other does not; `failure`: the label of what the
    board says of that, or nothing.
    """
    return render(
        "task_disagreement",
        passes=passes.label,
        passing_diff=shown_diff(passes),
        fails=fails.label,
        failing_diff=shown_diff(fails),
        source=checks[0].label,
        others=[check.label for check in checks[1:]],
        command=shortened(checks[0].command, COMMAND_CHARS),
        failure=failure,
    )


def shown_diff(candidate: Entry) -> str:
    """The diff of a candidate; empty where it is too long for a task's text."""
    diff = candidate.evidence.diff if isinstance(candidate.evidence, Patch) else ""
    return diff if len(diff) <= DIFF_CHARS else ""


def shown_evidence(failure: Entry) -> str:
    """What fails: the command with its output, or the lines."""
    match failure.evidence:
        case Command(command=command, exit_status=status, changes=changes):
            state = state_of(failure.evidence)
            told = (
                f"$ {shortened(command, COMMAND_CHARS)}\n(on {state}, exit status {status})\n"
                f"{shortened(failure.raw, OUTPUT_CHARS)}"
            )
            if changes:
                told += f"\nwith these changes besides:\n{shortened(changes, COMMAND_CHARS)}"
            return told
        case Span():
            return shortened(failure.raw, OUTPUT_CHARS)
    return ""
