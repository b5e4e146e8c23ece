"""Whether what a command shows depends on the repository's code: it is run again with other code.

First its calls into the code are noted. Then they give other values of the same type, and what is
claimed must not come of it any more. A command without such calls has to show what its imports
hold, or what a program of the repository does that is no Python.
"""

import re
from collections.abc import Callable
from functools import partial

from agents.admission.evidence import ENOUGH, Refused
from agents.admission.expected_output import Varying, missing_line, said
from agents.admission.own_words import Tools, computed, crashed, within_one_bit
from agents.admission.shell_words import idle_reason, only_reads, programs, spells
from agents.admission.watched_runs import CodeCall, How, Trace, WatchedRuns
from agents.concurrency import together
from harness.board.evidence import Command
from harness.board.vocabulary import EntryKind
from harness.types import ExecResult

NAMES = 3  # of called functions that a reason names
LEAST_S, SLOWER = 5.0, 3.0  # the limit of a run with other code: seconds, and runs that are watched
_PATH = re.compile(r"[\w./-]*\w\.\w+")
PYTHON = re.compile(r"python[\d.]*$|pytest$|py\.test$")

SPELT = (
    "The command spells its own expected output: it gives the same where all files of the "
    "repository are empty, so it says nothing about the code. Give one that runs the code and "
    "prints a value or an error that comes from there."
)
ONLY_READS = (
    "The command only reads files, which shows nothing of what the code does. Quote the lines "
    "instead (path, line, quote), or run the code."
)
RUNS_NONE = (
    "The command runs no code of the repository, so that it shows nothing of it. Give one that "
    "calls it; quote what stands in a file (path, line, quote)."
)

WATCHED = (
    "The command does something else while its calls into the repository are watched. Give one "
    "that does the same whoever watches."
)
UNWATCHED = (
    "Nobody can watch this command to its end ({}), so that it shows nothing of the code. Give a "
    "smaller one that calls the code and ends by itself."
)
ENDS_EARLY = (
    "The command exits with 0 before its end, or a test of its own is skipped or expected to fail, "
    "so that what it says after that is not run. Let it come to its end: the status is 0 then."
)
LOOKS = (
    "The command looks at what watches it (hidden files in /tmp), which shows nothing of the code. "
    "Leave that out."
)

WATCHED_ELSEWHERE = {
    EntryKind.FAIL: (
        "The command does something else while its calls into the repository are watched, on "
        "another day, or for another user with an empty home. Give one that fails wherever the "
        "code does."
    ),
    EntryKind.CONSTRAINT: (
        "The command does something else while its calls into the repository are watched, or where "
        "the files have a comment or a blank line more at their ends. Give one that says what the "
        "code does, not what stands in its files."
    ),
}
NO_PROGRAM = (
    "No Python that can be watched runs in the command, and it gives the same where the programs "
    "of the repository are empty, so that it shows nothing of the code. Call the code by `python`."
)
ONE_BIT = (
    "All that the code decides of this output is whether the command prints it: the words are the "
    "command's own, whatever value the code gives. Print the value itself, or the error."
)

Holds = Callable[..., bool]
"""Whether a run gives what is expected; with None, whatever may vary does."""


