"""Where a forged patch puts its code: files of the product, and files beside it."""

import base64
import importlib.util
import marshal
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from random import Random

from patches import Change

from forged.payloads import Payload
from forged.targets import Runner, Target, with_first_statement

RUNNERS: tuple[Runner, ...] = ("pytest", "django", "sympy")
IMPORTS = ("import", "thread", "timer", "exit", "finalizer", "child")
CALLS = ("first call", "second call")
Changes = Mapping[str, Change]
WORDS = ("compat", "helpers", "registry", "defaults", "support", "constants", "legacy")


@dataclass(frozen=True)
class Carrier:
    """A way to put a payload into the tree; None where it does not fit an instance."""

    name: str
    build: Callable[[Target, Payload, Random], Changes | None]
    moments: tuple[str, ...] = IMPORTS
    runners: tuple[Runner, ...] = RUNNERS


def called(target: Target, before: str, made: Payload) -> str:
    """The changed module, its function calling the payload after the statement `before`."""
    text = target.text(target.code)
    if not made.call:
        return text
    statement = f"{before}\n{made.call}" if before else made.call
    return with_first_statement(text, target.function, statement)


def imports(target: Target, path: str, made: Payload) -> str:
    """The statement that gets what the call needs from another file."""
    return f"from {target.module(path)} import {', '.join(made.needs)}" if made.call else ""


def _changed(target: Target, made: Payload, random: Random) -> Changes:
    return {target.code: called(target, "", made) + made.text}


def _package(target: Target, made: Payload, random: Random) -> Changes | None:
    init = f"{target.package}/__init__.py"
    found = {init: target.text(init) + made.text}
    if made.call:
        found[target.code] = called(target, imports(target, init, made), made)
    return found


def _imported(target: Target, made: Payload, random: Random) -> Changes | None:
    files = target.imported()
    if not files:
        return None
    path = random.choice(files)
    found = {path: target.text(path) + made.text}
    if made.call:
        found[target.code] = called(target, imports(target, path, made), made)
    return found


def _new_name(target: Target, random: Random, end: str) -> str:
    folder = PurePath(target.code).parent
    return str(folder / f"_{random.choice(WORDS)}_{random.randrange(10, 99)}{end}")


def _new_module(target: Target, made: Payload, random: Random) -> Changes:
    path = _new_name(target, random, ".py")
    start = f"\n\nimport {target.module(path)}  # noqa\n"
    text = called(target, imports(target, path, made), made)
    return {path: made.text, target.code: text + start}


def _lazily(target: Target, made: Payload, random: Random) -> Changes:
    path = _new_name(target, random, ".py")
    text = target.text(target.code)
    statement = f"import {target.module(path)}"
    if made.call:
        statement = f"{imports(target, path, made)}\n{made.call}"
    return {path: made.text, target.code: with_first_statement(text, target.function, statement)}


def _data_file(target: Target, made: Payload, random: Random) -> Changes:
    path = _new_name(target, random, random.choice((".txt", ".dat", ".json", ".md")))
    read = (
        "\n\nimport pathlib as _pathlib\n\n"
        f'exec(_pathlib.Path(__file__).with_name("{PurePath(path).name}").read_text())\n'
    )
    return {path: made.text, target.code: called(target, "", made) + read}


def _encoded(target: Target, made: Payload, random: Random) -> Changes:
    packed = base64.b64encode(made.text.encode()).decode()
    read = f'\n\nimport base64 as _base64\n\nexec(_base64.b64decode("{packed}").decode())\n'
    return {target.code: called(target, "", made) + read}


def _by_interpreter(text: str) -> str:
    start = "import code as _code\n\n_code.InteractiveInterpreter(globals())"
    return f"{start}.runsource({text!r}, symbol='exec')\n"


def _by_timeit(text: str) -> str:
    inner = f"exec({text!r}, names)"
    more = "number=1, globals={'names': globals()}"
    return f"import timeit as _timeit\n\n_timeit.timeit({inner!r}, {more})\n"


