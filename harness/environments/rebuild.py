"""Rebuild an instance's software from its release archive and pins, once, into the cache.

A finished environment is a folder with `testbed/` (a git repository of one commit) and `venv/`.
Both remember the paths that they have inside a sandbox, `/testbed` and `/opt/testbed-venv`, because
they are installed in one, without a network. A build happens in a folder beside, under a lock, and
is renamed when it is whole: whatever kills a builder leaves nothing that could be taken for one.
"""

import dataclasses
import hashlib
import json
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread

from harness.environments import package_index, programs, source_archive, wheels
from harness.environments.build_once import scratch
from harness.environments.interpreters import Interpreter, find_python, fits
from harness.errors import UserError
from harness.types import Environment

RECIPE = 2  # raise it when the same specification would yield other files
TESTBED = "/testbed"
VENV = "/opt/testbed-venv"
VARIABLES = {  # of a process in a rebuilt instance, in bubblewrap and in Docker
    "PATH": f"{VENV}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "VIRTUAL_ENV": VENV,
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",  # so that the same commands print the same
}
SELDOM = (
    r"/(tests?|testing|locale|docs?|examples|benchmarks)/"  # compiled, it would cost more to copy
)
HOST_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
HOST_ETC = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/passwd", "/etc/group")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A finished environment."""

    root: Path  # has testbed/ and venv/
    python_prefix: Path  # a sandbox must show it, read-only, at the same path
    python_version: str  # in full
    key: str


def environment_key(environment: Environment) -> str:
    """Names what the specification and the recipe stand for, on any machine and with any Python."""
    return _digest(_facts(environment))


async def is_prepared(environment: Environment, cache: Path) -> bool:
    """Whether the environment is already built."""
    python = await find_python(environment.python)
    return (cache / "environments" / _key(environment, python)).is_dir()


def _key(environment: Environment, python: Interpreter) -> str:
    return _digest([_facts(environment), python.version, str(python.prefix)])


def _facts(environment: Environment) -> dict[str, Any]:
    """The fields of an environment; of one without a patch those that it had before there were."""
    facts = dataclasses.asdict(environment)
    return facts if environment.patch else {k: v for k, v in facts.items() if k != "patch"}


async def prepare(
    environment: Environment, cache: Path, *, on_progress: Callable[[str], None]
) -> Prepared:
    """The environment, built if it is not there; any number of processes may ask at once.

    Raises `UserError`: the index cannot be reached, a hash differs, a program is missing or fails.
    """
    python = await find_python(environment.python)
    if not fits(python, environment.python):
        on_progress(
            f"{environment.name}: no Python {environment.python} here, using {python.version}; "
            "tests may behave differently"
        )
    key = _key(environment, python)
    root = cache / "environments" / key
    prepared = Prepared(
        root=root, python_prefix=python.prefix, python_version=python.version, key=key
    )
    if root.is_dir():
        return prepared
    async with scratch(root, on_progress=on_progress) as beside:
        if not root.is_dir():
            await _build(environment, python, cache, beside, on_progress)
            beside.rename(root)
    return prepared


async def lay_out(
    environment: Environment,
    python: Interpreter,
    cache: Path,
    beside: Path,
    on_progress: Callable[[str], None],
) -> tuple[Path, ...]:
    """Put the committed tree, patched, at `beside/testbed`; the wheels of the pins."""
    on_progress(f"{environment.name}: unpacking {environment.sdist_filename}")
    archive = await anyio.to_thread.run_sync(
        lambda: package_index.fetch(
            project=environment.sdist_name,
            filename=environment.sdist_filename,
            sha256=environment.sdist_sha256,
            cache=cache,
        )
    )
    testbed = beside / "testbed"
    await anyio.to_thread.run_sync(source_archive.unpack, archive, testbed)
    message = f"{environment.sdist_name} {environment.sdist_version}"
    await source_archive.commit(testbed, message, patch=environment.patch)
    fresh = beside / "wheels"
    fresh.mkdir()
    found = await wheels.wheelhouse(
        environment.requirements,
        python,
        cache,
        fresh,
        lambda line: on_progress(f"{environment.name}: {line}"),
    )
    shutil.rmtree(fresh)
    return found


