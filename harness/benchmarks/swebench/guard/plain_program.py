"""A program that calls test functions without a test runner, each in a process of its own.

`text_of` gives what stands below the line, with what to call: it runs in an instance's own Python,
3.6 at least. Its file has a drawn name, and is gone before the first module is imported.
"""

import re
from collections.abc import Sequence
from pathlib import Path

LINE = "# ---\n"
Call = tuple[str, str, str]  # module, class (or an empty string), function


def text_of(folders: Sequence[str], calls: Sequence[Call], files: Sequence[str], first: str) -> str:
    """The program: import from `folders`, run the statement `first`, then make the `calls`.

    The `files` that hold the modules are gone before the first call.
    """
    code = Path(__file__).read_text(encoding="utf-8").rpartition(f"\n{LINE}")[2]
    code = re.sub("  # noqa: .*", "", code)
    return f"{code}\n\nbegin({[*folders]!a})\n{first}\ncall_all({[*calls]!a}, {[*files]!a})\n"


# ---
import itertools  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from typing import Any  # noqa: E402


def cases(function: Any) -> Any:
    """The arguments of each case of a function, by name, as pytest's marks have them.

    None for the others: fixtures that it does nothing with.
    """
    code = function.__code__
    others = dict.fromkeys(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    if hasattr(function, "__self__"):
        del others[code.co_varnames[0]]
    sets = [[others]]
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "parametrize":
            names = mark.args[0]
            written = names == str(names)
            names = [name.strip() for name in names.split(",")] if written else names
            rows = []
            for row in mark.args[1]:
                values = getattr(row, "values", row)
                values = row if callable(values) else values
                whole = written and len(names) == 1 and values is row
                rows.append(dict(zip(names, [values] if whole else values)))  # noqa: B905
            sets.append(rows)
    return [
        {name: row[name] for row in drawn for name in row} for drawn in itertools.product(*sets)
    ]


def call(module: Any, owner: str, name: str) -> None:
    """Call one function in all of its cases, or as a method of a new object."""
    of = module
    for part in owner.split(".") if owner else ():
        of = getattr(of, part)
    if hasattr(of, "debug"):  # of unittest: set up, the method, torn down
        getattr(module, "setUpModule", int)()
        of.setUpClass()
        of(name).debug()
        return
    for arguments in cases(getattr(of() if owner else module, name)):
        this = of() if owner else module
        found = getattr(this, name)(**arguments)
        if hasattr(found, "send"):  # a coroutine
            import asyncio

            asyncio.get_event_loop_policy().new_event_loop().run_until_complete(found)


def begin(folders: Any) -> None:
    """Import from `folders`, and from nothing where the repository is else."""
    os.remove(sys.argv[0])  # noqa: PTH107
    others = [path for path in sys.path[1:] if (path + "/").find("/testbed/") != 0]
    sys.path[:] = folders + others


def call_all(calls: Any, files: Any) -> None:
    """Make the calls one after the other; none knows of the others."""
    modules = {name: __import__(name, fromlist=["x"]) for name, _, _ in calls}
    for file in files:
        os.remove(file)  # noqa: PTH107
    for name, owner, function in calls:
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            continue
        try:
            call(modules[name], owner, function)
        finally:
            os._exit(0)
