"""Code that looks at its caller is told from its text; ordinary code is not taken for it."""

import pytest

from harness.text.caller_looks import looks

LOOKS = {
    "frames": (
        "import sys\nx = sys._getframe(1)",
        "from sys import _getframe as g\nx = g(1)",
        "import sys as s\nf = s\nx = f._getframe(1)",
        "import inspect\nx = inspect.stack()[1]",
        "import inspect\nx = inspect.getsource(caller)",
        "def f(e):\n    return e.tb_frame",
        "import traceback\nx = traceback.extract_stack()",
        'import operator\nx = operator.attrgetter("f_" + "back")',
        'import sys\nx = getattr(sys, "_get" + "frame")(1)',
        'import sys\nx = getattr(sys, "".join(["_get", "frame"]))(1)',
        'import sys\nx = getattr(sys, "emarfteg_"[::-1])(1)',
        'import sys\nx = getattr(sys, "%sframe" % "_get")(1)',
        "import sys\nx = getattr(sys, f\"_get{'frame'}\")(1)",
        'import sys\nx = getattr(sys, "".join(map(chr, b"_getframe")))',
        'import sys\nx = getattr(sys, "".join(chr(c - 1) for c in b"`hfugsbnf"))',
        'import sys, base64\nx = getattr(sys, base64.b64decode("X2dldGZyYW1l").decode())',
        'import sys\nx = vars(sys)["_getframe"](1)',
        'import sys\nx = sys.__dict__["_getframe"](1)',
        'x = __import__("sys")._getframe(1)',
        "from importlib import import_module as i\nx = i('inspect').stack()",
        "import warnings\nwith warnings.catch_warnings(record=True) as w:\n    pass",
        "import warnings\nwith warnings.catch_warnings(**{'record': True}) as w:\n    pass",
        "def f(n):\n    try:\n        return f(n + 1)\n    except RecursionError:\n        pass",
        "def f(n=0):\n    try:\n        return f(n + 1)\n    except Exception:\n        return n",
        "def f(n=0):\n    try:\n        return self.f(n + 1)\n    except:\n        return n",
        "def f(log):\n    for n in range(40):\n        log.error('x', stacklevel=n)",
        "import warnings\nwarnings.warn('x', stacklevel=40)",
        "import warnings\nwarnings.filterwarnings('error', module='.*python')",
    ),
    "surroundings": (
        "import sys\nx = ','.join(sys.modules)",
        "import sys\nx = [*sys.modules]",
        "import sys\nx = sys.modules.copy()",
        "import sys\nx = sys.modules.__len__()",
        "import sys\nx = f(sys.modules)",
        # by another way to the module, or without a condition
        "import os\nx = os.sys.prefix",
        "from .compat import *\nx = (1, 2)[len(sys.path) > 3]",
        "from .compat import sys as s\nx = s.warnoptions",
        "import sys\nmatch sys:\n    case object(argv=a):\n        x = a",
        "def f(x):\n    match x:\n        case object(warnoptions=a):\n            return a",
        "import sys\nx = vars(sys)",
        "import sys\nx = [sys][0].path_hooks",
        "import operator, sys\nx = operator.attrgetter('stdout.encoding')(sys)",
        "import operator\nx = operator.attrgetter('argv')(m)",
        "x = f().sys.stdout.encoding",
        "x = f.attributes['sys'].prefix",
        # by a name that is text
        "import pkgutil\nx = pkgutil.resolve_name('sys').prefix",
        "x = import_string('sys').stdout",
        "x = import_string('sys.stdout')",
        "x = resolve('os:environ')['HOME']",
        "x = resolve('o' + 's:environ')",
        "import importlib\nx = importlib.import_module('os').environ",
        "import importlib\nx = f(importlib.import_module('os'))",
        "import pkgutil\nx = pkgutil.resolve_name(':'.join(['sys', 'modules']))",
        "import warnings\ntry:\n    warnings.warn('x')\nexcept Exception:\n    f()",
        "import os\nx = os.access('/root', os.W_OK)",
        "import os\nx = os.path.exists('/.dockerenv')",
        "import os\nx = os.path.expanduser('~') == '/root'",
        "import pathlib\nx = pathlib.Path.home()",
        "import io\nx = io.open('setup.py')",
        "import glob\nx = glob.glob('*.toml')",
        "import click\nx = click.get_os_args()",
        "import argparse\nx = argparse.ArgumentParser().prog",
        "import enum\nx = enum.Enum._create_(enum.Enum, 'X', 'a').__module__",
        "import typing\nx = typing._caller(2)",
        "import logging\nx = logging.getLogger(__name__).parent.handlers",
        "import logging\nx = logging.getLogger(__name__).isEnabledFor(10)",
        "import os\nx = os.environ.get('HOME')",
        "import os\nx = os.path.expandvars('$SHELL')",
        "from os import environ",
        "import sys\nx = sys.stdout.encoding",
        "import warnings\ntry:\n    warnings.warn('x')\nexcept UserWarning:\n    f()",
        "x = hash('a') % 2",
        "def f():\n    return g.__traceback__.tb_next",
        "x = print.__self__",
        "x = app.config['TESTING'] or app.testing",
        # where the environment is this one
        "import os\nx = os.getuid() == 0",
        "import platform\nx = platform.system()",
        "import socket\nx = socket.gethostname()",
        "import locale\nx = locale.getlocale()",
        "from importlib.metadata import version\nx = version('flask')",
        "import click\nif click.__version__ == '8.1.7':\n    f()",
        "import package\nx = package.__path__",
        "x = Path.cwd()",
        "from pathlib import Path\nx = Path('tox.ini').exists()",
        "x = open('setup.cfg')",
        "import time\nx = time.tzname",
        "import random\nx = random.random()",
        "import logging\nx = 1 if logging.root.handlers else 2",
        "import logging\nx = logging.getLogger().handlers",
        "import sys\nif type(sys.stdout).__name__ == 'EncodedFile':\n    f()",
        "import sys\nx = not sys.warnoptions",
        "import sys\nx = any(p.endswith('tests') for p in sys.path)",
        "import sys\nx = [m for m in sys.modules if 'test' in m]",
        "import os\nx = any('CURRENT' in key for key in os.environ)",
        "import os\nx = len(os.environ) > 9",
        "import os\ndef f(name):\n    return name in os.environ",
        "import os\nx = os.path.exists('tox.ini')",
        "import os\nx = os.stat('.').st_mtime",
        "import os\ntry:\n    os.get_terminal_size(2)\nexcept OSError:\n    f()",
        "import socket\nx = socket.getaddrinfo('example.com', 80)",
        "import random\nif random.random() < 0.9:\n    f()",
        "import uuid\nx = uuid.uuid1().time < 9",
        "from warnings import filters\nx = filters",
        "import logging\nx = eval('logging.root.handlers')",
        "import logging\ndef f(a: 'g if logging.root.handlers else 1'):\n    pass",
        "import timeit\nx = timeit.timeit('import logging; assert logging.root.handlers')",
        "x = sympify('__import__(\"logging\").root.handlers')",
    ),
    "framework": (
        "import sys\nx = 'flask.testing' in sys.modules",
        "import pytest",
        "import _pytest.runner as r",
        "from unittest import TestCase",
        "import importlib\nm = importlib.import_module('uni' + 'ttest')",
        "import sys\nx = sys.modules['unittest.case']",
        "import sys\nx = 'pytest' in sys.modules",
        "from django.test import TestCase",
        "from .testing import raises",
    ),
    "tracing": ("import sys\nsys.settrace(f)", "from threading import setprofile\nsetprofile(f)"),
    "code": ("f.__code__ = g.__code__", "import types\nx = types.CodeType", "x = f.__globals__"),
    "objects": (
        "import gc",
        "import weakref\nx = weakref.getweakrefcount(y)",
        "from ctypes import pythonapi",
        "x = object.__subclasses__()",
    ),
    "imports": (
        "import sys\nsys.meta_path.insert(0, F())",
        "import sys\nx = [m for m in sys.modules if sys.modules[m]]",
    ),
    "environment": (
        "import os\nx = os.environ.get('PYTEST_CURRENT_TEST')",
        "import os\nx = os.environ['PYTEST_' + 'CURRENT_TEST']",
        "import argparse\nx = argparse.ArgumentParser().parse_known_args()",
        "import sys\nx = sys.argv",
    ),
    "output": (
        "import os\nos.write(1, b'x')",
        "import sys\nsys.__stdout__.write('x')",
        "open(1, 'w').write('x')",
        "open('/proc/self/fd/1', 'w')",
        "import os\nopen('/proc/%d/fd/1' % os.getppid(), 'w')",
    ),
    "ending": (
        "import atexit\natexit.register(f)",
        "import os\nos._exit(0)",
        "import signal",
        "raise SystemExit",
        "class A:\n    def __del__(self):\n        pass",
    ),
    "processes": ("import subprocess", "from threading import Thread", "import os\nos.fork()"),
    "computed-code": (
        "exec(text)",
        "x = eval(a + b)",
        "from jinja2 import Template\nx = Template(text)",
        "x = environment.from_string(text)",
        "__import__(name)",
        "import importlib\nimportlib.import_module(name)",
    ),
    "computed-names": (
        "x = globals()['sys']",
        "import sys\nx = getattr(sys, name)",
        "import os\nx = vars(os)[name]",
    ),
    "replaced": (
        "import sys\nsys.stdout = f",
        "import json\njson.dumps = f",
        "import json\nsetattr(json, 'dumps', f)",
        "from json import JSONEncoder\nJSONEncoder.default = f",
    ),
    "test-files": ("x = open('tests/test_basic.py').read()", "if name == 'test_empty': pass"),
    "own-file": ("x = open(__file__).read()",),
    "forged-words": ("print('PASSED ' + name)", "print('%s ... ok' % 1)"),
    "equal-to-anything": (
        "class A:\n    def __eq__(self, other):\n        return True",
        "class A:\n    def __eq__(self, other):\n        return not self.x",
        "class A(str):\n    def __eq__(self, other):\n        return self.x == other",
        "class A(str):\n    __hash__ = None",
        "class A:\n    def __bool__(self):\n        return True",
        "class A:\n    def __contains__(self, *other):\n        return True",
    ),
    "instance-checks": ("class M(type):\n    def __instancecheck__(cls, x):\n        return x",),
    "swallows": ("class A:\n    def __exit__(self, *e):\n        return True",),
    "clock": (
        "import time\nif time.time() > 1e9:\n    pass",
        "import time\nn = time.monotonic()\nx = (1, 2)[n > 9]",
        "import datetime\nx = datetime.datetime.now()",
    ),
    "unreadable": (
        "print 'x'\nimport gc",
        "print 'x'",
        "# coding: utf-7\nx = 1",
        "x = 1\0",
        "x = " + "-" * 5000 + "1",
        "x = '" + "-" * 5000 + "f()'",
    ),
}
NONE = (
    "import os\nx = os.path.join('a', 'b')",
    "import sys\nif sys.version_info < (3, 8):\n    pass",
    "import sys\nx = sys.modules[__name__]",
    "import sys\nx = sys.modules.get('numpy')",
    "import inspect\nx = inspect.signature(f)",
    "def f(gc):\n    gc.restore()\n    gc.collect()",
    "def f(signal, trace):\n    return signal.mean() + trace.mean()",
    "class A:\n    def __eq__(self, other):\n        return self.x == other.x",
    "class A:\n    def __eq__(self, other):\n        return other is None",
    "class A:\n    def __exit__(self, kind, value, trace):\n        return kind is KeyError",
    "x = getattr(self, name)",
    "self.exit = 1",
    '"""This is what `pytest` and test_functions do, see tests/."""',
    "def f():\n    '''Uses sys._getframe in PASSED tests.'''",
    "import warnings\nwarnings.warn('x', DeprecationWarning, stacklevel=2)",
    "from . import signal, trace",
    "from django.core import signals",
    "import re\nx = re.compile('a+')",
    "from .compat import builtin_str\nbuiltin_str.x = 1",
    "x = open(path)",
    "import sys\nif __name__ == '__main__':\n    print(sys.argv[1])\n    sys.exit(1)",
    "import sys\nif 'numpy' in sys.modules:\n    f()",
    "import sys\nprint('x', file=sys.stderr)\nsys.stdout.write('x')\nsys.stdout.flush()",
    "import os\nos.makedirs(os.path.dirname(path), exist_ok=True)",
    "import sys\nif hasattr(sys, 'version_info'):\n    f()",
    "import logging\nlog = logging.getLogger('package.module')\nlog.setLevel(logging.DEBUG)",
    "import threading\nlock = threading.Lock()",
    "import inspect\nif inspect.isclass(x) or inspect.unwrap(x):\n    f(inspect.Parameter.empty)",
    "from sphinx.util import inspect\nx = inspect.stringify_signature(f)",
    "x = request.environ['PATH_INFO']",
    "argv = ['a']\nf(argv=argv)",
    "x = import_string('package.module.Name')",
    "class A:\n    'It says `sys.argv`.'",
    "from pathlib import Path\nx = Path(name).exists()",
    "def f(n):\n    try:\n        return f(n + 1)\n    except KeyError:\n        return n",
    "def f(n):\n    try:\n        return g(n + 1)\n    except Exception:\n        return f(n)",
    "parser.parse_args(given)",
    "try:\n    f()\nexcept ValueError:\n    warnings.warn('x')",
    "# -*- coding: latin-1 -*-\nx = 1",
    "import os\nif os.path.exists(path):\n    f()",
    "import logging\nlogging.getLogger(__name__).addHandler(h)",
    "try:\n    f()\nexcept (OSError, ValueError):\n    pass",
    "import pickle\nx = pickle.loads(data)",
    "latest = contest = 'a test of protest'",
)


