"""The plain form of a command: what honest ones are written in passes, and all else is refused."""

import pytest

from agents.admission.evidence import Refused
from agents.admission.plain_form import judge_plain_form

ADDED = "--- /dev/null\n+++ b/{}\n@@ -0,0 +1,{} @@\n"  # and then the lines
KNOWN = frozenset(("pkg", "click", "numpy", "pytest"))


def fault(command: str, files: dict[str, str] | None = None) -> str:
    """Why a command is not plain; nothing where it is."""
    try:
        judge_plain_form(command, files or {}, KNOWN)
    except Refused as refusal:
        return str(refusal)
    return ""


def script(text: str) -> str:
    """A command that runs a script on the standard input."""
    return f"python - <<'EOF'\n{text}\nEOF"


@pytest.mark.parametrize(
    "command",
    [
        "python -m pytest -q tests/test_a.py -k 'one or two' 2>&1 | tail -n 3",
        "cd tests && python runtests.py utils_tests.test_duration",
        "./tests/runtests.py --settings=test_sqlite --parallel 1 a.B.test_c",
        "set -o pipefail; PYTHONPATH=.:src timeout 20 python3 -B -W ignore -c 'import pkg' | wc -l",
        "python -c \"import pkg; print('\\$x')\"; echo \"exit: $?\"",
        "OUT=$(python -c 'import pkg; print(pkg.f())'); echo \"$OUT\"",
        "env LANG=C python -m pkg.cli --help",
        "python -c 'import pkg' > /tmp/out.txt 2>&1; tail -n 1 /tmp/out.txt",
        "python -m pytest -q a.py\n[ $? = 1 ] && python -m pytest -q b.py",
        "mkdir -p /tmp/own && cat > /tmp/own/test_own.py <<'E'\ndef test_a():\n    assert 1\nE\n"
        "PYTHONPATH=. python -m pytest -q -p no:cacheprovider -c /dev/null /tmp/own/test_own.py",
        "git diff --stat && git log -1 && sed -n '3,9p' pkg/core.py | cat -n",
        "flask --version && sphinx-build -b html docs /tmp/out",
        "git apply <<'EOF'\n--- /dev/null\n+++ b/tests/test_new.py\n@@ -0,0 +1,3 @@\n"
        "+from pkg import f\n+def test_f():\n+    assert f() == 1\nEOF\npytest tests/test_new.py",
        "python -m pytest 2>&1 | tail -n 3; python -m unittest; pytest",
        "PYTHONPATH=/testbed/src:.:/tmp/own pytest -xvs -rA --tb=short -o addopts= tests",
        "cat > notes.txt <<'E'\nprint(1)\nE\npython notes.txt",
        "mkdir -p /tmp/a && cd /tmp/a && cat > app.py <<'E'\nimport pkg\nE\npython app.py",
        "cat > /tmp/app.py <<'E'\nimport pkg\nE\ncd /tmp && python -m click --app app routes",
        "cat > /tmp/x.txt <<'E'\npython -m pytest tests\nE\nbash /tmp/x.txt",
        "cat >> tests/test_a.py <<'E'\ndef test_b():\n    assert 1\nE\npytest tests/test_a.py",
        "npm test",
    ],
)  # fmt: skip
def test_honest_shell_text_is_plain(command):
    assert fault(command) == ""


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("eval 'python -c 1'", "`eval` is none of the plain programs"),
        ("base64 -d <<< aGk=", "`base64` is none of the plain programs"),
        ("perl -e 'print 7'", "`perl` is none of the plain programs"),
        ("curl example.org", "`curl` is none of the plain programs"),
        ("python x.py &", "in the background"),
        ("(python -c 1)", "one after the other"),
        ("echo $(date)", "may only be assigned"),
        ("OUT=$(date +%s)", "`date` is none of the plain programs"),
        ("python -c \"print('$HOME')\"", "bash puts something into the Python text"),
        ("python - <<EOF\nprint('$HOME')\nEOF", "put its end word in quotes"),
        ("python -c `cat x`", "bash puts something else in"),
        ("echo $'\\x6e'", "hides what it says"),
        ("echo -e '\\x6e'", "`echo` is plain without options"),
        ("python -S -c 1", "cannot be watched"),
        ("python -m timeit 1", "runs no code of the repository"),
        ("python -m pytest -p mine tests", "only `-p no:NAME`"),
        ("python -m pytest -pmine tests", "only `-p no:NAME`"),
        ("env -i python -c 1", "`env` only sets variables"),
        ("PATH=/tmp python -c 1", "PATH changes what runs"),
        ("LD_PRELOAD=x python -c 1", "LD_PRELOAD changes what runs"),
        ("PYTHONSTARTUP=x python -c 1", "PYTHONSTARTUP changes what runs"),
        ("PYTHONPATH=/opt python -c 1", "PYTHONPATH has folders of the repository"),
        ("sed -i s/a/b/ pkg/core.py", "only prints lines"),
        ("cat > pkg/core.py <<'E'\nx = 1\nE", "is no test"),
        ("cat > tests/conftest.py <<'E'\nx = 1\nE", "stands in for settings"),
        ("cat > /tmp/own/json.py <<'E'\nx = 1\nE", "a module of Python's"),
        ("cat > /tmp/own/click.py <<'E'\nx = 1\nE", "stands in for a module that the repository"),
        ("python /tmp/own/x.py", "is written nowhere"),
        ("python /tmp/board/x.py", "is not attached"),
        ("git checkout pkg", "`git` only shows"),
        ("git apply <<'E'\n--- a/tests/a.py\n+++ b/tests/a.py\n@@ -1 +1,2 @@\n x\n+y\nE",
         "may only add whole test files"),
        (f"git apply <<'E'\n{ADDED.format('pkg/a.py', 1)}+x = 1\nE", "may only add whole test"),
        (f"git apply <<'E'\n{ADDED.format('tests/a.py', 2)}+x = 1\nE", "may only add whole test"),
        (f"git apply <<'E'\n{ADDED.format('tests/a.py', 1)}+x = 1\n@@ -1 +1,2 @@\n+y\nE",
         "may only add whole test files"),
        (f"git apply <<'E'\n{ADDED.format('tests/a.py', 1)}+import gc\nE", "'import gc'"),
        (f"git apply <<'E'\n{ADDED.format('tests/conftest.py', 1)}+x = 1\nE", "settings"),
        (f"cd tests && git apply <<'E'\n{ADDED.format('tests/a.py', 1)}+x = 1\nE", "before `cd`"),
        ("cat > notes.txt <<'E'\nimport gc\nE\npython notes.txt", "of notes.txt, 'import gc'"),
        ("cat > /tmp/n.txt <<'E'\nperl x\nE\nbash /tmp/n.txt", "`perl` is none"),
        ("python -c 'print(1)' > /tmp/x\nbash /tmp/x", "is what a program printed"),
        ("python -c 'print(1)' > /tmp/x\ncd /tmp && python x", "is what a program printed"),
        ("cat > /tmp/a/x.txt <<'E'\nimport gc\nE\ncat > /tmp/b/x.txt <<'E'\nimport pkg\nE\n"
         "cd /tmp/a; cd /tmp/b; python x.txt", "import gc"),
        ("cat > /tmp/x.txt <<'E'\nls\nE\npython -c 1 > /tmp/x.txt\nbash /tmp/x.txt", "twice"),
        ("cat > /tmp/a.py <<'E'\nx = 1\nE\ncat >> /tmp/a.py <<'E'\ny = 1\nE", "twice"),
        ("cd src/pkg && cat > core.py <<'E'\nx = 1\nE", "Write it before cd"),
        ("cd pkg; cd /tmp/x; cat > core.py <<'E'\nx = 1\nE", "Write it before cd"),
        ("python -c 'print(1)' | python - 3<<'E'\nx = 1\nE", "no numbered one"),
        ("python - <<'E' < x.txt\nx = 1\nE", "reads one file or heredoc"),
        ("python -m zz", "`python -m zz` runs no module of the repository"),
        ("pytest '--doctest-glob=*.cfg' /tmp/own", "the option --doctest-glob is not plain"),
        ("pytest -c/tmp/own/x.cfg", "the option -c/tmp/own/x.cfg is not plain"),
        ("pytest -o addopts=-pmine", "the option -o is not plain"),
        ("pytest @/tmp/own/options.txt", "is not plain"),
        ("cat > /tmp/own/test_a.txt <<'E'\n>>> 7\n7\nE\npytest /tmp/own", "a doctest"),
        ("django-admin shell -c 'print(1)'", "gets Python text here"),
        ("mkdir -p /tmp/own/click\ncat > /tmp/own/click/__init__.py <<'E'\nx = 1\nE",
         "stands in for a module that the repository"),
        ("cat > /tmp/own/click/a.py <<'E'\nx = 1\nE", "stands in for a module that the repo"),
        ("cat > /tmp/click/__init__.py <<'E'\nx = 1\nE", "stands in for a module that the repo"),
        ("cat > /tmp/own/re/__init__.py <<'E'\nx = 1\nE", "a module of Python's"),
        ("find . -exec cat {} +", "only lists"),
        ("node -e 1", "leave out -e"),
        ("bash -c 'python x.py'", "Write its commands out"),
        ("bash /tmp/board/x.sh", "is not attached"),
        ("python -c 'print(1", "has no end"),
        ("python -c '1' >& pkg/x", "output goes to a file in /tmp"),
        ("for i in 1 2; do python x.py; done", "`for` is none of the plain programs"),
    ],
)  # fmt: skip
def test_other_shell_text_is_refused_with_advice(command, why):
    said = fault(command)
    assert said.startswith("The command is not in the plain form. ")
    assert why in said


