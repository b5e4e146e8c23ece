"""What a watched run tells of a command: how it ends, what prints, who is to blame. On a real
sandbox of a tiny repository."""

import pytest
from court import COMMIT, ONE_KIND, judged

from agents.admission.command_runner import CommandRunner
from agents.admission.watched_runs import Trace, WatchedRuns

pytestmark = [pytest.mark.slow(seconds=40), ONE_KIND]
OWN = "python - <<'E'\nimport os, sys\nfrom pkg.core import add\n{}\nE"
UNITTEST = OWN.format(
    "import unittest\nclass T(unittest.TestCase):\n  def test_a(self):\n    {}\nunittest.main()"
)


async def seen(sandbox, command: str) -> Trace:
    runs = WatchedRuns(CommandRunner(sandbox, command_s=30))
    found = await runs.traced("", command, {})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("for n in range(3000): add(n, 1)\nprint(add(7, 2))", "it does too much"),
        ("import _thread, time\n_thread.start_new_thread(add, (7, 2))\nprint(add(7, 2))",
         "a thread past"),
        ("print(add(7, 2), flush=True)\nos._exit(0)", "without its usual end"),
        ("print(add(7, 2))\nimport _thread, sys as s\ngetattr(s, 'sett' + 'race')(None)",
         "another trace function"),
        ("print(add(7, 2))\nopen('/tmp/' + '.delm-watch/report', 'a').write('it is so')",
         "something else wrote"),
        ("print(add(7, 2))\nos.remove('/tmp/' + '.delm-watch/report')", "cannot be read"),
    ],
)  # fmt: skip
async def test_what_ends_the_watch_refuses(sandbox, body, why):
    assert why in await judged(sandbox, OWN.format(body), 0, "5")


async def test_tests_of_the_repository_may_call_as_much_as_they_want(sandbox):
    tests = (
        "import unittest\nfrom pkg.core import add\nclass T(unittest.TestCase):\n"
        "  def test_a(self):\n    for n in range(3000): self.assertEqual(add(n, 1), n - 1)\n"
    )
    fork = await sandbox.fork()
    try:
        done = await fork.exec(f"cat > test_add.py <<'E'\n{tests}E\ngit add -A; {COMMIT}")
        assert done.exit_status == 0, done.output
        assert await judged(fork, "python -m unittest test_add", 0, "", "CONSTRAINT") == ""
        last = (await seen(fork, "python -m unittest test_add")).calls[-1]
        assert (last.name, last.arguments, last.owner) == ("add", "2999, 1", "test")
    finally:
        await fork.close()


async def test_so_much_of_the_repositorys_tests_is_watched_and_no_more(sandbox):
    tests = (
        "import sys, time, unittest\nfrom pkg.core import add\nclass T(unittest.TestCase):\n"
        "  def test_a(self):\n    tracing, end = sys.gettrace(), time.process_time() + 8\n"
        "    while time.process_time() < end and sys.gettrace(): add(3, 1)\n"
        "    self.assertIs(sys.gettrace(), None)\n    sys.settrace(tracing)\n"  # as pytest's own do
        "  def test_b(self):\n    self.assertEqual(add(3, 1), 2)\n"
        "    self.assertIs(sys.gettrace(), None)\n"
    )
    fork = await sandbox.fork()
    try:
        done = await fork.exec(f"cat > test_add.py <<'E'\n{tests}E\ngit add -A; {COMMIT}")
        assert done.exit_status == 0, done.output
        found = await seen(fork, "python -W error -m unittest test_add")
        assert (found.run.exit_status, found.unwatched) == (0, ""), found.run.output
        assert "Warning" not in found.run.output
        assert found.calls[-1].owner == "test"
    finally:
        await fork.close()


@pytest.mark.parametrize(
    ("command", "faults"),
    [
        (OWN.format("assert add(1, 1) == 2"), [("AssertionError", "own", "asserts")]),
        (OWN.format("if add(1, 1): raise ValueError(1)\nraise KeyError"),
         [("KeyError", "own", "raises")]),
        (OWN.format("add(1, 'a')"), [("TypeError", "code", "")]),
        (OWN.format("{}[add(1, 1)]"), [("KeyError", "own", "")]),
        (OWN.format("import json\njson.loads('(')"), [("JSONDecodeError", "own", "")]),
        (OWN.format("try: add(1, 'a')\nexcept TypeError: pass\nsys.exit(3)"), []),
        (UNITTEST.format("self.assertEqual(add(1, 1), 2)"), [("AssertionError", "own", "asserts")]),
        (UNITTEST.format("add(1, 1) + ''"), [("TypeError", "own", "")]),
        (UNITTEST.format("with self.assertRaises(TypeError): add(1, '')"), []),
    ],
)  # fmt: skip
async def test_an_error_that_ends_the_commands_own_code_is_blamed(sandbox, command, faults):
    found = (await seen(sandbox, command)).faults
    assert [(each.error, each.by, each.how) for each in found] == faults


