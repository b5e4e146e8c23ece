"""What a patch's command shows comes from functions that the patch changes and it calls."""

import pytest
from court import ADD, MEND, ONE_KIND, court_of

from agents.admission.command_runner import CommandRunner
from agents.admission.earlier_bodies import needs_changed_code
from agents.admission.evidence import Refused
from harness.board.evidence import Patch

pytestmark = [pytest.mark.slow(seconds=60)]
MENDS = "sed -i 's/-/+/' pkg/core.py"
ISSUE = "add(1, 1) of pkg.core is 0, which is wrong. There should be a function `total`."
M = "import pkg.core as m; m.add(1, 0); "
TEST = (
    "cat > t.py <<'E'\nimport unittest\nfrom pkg.core import *\nclass T(unittest.TestCase):\n"
    "  def test_a(self): {}\nE\npython -m unittest t"
)


@pytest.fixture
async def court(sandbox, kind, tmp_path):
    async with court_of(sandbox, kind, tmp_path) as made:
        yield made


def dash_c(text: str) -> str:
    return f"python -c '{text}'"


def added(text: str, path: str = "pkg/core.py") -> str:
    return f"cat >> {path} <<'E'\n{text}\nE"


async def said_of(court, script: str, command: str, files: dict | None = None) -> str:
    """Why a command that passes with a patch shows nothing of it; nothing where it does."""
    runs = CommandRunner(court.sandbox, command_s=30)
    patch = Patch(diff=await court.diff_of(script), command=command, files=files or {})
    try:
        await needs_changed_code(runs, patch, ISSUE)
    except Refused as refusal:
        return str(refusal)
    return ""


FIXED = added("FIXED = 1")
IDLE = "sed -i '1a\\    _ = a' pkg/core.py"
THERE = "passes as well where the functions that the patch changes do what they did before"


@ONE_KIND
@pytest.mark.parametrize(
    ("script", "commands"),
    [
        (FIXED, (
            M + "m.FIXED",
            M + "assert len(vars(m)) > 9",
            M + 'import os; assert os.stat("pkg/core.py")[6] > 35',
            M + 'import inspect; assert "FIXED" in inspect.getsource(m)',
            M + "import subprocess as s; s.check_call([*\"git grep FIXED HEAD\".split()])",
        )),
        ("sed -i '1a\\    \"\"\"Adds.\"\"\"' pkg/core.py", (M + "assert m.add.__doc__",)),
        ("sed -i 's/b):/b, c=1):/' pkg/core.py", (
            M + "m.add(1, 1, c=1)",
            M + "import inspect; assert len(inspect.signature(m.add).parameters) > 2",
        )),
        ("sed -i 's/b):/b=1):/' pkg/core.py", (M + "assert m.add.__defaults__",)),
        ("sed -i 's/b):/b: int):/' pkg/core.py", (M + "assert m.add.__annotations__",)),
        (added("add.mended = 1"), (M + "m.add.mended",)),
        ("sed -i '1i\\@lambda f: [setattr(f, \"mended\", 1), f][1]' pkg/core.py",
         (M + "m.add.mended",)),
        (added('print("it is mended")'), (M + "' | grep -q 'mended",)),
        (added("import sys\nsys.modules['pkg.mended'] = sys"), (M + "import pkg.mended",)),
        (added("def mended(f):\n    return lambda *a: 2\nadd = mended(add)"), (M + "m.mended",)),
        ("echo X = 1 > pkg/mended_now.py; echo good > mended.txt", (
            M + 'import glob; assert glob.glob("pkg/mend*")',
            M + 'assert open("mende" + "d.txt").read()',
        )),
        (added("class Sum(int):\n    def is_right(self):\n        return [self] == [self]"),
         (M + "assert m.Sum(3).is_right()",)),
        (added("def is_right(a):\n    return inner(a)\n\ndef inner(a):\n    return a == 1"),
         (M + "assert m.is_right(1)",)),
        (added("def wrong():\n    return [1] == [1]"), (M + "assert m.wrong()",)),
        (added("def total(*a):\n    return sum(a)"), (M + "assert hasattr(m, \"total\")",)),
        (added("FIXED = 1\nE\ncat > pytest.ini <<'E'\n[pytest]"),
         (M + "assert open(\"pytest.ini\")",)),
        (MENDS, (
            "ns = {}; exec(open(\"pkg/core.py\").read(), ns); assert ns[\"add\"](1, 1) == 2",
        )),
        ("echo good > mended.txt", (M + "assert open(\"mende\" + \"d.txt\").read()",)),
        (IDLE, ("import sys, pkg.core as m\ntry: m.add(1, \"a\")\nexcept TypeError: "
                "assert sys.exc_info()[2].tb_next.tb_lineno == 3",)),
    ],
)  # fmt: skip
async def test_what_is_there_and_does_nothing_shows_nothing(court, script, commands):
    for command in commands:
        assert THERE in await said_of(court, script, dash_c(command)), command