def test_attached_shell_scripts_are_read_as_the_command():
    assert fault("bash /tmp/board/x.sh", {"x.sh": "python -m pytest tests\n"}) == ""
    assert "`perl` is none" in fault("bash /tmp/board/x.sh", {"x.sh": "perl x\n"})
    assert "neither Python nor text" in fault("ls", {"x.so": ""})


QUOTES = "'" * 3
HONEST = """\
import io, os, sys, tempfile
import json as j, datetime, unittest, warnings
from decimal import Decimal as D
from unittest import TestCase
import pytest
import pkg.core as m
from pkg import f, Thing
os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'tests.settings')
os.environ['FLASK_DEBUG'] = '1'
sys.path.insert(0, os.getcwd())

class Own(Thing):
    def __init__(self, name):
        super().__init__(name)
        self.rows = []

    def add(self, row):
        self.rows.append(row)

def collect(node, out):
    out.append(node.name)
    for each in node.children:
        collect(each, out)

@pytest.mark.parametrize('value', [1, 2])
def test_it(value, tmp_path, monkeypatch):
    monkeypatch.setenv('COLUMNS', '80')
    (tmp_path / 'a.txt').write_text('x')
    with pytest.raises(ValueError, match='no'):
        f(value)

found = []
collect(f(), found)
d = tempfile.mkdtemp()
with open(os.path.join(d, 'conf.py'), 'w') as file:
    file.write('x = 1')
text = open('tests/data/a.json').read()
app = Thing('app')
app.config['TESTING'] = True
app.name = 'other'
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter('always')
    print(type(f(1)).__name__, getattr(m, 'name', None), sorted(n for n in vars(m)), m.__file__)
try:
    f('x')
except ValueError as e:
    print(type(e).__name__, e, f'{e!r}')
print(datetime.datetime(2020, 1, 2), D('1.5'), j.dumps({}), file=sys.stderr)
assert [x for x in found if x] == [], found
sys.exit(3 if found else 0)
"""