async def needs_code(
    runs: WatchedRuns,
    kind: EntryKind,
    expected: Command,
    diff: str,
    varying: Varying | None = None,
) -> Trace | None:
    """What the command does, where Python runs it. `Refused` where what `expected` says of it does
    not depend on the repository's code.

    A CONSTRAINT is a command that fails where the code does something else. `varying`: where its
    outputs differ from run to run; None: every place that may.
    """

    def holds(run: ExecResult, varying: Varying | None = varying) -> bool:
        if kind == EntryKind.CONSTRAINT:
            return run.exit_status == 0
        return run.exit_status == expected.exit_status and not missing_line(
            expected.output, run.output, varying
        )

    command, files = expected.command, expected.files
    spelt = spells("\n".join([command, *files.values()]), expected.output)
    if only_reads(command):
        raise Refused(SPELT if spelt else ONLY_READS)
    seen = await runs.traced(diff, command, files)
    if seen and seen.unwatched:
        raise Refused(UNWATCHED.format(seen.unwatched))
    if seen is None or not seen.python_ran:
        await _without_python(runs, expected, diff, holds, watchable=seen is not None, spelt=spelt)
        return seen
    if not holds(seen.run, None):
        raise Refused(WATCHED)
    _judge_trace(seen)
    idle = _idle(command, seen) if kind == EntryKind.CONSTRAINT else ""
    if not (seen.breakable or seen.imported):
        raise Refused(idle or RUNS_NONE)
    again = OtherRuns(runs, kind, expected, diff, seen)
    same, *likes = await again.all("same", "like", "like")
    if not holds(same, None):
        raise Refused(WATCHED_ELSEWHERE.get(kind, WATCHED))
    if fault := await _unshown(again, kind, likes, holds, varying):
        raise Refused(idle or fault)
    return seen


class OtherRuns:
    """Runs of one command in which its calls do something else."""

    def __init__(
        self, runs: WatchedRuns, kind: EntryKind, expected: Command, diff: str, seen: Trace
    ) -> None:
        self._runs = runs
        self._kind = kind
        self.expected = expected
        self._diff = diff
        self.seen = seen

    async def all(self, *kinds: How) -> list[ExecResult]:
        """One run of each kind, at the same time.

        A FAIL runs on another day for another user. With "same" a CONSTRAINT runs where the files
        that it calls or names have lines more that mean nothing.
        """
        found: dict[int, ExecResult] = {}
        called = {call.path for call in self.seen.calls}
        named = set(
            _PATH.findall("\n".join([self.expected.command, *self.expected.files.values()]))
        )
        idle = sorted(called | named) if self._kind == EntryKind.CONSTRAINT else []

        async def one(number: int, how: How) -> None:
            expected, seen = self.expected, self.seen
            found[number] = await self._runs.with_other_returns(
                self._diff, expected.command, expected.files, seen.breakable, how,
                limit_s=LEAST_S + SLOWER * seen.run.seconds,
                elsewhere=self._kind == EntryKind.FAIL,
                idle=idle if how == "same" else [],
            )  # fmt: skip

        await together(partial(one, number, how) for number, how in enumerate(kinds))
        return [found[number] for number in range(len(kinds))]

    async def by_the_change(self) -> bool:
        """Whether nothing runs but tests of the repository, and they pass without the change."""
        owners = {call.owner for call in self.seen.breakable}
        if not self._diff or owners != {"test"} or self.expected.files:
            return False
        return await self._runs.passes_before(self._diff, self.expected.command, {})

    def tells(self, run: ExecResult) -> bool:
        """Whether a run that does not give what is expected says something by that."""
        return not run.cut_short and not crashed(self.seen.run.output, run.output)


async def _unshown(
    again: OtherRuns,
    kind: EntryKind,
    likes: list[ExecResult],
    holds: Holds,
    varying: Varying | None,
) -> str:
    """Why a command does not show what it says; nothing where it does.

    What a FACT says has to be other words for other values of the code. Where only their truth, or
    a comparison, decides, it may say one bit: in a word. FAIL and CONSTRAINT say it by their
    status.
    """
    expected, seen = again.expected, again.seen
    if all(map(holds, likes)) and any("fed" in call.gives for call in seen.breakable):
        likes = await again.all("all like", "all like")

    def shows(runs: list[ExecResult]) -> bool:
        outputs = [run.output for run in runs]
        return bool(runs) and (
            kind != EntryKind.FACT
            or not said(expected.output, varying)
            or computed(expected.output, seen.run.output, outputs, varying)
        )

    telling = [run for run in likes if not holds(run) and again.tells(run)]
    if shows(telling):
        return ""
    if kind == EntryKind.CONSTRAINT and seen.breakable:
        return await _unkept(again, likes, holds)
    others, raising = await _with_other_objects(again)
    told = [run for run in others if not holds(run) and again.tells(run)]
    if raising and raising.exit_status == 0:
        told.append(raising)
    if not telling and not told:
        ended = kind != EntryKind.FACT and not any(map(holds, [*likes, *others]))
        if ended or (kind == EntryKind.FAIL and await again.by_the_change()):
            return ""
        return _unchanged(seen.breakable)
    turned = any((run.exit_status == 0) == (expected.exit_status != 0) for run in told)
    if (turned and kind != EntryKind.FACT) or shows([*telling, *told]):
        return ""
    outputs = [run.output for run in (*telling, *told)]
    text = "\n".join([expected.command, *expected.files.values()])
    tools = Tools(ran=seen.tools, printed=seen.printed, text=text)
    one_bit = within_one_bit(expected.output, seen.run.output, outputs, tools)
    return "" if one_bit else ONE_BIT


