"""Rewrite an evaluation script for other test files, so that it runs every test. Text to text."""

import base64
import re
import shlex
from collections.abc import Mapping, Sequence

MARKER = ">>>>> Start Test Output"
RUNNER = re.compile(r"\b(?:py\.?test|tox|nosetests|unittest|runtests|manage|trial)\b")
STOPS = re.compile(
    r"(?<!\S)(?:-x|--exitfirst|--maxfail[= ]\d+|--failfast|--sw|--stepwise)(?!\S)"
    r"|(?<=\s-)(?P<others>[qsvl]*)x(?P<more>[qsvlx]*)(?!\S)"  # of short options in one word: -xvs
)
# The last --maxfail counts, and an `addopts` of a file comes before that of the environment.
GO_ON = (
    "if grep -qsE -- '(^|[[:space:]\"=])(-[qsvl]*x|--exitfirst|--maxfail|--stepwise|--sw)' "
    "/testbed/pytest.ini /testbed/.pytest.ini /testbed/tox.ini /testbed/setup.cfg "
    "/testbed/pyproject.toml; "
    'then export PYTEST_ADDOPTS="${PYTEST_ADDOPTS-} --maxfail=0"; fi'
)


def guarded_script(script: str, files: Mapping[str, str]) -> str:
    """`script` with these files written just before its tests begin, none of which ends the run.

    A run that stops at the first failure would stop at the first planted one.
    """
    lines = script.split("\n")
    start = max((number for number, line in enumerate(lines) if MARKER in line), default=0)
    return "\n".join([*lines[:start], *_writing(files), GO_ON, *map(_to_the_end, lines[start:])])


def _to_the_end(line: str) -> str:
    if not RUNNER.search(line):
        return line
    return STOPS.sub(lambda match: (match["others"] or "") + (match["more"] or ""), line)


def _writing(files: Mapping[str, str]) -> Sequence[str]:
    lines = []
    for path, text in files.items():
        name = shlex.quote(f"/testbed/{path}")
        encoded = base64.b64encode(text.encode()).decode()
        lines += [f"rm -rf -- {name}", f"base64 -d > {name} <<'END_OF_FILE'", encoded,
                  "END_OF_FILE"]  # fmt: skip
    return lines
