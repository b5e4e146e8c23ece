"""What a FAIL says beyond its command, and which constraint contradicts one."""

import re
from collections.abc import Iterable

from agents.admission.command_runner import CommandRunner
from agents.admission.evidence import Refused
from agents.admission.matching import shown
from agents.admission.patch_text import new_tests
from agents.admission.shell_words import normal_command
from agents.admission.watch_report import SIGNALLED, in_the_code
from agents.admission.watched_runs import CodeCall, Fault, Trace, WatchedRuns
from agents.vetoes import vetoed
from harness.board.evidence import Command, Patch
from harness.board.protocols import Entry, SharedContext
from harness.board.vocabulary import BASE, EntryKind, LinkKind

_WORD = re.compile(r"[A-Za-z_]\w{2,}")
_VALUE = re.compile(r"['\"]|\d|\b(?:True|False|None)\b")
_NOT_THERE = (  # what test runners say before a test begins
    re.compile(r"fixture '(\w+)' not found"),
    re.compile(r"(\w+) \(unittest\.loader\._FailedTest\b"),
)
_MISSING = tuple(
    map(
        re.compile,
        (
            r"(?P<owner>\w+)\(\) got an unexpected keyword argument '(?P<name>\w+)'",
            r"'(?P<owner>\w+)' object has no attribute '(?P<name>\w+)'",
            r"(?:type object|module) '(?P<owner>[\w.]+)' has no attribute '(?P<name>\w+)'",
            r"cannot import name '(?P<name>\w+)' from '(?P<owner>[\w.]+)'",
            r"No module named '(?P<owner>[\w.]+)\.(?P<name>\w+)'",
        ),
    )
)
LONG = 4  # characters of arguments that tell a call from others
_COMMON = frozenset(
    re.findall(
        _WORD,
        "and assert def else for from import not print pass python pytest raise return self test "
        "tests the this type with",
    )
)


async def judge_failure(
    runs: CommandRunner,
    watched: WatchedRuns,
    context: SharedContext,
    issue: str,
    evidence: Command,
    diff: str,
) -> None:
    """`Refused` for a FAIL that neither the change in `diff` brought nor the issue asks to mend.

    `diff` is empty for one at the base commit. `issue` empty: what it asks for is not known. Where
    no Python can be watched nothing is refused.
    """
    seen = await watched.traced(diff, evidence.command, evidence.files)
    if seen is None:
        return
    if own := own_mistake(evidence, seen, issue):
        raise Refused(
            f"The command fails by a mistake of its own ({own}), which shows nothing of the code. "
            "Give one that says with an assert, or a test, what should be."
        )
    if diff:
        before = await runs.first(new_tests(diff), evidence.command, evidence.files)
        if before.exit_status == 0:
            if by := await pins(runs, watched, context, issue, evidence, same_call=True):
                raise Refused(
                    f"{by}, and this command passes at the base commit, so that it asks for the "
                    "fault back. Give one whose calls were right before."
                )
            return
    if seen.network:
        raise Refused(
            f"The command asks another machine ({seen.network[0]}), which it cannot reach here, so "
            "that its failure shows nothing of the code. Give one that needs no network."
        )
    asked = {normal_command(command) for command in await _reproductions(context)}
    if normal_command(evidence.command) in asked or not issue or _about(issue, evidence, seen):
        return
    if diff:
        raise Refused(
            "The command fails at the base commit, too, so that it is not the patch that breaks "
            f"it, and the issue does not speak of what it calls: {shown(before.output, 300)}\n"
            "Give a command that passes at the base commit, or that shows what the issue asks for."
        )
    raise Refused(
        "The issue does not speak of anything that this command calls, so that its failure is "
        "none to mend. Give one that shows what the issue asks for; else publish it as a FACT."
    )


def own_mistake(evidence: Command, seen: Trace, issue: str) -> str:
    """What failed of the command itself; nothing where code of the repository, or what the command
    asserts of it, did.

    A name that is missing is the code's fault where the issue has it, and has its owner. `issue`
    empty: what it asks for is not known.
    """
    text = "\n".join([evidence.command, *evidence.files.values()])
    if seen.run.exit_status in SIGNALLED and not in_the_code(seen.stacks, text):
        return "it waits or loops by itself until it is ended"
    for form in _NOT_THERE:
        if (missing := form.search(seen.run.output)) and not asks_for(missing[1], issue):
            return missing[0]
    for fault in seen.faults:
        if fault.by == "own" and not fault.how and not _asked_for(fault, issue):
            return f"{fault.error}: {fault.message}"[:200]
    return ""


def _asked_for(fault: Fault, issue: str) -> bool:
    """Whether an error says that a name is missing which the issue has with its owner."""
    found = next(filter(None, (form.search(fault.message) for form in _MISSING)), None)
    if not found or not issue:
        return found is not None
    owner = found["owner"].rpartition(".")[2]
    return asks_for(found["name"], issue) and owner.lower() in _words(issue)