async def _unkept(again: OtherRuns, likes: list[ExecResult], holds: Holds) -> str:
    """Why a CONSTRAINT keeps nothing that the code gives; nothing where a value of the same type
    breaks it, an error that is not raised, or, of the repository's own tests, one that is."""
    tests = {call.owner for call in again.seen.breakable} == {"test"}
    kinds: list[How] = ["turned", "raises"] if tests else ["turned"]
    turned, *raising = await again.all(*kinds)
    if all(not holds(run) and not run.cut_short for run in [*likes, turned]):
        return ""
    if any(not holds(run) and again.tells(run) for run in [turned, *raising]):
        return ""
    return _unchanged(again.seen.breakable)


async def _with_other_objects(
    again: OtherRuns,
) -> tuple[list[ExecResult], ExecResult | None]:
    """Runs with what is false and with what is true, and one with exceptions where it may tell.

    A command that fails may wait for an exception that it does not get: then it passes with one.
    """
    kinds: list[How] = ["nothing", "anything"]
    if again.seen.breakable and again.expected.exit_status != 0:
        kinds.append("raises")
    false, true, *raising = await again.all(*kinds)
    return [false, true], raising[0] if raising else None


def _idle(command: str, seen: Trace) -> str:
    """Why a command that passes may do so whatever the code does. `Refused` where it does not come
    to its end."""
    reason = idle_reason(command, seen.run.output)
    if seen.cut or seen.faults:
        raise Refused(reason or ENDS_EARLY)
    return reason


def _judge_trace(seen: Trace) -> None:
    """`Refused` where what a command runs changes the code, or looks at who watches it."""
    if seen.looked:
        raise Refused(LOOKS)
    if seen.edited:
        raise Refused(
            f"The command changes {seen.edited[0]} before it runs it, so that it shows nothing of "
            "the repository's code. Leave the code as it is."
        )


async def _without_python(
    runs: WatchedRuns, expected: Command, diff: str, holds: Holds, *, watchable: bool, spelt: bool
) -> None:
    """As `needs_code`, for a command whose calls nobody can see.

    Where Python can be watched and none was, what it shows can come from a program of the
    repository alone.
    """
    if watchable and any(PYTHON.match(name) for name in programs(expected.command)):
        raise Refused(
            "The Python of this command cannot be watched. Start it as `python`, without -S, -E "
            "or -I."
        )
    if said(expected.output) < ENOUGH and expected.exit_status == 0:
        raise Refused(f"The command has to show more: {ENOUGH} characters that are not blank.")
    if watchable and holds(await runs.without_programs(diff, expected.command, expected.files)):
        raise Refused(NO_PROGRAM)
    if spelt and holds(await runs.without_code(diff, expected.command, expected.files)):
        raise Refused(SPELT)


def _unchanged(calls: tuple[CodeCall, ...]) -> str:
    if not calls:
        return (
            "The command imports code of the repository and calls nothing of it, and it gives the "
            "same whatever stands there. Print what the code returns or raises."
        )
    names = list(dict.fromkeys(f"{call.name} ({call.path}:{call.line})" for call in calls))
    more = " …" if len(names) > NAMES else ""
    return (
        "The command gives the same whatever the code that it calls returns: "
        f"{', '.join(names[:NAMES])}{more}. Print or assert what comes from there, not words of "
        "the command's own."
    )
