"""What `view` and `edit` do and say, in a real sandbox of each kind."""

import json
import random
import time

import pytest

from agents import tools
from agents.tools import BadCall, Toolbox
from harness.types import ToolCall

pytestmark = pytest.mark.slow(seconds=4)


async def use(sandbox, name: str, **given: object) -> str:
    box = Toolbox(tools.view(sandbox), tools.edit(sandbox))
    return await box.call(ToolCall(id="", name=name, arguments=json.dumps(given)))


async def refused(sandbox, name: str, **given: object) -> str:
    with pytest.raises(BadCall) as problem:
        await use(sandbox, name, **given)
    return str(problem.value)


async def test_view_numbers_lines_and_says_how_many_there_are(sandbox):
    shown = await use(sandbox, "view", path="a.txt")
    assert shown == "<file>a.txt, 1 to 3 of 3 lines</file>\n     1  one\n     2  two\n     3  three"
    assert "     2  two" in await use(sandbox, "view", path="/testbed/a.txt", first=2, last="2")
    assert "40 of 40" in await use(sandbox, "view", path="pkg/extra.py", first="39", last=999)


async def test_view_says_what_is_wrong_with_a_call(sandbox):
    assert "no such file" in await refused(sandbox, "view", path="none.py")
    assert "3 lines only" in await refused(sandbox, "view", path="a.txt", first=9)
    assert "line number" in await refused(sandbox, "view", path="a.txt", first="two")
    assert "UTF-8" in await refused(sandbox, "view", path="latin1.txt")
    assert "has no argument 'frist'" in await refused(sandbox, "view", path="a.txt", frist=1)


async def test_edit_replaces_what_occurs_once_and_keeps_the_rest(sandbox):
    said = await use(sandbox, "edit", path="pkg/core.py", old="a - b", new="a + b")
    assert said == "pkg/core.py: replaced at line 2."
    assert await sandbox.read("pkg/core.py") == b"def add(a, b):\n    return a + b\n"
    assert "+    return a + b" in await sandbox.diff()
    await use(sandbox, "edit", path="crlf.txt", old="two", new="2")
    assert await sandbox.read("crlf.txt") == b"one\r\n2\r\n"


async def test_edit_keeps_carriage_returns_that_view_does_not_show(sandbox):
    assert (await use(sandbox, "view", path="crlf.txt")).endswith("     1  one\n     2  two")
    await use(sandbox, "edit", path="crlf.txt", old="one\ntwo", new="1\n1.5\ntwo")
    assert await sandbox.read("crlf.txt") == b"1\r\n1.5\r\ntwo\r\n"
    await use(sandbox, "edit", path="crlf.txt", old="1.5\r\ntwo", new="2")  # as it asks for
    assert await sandbox.read("crlf.txt") == b"1\r\n2\r\n"
    await sandbox.write("mixed.txt", b"a\r\nb\nc\n")
    await use(sandbox, "edit", path="mixed.txt", old="b\nc", new="b\nd")
    assert await sandbox.read("mixed.txt") == b"a\r\nb\nd\n"


async def test_lines_are_numbered_as_grep_numbers_them(sandbox):
    await sandbox.write("old.py", "A = 1\n\x0c\nB = 'x\u2028y\x85'\nC = 3\n".encode())
    shown = await use(sandbox, "view", path="old.py")
    assert "1 to 4 of 4 lines" in shown
    numbered = (await sandbox.exec("grep -n C old.py")).output
    assert numbered.startswith("4:")
    assert "     4  C = 3" in shown
    assert "at line 4" in await use(sandbox, "edit", path="old.py", old="C = 3", new="C = 4")


async def test_edit_changes_nothing_that_is_not_there_or_there_twice(sandbox):
    before = await sandbox.read("pkg/extra.py")
    assert "occurs 40 times" in await refused(
        sandbox, "edit", path="pkg/extra.py", old="EXTRA", new="X"
    )
    said = await refused(sandbox, "edit", path="pkg/core.py", old="    retrun a - b", new="")
    assert "does not occur" in said
    assert "The nearest line is 2: '    return a - b'" in said
    assert await sandbox.read("pkg/extra.py") == before


async def test_edit_looks_for_a_near_line_in_bounded_time(sandbox):
    letters = [chr(0x4E00 + n % 150) for n in range(16_000)]
    text = "\n".join("".join(random.Random(seed).sample(letters, 16_000)) for seed in range(6))
    await sandbox.write("long lines.txt", text.encode())
    began = time.process_time()
    await refused(sandbox, "edit", path="long lines.txt", old="".join(letters), new="")
    assert time.process_time() - began < 1.5


async def test_edit_makes_a_new_file_and_never_overwrites_one(sandbox):
    assert "made, 1 lines" in await use(sandbox, "edit", path="new/x.py", old="", new="X = 1\n")
    assert await sandbox.read("new/x.py") == b"X = 1\n"
    assert "exists" in await refused(sandbox, "edit", path="a.txt", old="", new="gone")
    assert await sandbox.read("a.txt") == b"one\ntwo\nthree\n"


async def test_edit_does_not_leave_the_repository_through_a_link(sandbox):
    await sandbox.exec("ln -s /etc out")
    assert "leads out" in await refused(sandbox, "edit", path="out/x", old="", new="x")
    assert "leads out" in await refused(sandbox, "edit", path="out/passwd", old="root", new="x")