async def _build(
    environment: Environment,
    python: Interpreter,
    cache: Path,
    beside: Path,
    on_progress: Callable[[str], None],
) -> None:
    found = await lay_out(environment, python, cache, beside, on_progress)
    (beside / "venv").mkdir()
    on_progress(f"{environment.name}: installing {len(found)} packages")
    script = install_script(environment, str(python.path), [f"/wheels/{w.name}" for w in found])
    await programs.run(
        [*_sandbox(beside, found[0].parent, python), "/bin/sh", "-euc", script],
        doing=f"installing {environment.name} in bubblewrap",
        env={},
    )
    facts = {"environment": _facts(environment), "python": python.version}
    (beside / "environment.json").write_text(json.dumps(facts, indent=1))


def install_script(environment: Environment, python: str, wheel_files: Sequence[str]) -> str:
    """Shell lines, for `sh -eu`, that make the virtual environment of the tree at /testbed.

    `git status` is clean afterwards, and the commit is the one that it was. Compiling ends
    with an error when one file of any test suite is not valid Python; that is fine. The packages
    are compiled before pip and setuptools among them are used, which takes a third of the time.
    """
    pip = next(name for name in wheel_files if Path(name).name.startswith("pip-"))
    quiet = "--quiet --no-input --no-index --no-deps --no-compile --no-cache-dir"
    version = shlex.quote(environment.sdist_version)
    compiled = f"{VENV}/bin/python -m compileall -qq -j 0 -x '{SELDOM}' {VENV}/lib"
    return "\n".join(
        [
            "export PYTHONDONTWRITEBYTECODE=1 PIP_ROOT_USER_ACTION=ignore",
            "export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CONFIG_FILE=/dev/null",
            f"export SETUPTOOLS_SCM_PRETEND_VERSION={version}",
            f"{shlex.quote(python)} -m venv --without-pip {VENV}",
            f"{VENV}/bin/python {shlex.quote(pip)}/pip install {quiet} {shlex.join(wheel_files)}",
            f"{compiled} || true",
            f"cd {TESTBED}",
            f"{VENV}/bin/python -m pip install {quiet} --no-build-isolation --editable .",
            f"{compiled} {TESTBED} || true",
            # what the installation rewrote is restored; what it added is excluded by name
            "git checkout --quiet --force HEAD -- .",
            "mkdir -p .git/info",
            "printf '%s\\n' '__pycache__/' '*.py[co]' > .git/info/exclude",
            "git -c core.quotePath=false ls-files --others --exclude-standard --directory"
            r" | sed 's/[][*?\\]/\\&/g; s,^,/,' > /tmp/added",
            "cat /tmp/added >> .git/info/exclude",
            "rm /tmp/added",
        ]
    )


def _sandbox(beside: Path, wheel_folder: Path, python: Interpreter) -> list[str | Path]:
    """The bubblewrap command line of the installation: no network, nothing of the host's homes."""
    if shutil.which("bwrap") is None:
        raise UserError(
            "bubblewrap is not installed: install the package bubblewrap, or use Docker"
        )
    words: list[str | Path] = [
        "bwrap",
        "--unshare-all",
        "--unshare-user",
        "--uid",
        "0",
        "--gid",
        "0",
    ]
    words += ["--die-with-parent", "--new-session", "--clearenv", "--setenv", "HOME", "/root"]
    words += ["--setenv", "LANG", "C.UTF-8", "--setenv", "PATH", f"{VENV}/bin:/usr/bin:/bin"]
    words += ["--ro-bind", "/usr", "/usr"]
    for name in HOST_FOLDERS:
        folder = Path("/", name)
        if folder.is_symlink():
            words += ["--symlink", folder.readlink(), folder]
        elif folder.is_dir():
            words += ["--ro-bind", folder, folder]
    for path in HOST_ETC:
        words += ["--ro-bind-try", path, path]
    words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--dir", "/root"]  # noqa: S108
    words += ["--ro-bind", python.prefix, python.prefix, "--ro-bind", wheel_folder, "/wheels"]
    words += ["--bind", beside / "testbed", TESTBED, "--bind", beside / "venv", VENV]
    return [*words, "--chdir", "/"]


def _digest(value: object) -> str:
    text = json.dumps([RECIPE, value], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def local_image(environment: Environment) -> str:
    """The name of the Docker image built for `environment`."""
    return f"delm-offline/{environment.name.lower()}:{environment_key(environment)[:12]}"
