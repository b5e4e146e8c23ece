"""What agents have in common: files opened, commands run, lines patched. Pure functions.

What an agent did is read from its tool calls, and what a bash command opens from its words, so the
first two are estimates. A word is taken for a file of the repository if

* it is no option, holds no blank, quote, `$`, `*`, `?`, `{`, `=`, `~` or `://`, has at most 300
  characters, and is neither what output is redirected to (`>`) nor part of a here-document;
* behind its last `/` it has an extension of one to eight letters and digits that begins with a
  letter; without any `/` it has to be one of `EXTENSIONS` (`os.path` is no file);
* under the directories that `cd` went to earlier in the same command it lies in `/testbed`.

`:12` and `::test` at its end are left out. Whether the file exists, and whether the program really
opened it, is not known; what a program opens by itself (`pytest`, `grep -r`) is not seen.
"""

import json
import posixpath
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import combinations
from typing import Any

from harness.board.vocabulary import ToolName
from harness.text.unified_diff import parse

Message = Mapping[str, Any]
ROOT = "/testbed"
_EXTENSIONS = (
    "bat bib c cc cfg conf cpp css csv cxx diff f90 fits go h hpp html in inc ini ipynb java js "
    "json lock log md mo patch po pxd py pyi pyx rb rs rst sh sql svg tex toml ts tsv txt xml yaml "
    "yml"
)
EXTENSIONS = frozenset(_EXTENSIONS.split())
LONGEST = 300  # characters of a path
OPERATORS = frozenset("();<>|&\n")
EXTENSION = re.compile(r"[^/]\.([A-Za-z][A-Za-z0-9]{0,7})$")
HEREDOC = re.compile(
    r"<<-?[ \t]*+(['\"]?+)(\w++)\1([^\n]*+)\n.*?(?:^[ \t]*\2[ \t]*$|\Z)", re.DOTALL | re.MULTILINE
)
NO_PATH = re.compile(r"[\s'\"$*?{}=`~\0]|://")
AT = re.compile(r"(::.*|(:\d+)+:?)$", re.DOTALL)


def jaccard(one: Set[Any], other: Set[Any]) -> float | None:
    """`|A ∩ B| / |A ∪ B|`; None if both are empty."""
    union = len(one | other)
    return len(one & other) / union if union else None


def mean_overlap(sets: Sequence[Set[Any]]) -> float | None:
    """The mean Jaccard index over all pairs of `sets`; None if no pair has one."""
    found = [jaccard(one, other) for one, other in combinations(sets, 2)]
    known = [each for each in found if each is not None]
    return sum(known) / len(known) if known else None


def files_opened(messages: Iterable[Message]) -> set[str]:
    """Files that the tool calls in `messages` name, relative to the repository."""
    found: set[str] = set()
    for name, arguments in tool_calls(messages):
        if name in (ToolName.VIEW, ToolName.EDIT):
            found.update(_inside(ROOT, str(arguments.get("path", ""))))
        elif name == ToolName.BASH:
            found.update(files_of(str(arguments.get("command", ""))))
    return found


def commands_run(messages: Iterable[Message]) -> set[str]:
    """Commands given to `bash`, normalized by `normal`."""
    calls = tool_calls(messages)
    ran = {normal(str(given.get("command", ""))) for name, given in calls if name == ToolName.BASH}
    return ran - {""}


def tool_calls(messages: Iterable[Message]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name and arguments of each tool call that can be parsed."""
    for message in messages:
        for call in message.get("tool_calls") or ():
            try:
                name, arguments = call["function"]["name"], call["function"]["arguments"]
                given = json.loads(arguments) if isinstance(arguments, str) else arguments
            except (KeyError, TypeError, ValueError, RecursionError):
                continue
            if isinstance(given, dict):
                yield str(name), given


def normal(command: str) -> str:
    """The command with single blanks, no empty lines, and no leading `cd` to the repository."""
    lines = (" ".join(line.split()) for line in command.splitlines())
    text = "\n".join(line for line in lines if line)
    return re.sub(r"^cd /testbed/? ?(?:&&|;|\n) ?", "", text)


def files_of(command: str) -> set[str]:
    """Files that a bash command names; empty if the words cannot be told apart."""
    lexer = shlex.shlex(
        HEREDOC.sub(r"\3\n", command.replace("\\\n", " ")),
        posix=True,
        punctuation_chars="();<>|&\n",
    )
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    try:
        words = list(lexer)
    except ValueError:
        return set()
    found: set[str] = set()
    where, before = ROOT, ""
    for word in words:
        if before == "cd":
            where = posixpath.normpath(posixpath.join(where, word))
        elif not (set(before) <= OPERATORS and ">" in before):
            found.update(_named(where, word))
        before = word
    return found


def lines_patched(patch: str) -> set[tuple[str, int]] | None:
    """File and line at the base commit of all that a patch removes, or behind which it adds.

    What two patches make of a line is their own affair: a line that both change is in both. A new
    or a binary file counts as line 0. None where the patch is no unified diff.
    """
    try:
        parsed = parse(patch)
    except ValueError:
        return None
    if patch.strip() and not parsed:
        return None
    found: set[tuple[str, int]] = set()
    for file in parsed:
        if file.is_binary_file or not len(file):
            found.add((file.path, 0))
        for hunk in file:
            last = max(hunk.source_start - 1, 0) if hunk.source_length else hunk.source_start
            for line in hunk:
                last = last if line.source_line_no is None else line.source_line_no
                if line.is_added or line.is_removed:
                    found.add((file.path, last))
    return found


def _named(where: str, word: str) -> Iterator[str]:
    if len(word) > LONGEST or word.startswith("-") or NO_PATH.search(word):
        return
    path = AT.sub("", word)
    extension = EXTENSION.search(path)
    if extension and ("/" in path or extension[1].lower() in EXTENSIONS):
        yield from _inside(where, path)


def _inside(where: str, path: str) -> Iterator[str]:
    full = posixpath.normpath(posixpath.join(where, path.strip()))
    if full.startswith(f"{ROOT}/"):
        yield full.removeprefix(f"{ROOT}/")
