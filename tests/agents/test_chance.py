"""Trying again does not help, and what chance or a limit decided is not believed later."""

from typing import Any

import pytest
from court import ONE_KIND, court_of

from agents.admission.chance import by_chance, form_of
from agents.admission.executed import ExecutedEvidence
from agents.admission.gate import Gate
from harness.board.evidence import Command
from harness.board.protocols import Proposal
from harness.runner.check_cache import FileCheckCache

COIN = 'python -c \'import os; print(["heads", "tails"][os.urandom(1)[0] % 2])\''
AGAIN = (
    f"{COIN} # again",
    f"true; {COIN}",
    f"echo once more; {COIN}",
    'python  -c \'import os; print( ["heads","tails"][os.urandom(1)[0]%2] )\'',
    'python -c \'import os\nx = 7\nprint(["heads", "tails"][os.urandom(1)[0] % 2])\'',
    "python - <<'E'\nimport os\n'''Once more.'''\n"
    "print(['heads', 'tails'][os.urandom(1)[0] % 2])\nE",
)


@pytest.fixture
async def court(sandbox, kind, tmp_path):
    async with court_of(sandbox, kind, tmp_path) as made:
        yield made


@pytest.mark.parametrize("command", AGAIN)
def test_a_command_with_an_idle_change_has_the_same_form(command):
    assert form_of(command, {}) == form_of(COIN, {})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("python t.py 1", "python t.py 2"),
        ("python -c 'print(1)'", "python -c 'print(2)'"),
        ("python t.py > a", "python t.py > b"),
        ("python t.py | head", "python t.py"),
        ("PYTHONHASHSEED=0 python t.py", "python t.py"),
        ("python -c 'print(set(x))'", "python -c 'print(sorted(set(x)))'"),
        ("echo it", "echo that"),
        ("python t.py 'unbalanced", "python t.py unbalanced'"),
    ],
)
def test_another_command_has_another_form(one, other):
    assert form_of(one, {}) != form_of(other, {})


def test_the_names_of_files_and_of_their_variables_make_no_difference():
    one = form_of("python /tmp/board/a.py", {"a.py": "x = [1]  # one\nprint(x)"})
    assert one == form_of("python /tmp/board/b.py", {"b.py": "'''B.'''\nof = [1]\nprint(of)"})
    assert one != form_of("python /tmp/board/a.py", {"a.py": "x = [2]\nprint(x)"})


@pytest.mark.parametrize(
    ("command", "depends"),
    [
        (COIN, True),
        ("date +%s", True),
        ("test $(hostname) = a && python t.py", True),
        ("python t.py $RANDOM", True),
        ("python - <<'E'\nfrom time import time\nE", True),
        ("python -m pytest -q pkg/time/tests/test_random.py::test_now", False),
        ("python -c 'from pkg.core import add; print(add(1, 1))'", False),
    ],
)
def test_what_depends_on_chance_is_told_by_its_words(command, depends):
    assert by_chance(command, {}) == depends


def test_what_a_file_of_a_command_says_counts_too():
    assert by_chance("python /tmp/board/a.py", {"a.py": "import random"})


class Counted:
    """A sandbox that notes the commands of proposals."""

    def __init__(self, sandbox: Any, ran: list[str]) -> None:
        self._sandbox = sandbox
        self._ran = ran

    async def exec(self, command: str, **how: Any) -> Any:
        if "PYTHONHASHSEED" in (how.get("env") or {}):
            self._ran.append(command)
        return await self._sandbox.exec(command, **how)

    async def fork(self) -> "Counted":
        return Counted(await self._sandbox.fork(), self._ran)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sandbox, name)


def checks_of(court: Any, ran: list[str], **more: Any) -> ExecutedEvidence:
    sandbox: Any = Counted(court.sandbox, ran)
    return ExecutedEvidence(
        sandbox, court.context, command_s=5, time_limit_s=60, count_tokens=len, **more
    )


@ONE_KIND
async def test_a_coin_is_not_thrown_again_for_an_idle_change(court):
    ran: list[str] = []
    court.gate = Gate(court.context, checks_of(court, ran).by_form())
    assert (await court.ran(COIN, 0, "heads")).settled == "rejected"
    thrown = len(ran)
    for again in AGAIN:
        for side in ("heads", "tails"):
            assert (await court.ran(again, 0, side)).settled == "rejected"
    assert len(ran) == thrown


@ONE_KIND
@pytest.mark.parametrize(("imports", "kept"), [("pkg.core", True), ("pkg.core, time", False)])
async def test_what_names_a_clock_or_chance_is_run_again_by_the_next_trial(
    court, tmp_path, imports, kept
):
    ran: list[str] = []
    for _ in range(2):  # as two trials would ask
        ran.clear()
        checks = checks_of(court, ran, check_cache=FileCheckCache(tmp_path / "checks"))
        outcome = await checks.run_on(
            "", f"python -c 'import {imports}; print(pkg.core.add(3, 1))'"
        )
        assert outcome.output == "2\n"
    assert (ran == []) == kept


@ONE_KIND
async def test_what_ran_into_its_limit_is_run_again(court):
    ran: list[str] = []
    checks = checks_of(court, ran)
    checks._runs._command_s = 0.3
    for _ in range(2):
        assert (await checks.run_on("", "sleep 9")).cut_short
    assert len(ran) == 2


DRAWS = """cat > pkg/draw.py <<'E'
import os
def add(a, b):
    return a - b + 0 * os.urandom(1)[0]
E
true"""
HIDDEN = "from pkg.draw import add; print(add(3, 1))"
SEEDED = "import random as r; r.seed(7); r.random(); from pkg.core import add; print(add(3, 1))"
NAMED = "from pkg.core import add; time = add(3, 1); print(time)"


@ONE_KIND
@pytest.mark.parametrize(("text", "lasts"), [(HIDDEN, False), (SEEDED, False), (NAMED, True)])
async def test_what_asks_chance_is_seen_while_it_runs_and_not_told_by_its_words(
    court, tmp_path, text, lasts
):
    evidence = Command(command=f'python -c "{text}"', exit_status=0, output="2")
    async with court.after(DRAWS) as here:
        for remembered in (False, lasts):  # as two trials would ask
            checks = checks_of(here, [], check_cache=FileCheckCache(tmp_path / "checks"))
            seen = await checks.check(
                Proposal(kind="FACT", gist="g", summary="", author="a", task="t", evidence=evidence)
            )
            assert (seen.lasting, seen.remembered) == (lasts or remembered, remembered)
