"""Surroundings of a guarded run that differ from those of the official one. Pure functions.

What works only where tests run may take anything there for a sign of that: handlers of logging, the
type of `sys.stdout`, filters of warnings, variables of the environment. So the guarded run has
others, as far as an instance's tests do without; what the gold patch fails there is no fault.
"""

import shlex
from collections.abc import Collection, Iterable
from random import Random

# Options of pytest, and what stands in tests or in what configures them where they need the
# opposite.
OPTIONS = {
    "-p no:logging": ("caplog", "LogCapture", "log_cli", "log_level", "logging-plugin"),
    "-p no:warnings": ("filterwarnings",),
    "-p no:faulthandler": ("faulthandler",),
    "-s": ("capturemanager", "option.capture", "--capture"),
    "--assert=plain": ("register_assert_rewrite", "_pytest.assertion", "assertrepr"),
    "--tb=no": ("tbstyle",),  # which is also most of the time that a failing test takes
}
CONFIGURING = ("*conftest.py", "pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml")
UNSET = ("HOSTNAME", "OLDPWD", "SHLVL")


def pytest_options(files: Collection[str], texts: Iterable[str]) -> str:
    """The options for tests with these `texts`, what configures them included.

    None where pytest itself is among the repository's `files`: its tests are about them.
    """
    if any(file.endswith("_pytest/__init__.py") for file in files):
        return ""
    whole = "\n".join(texts)
    needed = {option for option, words in OPTIONS.items() if any(word in whole for word in words)}
    return " ".join(option for option in OPTIONS if option not in needed)


def surroundings(options: str | None, arguments: str, random: Random) -> list[str]:
    """The shell lines that make them, for `pytest_options`; no two runs have the same.

    None where the tests need those of the official run. `arguments` is the variable in which
    planted files find the program's name that stands in `sys.argv` from then on.
    """
    if options is None:
        return []
    name, value, folder, user, program = (f"{random.getrandbits(48):x}" for _ in range(5))
    place = shlex.quote(f"/tmp/_{folder}")  # noqa: S108 - inside the sandbox
    return [
        f"unset {' '.join(UNSET)}",
        f"export _{name.upper()}={value} USER=u{user} LOGNAME=u{user} TZ=UTC0 "
        f"PYTHONHASHSEED={random.getrandbits(32)} {arguments}=/usr/local/bin/p{program}",
        f"ln -s /testbed {place} && cd {place}",  # its spelling alone: the folder is the same
        f'export PYTEST_ADDOPTS="${{PYTEST_ADDOPTS-}} {options}"' if options else "",
    ]