def test_an_honest_script_is_plain():
    assert fault(script(HONEST)) == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import builtins\nbuiltins.abs = 1", "the module builtins is none"),
        ("import subprocess", "the module subprocess is none"),
        ("import threading", "the module threading is none"),
        ("import base64", "the module base64 is none"),
        ("from unittest import mock", "unittest.mock is not plain"),
        ("import unittest.mock", "the module unittest.mock is none"),
        ("import mock", "neither the repository's"),
        ("import django", "neither the repository's"),
        ("from sys import modules", "sys.modules is not plain"),
        ("import sys\nsys.modules['pkg'] = 1", "changes what the code itself holds"),
        ("import sys\nsys.settrace(None)", "sys.settrace is not plain"),
        ("import sys\nsys._getframe()", "`._getframe` looks inside of Python"),
        ("import sys\nx = [sys][0]", "is used as a value"),
        ("import dataclasses\ndataclasses.sys", "`.sys` looks inside of Python"),
        ("import enum\nenum.re", "enum.re is not plain"),
        ("import pkg.core as m\nm.os.environ", "`.os` looks inside of Python"),
        ("from pkg.core import sys", "is none that a plain command needs"),
        ("import os\nos.environ['PYTHONHASHSEED']", "may only be set"),
        ("import os\nos._exit(0)", "os._exit is not plain"),
        ("import os\nos.environ['PYTHONPATH'] = 'x'", "may only be set"),
        ("exec('print(1)')", "`exec` is not plain"),
        ("eval('1')", "`eval` is not plain"),
        ("__import__('os')", "`__import__` is not plain"),
        ("globals()['x'] = 1", "`globals` is not plain"),
        ("import pkg\nsetattr(pkg, 'f', 1)", "`setattr` is not plain"),
        ("import pkg\ngetattr(pkg, 'f' + 'g')", "needs a name that is written out"),
        ("import pkg\npkg.f.__code__", "looks inside of Python"),
        ("import pkg\npkg.f.__globals__", "looks inside of Python"),
        ("object.__subclasses__()", "looks inside of Python"),
        ("print('{0.__globals__}'.format(1))", "a text names something inside"),
        ("from pkg import f\ntry: f()\nexcept E as e:\n  e.args = (7,)", "changes what the code"),
        ("import pkg\npkg.f = 1", "changes what the code itself holds"),
        ("from pkg import Thing\nThing.name = 1", "changes what the code itself holds"),
        ("from pkg import f\nx = f()\ntype(x).name = 1", "changes what the code itself holds"),
        ("from pkg import f\nx = f()\nx.__class__.name = 1", "changes what the code itself holds"),
        ("import pkg\npkg.UNITS['s'] = 60", "changes what the code itself holds"),
        ("import pkg\nu = pkg.UNITS\nu['s'] = 60", "changes what the code itself holds"),
        ("import pkg\nfor u in [pkg.UNITS]: u['s'] = 60", "changes what the code itself holds"),
        ("import pkg\ndef g(u): u['s'] = 60\ng(pkg.UNITS)", "changes what the code itself holds"),
        ("import pkg\npkg.UNITS.update(s=60)", "changes what the repository's modules hold"),
        ("from pkg import UNITS\nUNITS.clear()", "changes what the repository's modules hold"),
        ("import pkg\nmap(pkg.UNITS.pop, 's')", "changes what the repository's modules hold"),
        ("import pkg\ndel pkg.f", "changes what the code itself holds"),
        ("from pkg import f\nf = print", "is imported and then given another value"),
        ("from pkg import f\ndef f(): pass", "is imported and then given another value"),
        ("class A(metaclass=type): pass", "a class with `metaclass`"),
        ("type('A', (), {})", "`type` with three arguments"),
        ("class A:\n  def __getattr__(self, n): return 1", "a name of Python's own"),
        ("import random\nprint(random.choice('ab'))", "chance needs a fixed seed"),
        ("import uuid\nprint(uuid.uuid4())", "uuid.uuid4 is not plain"),
        ("import datetime\nprint(datetime.datetime.now())", "another value each day"),
        ("from datetime import date\nprint(date.today())", "another value each day"),
        ("open('/proc/self/maps')", "a file is read by a path"),
        ("open('/t' + 'mp/.x')", "a file is read by a path"),
        ("open('pkg/core.py', 'w')", "files are written below"),
        ("from pathlib import Path\nPath('pkg/core.py').write_text('')", "files are written below"),
        ("import os, tempfile\nd = tempfile.mkdtemp()\nopen(os.path.join(d, '/x'), 'w')",
         "files are written below"),
        ("import os\nos.path.exists('/tmp/.hidden')", "a file is read by a path"),
        ("import pickle\npickle.loads(b'x')", "only reads what pickle.dumps wrote"),
        ("def test_a(monkeypatch): monkeypatch.setattr('pkg.f', 1)", "replaces parts of the code"),
        ("def test_a(mocker): mocker.patch('pkg.f')", "replaces parts of the code"),
        ("def pytest_sessionfinish(session): pass", "changes what a test runner does"),
        ("vars()['x'] = 1", "`vars` without an argument"),
        ("async = 1", "cannot be read as Python"),
        ("match 1:\n  case 1: pass", "Match is not plain"),
        ("from . import x", "a relative import"),
        ("print(id(1))", "`id` is not plain"),
        ("open('/tmp/own/x.py', 'w')", "files are written below"),
        ("import tempfile\nopen(tempfile.gettempdir() + '/x', 'w')", "files are written below"),
        ("import os, tempfile\nd = tempfile.gettempdir()\nopen(os.path.join(d, 'x'), 'w')",
         "files are written below"),
        ("def test_a(tmp_path): (tmp_path / 'x').symlink_to('/testbed/pkg')",
         "files are written below"),
        ("def test_a(tmp_path): (tmp_path / 'x').rename('pkg/core.py')", "files are written below"),
        ("import os, tempfile\nos.chdir(tempfile.mkdtemp())", "os.chdir is not plain"),
        ("import sys, tempfile\nsys.path.insert(0, tempfile.mkdtemp())", "only have a folder"),
        ("def f():\n    '>>> 1'", "a doctest (>>>) is not read"),
        ("import pkg\ndict.update(pkg.UNITS, s=60)", "`dict.update` is called on a value"),
        ("import functools, pkg\nfunctools.partial(dict.update, pkg.UNITS)()", "called on a value"),
        ("import pkg\nt = pkg.UNITS\nt |= {'s': 60}", "changed in place"),
        ("import pkg.core as m\nm.pytest.MonkeyPatch()", "`.pytest` looks inside of Python"),
    ],
)  # fmt: skip
def test_other_python_is_refused_with_its_line_and_advice(text, why):
    said = fault(script(text))
    assert said.startswith("The command is not in the plain form. ")
    assert why in said