@ONE_KIND
@pytest.mark.parametrize(
    ("script", "command", "why"),
    [
        (MENDS, "cd /; for p in opt/*/bin/python3 usr/bin/python3; do [ -x $p ] && cd testbed && "
         "exec env -i /$p -c 'from pkg.core import add; assert add(1, 1) == 2'; done; exit 1",
         "can be watched"),
        (MENDS, "python -I -c 'import sys; sys.path.insert(0, \".\"); from pkg.core import add; "
         "assert add(1, 1) == 2'", "can be watched"),
        ("mv pkg/core.py pkg/more.py; echo 'X = 1' > pkg/core.py",
         dash_c("import pkg.core as m; assert not hasattr(m, \"add\")"), "calls nothing of"),
        ("sed -i 's/return.*/return Any(a)/' pkg/core.py; "
         + added("class Any(int):\n    def __eq__(self, other):\n        return other is not 0.5"),
         ADD, "Any.__eq__ gives True for whatever"),
        (IDLE, dash_c(M + "assert len(m.add.__code__.co_code) > 20"), "asks for __code__ of add"),
        (IDLE, dash_c(M + "import gc; assert gc.get_referents(m.add)"), "asks for gc.get_ref"),
        (FIXED, dash_c("import sys, pkg.core as m; assert type(compile) is type(len); m.FIXED"),
         "whoever watches"),
        (FIXED, dash_c(M + "import os; [open(f\"{p}/asked\").read() for p in os.environ[\""
                       "PYTHONPATH\"].split(\":\") if p]; m.FIXED"), "looks at what watches"),
    ],
)  # fmt: skip
async def test_what_cannot_be_seen_shows_nothing(court, script, command, why):
    assert why in await said_of(court, script, command)


