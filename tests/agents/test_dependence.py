"""A command's outcome has to depend on the repository's code: on a real sandbox of a tiny one."""

import pytest
from court import ADD, ONE_KIND, judged

pytestmark = [pytest.mark.slow(seconds=20), ONE_KIND]
LATER = "cat > t.py <<'E'\n{}\nE\npython t.py"
UNITTEST = (
    "cat > t.py <<'E'\nimport unittest\nfrom pkg.core import add\nclass T(unittest.TestCase):\n"
    "  def test_a(self):\n    {}\nE\npython -m unittest t"
)


@pytest.mark.parametrize(
    ("command", "status", "output"),
    [
        ("python -c 'from pkg.core import add; print(\"sum\", add(2, 1))'", 0, "sum 1"),
        (ADD, 1, "AssertionError"),
        (LATER.format("from pkg.core import add\nprint(add(7, 2), 'it is')"), 0, "5 it is"),
        (
            LATER.format("from pkg.core import add\ntry: add(1, 'a')\nexcept TypeError as e:"
                         " print('raises', e)"),
            0, "raises unsupported operand type(s) for -: 'int' and 'str'",
        ),
        (UNITTEST.format("self.assertEqual(add(7, 2), 9)"), 1, "AssertionError: 5 != 9"),
        (UNITTEST.format("with self.assertRaises(ValueError): add(7, 2)"), 1, "FAILED"),
        ("PYTHONPATH=. python -c 'import pkg.core as m; print(m.add(2, 1), \"it\")'", 0, "1 it"),
        ("python -c 'import pkg.extra as m; print(m.EXTRA, m.__name__)'", 0, "1 pkg.extra"),
        ("python -c 'import pkg.core as m; m.no_such_name'", 1,
         "AttributeError: module 'pkg.core' has no attribute 'no_such_name'"),
        ("python -c 'import pkg.nothing_there'", 1, "No module named 'pkg.nothing_there'"),
        ("python -c 'import inspect, pkg.core as m; print(inspect.signature(m.add))'", 0, "(a, b)"),
        ("make -f /dev/stdin <<'E'\nall: ; ./run.sh\nE", 0, "run"),
    ],
)  # fmt: skip
async def test_what_comes_from_the_code_counts(sandbox, command, status, output):
    assert await judged(sandbox, command, status, output) == ""


CALLED = "whatever the code that it calls returns: add (pkg/core.py:1)"


@pytest.mark.parametrize(
    ("command", "status", "output", "why"),
    [
        ("python -c 'import pkg.core as m; m.add(2, 1); print(\"it is 5 s\")'", 0, "it is 5 s",
         CALLED),
        ("python -c 'import pkg.core as m; x = -m.add(2, 1) + 1; print(\"a\" * 3)'", 0, "aaa",
         CALLED),
        ("python -c 'import pkg.core as m; m.add(2, 1); assert False, 3'", 1, "AssertionError: 3",
         CALLED),
        (UNITTEST.format("add(1, 2); print('it is so')"), 0, "it is so", CALLED),
        ("python -c 'import pkg.core; print(\"\".join([\"ne\", \"ver\"]))'", 0, "never",
         "calls nothing of it"),
        ("python -c 'print(open(\"pkg/core.py\").read())'", 0, "return a - b", "runs no code"),
        ("python -S -c 'print(chr(78) + \"ever\")'", 0, "Never", "cannot be watched"),
        ("grep -n return pkg/core.py", 0, "2:    return a - b", "only reads files"),
        ("echo it is so", 0, "it is so", "spells its own expected output"),
        ("sed -i 's/-/*/' pkg/core.py; python -c 'import pkg.core as m; print(m.add(7, 3), 0)'", 0,
         "21 0", "changes pkg/core.py before it runs it"),
        (ADD + " 2>/dev/null; printf '%b' '\\x6eever'", 0, "never", CALLED),
        ("du -s pkg/core.py > t && printf '%b' '\\x6eever'", 0, "never", "are empty"),
        ("python - <<'E'\nfrom importlib.machinery import SourceFileLoader as S\n"
         "S.source_to_code = lambda self, data, path, **k: "
         "compile(data.replace(b'-', b'*'), path, 'exec')\n"
         "from pkg.core import add\nprint(add(7, 3), 'it')\nE", 0, "21 it",
         "changes pkg/core.py before it runs it"),
        ("python -c 'from pkg.core import add; x = add(1, 2)\n"
         "print(*[\"ne\" + \"ver\"][:len(add.__code__.co_names) == 0])'", 0, "never",
         "whoever watches"),
        ("python -c 'import glob; from pkg.core import add\n"
         "print(add(1, 2), *[open(p).read()[:0] for p in glob.glob(\"/t*/.d*/asked\")], 1)'", 0,
         "-1...1", "looks at what watches it"),
    ],
)  # fmt: skip
async def test_what_does_not_come_from_the_code_is_refused(sandbox, command, status, output, why):
    assert why in await judged(sandbox, command, status, output)


async def test_a_command_that_does_something_else_when_it_is_watched_is_refused(sandbox):
    command = (
        "python -c 'import sys; from pkg.core import add; "
        'print("sum", 7 if sys.gettrace() is None else add(1, 2))\''
    )
    assert "whoever watches" in await judged(sandbox, command, 0, "sum 7")


PASSES = UNITTEST.format("self.assertEqual(add(7, 2), 5)")


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (PASSES, ""),
        (ADD.replace("2'", "0'"), ""),
        (PASSES + " 2>&1 | grep -c OK", ""),
        (PASSES.replace("5)", "6)") + " || true", "`|| …` makes it pass"),
        (PASSES.replace("5)", "6)") + " 2>&1 | tail -3", "status of its last program"),
        (PASSES.replace("5)", "6)") + "; echo done", "Its last command passes"),
        (PASSES.replace("-m unittest t", "-m unittest t -k nothing") + " 2>&1", "It ran no test"),
        ("python -c 'import pkg.core'", "imports code of the repository and calls nothing"),
        ("python -c 'import pkg.core as m; m.add(1, 2)'", CALLED),
        ("python -c 'print(\"all tests pass\")'", "runs no code"),
    ],
)
async def test_a_constraint_is_a_command_that_can_fail(sandbox, command, why):
    said = await judged(sandbox, command, 0, "", "CONSTRAINT")
    assert why in said if why else said == "", said