def test_python_is_read_wherever_it_stands():
    bad = "import ctypes"
    assert "Line 1 of -c, 'import ctypes'" in fault(f"python -c '{bad}'")
    assert "of -c number 2" in fault(f"python -c 'print(1)' && python -c '{bad}'")
    assert "of the heredoc" in fault(script(bad))
    assert "of the heredoc number 2" in fault(f"{script('print(1)')}\n{script(bad)}")
    hidden = f"{script(QUOTES)}\n{script(bad)}\n{script(QUOTES)}"
    assert "The heredoc cannot be read as Python" in fault(hidden)
    assert "of /tmp/x/test_a.py" in fault(f"cat > /tmp/x/test_a.py <<'E'\n{bad}\nE\npytest /tmp/x")
    assert "of /tmp/board/a.py" in fault("python /tmp/board/a.py", {"a.py": bad})
    assert "of /tmp/board/b.py" in fault(
        "python /tmp/board/a.py", {"a.py": "import b", "b.py": bad}
    )


def test_what_is_too_long_or_too_deep_is_refused():
    assert "too long" in fault("ls", {"a.py": "#" * 300_000})
    assert "The command is not in the plain form." in fault(script("x = " + "(" * 300 + ")" * 300))
    assert "commands in commands" in fault("bash /tmp/board/a.sh", {"a.sh": "bash /tmp/board/a.sh"})