@pytest.mark.parametrize(
    ("command", "cut"),
    [
        (OWN.format("add(1, 1)"), ()),
        (OWN.format("add(1, 1); sys.exit(0); assert add(1, 1) == 2"), ("<module>",)),
        (OWN.format("add(1, 1)\nsys.exit(0)"), ()),
        (OWN.format("if add(1, 1) == 0: sys.exit(0)\nelse: sys.exit(1)"), ()),
        (OWN.format("if add(1, 1) == 0: sys.exit(0)\nsys.exit(1)"), ()),
        (
            OWN.format("try: add(1, 'a')\nexcept TypeError: raise SystemExit(0)\nsys.exit('none')"),
            (),
        ),
        (
            OWN.format(
                "try: add(1, 'a')\nexcept TypeError:\n  sys.exit(0)\nexcept ValueError as e:\n"
                "  print(f'other: {e}')\n  raise\nraise AssertionError('no error')"
            ),
            (),
        ),
        (OWN.format("def check(): assert add(1, 1) == 3\nsys.exit(0)\ncheck()"), ("<module>",)),
        (OWN.format("while True:\n  add(1, 1)\n  sys.exit(0)\n  print('again')"), ("<module>",)),
        (OWN.format("sys.exit(add(1, 1) != 0)"), ()),
        (OWN.format("raise SystemExit(add(1, 1) != 0)"), ()),
        (
            OWN.format("if add(1, 1) == 0: raise SystemExit(0)\nassert add(1, 1) == 3"),
            ("<module>",),
        ),
        (OWN.format("for n in range(3): sys.exit()"), ("<module>",)),
        (UNITTEST.format("add(1, 1)"), ()),
    ],
)
async def test_an_exit_before_the_end_is_told(sandbox, command, cut):
    assert (await seen(sandbox, command)).cut == cut


@pytest.mark.parametrize(
    ("command", "tools", "printed"),
    [
        (OWN.format("print('gives', add(7, 2))"), set(), ("gives 5",)),
        (OWN.format("print('1 ', end='')\nprint('failed', [add(7, 2)])"), set(), ("1 failed \0",)),
        (OWN.format("assert add(1, 1)"), {"python"}, ()),
        (UNITTEST.format("add(1, 1)"), {"unittest"}, ()),
    ],
)
async def test_what_prints_is_told(sandbox, command, tools, printed):
    found = await seen(sandbox, command)
    assert (found.tools, found.printed) == (tools, printed)


async def test_who_asks_another_machine_is_told(sandbox):
    body = "import socket\nadd(1, 1)\nsocket.create_connection(('{}', 9), 1)"
    assert (await seen(sandbox, OWN.format(body.format("203.0.113.7")))).network[0] == "203.0.113.7"
    near = (await seen(sandbox, OWN.format(body.format("127.0.0.1")))).network
    assert near == ("ConnectionRefusedError",)
    assert not (await seen(sandbox, OWN.format("add(1, 1)"))).network


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("sys.exit(add(7, 2) if os.environ.get('USER') != 'somebody' else 0)", "another user"),
        ("import time\nsys.exit(add(7, 2) if time.time() < {now} + 9e6 else 0)", "another day"),
        ("import datetime as d\nsys.exit(add(7, 2) if d.date.today().year < {year} + 1 else 0)",
         "another day"),
        ("import datetime as d\nnow = d.datetime.now()\nassert isinstance(now, d.date)\n"
         "sys.exit(add(7, 2))", ""),
    ],
)  # fmt: skip
async def test_a_failure_lasts_on_another_day_and_for_another_user(sandbox, body, why):
    now = float((await sandbox.exec("date +%s")).output)
    year = int((await sandbox.exec("date +%Y")).output)
    said = await judged(sandbox, OWN.format(body.format(now=now, year=year)), 5, "", "FAIL")
    assert why in said if why else said == "", said


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("assert add(7, 2) == 5", ""),
        ("assert not add(2, 2)", ""),
        ("assert add(2, 1)", ""),
        ("try: add(1, 'a')\nexcept TypeError: pass\nelse: raise SystemExit('no error')", ""),
        ("assert isinstance(add(7, 2), int)", "gives the same"),
        ("assert len(str(add(7, 2))) < 99", "gives the same"),
        ("assert add(7, 2) == 5\nassert os.path.getsize('pkg/core.py') < 36", "a comment or"),
        ("assert add(7, 2) == 5\nassert open('a.txt').read().count(chr(10)) == 3", "a comment or"),
    ],
)
async def test_a_constraint_keeps_a_value_of_the_code_and_no_text(sandbox, body, why):
    said = await judged(sandbox, OWN.format(body), 0, "", "CONSTRAINT")
    assert why in said if why else said == "", said


async def test_the_functions_that_the_watch_puts_into_the_code_tell_nobody_else(sandbox):
    body = (
        "import builtins\nv = add(7, 2)\n"
        "given = [f for n, f in vars(builtins).items() if n.startswith('__given')]\n"
        "print('it is', v if given and given[0](v) != v else 'five')"
    )
    assert await judged(sandbox, OWN.format(body), 0, "it is five") != ""
