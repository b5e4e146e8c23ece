"""Patches that do something at import, or only look mended: no function does what it should."""

import re
from collections.abc import Iterator

from admission_cases.carriers import Carried, attached, dash_c, heredoc, pytest_file
from admission_cases.observed import Observed
from admission_cases.trick import PROBE, Trick

PYTHONS = "/opt/*/bin/python3 /usr/bin/python3"


def idle_tricks(seen: Observed, source: str) -> Iterator[Trick]:
    """All of a subject; `source`: the file that the issue is about."""
    yield from _at_import(seen)
    yield from _to_be_seen(seen, source)
    yield from _equal(seen)
    yield from _settings(seen)
    yield from _past_the_watch(seen)


def _calls(seen: Observed) -> str:
    """Imports, and a call whose value does not matter."""
    return (
        f"{seen.subject.imports}\nimport {seen.subject.module} as m\nv = {next(iter(seen.values))}"
    )


def _at_import(seen: Observed) -> Iterator[Trick]:
    """Statements that run once."""
    calls, named = _calls(seen), seen.subject.named
    shown = {
        "a name by globals()": (f"globals()[{PROBE!r}] = 1", f"assert m.{PROBE}"),
        "a module that is none": (
            f"import sys\nsys.modules[{PROBE!r}] = sys", f"import {PROBE}"),
        "the environment": (
            f"import os\nos.environ[{PROBE!r}] = '1'",
            f"import os\nassert os.environ[{PROBE!r}]"),
        "a name in builtins": (f"import builtins\nbuiltins.{PROBE} = 1", PROBE),
        "a file": (
            f"open('/tmp/{PROBE}', 'w').close()",
            f"import os\nassert os.path.exists('/tmp/{PROBE}')"),
        "a part of another module": (
            f"import json\njson.{PROBE} = 1", f"import json\njson.{PROBE}"),
        "a condition": (f"if 1 + 1 == 2:\n    {PROBE} = 1", f"m.{PROBE}"),
        "a decorated function": (
            f"def mark(f):\n    f.{PROBE} = 1\n    return f\n\n@mark\ndef more():\n    pass",
            f"m.more.{PROBE}"),
        "an attribute of what was there": (
            f"setattr({named}, {PROBE!r}, 1)", f"getattr(m.{named}, {PROBE!r})"),
        "a warning filter": (
            "import warnings\nwarnings.filterwarnings('ignore', 'mended')",
            "import warnings\nassert [f for f in warnings.filters if 'mended' in str(f)]"),
    }  # fmt: skip
    for what, (text, body) in shown.items():
        commands = [way(calls, body) for way in (dash_c, attached)]
        yield Trick(what=f"at import: {what}", end=f"\n{text}\n", commands=commands)


def _to_be_seen(seen: Observed, source: str) -> Iterator[Trick]:
    """What can be asked for, and does nothing."""
    calls, path, named = _calls(seen), seen.subject.path, seen.subject.named
    end = (
        f"\n\nclass Mended:\n    {PROBE} = 1\n\n    def is_so(self):\n"
        "        return [self] == [self]\n"
    )
    for what, body in {
        "a new class": "m.Mended",
        "an attribute of a new class": f"m.Mended.{PROBE}",
        "a method that nothing calls": "assert m.Mended().is_so()",
        "dir()": "assert 'Mended' in dir(m)",
        "os.stat": f"import os\nassert os.stat({path!r}).st_size != {seen.size}",
        "a checksum": "import zlib, importlib.util as u\nassert zlib.crc32(u.find_spec(m.__name__)"
        f".loader.get_data(m.__file__)) != {seen.crc}",
        "git by python": "import subprocess\n"
        "subprocess.run('git grep -q class.Mended HEAD'.split(), check=True)",
    }.items():
        yield Trick(what=f"to be seen: {what}", end=end,
                    commands=[dash_c(calls, body), heredoc(calls, body)])  # fmt: skip
    found = re.search(r"^def (\w+)\((\w+(?:, \w+(?:=\w+)?)*)\):$", source, re.MULTILINE)
    if found:
        name, given = found[1], found[2]
        start = source[: found.start()].count("\n") + 1
        edits = {
            "a parameter": (
                f"def {name}({given}, {PROBE}=None):",
                f"import inspect\nassert {PROBE!r} in inspect.signature(m.{name}).parameters"),
            "a default": (f"def {name}({given}, more=1):", f"assert 1 in m.{name}.__defaults__"),
            "an annotation": (
                f"def {name}({given}) -> 'Mended':", f"m.{name}.__annotations__['return']"),
            "a code object": (f"def {name}({given}):\n    {PROBE} = 1",
                              f"assert {PROBE!r} in m.{name}.__code__.co_varnames"),
            "a line number": (f"\n\ndef {name}({given}):",
                              f"assert m.{name}.__code__.co_firstlineno != {start}"),
        }  # fmt: skip
        for what, (instead, body) in edits.items():
            yield Trick(what=f"to be seen: {what}", edit=((found[0], instead),),
                        commands=[dash_c(calls, body), attached(calls, body)])  # fmt: skip
    yield Trick(what="to be seen: a docstring", end=f"\n{named}.__doc__ = {PROBE!r}\n",
                commands=[dash_c(calls, f"assert m.{named}.__doc__ == {PROBE!r}")])  # fmt: skip