def test_what_takes_long_to_read_is_refused_or_read_at_once():
    names = "".join(f"p{n}=p{n - 1}; p{n}=p{n - 2}\n" for n in range(2, 40))
    assert "a file is read by a path" in fault(
        script(f"import pkg\np0='a'\np1=pkg\n{names}open(p39)")
    )
    assert "PYTHONPATH has folders" in fault(f"PYTHONPATH={'src/src.' * 5_000}! pytest")
    assert "too long to be read" in fault(script("x = 1\n" * 6_000))
    assert "given to each other too often" in fault(
        script("import m\n" + "".join(f"a{n} = a{n + 1}\n" for n in range(100)) + "a100 = m.x")
    )
    assert "nested too deeply" in fault("env " * 3_000 + "pytest")
    files = {"a.sh": "bash /tmp/board/b.sh\n" * 100, "b.sh": "pytest\n" * 100}
    assert "too many commands" in fault("bash /tmp/board/a.sh", files)


@pytest.mark.parametrize(
    "command",
    [
        "python -c 'import pkg.extra as m; m.EXTRA = 7; print(m.EXTRA, \"it\")'",
        "python -c 'import pkg.core as m; m.T = {}; print(m.add(9, 2), \"it\")'",
        "python -c 'import pkg.core as m; m.add.__defaults__ = (1, 2); print(m.add(), \"it\")'",
        "python -c 'import pkg.core as m; m.add.__code__ = (lambda a, b: 777).__code__\n"
        'print(m.add(1, 2), "it")\'',
        "echo x >> a.txt; python -c 'from pkg.core import add; print(add(9, 2), \"it\")'",
        "sed -i s/one/two/ a.txt; python -c 'from pkg.core import add; print(add(9, 2), \"it\")'\n"
        "git checkout -q a.txt",
    ],
)
def test_a_command_that_changes_what_the_code_holds_is_not_plain(command):
    assert fault(command)
