"""The test functions of a file, and those of them that the names of an instance's tests mean."""

import ast
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Function = ast.FunctionDef | ast.AsyncFunctionDef

DJANGO = re.compile(r"(\w+) \(([\w.]+)\)")
EXPECTED_TO_FAIL = ("xfail", "expectedfailure")
NESTED = ("body", "orelse", "finalbody", "handlers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A function of a module or of its classes."""

    name: str  # function or Class.function
    node: Function
    block: Sequence[ast.stmt]  # the statements that it stands among
    may_fail: bool  # it, or a class of it, is marked to fail whatever the circumstances

    @property
    def plain(self) -> str:
        """Its name without its class."""
        return self.node.name


def parsed(text: str) -> ast.Module | None:
    """The syntax tree of Python text; None for what is no Python. A byte order mark is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a file's own escapes and literals
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None


def places(tree: ast.Module) -> tuple[Place, ...]:
    """Every function that is no part of another one, also under `if`, `try` and `with`."""
    return tuple(_places(tree.body, "", may_fail=False))


def _places(block: Sequence[ast.stmt], within: str, *, may_fail: bool) -> Iterable[Place]:
    for node in block:
        if isinstance(node, Function):
            mine = may_fail or _marked(node)
            yield Place(name=within + node.name, node=node, block=block, may_fail=mine)
        elif isinstance(node, ast.ClassDef):
            mine = may_fail or _marked(node)
            yield from _places(node.body, f"{within}{node.name}.", may_fail=mine)
        else:
            for inner in (getattr(node, name, []) for name in NESTED):
                blocks = [each.body for each in inner if isinstance(each, ast.ExceptHandler)]
                for each in blocks or [inner]:
                    yield from _places(each, within, may_fail=may_fail)


def _marked(node: Function | ast.ClassDef) -> bool:
    """Whether a decorator says that it fails; pytest's may have a condition, which says nothing."""
    for mark in node.decorator_list:
        if isinstance(mark, ast.Call) and (mark.args or "condition" in _words(mark)):
            continue
        if any(word in ast.unparse(mark).lower() for word in EXPECTED_TO_FAIL):
            return True
    return False


def _words(call: ast.Call) -> set[str | None]:
    return {word.arg for word in call.keywords}


def function_of(name: str, log_parser: str) -> tuple[str, str]:
    """The file (or an empty string) and the function of a test name, as the parser writes it."""
    if log_parser == "parse_log_sympy":
        return "", name
    if log_parser == "parse_log_django":
        match = DJANGO.fullmatch(name)
        if match is None:
            return "", ""
        function, dotted = match[1], match[2].split(".")
        owner = dotted[-2] if dotted[-1] == function and len(dotted) > 1 else dotted[-1]
        return "", f"{owner}.{function}"
    file, *parts = name.split("[")[0].split("::")
    return file, ".".join(parts)


def meant(
    wanted: Iterable[str], *, path: str, tree: ast.Module, log_parser: str
) -> dict[str, tuple[Place, ...]]:
    """The functions of the file `path` that each of the tests `wanted` means.

    A test has more than one where its function is defined in branches, or where Django calls
    several by one docstring. One that is inherited from a class of the file is found in that class.
    Tests that mean none are left out.
    """
    there: dict[str, list[Place]] = {}
    said: dict[str, list[Place]] = {}
    for place in places(tree):
        there.setdefault(place.name, []).append(place)
        words = (ast.get_docstring(place.node, clean=False) or "").strip().split("\n")[0].strip()
        if words:
            said.setdefault(words, []).append(place)
    parents = _parents(tree.body, "")
    found = {}
    for test in wanted:
        file, function = function_of(test, log_parser)
        if file not in ("", path) or not _module_fits(test, path, log_parser):
            continue
        if function:
            mine = _inherited(function, there, parents)
        else:
            mine = said.get(test, []) if log_parser == "parse_log_django" else []
        if mine:
            found[test] = tuple(mine)
    return found


def _module_fits(test: str, path: str, log_parser: str) -> bool:
    """Whether the module in the name of one of Django's tests can be the file `path`."""
    match = DJANGO.fullmatch(test) if log_parser == "parse_log_django" else None
    module = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    if match is None:
        return True
    dotted = match[2].split(".")
    return any(f".{module}".endswith("." + ".".join(dotted[:n])) for n in range(1, len(dotted)))


def _parents(block: Sequence[ast.stmt], within: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for node in block:
        if isinstance(node, ast.ClassDef):
            name = within + node.name
            found[name] = [base.id for base in node.bases if isinstance(base, ast.Name)]
            found |= _parents(node.body, f"{name}.")
    return found


def _inherited(
    function: str,
    there: Mapping[str, list[Place]],
    parents: Mapping[str, list[str]],
    seen: tuple[str, ...] = (),
) -> list[Place]:
    if function in there:
        return there[function]
    owner, _, plain = function.rpartition(".")
    for parent in parents.get(owner, []):
        if parent not in seen:
            mine = _inherited(f"{parent}.{plain}", there, parents, (*seen, owner))
            if mine:
                return mine
    return []


def renamed(test: str, place: Place, name: str, log_parser: str) -> str:
    """How a test is called when its function `place` is, and has no docstring.

    What Django calls by its docstring is `Class.function` here: `status_of` finds it.
    """
    if log_parser == "parse_log_sympy":
        return name
    if log_parser == "parse_log_django":
        match = DJANGO.fullmatch(test)
        if match is None:
            return ".".join([*place.name.split(".")[-2:-1], name])
        dotted = match[2].split(".")
        return f"{name} ({'.'.join([*dotted[:-1], name] if dotted[-1] == match[1] else dotted)})"
    head, bracket, more = test.partition("[")
    return "::".join([*head.split("::")[:-1], name]) + bracket + more


def status_of(test: str, statuses: Mapping[str, str]) -> str:
    """The status of a test in what `swebench` reads from a log; an empty string for none.

    Rows cut some names inside their brackets; then any that begins so counts, and one that has not
    passed first. So it does for `Class.function`, a pass first: of that class, or else of any.
    """
    if test in statuses:
        return statuses[test]
    if test.count("[") > test.count("]"):
        found = {status for name, status in statuses.items() if name.startswith(test)}
        return min(found - {"PASSED", "XFAIL"} or found, default="")
    owner, _, function = test.rpartition(".")
    if not function.isidentifier() or not f"_{owner}".isidentifier():
        return ""
    mine = re.compile(rf"{function} \((?:.*\.)?{owner}(?:\.{function})?\)")
    found = {status for name, status in statuses.items() if mine.match(name)}
    found = found or set(statuses_of(function, statuses))
    return min(found & {"PASSED", "XFAIL"} or found, default="")


def outcomes_of(function: str, statuses: Mapping[str, str]) -> dict[str, str]:
    """The statuses of the tests that a function makes, in whatever class, with any arguments.

    Only for names that occur once: those of copies. Django's failed tests come twice, once without
    their class.
    """
    mine = re.compile(rf"(?:^|:){re.escape(function)}(?![\w.])")
    return {name: status for name, status in statuses.items() if mine.search(name)}


def statuses_of(function: str, statuses: Mapping[str, str]) -> frozenset[str]:
    """Every status that a test of the function has, by `outcomes_of`."""
    return frozenset(outcomes_of(function, statuses).values())
