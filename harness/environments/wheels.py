"""The wheels of pinned requirements, downloaded or built once and shared by every environment."""

import importlib.util
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from harness.environments import programs
from harness.environments.interpreters import Interpreter
from harness.errors import UserError
from harness.secrets import child_environment


async def wheelhouse(
    requirements: Sequence[str],
    python: Interpreter,
    cache: Path,
    scratch: Path,
    on_progress: Callable[[str], None],
) -> tuple[Path, ...]:
    """One wheel for each pin, in the order of `requirements`, out of one shared folder.

    `requirements` is a complete closure, every one `name==version`; nothing is resolved. What is
    missing comes from the index that pip is configured for. `scratch` must be the caller's alone
    and on the file system of `cache`. Raises `UserError`.
    """
    shared = cache / "wheels" / f"{python.tag}-{sysconfig.get_platform()}"
    shared.mkdir(parents=True, exist_ok=True)
    present = _wheels(shared)
    missing = [pin for pin in requirements if _key(pin) not in present]
    if missing:
        on_progress(f"downloading {len(missing)} of {len(requirements)} wheels")
        await _pip_wheel(missing, python, scratch)
        for wheel in _wheels(scratch).values():
            wheel.replace(shared / wheel.name)
        present = _wheels(shared)
    for pin in requirements:
        if _key(pin) not in present:
            raise UserError(f"pip made no wheel of {pin}: check that it is pinned as name==version")
    return tuple(present[_key(pin)] for pin in requirements)


async def _pip_wheel(pins: Sequence[str], python: Interpreter, to: Path) -> None:
    if importlib.util.find_spec("pip") is None:
        raise UserError(f"no pip to download wheels with: run {sys.executable} -m ensurepip")
    await programs.run(
        [sys.executable, "-I", "-m", "pip", "--python", python.path, "--quiet", "--no-input",
         "wheel", "--no-deps", "--wheel-dir", to, *pins],
        doing="downloading wheels with pip",
        env=child_environment.installer(),
    )  # fmt: skip


def _wheels(folder: Path) -> dict[tuple[str, Version], Path]:
    found: dict[tuple[str, Version], Path] = {}
    for path in sorted(folder.glob("*.whl")):
        try:
            name, version, _, _ = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            continue  # not put there by pip
        found[name, version] = path
    return found


def _key(pin: str) -> tuple[str, Version]:
    requirement = Requirement(pin)
    (specifier,) = requirement.specifier
    return canonicalize_name(requirement.name), Version(specifier.version)
