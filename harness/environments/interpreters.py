"""Find the Python that an environment is built with."""

import json
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.environments import programs
from harness.errors import UserError
from harness.secrets import child_environment

ASK = (
    "import json, platform, sys;"
    "print(json.dumps([getattr(sys, '_base_executable', None) or sys.executable,"
    " platform.python_version(), sys.base_prefix]))"
)
USUAL_PLACES = (
    ".pyenv/versions/{0}.*/bin/python{0}",
    ".local/share/uv/python/cpython-{0}*/bin/python{0}",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python interpreter outside of any virtual environment."""

    path: Path
    version: str  # in full: "3.11.7"
    prefix: Path  # what a sandbox must show, read-only, for `path` to run

    @property
    def tag(self) -> str:
        """The implementation tag of its wheels, such as "cp311"."""
        return "cp" + "".join(self.version.split(".")[:2])


async def find_python(wanted: str) -> Interpreter:
    """Python `wanted` ("3.11"): the running one if it fits, else one on PATH, else a usual place's.

    When there is none, the running one, whose `version` then differs: the caller says so.
    """
    running = Interpreter(
        path=Path(getattr(sys, "_base_executable", None) or sys.executable),
        version=platform.python_version(),
        prefix=Path(sys.base_prefix),
    )
    if fits(running, wanted):
        return running
    for path in _candidates(wanted):
        found = await _ask(path)
        if found is not None and fits(found, wanted):
            return found
    return running


def fits(interpreter: Interpreter, wanted: str) -> bool:
    """Whether its minor version is `wanted`."""
    return interpreter.version.split(".")[:2] == wanted.split(".")[:2]


def _candidates(wanted: str) -> Iterator[Path]:
    if on_path := shutil.which(f"python{wanted}"):
        yield Path(on_path)
    for pattern in USUAL_PLACES:
        yield from sorted(Path.home().glob(pattern.format(wanted)), reverse=True)


async def _ask(path: Path) -> Interpreter | None:
    try:
        asking = f"asking {path} its version"
        env = child_environment.plain()
        answer = await programs.run([path, "-I", "-c", ASK], doing=asking, env=env)
        executable, version, prefix = json.loads(answer)
    except (UserError, OSError, ValueError):
        return None  # a shim without a Python behind it, or something else of that name
    return Interpreter(path=Path(executable), version=version, prefix=Path(prefix))
