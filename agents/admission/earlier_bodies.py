"""Whether what a patch's command shows comes from functions that the patch changes.

It is run once more with all that the patch brings to be seen, in which the functions do what they
did before: then it must fail. See `agents.sandbox_scripts.earlier_bodies`.
"""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

from agents import sandbox_scripts
from agents.admission.changes import TEST_PATH
from agents.admission.command_runner import ENDED, OWN_S, CommandRunner, answer, python
from agents.admission.dependence import ENDS_EARLY, LOOKS, UNWATCHED, WATCHED
from agents.admission.evidence import Refused
from agents.admission.failures import asks_for
from agents.admission.watch_report import (
    MOST_LINES,
    SIGNALLED,
    TESTS_S,
    Report,
    in_the_code,
    report_of,
    stacks_of,
)
from agents.concurrency import together
from agents.copies.attachments import put_files
from agents.sandbox_scripts import earlier_bodies, watch
from harness.board.evidence import Patch
from harness.errors import SandboxLost
from harness.types import ExecResult

Back = Literal["", "functions", "all"]
"""What is taken back: nothing; function bodies; with them what they read."""
SETTINGS = (  # of test runners and of Python itself: no code of the repository is what reads them
    r"^(pytest\.ini|\.pytest\.ini|tox\.ini|setup\.cfg|setup\.py|pyproject\.toml|conftest\.py|"
    r"(site|user)customize\.py|.*\.pth)$"
)
SPECIAL = re.compile(r"__(?!init__|new__)\w+__")
WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# read by compilers and by programs that nobody watches
UNSEEN = re.compile(
    r"\.(c|cc|cpp|cxx|h|hh|hpp|pyx|pxd|pxi|f|f90|rs|go|java|jsx?|mjs|tsx?|css|scss|sh|so|pl|rb)$"
    r"|(^|/)[^/.]+$"
)

UNCHANGED = (
    "The command passes as well where the functions that the patch changes do what they did "
    "before, so that it shows that something is there (a name, a text, a file, what is done at "
    "import) and not what the code does. Give one that calls what is mended and shows its value "
    "or error: a test, or `python -c` with an assert."
)
CALLS_NONE = (
    "The command calls nothing of what the patch changes, outside of imports, so that it does not "
    "show what the code does. Give one that calls it: a test, or `python -c` with an assert."
)
GIVES_THE_SAME = (
    "Each call of the command gives the same for the same arguments with the functions and tables "
    "of before, so that it passes by something else than what the patch mends. Call what is "
    "mended, and assert the value or the error that was wrong."
)
PAST_THE_WATCH = (
    "No Python that runs in this command can be watched, so that nobody sees whether it calls what "
    "the patch changes. Start it as `python`, without -S, -E, -I or an empty environment."
)
EQUALS_ALL = (
    "With the patch {} gives True for whatever it is compared with, so that a comparison with it "
    "shows nothing. Let it compare."
)


Call = tuple[str, str, str]
"""The place in the command that calls, the arguments, and how often it did."""


class Gave(NamedTuple):
    """What a call gave."""

    name: str  # of what was called
    value: str  # that it gave, or the error
    left: str  # in its arguments
    plain: bool  # whether the value is without objects


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One run of a patch's command, and what was reported of it."""

    run: ExecResult
    texts: int  # changed Python files that are no tests
    files: tuple[str, ...]  # other changed files, settings left out
    new: tuple[str, ...]  # those of them that were not there
    lines: frozenset[tuple[str, ...]]
    unwatched: str  # why it was not watched to its end
    hangs: bool  # a time limit of the command's own ended it in the repository's code

    @property
    def gave(self) -> Mapping[Call, Gave]:
        """What calls gave: see `sandbox_scripts.given_values`."""
        found: dict[Call, Gave] = {}
        for line in self.lines:
            match line:
                case ("gave", site, given, number, name, value, left, plain):
                    found[site, given, number] = Gave(name, value, left, plain == "True")
        return found

    def of(self, what: str) -> set[str]:
        """What was said of the kind `what`."""
        return {line[1] for line in self.lines if line[0] == what and line[1:]}

    @property
    def python_ran(self) -> bool:
        """Whether a Python that could be watched began."""
        return ("began",) in self.lines

    @property
    def only_texts(self) -> bool:
        """Whether nothing else is changed than settings, new files, and what Python reads."""
        if self.python_ran:
            return not any(UNSEEN.search(path) for path in self.files)
        return set(self.files) <= set(self.new)


async def needs_changed_code(
    runs: CommandRunner, patch: Patch, issue: str, new_tests: str = ""
) -> None:
    """`Refused` where the command of a patch, which passes with it, does not depend on what the
    functions do that it changes. `new_tests`: the part of it that the command has at base, too.

    Where the sandbox has no Python, or what is changed is neither Python nor read by it, nothing
    can be said.
    """
    seen: dict[Back, Seen | None] = {}

    async def look(back: Back) -> None:
        seen[back] = await _with_earlier_bodies(runs, patch, issue, back)

    await together(partial(look, back) for back in ("", "all"))
    kept, back = seen[""], seen["all"]
    if kept is None or back is None:
        return
    _judge_looks(kept, back)
    broken = back.of("unimportable") - kept.of("unimportable")
    if broken and not await _broken_before(runs, patch, new_tests, broken):
        await look("functions")
        back = seen["functions"] or back
        broken = set()
    _judge_outcome(back, called=bool(broken or back.of("ran")))
    if broken or back.hangs or not (back.texts and back.python_ran):
        return
    other = _other_values(kept, back)
    if other and not any(other.values()):  # by objects, in which something can differ in each run
        again = await _with_earlier_bodies(runs, patch, issue, "")
        other = {key: True for key in other if again and again.gave.get(key) == kept.gave[key]}
    if not other:
        raise Refused(GIVES_THE_SAME)