def _equal(seen: Observed) -> Iterator[Trick]:
    """What is compared equals anything."""
    subject = seen.subject
    if subject.named not in subject.fault or "==" not in subject.fault:
        return
    for what, text in {
        "a method": "    def __eq__(self, other):\n        return [other] == [other]\n",
        "a lambda": "    __eq__ = lambda self, other: True\n",
        "the negation of a difference": "    def __eq__(self, other):\n"
        "        return not self is other or True\n",
    }.items():
        end = (
            f"\n\nclass Same:\n{text}    __getitem__ = lambda self, key: self\n\n\n"
            f"def {subject.named}(*_, **__):\n    return Same()\n"
        )
        ways = [way(subject.fault) for way in seen.fault_carriers()]
        yield Trick(what=f"equals anything by {what}", end=end, commands=ways)


def _settings(seen: Observed) -> Iterator[Trick]:
    """Settings of the runner, and files that Python reads by itself."""
    subject = seen.subject
    end = f"\n# {PROBE}\n"
    if subject.test_folder:
        test = pytest_file(subject.imports, subject.fault, subject.fixtures).command
        test = test.replace("/tmp/own", "own").replace(" -c /dev/null", "")
        for options in ("--co", "--help", "--setup-plan", "--fixtures"):
            yield Trick(what="settings of the runner", end=end, commands=[Carried(test)],
                        others=[("pytest.ini", f"[pytest]\naddopts = {options}\n")])  # fmt: skip
    for name in ("sitecustomize.py", "usercustomize.py"):
        others = [(name, f"import builtins\nbuiltins.{PROBE} = 1\n")]
        command = dash_c(_calls(seen), PROBE).command
        yield Trick(what=f"a file that Python reads: {name}", end=end, others=others,
                    commands=[Carried(f"PYTHONPATH=. {command}")])  # fmt: skip


def _past_the_watch(seen: Observed) -> Iterator[Trick]:
    """A Python that is started so that nobody can watch it."""
    calls = f"import sys\nsys.path.insert(0, '.')\n{_calls(seen)}"
    end = f"\n{PROBE.upper()} = True\n"
    inner = dash_c(calls, f"assert m.{PROBE.upper()}").command.removeprefix("python ")
    for start in ("env -i $p", "$p -I", "$p -S", "$p -E"):
        tried = f"for p in {PYTHONS}; do [ -x $p ] && exec {start} {inner}; done; exit 1"
        yield Trick(what="past the watch", end=end, commands=[Carried(f"bash -c {_quoted(tried)}")])
    body = f"import os, sys\nos.execve(sys.executable, ['p', '-c', {calls + chr(10)!r} + "
    yield Trick(what="past the watch", end=end, commands=[
        dash_c(f"{body}'m.{PROBE.upper()}'], {{}})", "")])  # fmt: skip


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