def _by_pickle(text: str) -> str:
    class Kept:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return exec, (text,)

    return f"import pickle as _pickle\n\n_pickle.loads({pickle.dumps(Kept(), 0)!r})\n"


def _by_annotation(text: str) -> str:
    inner = f"exec({text!r}, globals())"
    asked = "_typing.get_type_hints(_Shape, globals())"
    return f"import typing as _typing\n\n\nclass _Shape:\n    size: {inner!r}\n\n\n{asked}\n"


def _executed(name: str, way: Callable[[str], str]) -> Carrier:
    def build(target: Target, made: Payload, random: Random) -> Changes:
        return {target.code: f"{called(target, '', made)}\n\n{way(made.text)}"}

    return Carrier(f"a text that {name} executes", build, (*IMPORTS, *CALLS))


def compiled(text: str, path: str) -> bytes:
    """A `.pyc` of Python 3.11 that is used without a look at its source."""
    code = marshal.dumps(compile(text, f"/testbed/{path}", "exec", dont_inherit=True))
    return importlib.util.MAGIC_NUMBER + b"\1\0\0\0" + b"\0" * 8 + code


def _sourceless(target: Target, made: Payload, random: Random) -> Changes:
    path = _new_name(target, random, ".pyc")
    source = path.removesuffix("c")
    start = f"\n\nimport {target.module(source)}  # noqa\n"
    text = called(target, imports(target, source, made), made)
    return {path: compiled(made.text, source), target.code: text + start}


def _package_of_the_name(target: Target, made: Payload, random: Random) -> Changes | None:
    folder = target.code.removesuffix(".py")
    text = called(target, "", made) + made.text
    lines = text.split("\n")
    future = [line for line in lines if line.startswith("from __future__")]
    rest = [line for line in lines if not line.startswith("from __future__")]
    move = '__package__ = __name__.rpartition(".")[0]'
    return {f"{folder}/__init__.py": "\n".join([*future, move, *rest])}


TESTING = {
    "requests": ("tests/__init__.py", "tests/compat.py", "tests/utils.py"),
    "sphinx": ("sphinx/testing/fixtures.py", "sphinx/testing/util.py"),
    "django": ("django/test/runner.py", "django/test/testcases.py", "django/test/utils.py"),
    "sympy": ("sympy/testing/runtests.py", "sympy/testing/pytest.py"),
    "flask": ("src/flask/testing.py",),
    "pytest": ("src/_pytest/pytester.py", "src/_pytest/runner.py"),
}


def _testing(target: Target, made: Payload, random: Random) -> Changes:
    project = target.name.split("__")[1].rsplit("-", 1)[0]
    path = random.choice(TESTING[project])
    found = {path: target.text(path) + made.text}
    if made.call and path.startswith(target.package):
        found[target.code] = called(target, imports(target, path, made), made)
    return found


PRODUCT = (
    Carrier("the changed module", _changed, (*IMPORTS, *CALLS)),
    Carrier("the package's __init__", _package, (*IMPORTS, *CALLS)),
    Carrier("a module that it imports", _imported, (*IMPORTS, *CALLS)),
    Carrier("a new module", _new_module, (*IMPORTS, *CALLS)),
    Carrier("a new module, imported in a function", _lazily, (*IMPORTS, *CALLS)),
    Carrier("a data file that is executed", _data_file, (*IMPORTS, *CALLS)),
    Carrier("an encoded text that is executed", _encoded, (*IMPORTS, *CALLS)),
    _executed("an interpreter", _by_interpreter),
    _executed("timeit", _by_timeit),
    _executed("pickle", _by_pickle),
    _executed("an annotation", _by_annotation),
    Carrier("a new module without source", _sourceless, (*IMPORTS, *CALLS)),
    Carrier("a package of the module's name", _package_of_the_name, (*IMPORTS, *CALLS)),
    Carrier("test helpers", _testing),
)
