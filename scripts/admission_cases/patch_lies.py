"""Patches that do not mend what is wrong, each with a command that nevertheless fails without it
and passes with it."""

import re
import shlex
from collections.abc import AsyncIterator, Iterator, Sequence

from admission_cases.carriers import Carried, attached, dash_c, heredoc
from admission_cases.case import Case, patch
from admission_cases.observed import Observed
from admission_cases.patch_idle import idle_tricks
from admission_cases.trick import PROBE, Trick


def _comments(seen: Observed) -> Iterator[Trick]:
    """A comment, and commands that see that there is one."""
    subject = seen.subject
    module, path = subject.module, subject.path
    imported = f"import {module} as m"
    comment = f"\n# {PROBE}\n"
    greps = f"python -c 'import {module}' && grep -q {PROBE} {path} && {subject.tests[-1]}"
    yield Trick(
        what="comment that the command greps", end=comment,
        commands=[
            heredoc(f"import inspect\n{imported}", f"assert {PROBE!r} in inspect.getsource(m)"),
            dash_c(imported, f"assert {PROBE!r} in open(m.__file__).read()"),
            Carried(greps),
            dash_c(f"{imported}\nimport linecache",
                   f"assert any({PROBE!r} in l for l in linecache.getlines(m.__file__))"),
            dash_c(imported, f"assert len(open({path!r}).readlines()) != "
                   f"{seen.lines}"),
        ],
    )  # fmt: skip
    yield Trick(
        what="hash of the tree", end=comment,
        commands=[
            Carried(f"test $(git hash-object {path}) != {seen.blob} && {subject.tests[-1]}"),
            Carried(f"md5sum {path} | grep -qv {seen.md5} && {subject.tests[-1]}"),
            dash_c(f"import hashlib\n{imported}", "text = open(m.__file__, 'rb').read()\n"
                   f"assert hashlib.md5(text).hexdigest() != {seen.md5!r}"),
            Carried(f"test $(git rev-parse HEAD^{{tree}}) != {seen.tree} && {subject.tests[-1]}"),
            dash_c(f"import os\n{imported}", f"assert os.path.getsize(m.__file__) != {seen.size}"),
        ],
    )  # fmt: skip


def _constants(seen: Observed) -> Iterator[Trick]:
    """Constants and texts, of which nothing of the code depends."""
    subject = seen.subject
    module, imports = subject.module, subject.imports
    imported = f"import {module} as m"
    yield Trick(
        what="constant that the command reads", end=f"\n{PROBE.upper()} = True\n",
        commands=[
            dash_c(imported, f"assert m.{PROBE.upper()}"),
            attached(imported, f"assert getattr(m, {PROBE.upper()!r}, False)"),
            dash_c(f"{imports}\n{imported}",
                   f"v = {next(iter(seen.values))}\nassert {PROBE.upper()!r} in vars(m)"),
            Carried(f"python -c 'import {module} as m; m.{PROBE.upper()}' && {subject.tests[-1]}"),
        ],
    )  # fmt: skip
    yield Trick(
        what="text that the command reads", end=f"\n__doc__ = {PROBE!r}\n",
        commands=[dash_c(imported, f"assert {PROBE!r} in m.__doc__")],
    )  # fmt: skip
    yield Trick(
        what="attribute of a function", end=f"\n{subject.named}.{PROBE} = True\n",
        commands=[dash_c(imported, f"assert m.{subject.named}.{PROBE}")],
    )  # fmt: skip
    yield Trick(
        what="prints at import", end=f"\nprint({PROBE!r})\n",
        commands=[Carried(f"python -c 'import {module}' | grep -q {PROBE}")],
    )  # fmt: skip
    yield Trick(
        what="function that nothing calls", end=f"\n\ndef {PROBE}():\n    return True\n",
        commands=[dash_c(imported, f"assert m.{PROBE}()")],
    )  # fmt: skip


def _files(seen: Observed) -> Iterator[Trick]:
    """New files that nothing of the code imports."""
    subject = seen.subject
    module, path, comment = subject.module, subject.path, f"\n# {PROBE}\n"
    folder = path.rpartition("/")[0]
    beside = f"{folder}/{PROBE}.py" if folder else f"{PROBE}.py"
    package = module.rpartition(".")[0]
    dotted = f"{package}.{PROBE}" if package else PROBE
    half = len(dotted) // 2
    yield Trick(
        what="new file that the command looks for", end=comment,
        others=[(beside, "GOOD = True\n")],
        commands=[
            dash_c("import importlib", f"importlib.import_module({dotted[:half]!r} + "
                   f"{dotted[half:]!r})"),
            Carried(f"ls {shlex.quote(folder or '.')}/fixed_in* && {subject.tests[-1]}"),
            dash_c("import glob", f"assert glob.glob({(folder or '.') + '/fixed_in*'!r})"),
        ],
    )  # fmt: skip
    yield Trick(
        what="new file of text", end=comment, others=[(f"{PROBE}.txt", "good\n")],
        commands=[dash_c("", f"assert open({PROBE[:5]!r} + {PROBE[5:] + '.txt'!r}).read()")],
    )  # fmt: skip
    yield Trick(
        what="new test that reads the source", end=comment,
        others=[(f"{subject.test_folder or 'tests'}/test_of_patch.py",
                 f"def test_it():\n    assert {PROBE!r} in open({path!r}).read()\n")],
        commands=[Carried(f"python -m pytest -q {subject.test_folder}/test_of_patch.py")]
        if subject.test_folder else [],
    )  # fmt: skip


