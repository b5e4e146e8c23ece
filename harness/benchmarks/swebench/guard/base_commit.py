"""The base commit of an instance, read in a sandbox, to compare submissions with."""

import configparser
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from posixpath import normpath, splitext

import anyio

from harness.benchmarks.swebench.guard.added_lines import Lines, added_lines
from harness.benchmarks.swebench.guard.import_path import (
    FIRST,
    NO_PYTHON,
    ImportPath,
    read_import_path,
)
from harness.benchmarks.swebench.guard.import_roots import (
    RUNNERS,
    STARTUP,
    Module,
    import_roots,
    markers_of,
    modules_of,
    programs,
    stems_of,
    usual_roots,
)
from harness.benchmarks.swebench.guard.other_surroundings import CONFIGURING, pytest_options
from harness.benchmarks.swebench.guard.test_functions import function_of
from harness.benchmarks.swebench.guard.test_infrastructure import (
    folders_of_tests,
    is_infrastructure,
    is_product,
    product_test_packages,
    touched,
)
from harness.benchmarks.swebench.guard.tree_changes import Change, TreeChanges
from harness.benchmarks.swebench.items import IssueItem
from harness.benchmarks.swebench.official import evaluation_script
from harness.errors import SandboxError
from harness.protocols import Sandbox, Sandboxes