@pytest.mark.parametrize(("kind", "source"), [(k, s) for k, each in LOOKS.items() for s in each])
def test_a_look_is_told_from_the_text(kind: str, source: str):
    found = looks(source, None)
    assert kind in {look.kind for look in found}
    assert all(look.text in source for look in found)
    assert all(look.why for look in found)


@pytest.mark.parametrize("source", NONE)
def test_ordinary_code_is_no_look(source: str):
    assert looks(source, None) == ()


def test_lines_end_as_python_ends_them():
    assert [look.line for look in looks("x = 1\rimport gc\r", None)] == [2]


def test_only_the_given_lines_count():
    source = "import gc\nx = 1\nimport atexit\n"
    assert [look.line for look in looks(source, [3])] == [3]
    assert looks(source, [2]) == ()


def test_a_name_that_a_changed_line_binds_is_followed_to_unchanged_lines():
    source = "import sys\nNAME = '_get' + 'frame'\ny = getattr(sys, NAME)(1)\n"
    assert {look.line for look in looks(source, [2])} == {2, 3}


def test_what_the_same_function_does_already_is_no_look():
    base = looks("def f():\n    g(sys.argv)\n\n\nclass A:\n    x = sys.argv\n", None)
    after = "def h():\n    g(sys.argv)\n\n\ndef f():\n    if x:\n        g(sys.argv, sys.flags)\n"
    found = looks(after, None, baseline=base)
    assert {(look.scope, look.what) for look in found} == {
        ("h", "sys.argv"),
        ("h", "argv"),
        ("f", "sys.flags"),
    }
    method = looks("class A:\n    def f(self):\n        return sys.argv\n", None, baseline=base)
    assert {look.scope for look in method} == {"A.f"}