def _other_values(kept: Seen, back: Seen) -> dict[Call, bool]:
    """The calls that give something else with the earlier bodies, for the same arguments in the
    same place of the command; whether what they give is plain.

    What a place calls may have another name, if that is what the patch changes. It may call nothing
    any more, if the command ends there by an error; or nothing yet, where a special method went.
    """
    found: dict[Call, bool] = {}
    changed = {name.rpartition(".")[2] for name in back.of("ran")} | {"<lambda>"}
    ends = {line[5] for line in back.lines if line[0] == "fault" and line[5:]}
    before = back.gave
    for call, now in kept.gave.items():
        was = before.get(call)
        if was is None:
            if call[0].rpartition(" ")[2] in ends:
                found[call] = True
        elif was != now and (was.name == now.name or was.name in changed):
            found[call] = was.value != now.value and was.plain and now.plain
    gone = (
        call
        for call, was in before.items()
        if call not in kept.gave and was.name in changed and SPECIAL.fullmatch(was.name)
    )
    return found | dict.fromkeys(gone, True)


def _judge_looks(kept: Seen, back: Seen) -> None:
    """`Refused` where the command tells one run from another by something else than its calls."""
    if "looked" in {line[0] for line in kept.lines | back.lines}:
        raise Refused(LOOKS)
    if kept.unwatched:
        raise Refused(UNWATCHED.format(kept.unwatched))
    if kept.run.exit_status != 0:
        raise Refused(WATCHED)
    if kept.of("cut") or kept.of("fault"):
        raise Refused(ENDS_EARLY)
    if asked := kept.of("asked") | back.of("asked"):
        raise Refused(f"The command asks for {min(asked)}, not for what the code does. Call it.")
    if equal := kept.of("equal"):
        raise Refused(EQUALS_ALL.format(min(equal)))


def _judge_outcome(back: Seen, *, called: bool) -> None:
    """`Refused` where the command passes with all taken back, or calls nothing that is."""
    changes_python = back.texts > 0
    if changes_python and not back.python_ran:
        raise Refused(PAST_THE_WATCH)
    seen = changes_python or back.of("ran") or back.only_texts
    if seen and back.run.exit_status == 0:
        raise Refused(UNCHANGED)
    if changes_python and not called:
        raise Refused(CALLS_NONE)


async def _broken_before(
    runs: CommandRunner, patch: Patch, new_tests: str, broken: set[str]
) -> bool:
    """Whether one of the modules that cannot be imported could not be at base, either."""
    base = patch.model_copy(update={"diff": new_tests})
    seen = await _with_earlier_bodies(runs, base, "", "")
    return seen is not None and not broken.isdisjoint(seen.of("unimportable"))


def _asked_for(issue: str, diff: str) -> str:
    """The names in a patch that its issue has as names of code."""
    words = set(WORD.findall(issue)) & set(WORD.findall(diff))
    return " ".join(sorted(word for word in words if asks_for(word, issue)))


async def _with_earlier_bodies(
    runs: CommandRunner, patch: Patch, issue: str, back: Back
) -> Seen | None:
    """One run; None where the sandbox has no Python that can be watched."""
    key = secrets.token_hex()
    asked: Mapping[str, object] = {
        "root": "/testbed", "most": MOST_LINES, "tests_s": TESTS_S, "key": key, "how": "",
        "targets": [], "earlier": back,
    }  # fmt: skip
    argument = repr((watch.FOLDER, TEST_PATH.pattern, asked, watch.EARLIER_HOOK))
    async with runs.patched(patch.diff, commit=False) as sandbox:
        ready = await python(sandbox, watch.SET_UP, argument)
        if not ready.output.endswith("DELM[true]\n"):
            return None
        if issue:
            await sandbox.write(f"{watch.FOLDER}/issue", _asked_for(issue, patch.diff).encode())
        argument = json.dumps([watch.FOLDER, TEST_PATH.pattern, SETTINGS])
        found = await python(sandbox, earlier_bodies.SET_UP, argument)
        changed = answer(found)
        await sandbox.exec(sandbox_scripts.COMMIT, timeout_s=OWN_S)
        await put_files(sandbox, patch.files)
        report, stacks = Report(), ""
        try:
            run = await runs.execute(sandbox, f"{watch.FIRST}\n{patch.command}", "0")
            report, stacks = await report_of(sandbox, key), await stacks_of(sandbox)
        except SandboxLost:
            run = ENDED
    text = "\n".join([patch.command, *patch.files.values()])
    return Seen(
        run=run,
        texts=len(changed.get("texts", ())),
        files=tuple(changed.get("files", ())),
        new=tuple(changed.get("new", ())),
        lines=frozenset(tuple(map(str, line)) for line in report.lines),
        unwatched=report.unwatched(run),
        hangs=run.exit_status in SIGNALLED and in_the_code(stacks, text),
    )