@ONE_KIND
@pytest.mark.parametrize(
    ("base", "script", "text"),
    [
        ("", MENDS, "from pkg.core import add; assert add(1, 1) == 2"),
        ("", "sed -i 's/return.*/return total(a, b)/' pkg/core.py; "
         + added("def total(*a):\n    return sum(a)"),
         "from pkg.core import add; assert add(1, 1) == 2"),
        ("", added("def total(*a):\n    return sum(a)"),
         "from pkg.core import total; assert total(1, 1) == 2"),
        ("", "sed -i 's/b):/b, minus=True):/; s/- b/- b if minus else a + b/' pkg/core.py",
         "from pkg.core import add; assert add(1, 1, minus=False) == 2"),
        ("", "sed -i '1i\\@lambda f: lambda a, b: f(a, -b)' pkg/core.py",
         "from pkg.core import add; assert add(1, 1) == 2"),
        ("", added("def other(a, b):\n    return a + b\n\nadd = other"),
         "from pkg.core import add; assert add(1, 1) == 2"),
        ("echo 'SIGN = -1\n\ndef add(a, b): return a + SIGN * b' > pkg/core.py",
         "sed -i 's/SIGN = -1/SIGN = 1/' pkg/core.py",
         "from pkg.core import add; assert add(1, 1) == 2"),
        ("echo 'TABLE = {}\n\ndef add(a, b): return TABLE.get(a, 0)' > pkg/core.py",
         added("TABLE[1] = 2"), "from pkg.core import add; assert add(1, 1) == 2"),
        ("echo 'import re\n\nclass A:\n    rx = re.compile(\"a\")\n    def m(self, x):\n"
         "        return self.rx.match(x)' > pkg/core.py", "sed -i 's/\"a/\"b/' pkg/core.py",
         "from pkg.core import A; assert A().m(\"b\")"),
        ("echo 'def add(a, b=0): return a + b' > pkg/core.py", "sed -i s/=0/=1/ pkg/core.py",
         "from pkg.core import add; assert add(1) == 2"),
        ("echo 'class A(int):\n    def __eq__(self, other): return False\n\n    __hash__ = None'"
         " > pkg/core.py", "sed -i '2,4d; 1a\\    x = 1' pkg/core.py",
         "from pkg.core import A; assert A(1) == A(1)"),
        ("echo 'class A:\n    x = 1' > pkg/core.py",
         added("    def __len__(self):\n        return self.x"),
         "from pkg.core import A; assert len(A()) == 1"),
        ("echo 'class A:\n    def do(self, name): return getattr(self, \"do_\" + name, None)()'"
         " > pkg/core.py", added("    def do_it(self):\n        return 2"),
         "from pkg.core import A; assert A().do(\"it\") == 2"),
        ("echo 'class A:\n    most = 1\n    def has(self, n): return n <= self.most\n\n"
         "class B(A):\n    pass' > pkg/core.py", added("    most = 2"),
         "from pkg.core import B; assert B().has(2)"),
        ("echo 'class A:\n    pass\n\nclass B:\n    def __len__(self): return 1' > pkg/core.py",
         "sed -i '1,2d; $ a class A(B): pass' pkg/core.py",
         "from pkg.core import A; assert len(A())"),
        ("echo no > pkg/a.txt; echo 'def text(): return open(\"pkg/a.txt\").read()' > pkg/core.py",
         "echo yes > pkg/a.txt", "from pkg.core import text; assert text() == \"yes\\n\""),
        ("echo 'def wrap(f):\n    return lambda x: f(x)' > pkg/core.py; echo 'from pkg.core import "
         "wrap\n\n@wrap\ndef one(x): return x' > pkg/use.py", "sed -i 's/f(x)/f(x + 1)/' "
         "pkg/core.py", "from pkg.core import wrap; assert wrap(abs)(1) == 2"),
        ("echo 'import sys\n\ndef run(): return 3\n\nif __name__ == \"__main__\":\n"
         "    sys.exit(run())' > pkg/tool.py", "sed -i 's/3/0/' pkg/tool.py", "RUN pkg/tool.py"),
        ("echo 'A = 1\nB = {A: 1}\ndef add(a, b): return B.get(a)' > pkg/core.py",
         "echo 'A = 2\nB = {A: 1}\nC = B[2]\ndef add(a, b): return B.get(b) and 2' > pkg/core.py",
         "from pkg.core import add; assert add(1, 2) == 2"),
        ("echo 'async def add(a, b): return a' > pkg/core.py", "sed -i 's/return a/return a + b/' "
         "pkg/core.py", "import asyncio; from pkg.core import add; "
         "assert asyncio.run(add(1, 1)) == 2"),
        ("echo 'def each(a):\n    yield a' > pkg/core.py", added("    yield a"),
         "from pkg.core import each; assert len(list(each(1))) == 2"),
        ("echo 'from collections import Mapping' > pkg/core.py",
         "echo 'from collections.abc import Mapping' > pkg/core.py", "import pkg.core"),
        ("", "echo 'add = lambda a, b: a + b' > pkg/core.py",
         "from pkg.core import add; assert add(1, 1) == 2"),
        ("echo 'add = lambda a, b: a - b' > pkg/core.py",
         "echo 'def add(a, b): return a + b' > pkg/core.py",
         "from pkg.core import add; assert add(1, 1) == 2"),
        ("echo 'def add(a, b): return (' > pkg/core.py", "echo 'def add(a, b): return a + b' > "
         "pkg/core.py", "from pkg.core import add; assert add(1, 1) == 2"),
    ],
)  # fmt: skip
async def test_what_the_changed_code_does_counts(court, base, script, text):
    command = text.replace("RUN", "python") if text.startswith("RUN") else dash_c(text)
    if not base:
        assert await said_of(court, script, command) == ""
        return
    async with court.after(base) as there:
        assert await said_of(there, script, command) == ""


SAME = "gives the same for the same arguments"
EARLY = "before its end"
OTHER_BASE = (
    "echo 'class A:\n    pass\n\nclass B:\n    fixed = 1\n\n"
    "def add(a, b): return a - b' > pkg/core.py"
)
LESS = "class Any(int):\n    def {}(self, other):\n        return other is not 0.5"


