"""The plain form of a command: what it runs, in the shell and in Python, is said in the open.

The whole text is looked at before anything runs: the shell, `-c`, heredocs, written and attached
files. What is allowed is listed in `plain_names`; all else is refused with the advice how to write
it. The judgement is a pure function; which modules the repository has is asked once.
"""

from collections.abc import Collection, Mapping

import anyio

from agents.admission.command_runner import CommandRunner, answer, python
from agents.admission.evidence import Refused
from agents.admission.patch_text import files_of
from agents.admission.plain_programs import own_modules
from agents.admission.plain_python import python_fault
from agents.admission.plain_shell import shell_texts
from agents.admission.shell_grammar import NotPlain
from agents.sandbox_scripts.repository_names import NAMES
from harness.board.evidence import ATTACHED, Command, Evidence, Patch

MOST_CHARS = 1_000_000  # of the names of modules
LONGEST = 200_000  # characters of a command with its files
MOST_NODES = 12_000  # of the syntax trees of its Python texts; 1,500 lines, or so
NOT_PLAIN = "The command is not in the plain form. {}"


class PlainForm:
    """The plain form of commands in one repository."""

    def __init__(self, runs: CommandRunner) -> None:
        self._runs = runs
        self._known: frozenset[str] | None = None
        self._asking = anyio.Lock()

    async def judge(self, evidence: Evidence) -> None:
        """Raise `Refused` where the command of evidence is not in the plain form.

        A command of a repository without Python is not held to it.
        """
        if not isinstance(evidence, Command | Patch):
            return
        async with self._asking:
            if self._known is None:
                self._known = await self._names()
        if not self._known:
            return
        diff = evidence.diff if isinstance(evidence, Patch) else evidence.changes
        known = self._known | {each for file in files_of(diff) for each in _modules_of(file.path)}
        judge_plain_form(evidence.command, evidence.files, known)

    async def _names(self) -> frozenset[str]:
        async with self._runs.patched("") as sandbox:
            found = answer(await python(sandbox, NAMES, "", max_chars=MOST_CHARS))
        return frozenset(map(str, found.get("names", ())))


def _modules_of(path: str) -> list[str]:
    """The names that a file of the repository may be imported by."""
    return [part.removesuffix(".py") for part in path.split("/")[:2]]


def judge_plain_form(
    command: str, files: Mapping[str, str], known: Collection[str] | None = None
) -> None:
    """Raise `Refused` where a command, with its attached files, is not in the plain form.

    `known`: the first names of the modules that the repository has or imports; None: not known.
    """
    if len(command) + sum(map(len, files.values())) > LONGEST:
        raise Refused(NOT_PLAIN.format("It is too long. Keep what shows the one thing."))
    try:
        brought = shell_texts(command, files)
    except RecursionError:
        raise Refused(NOT_PLAIN.format("It is nested too deeply.")) from None
    except NotPlain as reason:
        raise Refused(NOT_PLAIN.format(reason)) from None
    own = set().union(*(own_modules(path) for path in (*brought.written, *_attached(files))))
    if known is not None:
        if taken := sorted(own & set(known)):
            raise Refused(NOT_PLAIN.format(
                f"{taken[0]} stands in for a module that the repository has or imports. Name it "
                "otherwise."
            ))  # fmt: skip
        if foreign := [each for each in brought.modules if each not in known]:
            raise Refused(NOT_PLAIN.format(
                f"`python -m {foreign[0]}` runs no module of the repository. Run a script by its "
                "path."
            ))  # fmt: skip
    every = None if known is None else {*known, *own}
    size = 0
    for name, text in brought.scripts.items():
        fault, nodes = python_fault(text, every, name, MOST_NODES - size)
        size += nodes
        if fault:
            raise Refused(NOT_PLAIN.format(fault[0].upper() + fault[1:]))


def _attached(files: Mapping[str, str]) -> list[str]:
    return [f"{ATTACHED}{name}" for name in files]
