"""The environment variables that a program gets which the harness starts: by name, never all.

The harness has keys in its own. A program that touches what a sandbox wrote gets none at all.
"""

import os
import re

PLAIN = r"PATH|HOME|USER|LOGNAME|TMPDIR|LANG|LC_\w+|LD_LIBRARY_PATH|SYSTEMROOT"
# For the package index, and for compilers where pip builds a wheel.
INSTALLER = (
    r"PIP_\w+|(?i:https?|ftp|all|no)_(?i:proxy)|NETRC|(REQUESTS|CURL)_CA_BUNDLE|SSL_CERT_(FILE|DIR)"
    r"|XDG_\w+|CC|CXX|(C|CPP|CXX|LD)FLAGS|PKG_CONFIG_PATH|CARGO_HOME|RUSTUP_HOME"
)


def plain() -> dict[str, str]:
    """For a program that needs to find others, a home, a temporary folder and a language."""
    return _named(PLAIN)


def installer() -> dict[str, str]:
    """For one that downloads and builds packages, too. An index's password is in there."""
    return _named(f"{PLAIN}|{INSTALLER}")


def reader() -> dict[str, str]:
    """For a command of delm that reads a run and calls no model."""
    return _named(rf"{PLAIN}|XDG_\w+|DELM_CACHE")


def _named(pattern: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if re.fullmatch(pattern, name)}
