"""Inspect a command without running it. Pure functions; never the only guard, since bash
decides."""

import re
import shlex
from collections.abc import Iterator

_READERS = (
    "[ [[ : ag awk basename cat cd cmp cp cut date diff dirname echo egrep exit export expr false "
    "fgrep file find gawk git grep head less ln ls md5sum mkdir more mv nl od printf pwd read "
    "readlink realpath return rg rm sed seq set sha1sum sha256sum shift sleep sort stat strings "
    "tail tee test touch tr true type uniq unset wc which xxd"
)
READERS = frozenset(_READERS.split())
"""Programs that show, compare or move text, and never run the code of the repository."""

_KEYWORDS = "! { } if then elif else fi do done while until for case esac in"
KEYWORDS = frozenset(_KEYWORDS.split())
WRAPPERS = frozenset(
    ("command", "env", "exec", "nice", "nohup", "sudo", "time", "timeout", "xargs")
)
SHELLS = frozenset(("bash", "sh", "dash", "zsh"))
HEREDOC = re.compile(
    r"<<-?[ \t]*+(['\"]?+)(\w++)\1([^\n]*+)\n.*?(?:^[ \t]*\2[ \t]*$|\Z)", re.DOTALL | re.MULTILINE
)
SUBSTITUTION = re.compile(r"\$\(([^()]*)\)|`([^`]*)`")
TEST_ID = re.compile(r"(?<![\w./-])[\w./-]+\.py::[\w:.]+(?:\[[^\]\s]*\])?")
OPERATORS = set("();<>|&\n")


def only_reads(command: str) -> bool:
    """Whether every program in `command` only reads or moves text, as far as can be seen."""
    return all(program in READERS for program in programs(command))


def programs(command: str, depth: int = 3) -> Iterator[str]:
    """The names of the programs that `command` runs; what cannot be read counts as one."""
    bare = HEREDOC.sub(r"\3\n", command.replace("\\\n", " "))
    if depth:
        for match in SUBSTITUTION.finditer(bare):
            yield from programs(match[1] or match[2] or "", depth - 1)
    try:
        words = words_of(SUBSTITUTION.sub("SUBSTITUTED", bare))
    except ValueError:
        yield bare
        return
    for simple in _simple_commands(words):
        yield from _program(simple, depth)


def words_of(text: str, *, comments: str = "") -> list[str]:
    """The words and operators of a shell text; `comments`: the characters that begin one.

    Raises `ValueError` for an open quote.
    """
    lexer = shlex.shlex(text, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    lexer.commenters = comments
    return list(lexer)


def _simple_commands(words: list[str]) -> Iterator[list[str]]:
    simple: list[str] = []
    target = False  # the word after a redirection is a file
    for word in words:
        if word and set(word) <= OPERATORS:
            target = word[-1] in "<>" or (word.endswith("&") and ">" in word)
            if not target:
                yield simple
                simple = []
        elif target:
            target = False
        else:
            simple.append(word)
    yield simple


def _program(words: list[str], depth: int) -> Iterator[str]:
    """The program of one simple command, after assignments, keywords and wrappers."""
    rest = list(words)
    while rest and (rest[0] in KEYWORDS or re.match(r"\w+=", rest[0])):
        if rest.pop(0) in ("for", "case"):
            return
    if not rest:
        return
    name = rest.pop(0).rpartition("/")[2] if not rest[0].startswith("./") else rest.pop(0)
    if name in WRAPPERS:
        while rest and (re.match(r"-|\w+=|[\d.]+[smhd]?$", rest[0])):
            rest.pop(0)
        yield from _program(rest, depth)
    elif name in SHELLS and rest[:1] and re.fullmatch(r"-\w*c", rest[0]) and depth:
        yield from programs(" ".join(rest[1:2]), depth - 1)
    elif name == "find" and {"-exec", "-execdir"} & set(rest):
        at = next(i for i, word in enumerate(rest) if word in ("-exec", "-execdir"))
        yield from _program(rest[at + 1 :], depth)
    else:
        yield name


def spells(command: str, output: str) -> bool:
    """Whether `command` already contains every word of `output`, so that it may only print them."""
    return set(re.findall(r"\w+", output)) <= set(re.findall(r"\w+", command))


def normal_command(command: str) -> str:
    """The command without meaningless differences: blanks, and `cd` to the current folder."""
    text = "\n".join(" ".join(line.split()) for line in command.strip().split("\n"))
    return re.sub(r"^cd /testbed/? *(?:&&|;) *", "", text)


def test_id(text: str) -> str:
    """The first `path::test` in `text`, or an empty string."""
    found = TEST_ID.search(text)
    return found[0].removeprefix("/testbed/").rstrip(".:") if found else ""


_IDLE = (
    (r"--co(?:llect(?:-only)?)?\b", "`--collect-only` runs no test. Leave it out."),
    (r"\|\|\s*(?:true|:|exit 0|echo\b)", "`|| …` makes it pass whatever happens. Leave it out."),
    (r"(?:;|\n)\s*(?:true|:|exit 0|echo\b[^\n;&|]*)\s*$",
     "Its last command passes whatever happens before. End with the one that can fail."),
    (r"\|\s*(?:tail|head|cat|tee|sed|sort|less|more|wc|awk|tr|cut|uniq)\b[^|\n;&]*$",
     "A pipe ends with the status of its last program. Leave it out, or `set -o pipefail`."),
)  # fmt: skip
_NO_TESTS = re.compile(
    r"no tests ran|collected 0 items|no tests collected|^Ran 0 tests|\b0 passed|"
    r"^\s*\d+ deselected in|tests finished: 0 passed", re.MULTILINE,
)  # fmt: skip
_TESTS = re.compile(r"\d+ passed|^Ran [1-9]\d* tests?|tests finished: [1-9]", re.MULTILINE)


def idle_reason(command: str, output: str) -> str:
    """Why a command that passes may do so whatever the code does; nothing where nothing is seen."""
    bare = HEREDOC.sub(r"\3\n", command)
    why = next((why for pattern, why in _IDLE if re.search(pattern, bare)), "")
    if not why and _NO_TESTS.search(output) and not _TESTS.search(output):
        why = "It ran no test: nothing was collected or selected. Name tests that exist."
    return f"The command passes whatever the code does. {why}" if why else ""


def nothing_ran(command: str, exit_status: int) -> bool:
    """Whether this exit status means that bash or pytest found nothing to run."""
    return exit_status in (126, 127) or (exit_status in (4, 5) and "pytest" in command)
