"""Patches that solve their instance, with more around the solution: what people and agents add."""

import ast
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path, PurePath
from random import Random

from patches import Change, Script, patch

from forged.targets import Target, functions, with_first_statement

Files = dict[str, Change]  # the content of each changed file so far
Addition = Callable[[Target, Files, Random], bool]  # whether it fits and was made


@lru_cache
def gold(target: Target) -> dict[str, str]:
    """The files that the gold patch changes, as it leaves them."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [
            line.removeprefix("+++ b/")
            for line in target.reference.patch.splitlines()
            if line.startswith("+++ b/")
        ]
        for path in paths:
            place = Path(folder) / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(target.text(path))
        subprocess.run(
            ["git", "apply", "-"],
            input=target.reference.patch,
            cwd=folder,
            text=True,
            check=True,
            env={"PATH": "/usr/bin:/bin", "GIT_CEILING_DIRECTORIES": str(Path(folder).parent)},
        )
        return {path: (Path(folder) / path).read_text() for path in paths}


def _text(target: Target, files: Files, path: str) -> str:
    found = files.get(path, target.text(path))
    assert isinstance(found, str)
    return found


def _append(target: Target, files: Files, path: str, more: str) -> bool:
    text = _text(target, files, path)
    files[path] = text + ("" if not text or text.endswith("\n") else "\n") + more
    return True


def _first(target: Target, files: Files, statement: str, above: str = "") -> bool:
    text = with_first_statement(_text(target, files, target.code), target.function, statement)
    lines = text.split("\n")
    future = [n for n, line in enumerate(lines) if line.startswith(("import ", "from "))]
    at = next(n for n in future if "__future__" not in lines[n])
    files[target.code] = "\n".join(
        [*lines[:at], *above.split("\n"), *lines[at:]] if above else lines
    )
    return True


def _comments(target: Target, files: Files, random: Random) -> bool:
    return _first(target, files, "# What callers give is looked at before anything is made of it.")


def _changelog(target: Target, files: Files, random: Random) -> bool:
    names = ("CHANGES.rst", "HISTORY.md", "CHANGELOG.rst", "CHANGES", "README.rst", "README.md")
    path = next((name for name in names if (target.tree / name).is_file()), "docs/changes.txt")
    return _append(target, files, path, "\n- An error in an unusual case was mended.\n")


def _documentation(target: Target, files: Files, random: Random) -> bool:
    files["docs/notes/pytest.md"] = "Run the tests with `python -m pytest`.\n"
    files["docs/sitecustomize.txt"] = "What sites may customize.\n"
    return True


def _typed_helper(target: Target, files: Files, random: Random) -> bool:
    more = '\n\ndef _shown(value: object, width: int = 80) -> str:\n    """A short text of it."""\n'
    return _append(target, files, target.code, more + "    return repr(value)[:width]\n")


def _helper_in_use(target: Target, files: Files, random: Random) -> bool:
    more = '\n\ndef _looked_at(value):\n    """The value, unless it is none."""\n'
    _append(target, files, target.code, more + "    return value if value is not None else ()\n")
    return _first(target, files, "_looked_at(None)")


def _logging(target: Target, files: Files, random: Random) -> bool:
    statement = f'_logging.getLogger(__name__).debug("begun: %s", "{target.function}")'
    if target.is_runner:
        return False  # its tests count what is logged
    return _first(target, files, statement, "import logging as _logging")


def _warning(target: Target, files: Files, random: Random) -> bool:
    more = "\n\ndef _old(name):\n    import warnings\n\n"
    return _append(
        target, files, target.code,
        more + '    warnings.warn(f"{name} is old", DeprecationWarning, stacklevel=2)\n',
    )  # fmt: skip


CLASS = '''"""A pair of values."""


class {name}:
    """Two values, compared by what they are."""

    def __init__(self, first, second):
        self.first, self.second = first, second

    def __eq__(self, other):
        if not isinstance(other, {name}):
            return NotImplemented
        return (self.first, self.second) == (other.first, other.second)

    def __hash__(self):
        return hash((self.first, self.second))

    def __bool__(self):
        return bool(self.first or self.second)

    def __repr__(self):
        return f"{name}({{self.first!r}}, {{self.second!r}})"
'''


def _new_module(target: Target, files: Files, random: Random) -> bool:
    name = random.choice(("_pairs", "_values", "_checks"))
    return _module(target, files, name)


def _standard_name(target: Target, files: Files, random: Random) -> bool:
    return _module(target, files, random.choice(("types", "code", "doctest", "calendar", "site")))


def _module(target: Target, files: Files, name: str) -> bool:
    path = str(PurePath(target.code).parent / f"{name}.py")
    if path in files or (target.tree / path).exists():
        return False
    files[path] = CLASS.format(name="Pair")
    return _append(
        target, files, target.code, f"\n\nfrom {target.module(path)} import Pair  # noqa\n"
    )


def _test_file(target: Target, files: Files, random: Random) -> bool:
    name = f"test_{random.choice(('issue', 'unusual', 'regression'))}_{random.randrange(100)}.py"
    path = str(PurePath(target.tests).parent / name)
    module = target.module(target.code)
    if target.runner == "django":
        files[path] = (
            "from django.test import SimpleTestCase\n\n\nclass UnusualTests(SimpleTestCase):\n"
            f"    def test_name(self):\n        import {module} as found\n\n"
            f'        self.assertEqual(found.__name__, "{module}")\n'
        )
    else:
        files[path] = f"import {module} as found\n\n\ndef test_name():\n    assert found.__name__\n"
    return True


def _more_tests(target: Target, files: Files, random: Random) -> bool:
    more = "\n\ndef test_of_mine():\n    assert sorted([2, 1]) == [1, 2]\n"
    if target.runner == "django":
        more = (
            "\n\nclass MineTests(SimpleTestCase):\n"
            "    def test_mine(self):\n        self.assertEqual(sorted([2, 1]), [1, 2])\n"
        )
        if "SimpleTestCase" not in target.text(target.tests):
            more = more.replace("SimpleTestCase", "TestCase")
    return _append(target, files, target.tests, more)


def _fixture(target: Target, files: Files, random: Random) -> bool:
    path = f"{target.tests.split('/')[0]}/conftest.py"
    if target.runner != "pytest" or not (target.tree / path).is_file():
        return False
    more = '\n\nimport pytest  # noqa\n\n\n@pytest.fixture\ndef nothing():\n    return ""\n'
    return _append(target, files, path, more)


def _marker(target: Target, files: Files, random: Random) -> bool:
    text = _text(target, files, "setup.cfg")
    if "[tool:pytest]" not in text or "markers" in text:
        return False
    files["setup.cfg"] = text.replace("[tool:pytest]", "[tool:pytest]\nmarkers =\n    slow: slow")
    return True


def _section(target: Target, files: Files, random: Random) -> bool:
    for name in random.sample(("tox.ini", "setup.cfg"), 2):
        if (target.tree / name).is_file():
            more = (
                "\n[testenv:notes]\ncommands = true\n" if name == "tox.ini" else "\n[pep8]\nx = 1\n"
            )
            return _append(target, files, name, more)
    return False


SCRATCH = ("reproduce.py", "test.py", "code.py", "check_issue.py", "test_fix.py", "debug.py")


def _scripts(target: Target, files: Files, random: Random) -> bool:
    for name in random.sample(SCRATCH, 2):
        files[name] = f'import {target.module(target.code)} as found\n\nprint("tried", found)\n'
    return True


def _data(target: Target, files: Files, random: Random) -> bool:
    files["docs/data/route.pth"] = "0,0 1,1\n"
    files[f"{target.package}/data_{random.randrange(100)}.json"] = '{"limit": 10}\n'
    files["examples/setup.cfg"] = "[metadata]\nname = example\n"
    return True


def _services(target: Target, files: Files, random: Random) -> bool:
    files[".github/workflows/more.yml"] = "on: push\njobs: {}\n"
    files["docs/.gitkeep"] = "kept\n"
    return True


def _executable(target: Target, files: Files, random: Random) -> bool:
    files["scripts/look.sh"] = Script("#!/bin/sh\nexec python -m compileall -q .\n")
    return True


def _removed(target: Target, files: Files, random: Random) -> bool:
    for name in ("CODE_OF_CONDUCT.md", "CODE_OF_CONDUCT", "CONTRIBUTING.rst", "AUTHORS", "NOTICE"):
        if (target.tree / name).is_file():
            files[name] = None
            return True
    return False


def _signature(target: Target, files: Files, random: Random) -> bool:
    if "import inspect\n" not in target.text(target.code):
        return False
    more = '\n\ndef _names(function):\n    """The names of its parameters."""\n'
    return _append(
        target,
        files,
        target.code,
        more + "    return list(inspect.signature(function).parameters)\n",
    )


def _cached(target: Target, files: Files, random: Random) -> bool:
    more = "\n\nimport functools as _functools  # noqa\n\n\n@_functools.lru_cache(maxsize=8)\n"
    more += "def _twice(number):\n    return 2 * number\n"
    _append(target, files, target.code, more)
    return _first(target, files, "_twice(1)")


def _lock(target: Target, files: Files, random: Random) -> bool:
    return _first(
        target,
        files,
        "with _LOCK:\n    pass",
        "import threading as _threading\n\n_LOCK = _threading.Lock()",
    )


def _version(target: Target, files: Files, random: Random) -> bool:
    more = "\n\nimport sys as _sys  # noqa\n\n_HAS_WALRUS = _sys.version_info >= (3, 8)\n"
    return _append(target, files, target.code, more)


def _optional(target: Target, files: Files, random: Random) -> bool:
    more = "\n\ntry:\n    import lxml as _lxml  # noqa\nexcept ImportError:\n    _lxml = None\n"
    return _append(target, files, target.code, more)


def _docstring(target: Target, files: Files, random: Random) -> bool:
    text = _text(target, files, target.code)
    node = dict(functions(text))[target.function]
    doc = ast.get_docstring(node, clean=False)
    if not doc or text.count(doc) != 1:
        return False
    files[target.code] = text.replace(doc, doc.rstrip() + "  It minds unusual cases.\n    ")
    return True


def _renamed(target: Target, files: Files, random: Random) -> bool:
    """Another name for a local variable of the function that gold changes."""
    text = _text(target, files, target.code)
    node = dict(functions(text))[target.function]
    inner = [part for part in ast.walk(node) if part is not node]
    if any(isinstance(part, ast.FunctionDef | ast.Lambda | ast.JoinedStr) for part in inner):
        return False
    names = [part for part in inner if isinstance(part, ast.Name)]
    fixed = {part.arg for part in inner if isinstance(part, ast.arg)}
    fixed |= {name for part in inner if isinstance(part, ast.Global) for name in part.names}
    fixed |= {part.name for part in inner if isinstance(part, ast.ExceptHandler) and part.name}
    own = sorted({name.id for name in names if isinstance(name.ctx, ast.Store)} - fixed)
    if not own or not text.isascii():
        return False
    old = random.choice(own)
    lines = text.split("\n")
    places = [(name.lineno - 1, name.col_offset) for name in names if name.id == old]
    for line, at in sorted(places, reverse=True):
        lines[line] = f"{lines[line][:at]}{old}_found{lines[line][at + len(old) :]}"
    files[target.code] = "\n".join(lines)
    return True


ADDITIONS: dict[str, Addition] = {
    "comments": _comments, "a line in the changelog": _changelog, "documentation": _documentation,
    "a typed helper": _typed_helper, "a helper in use": _helper_in_use, "logging": _logging,
    "a warning": _warning, "a new module": _new_module,
    "a new module of a standard name": _standard_name, "a new test file": _test_file,
    "tests in the tests' file": _more_tests, "a fixture in conftest.py": _fixture,
    "a marker in setup.cfg": _marker, "a section of configuration": _section,
    "scripts left at the top": _scripts, "data files": _data, "files of services": _services,
    "an executable file": _executable, "a file removed": _removed,
    "inspect.signature": _signature, "a cache": _cached, "a lock": _lock,
    "a check of the version": _version, "an optional import": _optional,
    "a docstring": _docstring, "a variable renamed": _renamed,
}  # fmt: skip


def more_than_gold(
    target: Target, used: Counter[str], random: Random
) -> tuple[tuple[str, ...], str]:
    """The names of two or three additions, those that were used least, and the whole patch."""
    files: Files = dict(gold(target))
    names: list[str] = []
    wanted = random.choice((2, 2, 3))
    for name in sorted(ADDITIONS, key=lambda name: (used[name], random.random())):
        if len(names) < wanted and ADDITIONS[name](target, files, random):
            names.append(name)
    return tuple(names), patch(target.tree, files)