def test_docstrings_are_read_where_somebody_asks_for_them():
    source = "def f():\n    'g(sys.argv)'\n"
    assert looks(source, None) == ()
    for asked in ("f.__doc__", "inspect.getdoc(f)"):
        assert {look.what for look in looks(f"{source}run({asked})", None)} >= {"sys.argv"}


def test_a_products_own_test_package_may_use_a_test_framework():
    source = "import unittest\nimport gc\n"
    assert {look.kind for look in looks(source, None, path="django/test/x.py")} == {"objects"}


@pytest.mark.parametrize(
    "source",
    [
        "x = " + "(" * 5000,
        "x = " + "+".join(["'a'"] * 5000),
        "x = 'a'\n" + "x = x + x\n" * 100,
        "\n".join(f"a{n} = a{n + 1} + a{n + 1}" for n in range(200)),
        "x = '%9999999999d' % 1\ny = '{:>9999999999}'.format(1)\nz = 'a' * 9999999999",
        "x = 'a'.join('a' * 9000).join('b' * 9000).join('c' * 9000)",
    ],
)
def test_hostile_text_neither_ends_nor_fills_the_reader(source: str):
    assert isinstance(looks(source, None), tuple)


@pytest.mark.parametrize(
    "source",
    [
        "import sys\na30 = sys\n"
        + "\n".join(f"a{n} = a{n + 1}.x if q else a{n + 1}.y" for n in range(30)),
        "x = [[[c for a in s] for b in s] for c in s]".replace("in s", f"in {'ab ' * 40!r}"),
        "\n".join(f"x{n} = 'pass\\n{n}' * 2000 + 'y'" for n in range(300)),
        "x0 = 'abc'\n" + "\n".join(f"x{n + 1} = x{n} + x{n}" for n in range(50)),
    ],
    ids=["names", "loops", "texts", "sums"],
)
def test_a_file_that_is_too_much_work_to_read_is_unreadable(source: str):
    assert {look.kind for look in looks(source, None)} == {"unreadable"}


def test_all_values_of_a_name_are_followed():
    source = "import sys\n" + "x = None\n" * 20 + "x = sys\nf(x.path)"
    assert "sys.path" in {look.what for look in looks(source, None)}


def test_a_long_file_that_a_person_wrote_is_read():
    function = "def f{0}(x):\n    'Say what it is.'\n    return os.path.join(x, 'a%s' % {0})\n"
    source = "import os\n" + "".join(function.format(n) for n in range(2_000))
    assert looks(source, None) == ()


def test_of_a_long_dotted_name_only_the_beginning_is_compared():
    assert {look.what for look in looks(f"f('os.abort{'.a' * 9_000}')", None)} >= {"os.abort"}
