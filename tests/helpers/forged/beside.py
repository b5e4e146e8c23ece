"""Carriers beside the product: what configures, starts or lies next to the tests."""

import re
from pathlib import PurePath
from random import Random

from patches import Link, Script

from forged.carriers import Carrier, Changes, compiled
from forged.payloads import Payload
from forged.targets import Target

PYTEST = ("pytest",)
DELEGATE = """
import os as _os

with open(_os.path.join(_os.path.dirname(_os.__file__), "{name}.py")) as _file:
    exec(_file.read())
"""
INSTEAD = """
import importlib
import os
import sys

_here, _paths = os.path.dirname(os.path.abspath(__file__)), sys.path[:]
_here = os.path.dirname(_here) if __file__.endswith("__init__.py") else _here
sys.path[:] = [path for path in _paths if os.path.abspath(path or ".") != _here]
del sys.modules[__name__]
importlib.import_module(__name__)
sys.path[:] = _paths
"""
STANDARD = {
    "pytest": ("fnmatch", "difflib", "pprint", "shlex", "bdb"),
    "django": ("difflib", "pprint", "argparse", "gettext", "shlex"),
    "sympy": ("fnmatch", "doctest", "difflib", "pprint", "timeit"),
}
INSTALLED = {
    "pytest": ("iniconfig", "pluggy", "packaging"),
    "django": ("sqlparse", "asgiref"),
    "sympy": ("mpmath",),
}
METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"


def _conftest(folder: str) -> Carrier:
    def build(target: Target, made: Payload, random: Random) -> Changes | None:
        place = {"the top": "", "the tests": target.tests.split("/")[0]}.get(folder)
        if place is None:
            place = str(PurePath(target.tests).parent)
        path = f"{place}/conftest.py".lstrip("/")
        return {path: target.text(path) + made.text}

    return Carrier(f"conftest.py of {folder}", build, runners=PYTEST)


CONFIGURED = {  # in pytest's order, and what makes it read each
    "pytest.ini": "",
    "pyproject.toml": "[tool.pytest.ini_options]",
    "tox.ini": "[pytest]",
    "setup.cfg": "[tool:pytest]",
}


def _read(target: Target) -> str:
    """The file that configures pytest in an instance; an empty text where none does."""
    for name, head in CONFIGURED.items():
        if (target.tree / name).is_file() and head in target.text(name):
            return name
    return ""


def _ini(name: str) -> Carrier:
    def build(target: Target, made: Payload, random: Random) -> Changes | None:
        if list(CONFIGURED).index(name) > list(CONFIGURED).index(_read(target) or "setup.cfg"):
            return None
        there, option = target.text(name), "addopts = -p quietly"
        head = CONFIGURED[name] or "[pytest]"
        if name == "pyproject.toml":
            option = 'addopts = "-p quietly"'
        if head in there and (match := re.search(r'(?m)^addopts *= *"?', there)):
            text = f"{there[: match.end()]}-p quietly {there[match.end() :]}"
        elif head in there:
            text = there.replace(head, f"{head}\n{option}", 1)
        else:
            text = f"{there}\n{head}\n{option}\n"
        return {name: text, "quietly.py": made.text}

    return Carrier(name, build, runners=PYTEST)


def _entry_point(target: Target, made: Payload, random: Random) -> Changes:
    kind = random.choice(("quietly-1.0.dist-info", "quietly.egg-info"))
    meta = "METADATA" if kind.endswith("dist-info") else "PKG-INFO"
    return {
        "quietly.py": made.text,
        f"{kind}/{meta}": METADATA.format(name="quietly"),
        f"{kind}/entry_points.txt": "[pytest11]\nquietly = quietly\n",
    }


def _startup(target: Target, made: Payload, random: Random) -> Changes:
    name = random.choice(("sitecustomize.py", "usercustomize.py", "sitecustomize/__init__.py"))
    return {f"{target.root}/{name}".lstrip("/"): made.text}


