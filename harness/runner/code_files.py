"""The files that a system's code consists of, and their hashes."""

import ast
import hashlib
import importlib.util
from collections.abc import Iterator
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from harness.runner.fault_origin import HARNESS, is_library

TEXTS = {".j2", ".jinja", ".jinja2", ".json", ".md", ".toml", ".txt", ".yaml", ".yml"}


def code_files(module: str) -> dict[str, str]:
    """The SHA-256 of the source of `module` and of all that it imports of its own code.

    Keys are paths relative to the folder that holds the top-level package, in order. Own code is
    the top-level package of `module`, and every module that is not installed and is not part of
    Python or of `harness`. Imports are read from the source, also those inside functions: nothing
    is imported here. What is imported only by a computed name is missed.

    The text files of imported packages (prompts) are among them; see `is_prompt`.
    """
    top = module.partition(".")[0]
    found: dict[str, str] = {}
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        spec = _spec(name)
        if spec is None or not _is_own(spec, top):
            continue
        root = _root(spec)
        for path in _files(spec):
            content = path.read_bytes()
            found[path.relative_to(root).as_posix()] = hashlib.sha256(content).hexdigest()
            if path.suffix == ".py":
                waiting += _imports(content, _package(spec))
    return dict(sorted(found.items()))


def is_prompt(path: str) -> bool:
    """Whether a path of `code_files` is a text file, and no Python."""
    return not path.endswith(".py")


def _spec(name: str) -> ModuleSpec | None:
    """Where a module is found, without importing the packages that it is in."""
    top, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # `__main__`
        return None
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(f"{spec.name}.{part}", spec.submodule_search_locations)
    return spec


def _is_own(spec: ModuleSpec, top: str) -> bool:
    if not spec.has_location or spec.origin is None or not spec.origin.endswith(".py"):
        return False
    if Path(spec.origin).is_relative_to(HARNESS):
        return False
    return spec.name.partition(".")[0] == top or not is_library(spec.origin)


def _root(spec: ModuleSpec) -> Path:
    """The folder that holds the top-level package or module."""
    assert spec.origin is not None
    depth = spec.name.count(".") + bool(spec.submodule_search_locations)
    return Path(spec.origin).parents[depth]


def _files(spec: ModuleSpec) -> Iterator[Path]:
    """The source of a module; of a package also the text files beside it."""
    assert spec.origin is not None
    path = Path(spec.origin)
    yield path
    if spec.submodule_search_locations:
        beside = path.parent.iterdir()
        yield from (each for each in beside if each.suffix in TEXTS and each.is_file())


def _package(spec: ModuleSpec) -> str:
    """The package that the relative imports of a module begin in."""
    return spec.name if spec.submodule_search_locations else spec.name.rpartition(".")[0]


@lru_cache(maxsize=1024)
def _imports(source: bytes, package: str) -> tuple[str, ...]:
    """Names of modules that `source` may import, and of the packages that they are in.

    Kept, because the systems of a run share most of their code.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:  # of a file that only a function imports
        return ()
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            dots = "." * node.level
            base = importlib.util.resolve_name(f"{dots}{node.module or ''}", package)
            names = [f"{base}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            found |= dict.fromkeys(".".join(parts[: n + 1]) for n in range(len(parts)))
    return tuple(found)
