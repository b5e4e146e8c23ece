"""Tests that have to be fixed, each run alone: what other tests left behind is not there.

Where it can, a test runs without a test runner, called by a plain program (`plain_program`) in
other surroundings than those of the official run; else under the runner, with no other test in its
file. What came of it is told by the tokens that its planted copies say. Text only.
"""

import ast
import re
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from posixpath import dirname, join
from random import Random
from shlex import quote

from harness.benchmarks.swebench.guard.guarded_script import writing
from harness.benchmarks.swebench.guard.import_roots import MARKER
from harness.benchmarks.swebench.guard.plain_program import Call, text_of
from harness.benchmarks.swebench.guard.source_text import Edits, SourceText
from harness.benchmarks.swebench.guard.test_copies import BOM, Copy, PlantedFile
from harness.benchmarks.swebench.guard.test_functions import Place, function_of, parsed, places

MOST_PLAIN, MOST_RUNNER = 6, 1  # tests of a row: each under the runner is a run of its own
PLAIN_S = 300  # of all that run without a runner
NEEDS_DATABASE = frozenset({"TestCase", "TransactionTestCase", "LiveServerTestCase"})
FIXTURE = re.compile(
    r"autouse|indirect|usefixtures|pytest_generate_tests"
    r"|def (setup|teardown)_(module|class|method|function)"
)
KEPT = "PATH|PYTHONPATH|LD_LIBRARY_PATH|VIRTUAL_ENV"  # variables; no others
APPLICATIONS = ("contenttypes", "auth", "sites", "sessions", "messages", "admin", "staticfiles")
NOT_LINKED = "setup.py|conftest.py|noxfile.py|runtests.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoneTest:
    """A test function that has to be fixed, and how it runs alone."""

    path: str
    owner: str  # its class; empty for a function of the module
    whole: Copy  # has to come to its end
    broken: Copy | None  # must not
    plain: bool  # without a test runner

    @property
    def name(self) -> str:
        """What it is called in a log."""
        return self.whole.of[0]

    @property
    def check(self) -> str:
        """Which check it is."""
        return "without-runner" if self.plain else "alone"


def lone_tests(
    tests: Mapping[str, str],
    planted: Mapping[str, PlantedFile],
    fail_to_pass: Collection[str],
    log_parser: str,
    random: Random,
) -> tuple[LoneTest, ...]:
    """Some of the functions that have to be fixed, of the test files `tests`, by path."""
    found = []
    for path, file in planted.items():
        usable = _without_runner(tests[path], log_parser)
        for copy in file.copies:
            mine = [test for test in copy.of if test in fail_to_pass]
            if copy.mode != "renamed" or not mine:
                continue
            function = function_of(mine[0], log_parser)[1]
            owner = function.rpartition(".")[0]
            broken = [each for each in file.copies if each.of == copy.of and not each.must_pass]
            found.append(
                LoneTest(
                    path=path, owner=owner, whole=copy, plain=function in usable,
                    broken=random.choice(broken) if broken else None,
                )
            )  # fmt: skip
    random.shuffle(found)
    return _drawn(found)


def _drawn(tests: Sequence[LoneTest]) -> tuple[LoneTest, ...]:
    plain = [test for test in tests if test.plain][:MOST_PLAIN]
    others = [test for test in tests if not test.plain]
    return (*plain, *others[:MOST_RUNNER])


def under_the_runner(tests: Iterable[LoneTest], names: Collection[str]) -> tuple[LoneTest, ...]:
    """The `tests`, of which those with these `names` need their runner."""
    return _drawn([replace(it, plain=it.plain and it.name not in names) for it in tests])


def _without_runner(text: str, log_parser: str) -> set[str]:
    """The functions of a test file, `function` or `Class.function`, that need no fixture."""
    tree = parsed(text)
    if tree is None:
        return set()
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    others = [node for node in tree.body if not isinstance(node, ast.ClassDef)]
    odd = {node for node in tree.body if FIXTURE.search(ast.unparse(node))}
    if any(node in odd and "test" not in getattr(node, "name", "")[:4] for node in others):
        return set()
    found = set()
    for place in places(tree):
        owner = place.name.rpartition(".")[0]
        bases = _bases(classes.get(owner), classes)
        database = "django" in log_parser and not bases.isdisjoint(NEEDS_DATABASE)
        if database or (owner and owner not in classes) or classes.get(owner, place.node) in odd:
            continue
        if any("Test" in base for base in bases) or _arguments(place, owner) <= _given(place):
            found.add(place.name)
    return found


def _bases(node: ast.ClassDef | None, classes: Mapping[str, ast.ClassDef]) -> set[str]:
    """The last names of the classes above one, as far as they stand in its file."""
    found: set[str] = set()
    waiting = [node] if node else []
    while waiting:
        for base in waiting.pop().bases:
            name = ast.unparse(base).rpartition(".")[2]
            if name not in found:
                found.add(name)
                waiting += [classes[name]] if name in classes else []
    return found


def _arguments(place: Place, owner: str) -> set[str]:
    """Those that the function does something with; for the others the program gives None."""
    every = place.node.args
    names = [each.arg for each in (*every.posonlyargs, *every.args, *every.kwonlyargs)]
    nodes = (node for statement in place.node.body for node in ast.walk(statement))
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    return used.intersection(names[1:] if owner else names)


