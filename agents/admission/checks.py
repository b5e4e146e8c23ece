"""Check one proposal's evidence by executing it; return what was seen, or refuse in words."""

from agents.admission.command_runner import CommandOutcome, CommandRunner
from agents.admission.evidence import ENOUGH, CheckResult, Refused, key_of
from agents.admission.matching import (
    lines_of,
    missing_line,
    not_there,
    numbered,
    places,
    quoted,
    said,
    shown,
)
from agents.admission.patch_checks import check_patch, ended
from agents.admission.shell_words import nothing_ran, spells
from harness.board.evidence import Command, Patch, Span
from harness.board.vocabulary import EntryKind

Executed = Span | Command | Patch
"""Evidence that is checked by executing it."""
AROUND = 5  # lines before and after a quote that are kept with it
RAW_CHARS = 8_000


async def check(
    runs: CommandRunner, kind: EntryKind, evidence: Executed, diff: str, *, fresh: bool = False
) -> CheckResult:
    """`Refused` unless `evidence` holds in the state whose diff is `diff`.

    `fresh`: results of earlier runs are not believed.
    """
    match evidence:
        case Span():
            return await _span(runs, kind, evidence, diff)
        case Command():
            return await _command(runs, kind, evidence, diff, fresh)
        case Patch():
            await check_patch(runs, evidence, fresh=fresh)
            return unchecked(kind, evidence)


def unchecked(kind: EntryKind, evidence: Executed) -> CheckResult:
    """A check that admits all evidence without executing it."""
    match evidence:
        case Span():
            wanted, before = quoted(evidence.quote)
            raw = f"{_heading(evidence, evidence.line, len(wanted))}\n" + "\n".join(wanted)
            return CheckResult(key=key_of(kind, evidence, first=evidence.line + before), raw=raw)
        case Command():
            return CheckResult(key=key_of(kind, evidence), raw=evidence.output)
        case Patch():
            return CheckResult(key=key_of(kind, evidence), raw=evidence.diff)


async def _span(runs: CommandRunner, kind: EntryKind, span: Span, diff: str) -> CheckResult:
    lines = lines_of(await runs.read(diff, span.path))
    wanted, before = quoted(span.quote)
    at = places(lines, wanted)
    fitting = [n for n in at if span.line in (0, n, n - before)]
    if not fitting:
        raise Refused(not_there(span.path, lines, wanted, span.line, at))
    first, last = fitting[0], fitting[0] + len(wanted) - 1
    raw = f"{_heading(span, first, len(wanted))}\n" + numbered(
        lines, first - AROUND, last + AROUND, width=400
    )
    return CheckResult(key=key_of(kind, span, first=first), raw=bounded(raw))


def _heading(span: Span, first: int, count: int) -> str:
    return f"{span.path}:{first}-{first + count - 1} ({span.state})"


async def _command(
    runs: CommandRunner, kind: EntryKind, expected: Command, diff: str, fresh: bool
) -> CheckResult:
    if nothing_ran(expected.command, expected.exit_status):
        raise Refused(
            f"Exit status {expected.exit_status} says that the command ran nothing at all, which "
            "proves nothing about the code. Give a command that runs it."
        )
    scripts = "\n".join(expected.files.values())
    suspect = spells(f"{expected.command}\n{scripts}", expected.output)
    outcome = await runs.outcome(diff, expected.command, expected.files, fresh=fresh)
    _agrees(expected, outcome)
    said_little = said(expected.output) < ENOUGH and outcome.output.strip()
    if said_little and kind != EntryKind.CONSTRAINT:  # that its tests pass is all that is said
        raise Refused(
            f"The command printed something; give in `output` what of it matters: "
            f"{shown(outcome.output)}"
        )
    if suspect:
        alone = await runs.without_code(diff, expected.command, expected.files)
        if alone.exit_status == expected.exit_status and not missing_line(
            expected.output, alone.output
        ):
            raise Refused(
                "The command spells its own expected output: it gives the same where all files of "
                "the repository are gone, so it says nothing about the code. Give one that runs "
                "the code and prints a value or an error that comes from there."
            )
    return CheckResult(key=key_of(kind, expected), raw=bounded(outcome.output))


def _agrees(expected: Command, outcome: CommandOutcome) -> None:
    """Raise `Refused` unless every run matches the expectation."""
    held = [
        run.exit_status == expected.exit_status and not missing_line(expected.output, run.output)
        for run in outcome.runs
    ]
    if all(held):
        return
    if not outcome.stable or any(held):
        raise Refused(
            f"The command is flaky: of {len(held)} runs in clean copies {sum(held)} gave what you "
            "say. Pin what varies (order, time, random numbers), or claim only what does not."
        )
    first = outcome.runs[0]
    if first.exit_status != expected.exit_status:
        raise Refused(
            f"The command does not end as you say: exit status {expected.exit_status} is claimed, "
            f"and in a clean copy in the state {expected.state!r} it was: {ended(outcome)}. It "
            f"printed: {shown(first.output)}"
        )
    missing = missing_line(expected.output, first.output)
    raise Refused(
        f"The command does not print what you say: {missing!r} is "
        f"not there, or not in that order. In the state {expected.state!r} it printed: "
        f"{shown(first.output)}"
    )


def bounded(text: str) -> str:
    """At most 8,000 characters: the head and the tail."""
    if len(text) <= RAW_CHARS:
        return text
    half = RAW_CHARS // 2 - 50
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