def asks_for(name: str, issue: str) -> bool:
    """Whether an issue has a name as one of code, and not as a word of English."""
    if not re.fullmatch(r"[a-z]+", name):
        return name.lower() in _words(issue)
    found = re.escape(name)
    marked = (
        rf"[`'\"]{found}\b|\w\.{found}\b|\b{found}[`'\"(=\[]|\b{found}\.\w|^ {{4}}.*\b{found}\b"
    )
    fenced = "\n".join(re.findall(r"```(.*?)```", issue, re.DOTALL))
    return bool(re.search(marked, issue, re.MULTILINE) or re.search(rf"\b{found}\b", fenced))


async def pins(
    runs: CommandRunner,
    watched: WatchedRuns,
    context: SharedContext,
    issue: str,
    evidence: Command,
    *,
    same_call: bool = False,
) -> str:
    """What says that a command that passes at the base commit pins the fault: an entry, or the
    issue by a call. `same_call`: see `contradicted_by`."""
    by_call = "fails by the very call that this command makes"
    if entry := await contradicted_by(runs, watched, context, evidence, same_call=same_call):
        mends = "mends a call of this function and breaks it"
        if entry.kind == EntryKind.PATCH and same_call:
            mends = "mends the very call that this command makes"
        return f"{entry.label} {mends if entry.kind == EntryKind.PATCH else by_call}"
    seen = await watched.traced("", evidence.command, evidence.files)
    call = pinned_by(issue, seen) if seen else ""
    return f"The issue speaks of {call}: it {by_call}" if call else ""


def pinned_by(issue: str, seen: Trace) -> str:
    """The call in a script of the command's own that the issue itself speaks of, or nothing."""
    text = _squeezed(issue)
    for call in seen.breakable:
        written = _squeezed(f"{call.name}({call.arguments})")
        if call.owner == "own" and len(call.arguments) > LONG and written in text:
            return f"{call.name}({call.arguments})"
    return ""


def _squeezed(text: str) -> str:
    return "".join(text.split()).replace('"', "'")


def _about(issue: str, evidence: Command, seen: Trace) -> bool:
    """Whether the issue names something that the command calls or names."""
    called = " ".join(
        f"{call.name} {call.path.replace('/', ' ').replace('.', ' ')}" for call in seen.breakable
    )
    mine = f"{called} {evidence.command} {' '.join(evidence.files.values())}"
    return bool((_words(mine) & _words(issue)) - _COMMON)


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)}


async def _reproductions(context: SharedContext) -> list[str]:
    """The commands that fail at the base commit, as standing entries say."""
    return [evidence.command for _, evidence in await _asked(context)]


async def _asked(context: SharedContext) -> list[tuple[Entry, Command | Patch]]:
    """The standing entries that show what is to be mended, with their evidence."""
    found: list[tuple[Entry, Command | Patch]] = []
    for entry in await _standing(context):
        match entry.evidence:
            case Patch() as patch:
                found.append((entry, patch))
            case Command(state=state, changes="") as ran:
                if entry.kind == EntryKind.FAIL and state == BASE:
                    found.append((entry, ran))
    return found


async def _standing(context: SharedContext) -> list[Entry]:
    gone = {link.target for link in await context.links() if link.kind == LinkKind.REFUTES}
    gone |= (await vetoed(context)).keys()
    return [entry for entry in await context.entries() if entry.label not in gone]


async def contradicted_by(
    runs: CommandRunner,
    watched: WatchedRuns,
    context: SharedContext,
    constraint: Command,
    *,
    same_call: bool = False,
) -> Entry | None:
    """The standing entry that asks for the contrary of a constraint by a script of its own.

    A reproduction does whose last call before it fails is one that the constraint makes. So does a
    candidate that breaks the constraint, if its reproduction's last call is of the same function
    with other arguments, and no such candidate keeps it; not with `same_call`.
    """
    seen = await watched.traced("", constraint.command, constraint.files)
    mine = {_call(call) for call in seen.breakable if call.owner == "own"} if seen else set()
    functions = set() if same_call else {call[:2] for call in mine}
    breaking: list[Entry] = []
    for entry, evidence in await _asked(context) if mine else ():
        tests = new_tests(evidence.diff) if isinstance(evidence, Patch) else ""
        failing = await watched.traced(tests, evidence.command, evidence.files)
        last = _last(failing.breakable) if failing and failing.run.exit_status else set()
        if last & mine:
            return entry
        if isinstance(evidence, Patch) and functions & {call[:2] for call in last}:
            kept = await runs.first(evidence.diff, constraint.command, constraint.files)
            if kept.exit_status == 0:
                functions = set()  # one of them keeps it
                breaking.clear()
            else:
                breaking.append(entry)
    return breaking[0] if breaking else None


def _last(calls: Iterable[CodeCall]) -> set[tuple[str, str, str]]:
    """The last call, where its arguments tell it from others."""
    found = [call for call in calls if call.owner != "outer"]
    return {_call(call) for call in found[-1:] if _VALUE.search(call.arguments)}


def _call(call: CodeCall) -> tuple[str, str, str]:
    return call.path, call.name, call.arguments