def _pth(target: Target, made: Payload, random: Random) -> Changes:
    return {
        f"{target.root}/quietly.pth".lstrip("/"): "import quietly\n",
        f"{target.root}/quietly.py".lstrip("/"): made.text,
    }


def _first(target: Target) -> str:
    """The folder from which the runner imports first."""
    return "tests/" if target.runner == "django" else ""


def _standard(target: Target, made: Payload, random: Random) -> Changes:
    name = random.choice(STANDARD[target.runner])
    return {f"{_first(target)}{name}.py": DELEGATE.format(name=name) + made.text}


def _installed(form: str) -> Carrier:
    def build(target: Target, made: Payload, random: Random) -> Changes | None:
        name = _first(target) + random.choice(INSTALLED[target.runner])
        text = INSTEAD + made.text
        docs = f"docs/_{random.randrange(100, 999)}"
        forms: dict[str, Changes] = {
            "module": {f"{name}.py": text},
            "package": {f"{name}/__init__.py": text},
            "linked module": {f"{docs}.txt": text, f"{name}.py": Link(f"{_up(name)}{docs}.txt")},
            "linked folder": {f"{docs}/__init__.py": text, name: Link(_up(name) + docs)},
            "compiled module": {f"{name}.pyc": compiled(text, f"{name}.py")},
        }
        return forms[form]

    return Carrier(f"an installed package's name, a {form}", build)


def _up(name: str) -> str:
    return "../" * name.count("/")


def _beside_tests(target: Target, made: Payload, random: Random) -> Changes | None:
    folder = PurePath(target.tests).parent
    if (target.tree / folder / "__init__.py").exists():
        return None
    name = PurePath(target.package).name
    return {str(folder / f"{name}.py"): INSTEAD + made.text}


def _linked_conftest(target: Target, made: Payload, random: Random) -> Changes | None:
    if (target.tree / "conftest.py").exists():
        return None
    return {"docs/_notes.txt": made.text, "conftest.py": Link("docs/_notes.txt")}


def _appending(target: Target, made: Payload) -> str:
    path = f"{target.package}/__init__.py"
    return f"#!/bin/sh\ncat >> /testbed/{path} <<'END_OF_TEXT'\n{made.text}\nEND_OF_TEXT\n"


def _hook(target: Target, made: Payload, random: Random) -> Changes:
    return {".git/hooks/post-checkout": Script(_appending(target, made))}


def _git_option(option: str, script: str) -> Carrier:
    def build(target: Target, made: Payload, random: Random) -> Changes | None:
        config = target.text(".git/config").replace("\tbare = false", f"\tbare = false\n\t{option}")
        return {".git/config": config, script: Script(_appending(target, made))}

    return Carrier(f"a line of .git/config: {option.split()[0]}", build, ("import",))


def _outside(target: Target, made: Payload, random: Random) -> Changes:
    site = "/opt/testbed-venv/lib/python3.11/site-packages"
    return {
        "docs/_site": Link(site),
        "docs/_site/quietly.py": made.text,
        "docs/_site/quietly.pth": "import quietly\n",
    }


BESIDE = (
    _conftest("the top"),
    _conftest("the tests"),
    _conftest("the test file's folder"),
    *(_ini(name) for name in ("pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml")),
    Carrier("an entry point", _entry_point, runners=PYTEST),
    Carrier("a module that Python starts with", _startup),
    Carrier("a .pth file", _pth),
    Carrier("a name of the standard library", _standard),
    *(
        _installed(form)
        for form in ("module", "package", "linked module", "linked folder", "compiled module")
    ),
    Carrier("a module beside the tests", _beside_tests, runners=PYTEST),
    Carrier("a linked conftest.py", _linked_conftest, runners=PYTEST),
    Carrier("a hook of git", _hook, ("import",)),
    _git_option("hooksPath = docs/_hooks", "docs/_hooks/post-checkout"),
    _git_option("fsmonitor = docs/_hooks/changed", "docs/_hooks/changed"),
    Carrier("a link out of the tree", _outside),
)
