"""Rewrite an evaluation script for other test files, so that it runs every test. Text to text."""

import base64
import re
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MARKER = ">>>>> Start Test Output"
END = ">>>>> End Test Output"
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

# Kill every process that is neither above nor below the script: what it ran before has left it.
ALONE = r"""(
  set +eux
  shell=$BASHPID
  above() { # the ids of $1 and of every process above it
    local id=$1 name value
    while [ "${id:-0}" -gt 0 ]; do
      printf ' %s ' "$id"
      local next=0
      while read -r name value; do [ "$name" = PPid: ] && next=$value; done < "/proc/$id/status"
      id=$next
    done
  }
  mine=$(above "$shell")
  for round in 1 2 3; do
    for place in /proc/[0-9]*; do
      id=${place#/proc/}
      case "$mine" in *" $id "*) continue ;; esac
      case "$(above "$id")" in *" $$ "*) ;; *) kill -KILL "$id" ;; esac
    done
  done
) > /dev/null 2>&1"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPipe:
    """The report of a run: what is written into the pipe `path` has left the sandbox at once.

    In the script's output it stands between two lines that nobody knows, before the tests' own.
    """

    path: str
    begin: str = field(default_factory=lambda: secrets.token_hex(16))
    end: str = field(default_factory=lambda: secrets.token_hex(16))

    def opened(self) -> list[str]:
        """Shell lines that make the pipe, and read it until it says `end`."""
        return [
            f"rm -rf -- {self.path}; mkfifo {self.path}; echo; echo {self.begin}",
            f"{{ sed -u /^{self.end}$/q 0<> {self.path} & report_reader=$!; }} 2> /dev/null",
        ]

    def closed(self) -> list[str]:
        """Shell lines that end it; a reader that is gone says no `end`."""
        say = f"printf '\\n%s\\n' {self.end} > {self.path}"
        return [
            f'{{ timeout 5 bash -c "{say}"',
            "for each in {1..100}; do kill -0 $report_reader || break; sleep 0.05; done",
            "kill -KILL $report_reader; } 2> /dev/null",
            f"rm -f -- {self.path}; echo",
        ]

    def read(self, output: str) -> tuple[str | None, str]:
        """The report, None where its end is missing, and the output without it."""
        before, begun, rest = output.partition(f"\n{self.begin}\n")
        report, ended, log = rest.partition(f"\n{self.end}\n")
        if not begun or not ended:
            return None, before + rest
        return report, f"{before}\n{log}"


def guarded_script(
    script: str,
    files: Mapping[str, str],
    install: str = "",
    surroundings: Sequence[str] = (),
    lone: Sequence[str] = (),
    report: ReportPipe | None = None,
) -> str:
    """`script` with these files written just before its tests begin, none of which ends the run.

    The commands `lone` come first, the command `install` before the files, the commands
    `surroundings` after. Standard output of the tests is a file; what they write into the `report`
    comes before it.

    A run that stops at the first failure would stop at the first planted one. What runs beside the
    script is killed before the files are written, and again before the end of the tests is marked.
    """
    before, start, tests, after = _parts(script)
    kept = f"/tmp/{secrets.token_hex(16)}"  # noqa: S108 - inside the sandbox
    opened, closed = (report.opened(), report.closed()) if report else ([], [])
    return "\n".join(
        [*before, ALONE, *([*lone, ALONE] if lone else []), install, *writing(files), GO_ON,
         *surroundings, *start, *opened, "{ :", *tests, ALONE, f"}} > {kept} 2>&1", *closed,
         f"cat {kept}", *after]
    )  # fmt: skip


def test_commands(script: str) -> list[str]:
    """The lines of a script that run its tests, so that they stop at no failure."""
    return _parts(script)[2]


def _parts(script: str) -> tuple[list[str], list[str], list[str], list[str]]:
    """The lines before the tests, the one that marks their beginning, the tests, the rest."""
    lines = script.split("\n")
    start = max((number for number, line in enumerate(lines, 1) if MARKER in line), default=0)
    tests = list(map(_to_the_end, lines[start:]))
    end = next((number for number, line in enumerate(tests) if END in line), len(tests))
    return lines[: max(start - 1, 0)], lines[max(start - 1, 0) : start], tests[:end], tests[end:]


def _to_the_end(line: str) -> str:
    if not RUNNER.search(line):
        return line
    return STOPS.sub(lambda match: (match["others"] or "") + (match["more"] or ""), line)


def writing(files: Mapping[str, str], root: str = "/testbed/") -> list[str]:
    """Shell lines that write files below `root`."""
    lines = []
    for path, text in files.items():
        name = shlex.quote(f"{root}{path}")
        encoded = base64.b64encode(text.encode()).decode()
        lines += [f"rm -rf -- {name}", f"base64 -d > {name} <<'END_OF_FILE'", encoded,
                  "END_OF_FILE"]  # fmt: skip
    return lines
