"""Which programs, options and files of a shell text are in the plain form. Pure functions."""

import re
from collections.abc import Callable
from itertools import pairwise

from agents.admission.plain_names import (
    DATA,
    IDLE,
    OTHER_RUNNERS,
    READERS,
    SETTINGS,
    STDLIB,
    TEST_OPTIONS,
)
from agents.admission.shell_grammar import NotPlain, Word

FOLDER = re.compile(r"(?:/testbed|/tmp/\w[\w.-]*|\w[\w.-]*|\.)(?:/\w[\w.-]*)*/?")
SCRATCH = re.compile(r"/tmp/\w[\w.-]*(?:/\w[\w.-]*)*")  # noqa: S108 - inside a sandbox
RELATIVE = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*)*")
TIME = re.compile(r"[\d.]+[smh]?")
TIME_OPTION = re.compile(r"-[ksv]|--preserve-status|--foreground|--\w+=\w+")
SET = re.compile(r"(?:(?:-[eux]+|-[eux]*o pipefail|\+[eux]+) ?)+")
PART = r"(.)(?:(?!\1).)*\1(?:(?!\1).)*\1"
PRINTED_LINES = re.compile(rf"[\d$,;p\s]+|/[^/]*/(?:,(?:/[^/]*/|\d+|\$))?p|s{PART}g?")
SEARCHES_ONLY = re.compile(r"-(?:exec|execdir|delete|fprint\w*|fls|ok|okdir)")
SHORT_OPTIONS = re.compile(r"-[qvxslbfhV]+[km]?|-[rkmnpW].*|-[cot]")
DOCTEST = ">>>"
INLINE = frozenset(("-e", "-p", "-c", "--eval", "--print", "-f", "--require", "-r"))

PROGRAM = (
    "Call the repository's code by `python -c`, `python - <<'EOF'`, a script, `python -m pytest`, "
    "or a program of the repository."
)


def own_modules(path: str) -> set[str]:
    """The names by which a file of the command's own, with its folders, may be imported.

    A folder right below /tmp is one only with an `__init__.py`; those of the repository were there.
    """
    *folders, name = path.strip("/").split("/")
    if not name.endswith(".py"):
        return set()
    if name == "__init__.py":
        name = folders[-1] if folders else ""
    return {name.removesuffix(".py"), *(folders[2:] if path.startswith("/") else ())}


def judge_name(path: str) -> None:
    """Raise `NotPlain` for a file that a command may not bring."""
    name = path.rpartition("/")[2]
    if name in SETTINGS or not STDLIB.isdisjoint({name.partition(".")[0], *own_modules(path)}):
        raise NotPlain(f"{path} stands in for settings or a module of Python's. Name it otherwise.")
    if not name.endswith((".py", ".sh", *DATA)):
        raise NotPlain(f"{path} is neither Python nor text. A command brings .py, .sh and .txt.")


def judge_tests(given: list[str]) -> None:
    """Raise `NotPlain` for options that change what a test runner does."""
    for each, following in pairwise([*given, ""]):
        plugin = following if each == "-p" else each[2:] if re.match(r"-p\S", each) else "no:"
        if not plugin.startswith("no:"):
            raise NotPlain("a plugin changes what the tests do: only `-p no:NAME` is plain.")
        option, _, _ = each.partition("=")
        refused = each.startswith(("-", "@")) and (
            (each == "-c" and following != "/dev/null")
            or (option in ("-o", "--override-ini") and following not in ("addopts=", "addopts"))
            or (option not in TEST_OPTIONS and not SHORT_OPTIONS.fullmatch(each))
        )
        if refused:
            raise NotPlain(f"the option {option} is not plain. Leave it out.")


def judge_own_program(name: str, given: list[str]) -> None:
    """Raise `NotPlain` for a program of the repository that gets its text from the command."""
    if ".." in name.split("/"):
        raise NotPlain(f"`{name}` is no program of the repository.")
    if "shell" in given or "--init-hook" in " ".join(given):
        raise NotPlain(f"`{name}` gets Python text here. {PROGRAM}")
    if name in OTHER_RUNNERS and not INLINE.isdisjoint(given):
        raise NotPlain(f"`{name}` runs the repository's own files: leave out -e, -c and -f.")


def after_the_time(words: list[Word]) -> list[Word]:
    """What `timeout` runs."""
    rest = words
    while rest and TIME_OPTION.fullmatch(rest[0].text):
        rest = rest[2:] if rest[0].text in ("-k", "-s") else rest[1:]
    if not rest or not TIME.fullmatch(rest[0].text) or not rest[1:]:
        raise NotPlain("`timeout` is plain as `timeout 20 python …`.")
    return rest[1:]


def judge_tool(name: str, given: list[str], *, piped: bool) -> None:
    """Raise `NotPlain` for a program that is none of the plain ones."""
    if name in READERS or name in IDLE:
        if any("\0" in each for each in given):
            raise NotPlain(f"`{name}` gets plain words.")
    elif name in _RULES:
        plain, why = _RULES[name]
        if not plain(given) or (name == "sed" and not piped and _replaces(given)):
            raise NotPlain(why)
    else:
        shown = name.replace("\0", "$")
        raise NotPlain(f"`{shown}` is none of the plain programs. {PROGRAM}")


def _cd(given: list[str]) -> bool:
    return given in (["/tmp"], ["/tmp/"]) or (  # noqa: S108 - inside a sandbox
        len(given) == 1 and FOLDER.fullmatch(given[0]) is not None and ".." not in given[0]
    )


def _mkdir(given: list[str]) -> bool:
    return all(SCRATCH.fullmatch(each) for each in given if each != "-p")


def _sed(given: list[str]) -> bool:
    programs = [each for each in given if not each.startswith("-")]
    options = {each for each in given if each.startswith("-")}
    plain = bool(programs) and PRINTED_LINES.fullmatch(programs[0]) is not None
    return plain and not options - {"-n", "-E", "-r", "-e"}


def _replaces(given: list[str]) -> bool:
    return any(each.startswith("s") for each in given[:1])


def _echo(given: list[str]) -> bool:
    return not (given[:1] and given[0].startswith("-") and given[0] != "-n")


_RULES: dict[str, tuple[Callable[[list[str]], bool], str]] = {
    "cd": (_cd, "`cd` goes to a folder of the repository or in /tmp."),
    "echo": (_echo, "`echo` is plain without options."),
    "exit": (lambda given: given in ([], ["\0"], ["0"], ["1"]), "`exit` is plain as `exit $?`."),
    "find": (
        lambda given: not any(map(SEARCHES_ONLY.fullmatch, given)),
        "`find` only lists: leave out -exec and -delete.",
    ),
    "mkdir": (_mkdir, "`mkdir` makes folders in /tmp only."),
    "sed": (_sed, "`sed` only prints lines: sed -n '3,9p'."),
    "set": (
        lambda given: SET.fullmatch(" ".join(given)) is not None,
        "`set` is plain as `set -e`, `set -o pipefail`.",
    ),
    "tr": (lambda given: given[:1] in (["-d"], ["-s"]), "`tr` is plain with -d and -s."),
}