@ONE_KIND
@pytest.mark.parametrize(
    ("base", "script", "text", "why"),
    [
        (OTHER_BASE, "sed -i '1,2d; 7a class A(B): pass' pkg/core.py",
         "import pkg.core as m; m.add(1, 0); assert issubclass(m.A, m.B)", SAME),
        ("echo 'class A:\n    __slots__ = ()\n\nclass B(A):\n    x = 1' > pkg/core.py",
         added("    __slots__ = ()"),
         "from pkg.core import B; assert not hasattr(B(), \"__dict__\")", SAME),
        ("echo 'TABLE = {1: 1}\n\ndef add(a, b): return a - b + 0 * len(TABLE)' > pkg/core.py",
         "sed -i 's/1: 1/1: 2/' pkg/core.py",
         "import pkg.core as m; m.add(1, 0); assert m.TABLE == {1: 2}", SAME),
        ("", IDLE + "; sed -i '1i STATE = [0]' pkg/core.py; sed -i '2a\\    STATE[0] += 1' "
         "pkg/core.py", "import pkg.core as m; m.add(1, 0); assert m.STATE == [1]", SAME),
        ("", MENDS, "import sys; from pkg.core import add\nif add(1, 1) == 2: sys.exit(0)\n"
         "assert add(1, 1) == 3", EARLY),
        ("", MENDS, "import unittest; from pkg.core import add\nclass T(unittest.TestCase):\n"
         "  def test_a(self):\n    if add(1, 1) == 2: self.skipTest(\"no\")\n"
         "    self.assertEqual(add(1, 1), 3)\nunittest.main()", EARLY),
        ("", "sed -i 's/return.*/return Any(a)/' pkg/core.py; " + added(LESS.format("__lt__")),
         "from pkg.core import add; assert add(1, 0) < 1", "Any.__lt__ gives True for whatever"),
        ("", "sed -i 's/return.*/return Any(a)/' pkg/core.py; " + added(LESS.format("__ge__")),
         "from pkg.core import add; assert add(1, 0) >= 2", "Any.__ge__ gives True for whatever"),
        ("", FIXED, M + "import builtins; assert builtins.__ran__ and m.FIXED\n"
         "builtins.__ran__(0)", "looks at what watches"),
    ],
)  # fmt: skip
async def test_a_pass_by_something_else_than_what_calls_give_shows_nothing(
    court, base, script, text, why
):
    if not base:
        assert why in await said_of(court, script, dash_c(text))
        return
    async with court.after(base) as there:
        assert why in await said_of(there, script, dash_c(text))


@ONE_KIND
@pytest.mark.parametrize(
    ("base", "script", "text"),
    [
        ("def add(a, b): print(a)", "s/a)$/b)/", "import io, contextlib as c; from pkg.core import "
         "add\nwith c.redirect_stdout(io.StringIO()) as out: add(1, 2)\n"
         "assert out.getvalue() == \"2\\n\""),
        ("import warnings\ndef add(a, b): warnings.warn(str(a))", "s/str(a)/str(b)/",
         "import warnings; from pkg.core import add\n"
         "with warnings.catch_warnings(record=True) as w: add(1, 2)\n"
         "assert str(w[0].message) == \"2\""),
        ("class A: pass\ndef add(a, b):\n    made = A(); made.x = a; return made", "s/x = a/x = b/",
         "from pkg.core import add; assert add(1, 2).x == 2"),
        ("def add(a, b): a.append(1)", "s/1/b/",
         "from pkg.core import add; x = []; add(x, 2); assert x == [2]"),
        ("def add(a, b):\n    while a: pass", "s/while/if/",
         "from pkg.core import add; add(1, 2)"),
        ("def add(a, b):\n    if a: raise ValueError", "s/if a/if b/",
         "from pkg.core import add; add(1, 0)"),
    ],
)  # fmt: skip
async def test_what_calls_print_warn_change_and_raise_is_given_too(court, base, script, text):
    command = dash_c(text).replace("python", "timeout 5 python")
    async with court.after(f"cat > pkg/core.py <<'E'\n{base}\nE\ntrue") as there:
        assert await said_of(there, f"sed -i '{script}' pkg/core.py", command) == ""


@ONE_KIND
async def test_a_new_test_of_the_patch_counts_and_one_that_reads_its_text_does_not(court):
    test = "import unittest\nfrom pkg.core import add\n\nclass T(unittest.TestCase):\n    {}"
    for body, why in (
        ("def test_it(self):\n        self.assertEqual(add(1, 1), 2)", ""),
        ("def test_it(self):\n        assert '+' in open('pkg/core.py').read(), add(1, 1)", THERE),
    ):
        script = f"{MENDS}; mkdir tests; {added(test.format(body), 'tests/test_new.py')}"
        said = await said_of(court, script, "python -m unittest tests/test_new.py")
        assert why in said if why else said == ""


@ONE_KIND
async def test_a_patch_that_mends_is_admitted(court):
    assert (await court.patch(MEND)).settled == "admitted"
