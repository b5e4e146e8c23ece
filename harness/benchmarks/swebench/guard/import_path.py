"""Where the Python of an instance looks for modules, asked before anything is changed."""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.protocols import Sandbox

ACTIVATION = ("source ", ". ", "conda activate ", "export PYTHONPATH=", "export PATH=")
ANSWER = "import-path: "
FIRST = -1  # the position of what no folder comes before
# For every Python from 2.7 on. Of a folder: its modules, and its folders without `__init__`, which
# are modules only where no other folder has one of their name.
PROBE = """python - <<'END_OF_PROGRAM'
import json, os, sys, zipfile
try:
    from importlib.machinery import all_suffixes
    endings = tuple(all_suffixes())
except ImportError:
    import imp
    endings = tuple(suffix for suffix, _, _ in imp.get_suffixes())

def names_in(folder):
    if os.path.isfile(folder):
        try:
            inside = zipfile.ZipFile(folder).namelist()
        except Exception:
            inside = []
        return sorted({name.split("/")[0].split(".")[0] for name in inside}), []
    modules, others = set(), set()
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            has = any(os.path.exists(os.path.join(path, "__init__" + end)) for end in endings)
            (modules if has else others).add(name)
        elif name.endswith(endings):
            modules.add(name.split(".")[0])
    return sorted(modules), sorted(others)

def real(folders):
    return [[os.path.abspath(folder), os.path.realpath(folder)] for folder in folders]

mapped = set()
for name, module in list(sys.modules.items()):
    if name.startswith("__editable__"):
        for key in list(getattr(module, "MAPPING", {})) + list(getattr(module, "NAMESPACES", {})):
            mapped.add(key.split(".")[0])
try:
    import site
    sites = list(site.getsitepackages()) + [site.getusersitepackages()]
except Exception:
    sites = []
answer = {
    "folders": real(sys.path[1:]), "names": [names_in(folder) for folder in sys.path[1:]],
    "built_in": list(sys.builtin_module_names), "mapped": sorted(mapped), "sites": real(sites),
    "programs": real(os.environ.get("PATH", "").split(os.pathsep)),
}
print("import-path: " + json.dumps(answer))
END_OF_PROGRAM"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPath:
    """Where modules are found as Python starts; folders of the repository are relative to it."""

    roots: Mapping[str, int]  # folders of the repository on `sys.path`, and their positions there
    modules: Mapping[str, int]  # by name: the position of the first folder that has it
    namespaces: frozenset[str]  # names of packages without `__init__`
    environment: frozenset[str]  # folders of the repository that hold programs or `.pth` files


NO_PYTHON = ImportPath(
    roots={},
    modules=dict.fromkeys(sys.stdlib_module_names, 0),
    namespaces=frozenset(),
    environment=frozenset(),
)


async def read_import_path(sandbox: Sandbox, script: str) -> ImportPath:
    """Ask the Python that an evaluation script activates; `NO_PYTHON` where none answers."""
    activating = [line for line in script.splitlines() if line.lstrip().startswith(ACTIVATION)]
    said = await sandbox.exec("\n".join([*activating, PROBE]), max_output_chars=5_000_000)
    for line in said.output.splitlines():
        if line.startswith(ANSWER):
            return path_of(json.loads(line.removeprefix(ANSWER)))
    return NO_PYTHON


def path_of(answer: Mapping[str, Any]) -> ImportPath:
    """The import path out of what `PROBE` prints."""
    roots: dict[str, int] = {}
    modules: dict[str, int] = {}
    namespaces: set[str] = set()
    for position, (folders, names) in enumerate(
        zip(answer["folders"], answer["names"], strict=True)
    ):
        for folder in _inside(folders):
            roots.setdefault(folder, position)
        for name in names[0]:
            modules.setdefault(name, position)
        if not _inside(folders):
            namespaces.update(filter(str.isidentifier, names[1]))
    for name in answer["mapped"]:  # by a finder, after all folders
        modules.setdefault(name, len(answer["folders"]))
    modules |= dict.fromkeys(answer["built_in"], FIRST)
    environment = {
        folder
        for folders in [*answer["sites"], *answer["programs"]]
        for folder in _inside(folders)
        if folder
    }
    return ImportPath(
        roots=roots,
        modules=modules,
        namespaces=frozenset(namespaces - modules.keys()),
        environment=frozenset(environment),
    )


def _inside(folders: list[str]) -> set[str]:
    """Those of some absolute folders that lie in the repository, relative to it."""
    found = (re.fullmatch(r"/testbed/?(.*)", folder) for folder in folders)
    return {match[1].strip("/") for match in found if match}
