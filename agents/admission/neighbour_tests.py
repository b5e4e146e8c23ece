"""A patch keeps what the repository's tests beside it show: those that pass at the base commit.

The test files are chosen by the changed modules and functions (`sandbox_scripts.neighbours`), at
most two of them, and only such as are quick. Test files of the patch itself take no part.
"""

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from agents.admission.changes import TEST_PATH
from agents.admission.command_runner import OUTPUT_CHARS, CommandRunner, python
from agents.admission.evidence import Refused
from agents.sandbox_scripts.neighbours import FIND
from harness.errors import SandboxLost
from harness.protocols import Sandbox

MOST_FILES = 2
BASE_CPU_S = 10  # a file that takes longer at the base commit is left out
PATCHED_CPU_S = 30
WALL_S = 60.0
MOST_NAMES = 5  # of tests in a reason
_PASSED = re.compile(
    r"^PASSED (\S+::.+?)(?: - .*)?$"  # pytest
    r"|^(test\w*) ok\b"  # sympy
    r"|^(test\w* \([\w.<>]+\))(?:\n.*)? \.\.\. ok$",  # unittest
    re.MULTILINE,
)

Recall = Callable[[str], Awaitable[Any]]
Keep = Callable[[str, Any], Awaitable[None]]


class NeighbourTests:
    """Runs the tests beside what a patch changes; what passes at the base commit is asked once.

    `recall` and `keep` reach the check cache; `label` makes a question of what is asked.
    """

    def __init__(
        self,
        runs: CommandRunner,
        *,
        label: Callable[[str, str, Any], str],
        recall: Recall,
        keep: Keep,
    ) -> None:
        self._runs = runs
        self._label, self._recall, self._keep = label, recall, keep
        self._base: dict[str, set[str]] = {}  # by command
        self._broken: dict[str, tuple[str, ...]] = {}  # by diff

    async def broken_by(self, diff: str) -> tuple[str, ...]:
        """The tests that pass at the base commit and fail with `diff`, in two runs each.

        `Refused` where it does not apply.
        """
        if diff not in self._broken:
            question = self._label("neighbours", diff, "")
            kept = await self._recall(question)
            self._broken[diff] = tuple(await self._find(diff) if kept is None else kept)
            if kept is None and not self._broken[diff]:
                await self._keep(question, [])
        return self._broken[diff]

    async def _find(self, diff: str) -> list[str]:
        broken: list[str] = []
        async with self._runs.patched(diff, commit=False) as sandbox:
            for command in await _commands(sandbox):
                lost = await self._at_base(command)
                for _ in range(2):
                    lost = lost and lost - await _passing(sandbox, command, PATCHED_CPU_S)
                if lost:
                    broken += lost & await self._run_at_base(command, PATCHED_CPU_S)
        return sorted(broken)

    async def _at_base(self, command: str) -> set[str]:
        """What passes at the base commit; nothing where that takes too long."""
        if command not in self._base:
            question = self._label("neighbours at base", "", command)
            kept = await self._recall(question)
            if kept is None:
                kept = sorted(await self._run_at_base(command, BASE_CPU_S))
                if kept:
                    await self._keep(question, kept)
            self._base[command] = set(kept)
        return self._base[command]

    async def _run_at_base(self, command: str, cpu_s: int) -> set[str]:
        async with self._runs.patched("") as sandbox:
            return await _passing(sandbox, command, cpu_s)


def judge_neighbours(broken: tuple[str, ...], words: str) -> None:
    """`Refused` where a patch breaks tests and `words`, the author's, do not name them as wrong."""
    unnamed = [test for test in broken if not re.search(rf"\b{_function(test)}\b", words)]
    if unnamed:
        more = f" and {len(unnamed) - MOST_NAMES} more" if len(unnamed) > MOST_NAMES else ""
        raise Refused(
            "Tests of the repository pass at the base commit and fail with the patch: "
            f"{', '.join(unnamed[:MOST_NAMES])}{more}. Mend the patch. Where the issue makes a "
            "test wrong, name it (its function) in `summary` and say why."
        )


async def _commands(sandbox: Sandbox) -> list[str]:
    """How to run the test files that belong to a patch, which is applied and not committed."""
    found = await python(sandbox, FIND, json.dumps([MOST_FILES, TEST_PATH.pattern]))
    try:
        return [str(command) for _, command in json.loads(found.output.rpartition("\nDELM")[2])]
    except (ValueError, TypeError):
        return []


async def _passing(sandbox: Sandbox, command: str, cpu_s: int) -> set[str]:
    """The tests that a run shows as passed; none where a limit ended it."""
    try:
        run = await sandbox.exec(
            f"ulimit -t {cpu_s}; {command}",
            timeout_s=WALL_S,
            env={"PYTHONHASHSEED": "0"},
            max_output_chars=OUTPUT_CHARS,
        )
    except SandboxLost:
        return set()
    if run.cut_short or run.exit_status is None:
        return set()
    return {
        next(filter(None, found.groups())).strip()
        for found in _PASSED.finditer(run.output.replace("\r\n", "\n"))
    }


def _function(test: str) -> str:
    """The function of a test: `test_it` of `tests/test_a.py::A::test_it[1]` or `test_it (a.A)`."""
    return re.escape(re.split(r"[\[( ]", test.rpartition("::")[2] or test)[0])
