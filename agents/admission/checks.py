"""Check one proposal's evidence by executing it; return what was seen, or refuse in words."""

from dataclasses import replace

from agents.admission.chance import by_chance
from agents.admission.command_runner import CommandOutcome, CommandRunner
from agents.admission.dependence import needs_code
from agents.admission.evidence import CheckResult, Refused, key_of
from agents.admission.expected_output import like_it, missing_line, said, varying_places
from agents.admission.matching import lines_of, not_there, numbered, places, quoted, shown
from agents.admission.patch_checks import check_patch, ended
from agents.admission.shell_words import nothing_ran
from agents.admission.watched_runs import WatchedRuns
from harness.board.evidence import Command, Patch, Span
from harness.board.vocabulary import EntryKind

Executed = Span | Command | Patch
"""Evidence that is checked by executing it."""
AROUND = 5  # lines before and after a quote that are kept with it
RAW_CHARS = 8_000


async def check(
    runs: CommandRunner,
    watched: WatchedRuns,
    kind: EntryKind,
    evidence: Executed,
    diff: str,
    *,
    issue: str = "",
    fresh: bool = False,
) -> CheckResult:
    """`Refused` unless `evidence` holds in the state whose diff is `diff`.

    `issue`: what is to be mended. `fresh`: results of earlier runs are not believed.
    """
    match evidence:
        case Span():
            return await _span(runs, kind, evidence, diff)
        case Command():
            return await _command(runs, watched, kind, evidence, diff, fresh)
        case Patch():
            outcome = await check_patch(runs, evidence, issue, fresh=fresh)
            return replace(unchecked(kind, evidence), lasting=outcome.lasting)


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
    runs: CommandRunner,
    watched: WatchedRuns,
    kind: EntryKind,
    expected: Command,
    diff: str,
    fresh: bool,
) -> CheckResult:
    if nothing_ran(expected.command, expected.exit_status):
        raise Refused(
            f"Exit status {expected.exit_status} says that the command ran nothing at all, which "
            "proves nothing about the code. Give a command that runs it."
        )
    command, files = expected.command, expected.files
    outcome = await runs.outcome(diff, command, files, fresh=fresh)
    _agrees(expected, outcome)
    varying = varying_places(outcome.runs)
    says_nothing = not said(expected.output, varying) and outcome.output.strip()
    if says_nothing and kind != EntryKind.CONSTRAINT:  # that its tests pass is all that is said
        raise Refused(
            f"The command printed something; give in `output` what of it matters: "
            f"{shown(outcome.output)}"
        )
    seen = await needs_code(watched, kind, expected, diff, varying)
    asked = by_chance(command, files, bool(seen.chance) if seen and seen.python_ran else None)
    if asked and not outcome.by_chance:  # its words did not tell
        outcome = await runs.more(diff, command, files, outcome)
        _agrees(expected, outcome)
    raw = bounded(outcome.output)
    lasting = replace(outcome, by_chance=asked).lasting
    return CheckResult(key=key_of(kind, expected), raw=raw, lasting=lasting)


def _agrees(expected: Command, outcome: CommandOutcome) -> None:
    """Raise `Refused` unless every run matches the expectation."""
    varying = varying_places(outcome.runs)
    missing = {
        output: missing_line(expected.output, output, varying)
        for output in {run.output for run in outcome.runs}
    }
    held = [
        run.exit_status == expected.exit_status and not missing[run.output] for run in outcome.runs
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
    line = missing[first.output]
    raise Refused(
        f"The command does not print what you say: {line!r} is not there, or not in that order. "
        f"{like_it(line, first.output)}In the state {expected.state!r} it printed: "
        f"{shown(first.output)}"
    )


def bounded(text: str) -> str:
    """At most 8,000 characters: the head and the tail."""
    if len(text) <= RAW_CHARS:
        return text
    half = RAW_CHARS // 2 - 50
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
