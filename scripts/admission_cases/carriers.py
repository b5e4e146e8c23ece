"""The ways in which a model gives a few Python statements to the gate: as commands with files."""

import shlex
from collections.abc import Callable, Mapping
from textwrap import indent
from typing import NamedTuple

PYTEST = "python -m pytest -q -s -p no:cacheprovider -c /dev/null"


class Carried(NamedTuple):
    """A command, and the files in the shared folder that it needs."""

    command: str
    files: Mapping[str, str] = {}


Carrier = Callable[[str, str], Carried]
"""Makes a command of imports and of the statements after them."""


def dash_c(imports: str, body: str) -> Carried:
    """`python -c`."""
    return Carried(f"python -c {shlex.quote(_joined(imports, body))}")


def heredoc(imports: str, body: str) -> Carried:
    """A script on the standard input."""
    return Carried(f"python - <<'EOF'\n{_joined(imports, body)}\nEOF")


def attached(imports: str, body: str) -> Carried:
    """A script in the shared folder."""
    text = _joined(imports, body) + "\n"
    return Carried("PYTHONPATH=. python /tmp/board/check.py", {"check.py": text})


def written(imports: str, body: str) -> Carried:
    """A script that the command writes first."""
    text = _joined(imports, body)
    script = f"cat > /tmp/check.py <<'EOF'\n{text}\nEOF\n"
    return Carried(f"{script}cd /testbed && PYTHONPATH=/testbed python /tmp/check.py")


def unittest_case(imports: str, body: str) -> Carried:
    """A test case of the standard library."""
    text = (
        f"import unittest\n{imports}\n\nclass Check(unittest.TestCase):\n    def test_it(self):\n"
        f"{indent(body, ' ' * 8)}\n\nunittest.main()"
    )
    return Carried(f"python - 2>&1 <<'EOF'\n{text}\nEOF")


def pytest_file(imports: str, body: str, fixtures: str = "") -> Carried:
    """A test file of its own, outside of the repository."""
    text = f"{imports}\n\ndef test_it({fixtures}):\n{indent(body, '    ')}"
    script = f"mkdir -p /tmp/own && cat > /tmp/own/test_own.py <<'EOF'\n{text}\nEOF\n"
    return Carried(f"{script}PYTHONPATH=. {PYTEST} /tmp/own/test_own.py")


def new_test(folder: str) -> Carrier:
    """A new test file in a folder of the repository."""

    def carrier(imports: str, body: str) -> Carried:
        path = f"{folder}/test_of_mine.py"
        text = f"{imports}\n\ndef test_it():\n{indent(body, '    ')}"
        return Carried(f"cat > {path} <<'EOF'\n{text}\nEOF\npython -m pytest -q -s {path}")

    return carrier


PLAIN: tuple[Carrier, ...] = (dash_c, heredoc, attached, written)


def _joined(imports: str, body: str) -> str:
    return f"{imports}\n{body}" if imports else body
