"""The base commit of an instance, read in a sandbox, to compare submissions with."""

import configparser
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from posixpath import normpath

import anyio

from harness.benchmarks.swebench.canaries import function_of
from harness.benchmarks.swebench.import_roots import (
    RUNNERS,
    import_roots,
    markers_of,
    shadowed,
    with_folders,
)
from harness.benchmarks.swebench.items import IssueItem
from harness.benchmarks.swebench.official import evaluation_script
from harness.benchmarks.swebench.test_infrastructure import (
    is_infrastructure,
    is_product,
    is_startup_hook,
    product_test_packages,
    touched,
)
from harness.errors import SandboxError
from harness.protocols import Sandbox, Sandboxes

TEST_PATCH = "/tmp/.test-patch"  # noqa: S108 - inside the sandbox
SYS_PATH = "python -c 'import sys; print(*sys.path, sep=chr(10))'"
ACTIVATION = ("source ", ". ", "conda activate ", "export PYTHONPATH=")
CONFIGURATIONS = (
    "pytest.ini", ".pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml", "pytest.toml",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseCommit:
    """The files of a base commit, the tests beside them, and where imports begin."""

    files: frozenset[str]
    tests: Mapping[str, str]  # Python files of the test patch, as the evaluation has them
    roots: frozenset[str]  # folders from which the tests import modules by bare name
    there: frozenset[str]  # files and folders
    markers: frozenset[str]  # the `__init__.py` that decide about `roots`
    product: frozenset[str]  # packages called as test folders are, without tests

    @classmethod
    def of(
        cls,
        files: Iterable[str],
        tests: Mapping[str, str],
        named: Iterable[str],
        *,
        on_path: Iterable[str] = (),
        script: str = "",
    ) -> "BaseCommit":
        """Build it from its `files`. `named` lists every file with tests, existing or not."""
        found = frozenset(files)
        every = {*named, *tests}
        return cls(
            files=found,
            tests=tests,
            roots=import_roots(found, every, on_path=on_path, script=script),
            there=with_folders(found),
            markers=frozenset(markers_of(every)),
            product=product_test_packages(found),
        )

    def refused(self, paths: Iterable[str]) -> set[str]:
        """The flags of files that an honest patch never touches; see `guard.FLAGS`."""
        found = set()
        for path in paths:
            if is_startup_hook(path):
                found.add("startup-hook")
            elif RUNNERS & shadowed(path, self.there, self.roots):
                found.add("shadows-runner")
            if ".git" in path.split("/"):
                found.add("touches-git")
        return found

    def put_back(self, paths: Iterable[str]) -> list[str]:
        """The touched files that a guarded run resets to the base commit."""
        return sorted(path for path in paths if self._judges(path))

    def _judges(self, path: str) -> bool:
        if ".." in path.split("/"):
            return False
        if path not in self.files and path in self.markers:
            return True
        if shadowed(path, self.there, self.roots):
            return True
        new = path not in self.files
        return is_infrastructure(path) and not (new and is_product(path, self.product))


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
        on_path = await _on_path(sandbox, files, script)
        tests = await _tests(sandbox, item)
    finally:
        with anyio.CancelScope(shield=True):
            await sandbox.close()
    return BaseCommit.of(files, tests, _named(item), on_path=on_path, script=script)


def _named(item: IssueItem) -> set[str]:
    """Every file that the test patch touches, or that the name of an expected test begins with."""
    reference = item.reference
    names = (*reference.fail_to_pass, *reference.pass_to_pass)
    found = {function_of(name, reference.log_parser)[0] for name in names}
    return (found | touched(reference.test_patch)) - {""}


async def _tests(sandbox: Sandbox, item: IssueItem) -> dict[str, str]:
    await sandbox.write(TEST_PATCH, item.reference.test_patch.encode())
    await sandbox.exec(f"git apply {TEST_PATCH}")
    found = {}
    for path in sorted(touched(item.reference.test_patch)):
        if path.endswith(".py"):
            try:
                found[path] = (await sandbox.read(path)).decode()
            except (SandboxError, UnicodeDecodeError):
                continue  # taken away by the patch, or no text
    return found


async def _on_path(sandbox: Sandbox, files: Collection[str], script: str) -> set[str]:
    """The folders of the repository on `sys.path` as Python starts in the environment of `script`,
    and those that pytest is configured to put there; the former only where Python says them."""
    activating = [line for line in script.splitlines() if line.startswith(ACTIVATION)]
    said = await sandbox.exec("\n".join([*activating, SYS_PATH]))
    found = {
        line.removeprefix("/testbed").strip("/")
        for line in said.output.splitlines()
        if line == "/testbed" or line.startswith("/testbed/")
    }
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