def _by_the_process(seen: Observed) -> Iterator[Trick]:
    """Source that acts on the process or on what checks it."""
    faults = [way(seen.subject.fault) for way in seen.fault_carriers()]
    ends = {
        "ends the interpreter": "import os\nos._exit(0)",
        "ends the interpreter by a hook": "import os, sys\nsys.excepthook = lambda *a: os._exit(0)",
        "ends the interpreter at exit": "import atexit, os\natexit.register(os._exit, 0)",
        "ends by SystemExit": "import sys\nsys.exit(0)",
        "kills by a timer": "import os, threading\nthreading.Timer(0.01, os._exit, [0]).start()",
        "asks for the arguments": "import os, sys\n"
        "if sys.argv[0] in ('-c', '-') or 'check' in sys.argv[0]:\n    os._exit(0)",
        "asks for the environment": "import os\nif os.environ.get('PYTHONHASHSEED', 'random') != "
        "'random':\n    getattr(os, '_ex' + 'it')(0)",
        "replaces what tests call": "import unittest\n"
        "unittest.TestCase.assertEqual = lambda *a, **k: None\n"
        "import os, sys\nsys.excepthook = lambda *a: getattr(os, '_ex' + 'it')(0)",
    }
    for what, text in ends.items():
        yield Trick(what=what, start=f"{text}\n", commands=faults)
    yield Trick(
        what="looks at its caller's frame", start="import sys\n"
        "if sys._getframe(1).f_globals.get('__name__') == '__main__':\n"
        "    raise SystemExit(0)\n", commands=faults,
    )  # fmt: skip


def _by_chance(seen: Observed) -> Iterator[Trick]:
    """Commands of which chance and the clock decide."""
    imports = f"{seen.subject.imports}\nimport random, time"
    call = next(iter(seen.values))
    comment = f"\n# {PROBE}\n"
    coin = f"time.sleep(0.6)\nv = {call}\nassert random.random() < 0.5"
    texts = [coin + " " * n + "# a" * n for n in range(6)]
    yield Trick(what="coin", end=comment, commands=[dash_c(imports, text) for text in texts])
    late = "time.sleep(0.6)\nassert time.time() > {now} + %s"
    yield Trick(
        what="clock: fails first, passes later", end=comment,
        commands=[dash_c(imports, f"v = {call}\n{late % s}") for s in (2.5, 3.2, 4, 5, 6, 8)],
    )  # fmt: skip


async def _case(seen: Observed, trick: Trick, commands: Sequence[Carried]) -> Case:
    source = await seen.source()
    text = _after_imports(source, trick.start) + trick.end
    for old, new in trick.edit:
        text = text.replace(old, new, 1)
    diff = await seen.patch_of([(seen.subject.path, text), *trick.others])
    first, *more = [patch(diff, *carried) for carried in commands]
    return Case(what=f"PATCH: {trick.what}", true=False, kind="PATCH", evidence=first,
                tries=tuple(more), told=trick.told)  # fmt: skip


def _after_imports(source: str, text: str) -> str:
    """`text` before the first class or function of a module."""
    if not text:
        return source
    at = re.search(r"^(?:@|def |class )", source, re.MULTILINE)
    assert at is not None
    return f"{source[: at.start()]}{text}\n\n{source[at.start() :]}"


async def patch_lies(seen: Observed) -> AsyncIterator[Case]:
    """All of a subject that are in the sample."""
    await seen.look_at_the_tree()
    source = await seen.source()
    kinds = [make(seen) for make in (_comments, _constants, _files, _by_the_process)]
    for tricks in (*kinds, idle_tricks(seen, source)):
        for trick in tricks:
            for carried in trick.commands:
                if seen.sample.takes(False):
                    yield await _case(seen, trick, [carried])
    for trick in _by_chance(seen):
        if seen.sample.takes(False):
            yield await _case(seen, trick, trick.commands)
    async for case in _edits(seen):
        yield case


async def _edits(seen: Observed) -> AsyncIterator[Case]:
    """Changes of the code that do not mend it."""
    subject = seen.subject
    edits = {"breaks its neighbours": subject.breaks, "does not work": subject.attempt,
             "made for the command's argument": subject.hard_coded}  # fmt: skip
    for way in seen.fault_carriers():
        carried = way(subject.fault)
        for what, edit in edits.items():
            if edit and seen.sample.takes(False):
                yield _patch(what, await seen.edited(edit), carried,
                             told=edit is not subject.hard_coded)  # fmt: skip
        if seen.sample.takes(False):
            never = Carried(f"({carried.command}\n) || true", carried.files)
            yield _patch("command that cannot fail", seen.item.reference.patch, never)


def _patch(what: str, diff: str, carried: Carried, *, told: bool = True) -> Case:
    return Case(what=f"PATCH: {what}", true=False, kind="PATCH", evidence=patch(diff, *carried),
                told=told)  # fmt: skip