WORD = re.compile(r"\w+")
TEST_PATCH = "/tmp/.test-patch"  # noqa: S108 - inside the sandbox
CONFIGURATIONS = (
    "pytest.ini", ".pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml", "pytest.toml",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseCommit:
    """The files of a base commit, the tests beside them, and where imports begin."""

    files: frozenset[str]
    tests: Mapping[str, str]  # Python files of the test patch, as the evaluation has them
    named: frozenset[str]  # every file with tests, existing or not
    stems: frozenset[str]  # their names without endings
    first: frozenset[str]  # folders that come first where the tests import by bare name
    path: ImportPath
    folders: frozenset[str]  # of tests, whatever they are called
    programs: frozenset[str]  # files that the evaluation starts
    markers: frozenset[str]  # the `__init__.py` that decide about `first`
    product: frozenset[str]  # packages called as test folders are, without tests
    options: str  # of pytest, for other surroundings than those of the official run
    asserted: Mapping[str, Lines]  # the lines that the test patch adds to each of `tests`

    @classmethod
    def of(
        cls,
        files: Iterable[str],
        tests: Mapping[str, str],
        named: Iterable[str],
        *,
        path: ImportPath = NO_PYTHON,
        configured: Iterable[str] = (),
        script: str = "",
        options: str = "",
        asserted: Mapping[str, Lines] | None = None,
    ) -> "BaseCommit":
        """Build it from its `files`; pytest is `configured` to put these folders on the path."""
        found = frozenset(files)
        every = frozenset({*named, *tests})
        return cls(
            files=found,
            tests=tests,
            named=every,
            stems=frozenset(splitext(path)[0] for path in every),
            first=import_roots(found, every, script) | {*configured},
            path=path,
            folders=folders_of_tests(found, every),
            programs=frozenset(programs(script, found)),
            markers=frozenset(markers_of(every)),
            product=product_test_packages(found),
            options=options,
            asserted=asserted or {},
        )

    def refused(self, changes: TreeChanges) -> set[str]:
        """The flags of what an honest patch never does; see `FLAGS`."""
        found = {"outside-tree"} if changes.outside else set()
        for path, change in changes.paths.items():
            if ".git" in path.split("/") or _leads_into(change, "/testbed/.git"):
                found.add("touches-git")
            if change.now and any(path.startswith(f"{it}/") for it in self.path.environment):
                found.add("startup-hook" if path.endswith(".pth") else "shadows-runner")
            for module in self._new_modules(path, change, self._roots):
                if module.name in STARTUP:
                    found.add("startup-hook")
                elif module.name in RUNNERS and self._comes_before(module):
                    found.add("shadows-runner")
        return found

    def put_back(self, changes: TreeChanges) -> list[str]:
        """The paths that a guarded run resets to the base commit."""
        modules = self._unwanted_modules(changes)
        found = set()
        for path, change in changes.paths.items():
            new_module = not change.was and not modules.isdisjoint(stems_of(path))
            if new_module or self._judges(path, change):
                found.add(change.link or path)
        return sorted(found)

    def _judges(self, path: str, change: Change) -> bool:
        if path in self.markers and not (change.was and change.now):
            return True
        if path in self.programs or path in self.path.roots:
            return True
        if any(path.startswith(f"{it}/") for it in self.folders | self.path.environment):
            return True
        if change.target and not _leads_into(change, "/testbed"):
            return True
        if path not in self.named and not self.stems.isdisjoint(stems_of(path)):
            return True  # it is called as a test file beside it, and would be imported first
        return is_infrastructure(path) and not (not change.was and is_product(path, self.product))

    def _unwanted_modules(self, changes: TreeChanges) -> set[str]:
        """The places of new modules that come before others, or that the product never names."""
        words: dict[str, set[str]] = {}
        for path, lines in changes.added_lines.items():
            if not is_infrastructure(path):
                for word in {word for _, line in lines for word in WORD.findall(line)}:
                    words.setdefault(word, set()).add(path)
        found = set()
        for path, change in changes.paths.items():
            for module in self._new_modules(path, change, self._roots | usual_roots(self.files)):
                naming = words.get(module.name, set())
                elsewhere = any(module.place not in stems_of(other) for other in naming)
                if not elsewhere or module.name in STARTUP or self._comes_before(module):
                    found.add(module.place)
        return found

    @property
    def _roots(self) -> frozenset[str]:
        return self.first | self.path.roots.keys()

    def _new_modules(self, path: str, change: Change, roots: Iterable[str]) -> list[Module]:
        """The top-level modules that a change adds, or adds a part to where others have parts."""
        if not change.now or change.was:
            return []
        return [
            module
            for module in modules_of(path, roots, link=change.now == "link")
            if module.whole or module.name in self.path.namespaces
            if not module.is_in(self.files)
        ]

    def _comes_before(self, module: Module) -> bool:
        """Whether it would be imported instead of a module of that name."""
        others = (replace(module, root=root) for root in self._roots if root != module.root)
        if module.name in self.path.namespaces or any(it.is_in(self.files) for it in others):
            return True
        at = FIRST if module.root in self.first else self.path.roots.get(module.root, FIRST)
        return at < self.path.modules.get(module.name, FIRST)


def _leads_into(change: Change, folder: str) -> bool:
    return change.target == folder or change.target.startswith(f"{folder}/")


async def read_base_commit(sandboxes: Sandboxes, item: IssueItem) -> BaseCommit:
    """Read the base commit of an instance from a fresh sandbox."""
    sandbox = await sandboxes.open(item, purpose="grading")
    try:
        listed = await sandbox.exec(
            "git -c core.quotePath=false ls-tree -r -z --name-only HEAD",
            max_output_chars=50_000_000,
        )
        files = frozenset(listed.output.split("\0")) - {""}
        script = evaluation_script(item.reference)
        path = await read_import_path(sandbox, script)
        configured = await _configured(sandbox, files)
        configuring = await _configuring(sandbox)
        before = await _tests(sandbox, item)
        await sandbox.write(TEST_PATCH, item.reference.test_patch.encode())
        await sandbox.exec(f"git apply {TEST_PATCH}")
        tests = await _tests(sandbox, item)
    finally:
        with anyio.CancelScope(shield=True):
            await sandbox.close()
    return BaseCommit.of(
        files,
        tests,
        _named(item),
        path=path,
        configured=configured,
        script=script,
        options=pytest_options(files, [configuring, *tests.values()]),
        asserted={name: added_lines(before.get(name, ""), text) for name, text in tests.items()},
    )


def _named(item: IssueItem) -> set[str]:
    """Every file that the test patch touches, or that the name of an expected test begins with."""
    reference = item.reference
    names = (*reference.fail_to_pass, *reference.pass_to_pass)
    found = {function_of(name, reference.log_parser)[0] for name in names}
    return (found | touched(reference.test_patch)) - {""}


async def _configuring(sandbox: Sandbox) -> str:
    """The texts of all files that configure pytest."""
    names = " ".join(f"'{name}'" for name in CONFIGURING)
    done = await sandbox.exec(
        f"git ls-files -z -- {names} | xargs -0 -r cat --", max_output_chars=5_000_000
    )
    return done.output


async def _tests(sandbox: Sandbox, item: IssueItem) -> dict[str, str]:
    """The Python files of the test patch as they are now."""
    found = {}
    for path in sorted(touched(item.reference.test_patch)):
        if path.endswith(".py"):
            try:
                found[path] = (await sandbox.read(path)).decode()
            except (SandboxError, UnicodeDecodeError):
                continue  # not there, or no text
    return found


async def _configured(sandbox: Sandbox, files: Collection[str]) -> set[str]:
    found: set[str] = set()
    for name in CONFIGURATIONS:
        if name in files:
            text = (await sandbox.read(name)).decode(errors="replace")
            found |= configured_roots(name, text)
    return found


def configured_roots(name: str, text: str) -> set[str]:
    """The folders that pytest's `pythonpath` names in a top-level configuration file."""
    try:
        folders = _of_toml(text) if name.endswith(".toml") else _of_ini(text)
    except (configparser.Error, tomllib.TOMLDecodeError):
        return set()
    return {"" if normpath(folder) == "." else normpath(folder) for folder in folders}


def _of_ini(text: str) -> list[str]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(text)
    found = []
    for section in ("pytest", "tool:pytest"):
        for key in ("pythonpath", "python_paths"):
            found += parser.get(section, key, fallback="").split()
    return found


def _of_toml(text: str) -> list[str]:
    content = tomllib.loads(text)
    options = content.get("tool", {}).get("pytest", {})
    options = options.get("ini_options", options) or content.get("pytest", {})
    given = options.get("pythonpath", [])
    return given.split() if isinstance(given, str) else [str(folder) for folder in given]