def _given(place: Place) -> set[str]:
    """The arguments that marks with written values give."""
    found: set[str] = set()
    for mark in place.node.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func).endswith("mark.parametrize"):
            for constant in ast.walk(mark.args[0]) if mark.args else ():
                if isinstance(constant, ast.Constant):
                    found |= {name.strip() for name in str(constant.value).split(",")}
    return found


def first_statement(tests: Iterable[LoneTest], log_parser: str) -> str:
    """What a program has to do before it imports the modules of `tests`: Django's settings."""
    if log_parser != "parse_log_django":
        return ""
    mine = {test.path.removeprefix("tests/").split("/")[0] for test in tests}
    applications = [*(f"django.contrib.{name}" for name in APPLICATIONS), *sorted(mine)]
    return (
        "import django.conf; os.environ['DJANGO_SETTINGS_MODULE'] = 'test_sqlite'; "
        f"django.conf.settings.INSTALLED_APPS = {applications}; django.setup()"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoneRuns:
    """The tests of a row that run alone, and what that takes."""

    tests: tuple[LoneTest, ...]
    planted: Mapping[str, PlantedFile]
    planted_report: str  # where the planted files say their tokens
    report: str  # where they say them here
    roots: Collection[str]  # folders of the repository on the import path
    files: Collection[str]  # all of the repository
    first: str = ""  # a statement of Python before the first import without a runner

    def script(self, command: Sequence[str], before: Sequence[str]) -> list[str]:
        """Shell lines that run them: `command` runs tests, the lines `before` come before it."""
        texts = {
            path: file.text.replace(ascii(self.planted_report), ascii(self.report))
            for path, file in self.planted.items()
        }
        plain = [test for test in self.tests if test.plain]
        lines = self._plain(plain, texts) if plain else []
        for test in self.tests:
            if not test.plain:
                mine = {path: alone(text, test.whole.name) for path, text in texts.items()}
                lines += ["(", "set +eux", "exec < /dev/null > /dev/null 2>&1", *writing(mine),
                          *before, *command, ") || :"]  # fmt: skip
        return lines

    def _plain(self, tests: Sequence[LoneTest], texts: Mapping[str, str]) -> list[str]:
        """Those without a runner: another folder, other variables, no settings."""
        folder, home, output = (f"/tmp/_{secrets.token_hex(6)}" for _ in range(3))  # noqa: S108
        program = f"/tmp/{secrets.token_hex(6)}.py"  # noqa: S108 - inside the sandbox
        copies = {path: f"{_name()}.py" for path in {test.path for test in tests}}
        calls: list[Call] = []
        folders = {join(folder, root) for root in self.roots}
        for test in tests:
            root, module = module_of(join(dirname(test.path), copies[test.path]), self.files)
            folders.add(join(folder, root))
            both = filter(None, (test.whole, test.broken))
            calls += [(module, test.owner, copy.name) for copy in both]
        written = {join(dirname(path), name): texts[path] for path, name in copies.items()}
        at = [f"/testbed/{path}" for path in written]
        text = text_of(sorted(folders), calls, at, self.first)
        return [
            "(", "set +eux", f"mkdir {folder} {home}", "cd /testbed",
            f"for each in *; do case $each in {NOT_LINKED}) continue ;; esac; "
            f'case $each in *.py) ;; *) [ -d "$each" ] || continue ;; esac; '
            f'ln -s "/testbed/$each" {folder}/; done',
            *writing(written), *writing({program: text}, root=""),
            f"for it in $(compgen -e); do case $it in {KEPT}) ;; *) unset $it ;; esac; done",
            f'[ -z "${{PYTHONPATH-}}" ] || PYTHONPATH="${{PYTHONPATH//\\/testbed/{folder}}}"',
            *_variables(home), f"cd {home}",
            f"timeout -k 5 {PLAIN_S} python {program} < /dev/null > {output} 2>&1",
            f"cd / && rm -rf -- {folder} {home} {output} {program} {' '.join(map(quote, at))}",
            ") || :",
        ]  # fmt: skip


def _variables(home: str) -> list[str]:
    user, name, value = (secrets.token_hex(4) for _ in range(3))
    return [
        f"export HOME={home} USER=u{user} LOGNAME=u{user} _{name.upper()}={value}",
        f"export LC_ALL=C.UTF-8 TZ=UTC+5 PYTHONHASHSEED={secrets.randbelow(2**32)}",
    ]


def alone(text: str, name: str) -> str:
    """A planted test file in which no other function is a test than those called `name`."""
    text = text.removeprefix(BOM)
    tree = parsed(text)
    assert tree is not None
    edits = Edits()
    source = SourceText(text)
    for place in places(tree):
        if place.plain != name and place.plain.startswith("test"):
            at = text.index(place.plain, source.start(place.node))
            edits.insert(at, "_")
    return edits.applied(text)


def _name() -> str:
    return f"{secrets.choice('abcdefghijk')}{secrets.token_hex(5)}"


def module_of(path: str, files: Collection[str]) -> tuple[str, str]:
    """The folder from which a file is imported, and its dotted name there."""
    folder = dirname(path)
    while folder and join(folder, MARKER) in files:
        folder = dirname(folder)
    inside = path.removeprefix(f"{folder}/" if folder else "")
    return folder, inside.removesuffix(".py").replace("/", ".")
