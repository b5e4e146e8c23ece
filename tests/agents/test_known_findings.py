"""Which findings are one: near-duplicates are merged, and each entry is read once."""

from typing import Any

import pytest

from agents.admission.executed import ExecutedEvidence
from agents.admission.gate import Gate
from agents.admission.known_findings import KnownFindings, selection_of
from harness.board.evidence import EVIDENCE
from harness.board.protocols import Proposal
from harness.board.sqlite.board import SqliteBoard


class Desk:
    """A gate that believes what it is told."""

    def __init__(self, folder: Any, *, apart: bool = False) -> None:
        self.board = SqliteBoard(folder / "board.db")
        self.context = self.board.of(1).context
        checks = ExecutedEvidence(
            None, self.context, command_s=1, time_limit_s=1, count_tokens=len, verify=False
        )
        self.gate = Gate(self.context, checks.by_form(), apart=apart)
        self.said = 0

    async def say(self, kind: Any, *, author: str = "a", gist: str = "", **evidence: Any) -> str:
        """The label of the entry that the finding became, or is."""
        self.said += 1
        made = EVIDENCE.validate_python(evidence)
        proposal = Proposal(
            kind=kind, gist=gist or f"no {self.said}", summary="", author=author, task="t",
            evidence=made,
        )  # fmt: skip
        ruling = await self.gate.submit(proposal)
        assert ruling.entry, ruling.reason
        return ruling.entry.label

    async def lines(self, first: int, last: int, path: str = "a.py", **more: Any) -> str:
        quote = "\n".join(f"line {n}" for n in range(first, last + 1))
        span = {"form": "span", "path": path, "line": first, "quote": quote}
        return await self.say(more.pop("kind", "FACT"), **span | more)

    async def keeps(self, command: str) -> str:
        ran = {"form": "command", "command": command, "exit_status": 0, "output": "passed"}
        return await self.say("CONSTRAINT", **ran)


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path)
    yield made
    made.board.close()


@pytest.mark.parametrize(
    ("first", "last", "same"),
    [
        (12, 14, True),  # inside
        (10, 20, True),
        (18, 21, True),  # two of four lines
        (5, 14, True),  # five of ten
        (4, 13, False),  # four of ten
        (20, 23, False),
        (1, 100, False),  # it is inside the new one
        (21, 30, False),
    ],
)
async def test_a_quotation_of_the_same_lines_is_the_same_fact(desk, first, last, same):
    assert await desk.lines(10, 20) == "F1"
    assert (await desk.lines(first, last) == "F1") == same


async def test_another_file_state_or_kind_is_another_finding(desk):
    await desk.lines(10, 20)
    assert await desk.lines(12, 14, path="b.py") == "F2"
    assert await desk.lines(12, 14, state="P7") == "F3"
    assert (await desk.keeps("pytest"))[0] == "C"
    ran = {"form": "command", "command": "pytest", "exit_status": 0, "output": "passed"}
    assert (await desk.say("FACT", **ran))[0] == "F"


async def test_one_gist_of_two_things_is_two_findings(desk):
    """Two patches, two states, two files, or commands that end otherwise."""
    diff = {"form": "patch", "command": "pytest", "gist": "mended"}
    assert await desk.say("PATCH", diff="--- a/x\n+++ b/x\n1\n", **diff) == "P1"
    assert await desk.say("PATCH", diff="--- a/x\n+++ b/x\n2\n", **diff) == "P2"
    assert await desk.say("PATCH", diff="--- a/x\n+++ b/x\n1\n", **diff) == "P1"
    ran = {"form": "command", "command": "python t.py", "output": "it fails", "gist": "It fails."}
    assert await desk.say("FACT", exit_status=1, **ran) == "F3"
    assert await desk.say("FACT", exit_status=0, **ran | {"command": "python u.py"}) == "F4"
    assert await desk.say("FACT", exit_status=1, state="P1", **ran) == "F5"
    assert await desk.say("FACT", exit_status=1, **ran | {"command": "python u.py"}) == "F3"
    assert await desk.lines(1, 2, gist="The sign is wrong") == "F6"
    assert await desk.lines(1, 2, path="b.py", gist="The sign is wrong") == "F7"
    assert await desk.lines(8, 9, gist="The sign is wrong") == "F6"


async def test_what_agents_find_apart_is_never_the_same(tmp_path):
    desk = Desk(tmp_path, apart=True)
    assert await desk.lines(10, 20) == "F1"
    assert await desk.lines(12, 14, author="b") == "F2"
    assert await desk.lines(13, 14, author="b") == "F2"
    desk.board.close()


@pytest.mark.parametrize(
    ("later", "same"),
    [
        ("python -m pytest -q tests/test_a.py", True),
        ("cd /testbed && python -m pytest  -q /testbed/tests/test_a.py::test_x", True),
        ("python -m pytest -q tests/test_a.py::TestA::test_x[1] tests/test_a.py::test_y", True),
        ("python -m pytest -q tests/test_a.py tests/test_b.py", False),
        ("python -m pytest -q tests/test_a.pyx", False),
        ("python -m pytest -q", False),
        ("python -m pytest tests/test_a.py", False),
        ("python -m pytest -q tests/test_a.py | tail -1", False),
        ("python -m pytest -q --deselect tests/test_a.py::test_x", False),
        ("python tests/test_a.py", False),
    ],
)
async def test_a_constraint_whose_tests_another_one_runs_is_the_same(desk, later, same):
    assert await desk.keeps("python -m pytest -q tests/test_a.py") == "C1"
    assert (await desk.keeps(later) == "C1") == same


async def test_a_folder_and_a_whole_suite_hold_their_files(desk):
    assert await desk.keeps("pytest tests/") == "C1"
    assert await desk.keeps("pytest tests/deep/test_a.py::test_x") == "C1"
    assert await desk.keeps("pytest -x") == "C2"
    assert await desk.keeps("pytest -x tests/deep") == "C3"  # no word that is surely a path
    assert await desk.keeps("pytest -x tests/deep/test_a.py") == "C2"


def test_a_command_that_cannot_be_read_selects_nothing():
    assert selection_of("pytest 'tests") is None
    assert selection_of("echo tests/test_a.py") is None


async def test_an_entry_is_read_once_however_many_findings_follow(desk, monkeypatch):
    read = 0
    entries = desk.context.entries

    async def counted(after: int = 0):
        nonlocal read
        found = await entries(after)
        read += len(found)
        return found

    own = desk.board.of(1).context  # the files that findings bring are read for themselves
    monkeypatch.setattr(own, "entries", counted)
    known = KnownFindings(own)
    for number in range(40):
        await desk.lines(10 * number + 1, 10 * number + 5)
        (*_, last) = await entries()
        repeated = Proposal(
            kind="FACT", gist="again", summary="", author="a", task="t", evidence=last.evidence
        )
        assert await known.key(repeated, last.key) == last.key
    assert read < 45
