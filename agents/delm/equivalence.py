"""Whether two patches are the same candidate. Pure functions over their diffs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from unidiff import PatchedFile

from agents.admission.changes import is_test
from harness.text.unified_diff import parse

_TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<name>[^\W\d]\w*)|\d\w*|[^\w\s]"""
)
_COMMENT = re.compile(r"\s*(?:#|//)")
_TARGETS = re.compile(r"((?:\w+ , )*\w+) (?:: .+? )?= (?!= )")
_BOUND = re.compile(r"\bfor ((?:\w+ , )*\w+) in |\bas (\w+) |\b(\w+) : = ")
_DEFINED = re.compile(r"\b(?:def|class) (\w+) (?:\( (.*) \) )?")
_PARAMETER = re.compile(r"(?:^|, )(?:\* )*(\w+)")
LONGEST = 2_000  # characters of a line that is looked into
_KEPT = frozenset(("self", "cls"))

Change = tuple[tuple[str, str], ...]
"""Marks with texts: a `file`, the line `after` which lines are changed, and what `-` and `+` do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SameChange:
    """What is equal in two patches that make the same change."""

    whole: Change  # with all names as they are
    renamed: Change  # with numbers in the place of names that the patch introduces


def change_of(diff: str) -> SameChange | None:
    """The normalized change of a patch's source files; None where it cannot be read, or is empty.

    What does not count: blanks inside and at the end of a line, blank and comment lines, the
    numbers and the size of hunks, the order of files, and test files.
    """
    try:
        files = sorted(parse(diff), key=lambda file: str(file.path))
    except ValueError:
        return None
    lines: list[tuple[str, str]] = []
    for file in files:
        if file.is_binary_file:
            return None
        if not is_test(file.path):
            lines += [("file", file.path), *_lines_of(file)]
    if not any(mark in ("-", "+") for mark, _ in lines):
        return None
    names = {name: f"name{number}" for number, name in enumerate(_introduced(lines))}
    renamed = tuple((m, _with(names, text) if m == "+" else text) for m, text in lines)
    return SameChange(whole=tuple(lines), renamed=renamed)


def same_outcomes(mine: Mapping[str, bool], theirs: Mapping[str, bool]) -> bool:
    """Whether two candidates have the same outcomes of the commands that both were held to, of
    which there is at least one."""
    common = mine.keys() & theirs.keys()
    return bool(common) and all(mine[each] == theirs[each] for each in common)


def _lines_of(file: PatchedFile) -> Iterator[tuple[str, str]]:
    """The changed lines of a file, each run of them behind the line that stands before it."""
    for hunk in file:
        before, changed = "", False
        for line in hunk:
            text = _normal(line.value)
            if not text:
                continue
            if line.is_context:
                before, changed = text, False
                continue
            if not changed:
                yield "after", before
            changed = True
            yield line.line_type, text


def _normal(line: str) -> str:
    """The tokens of a line behind its indentation; empty for a blank line or a comment."""
    if _COMMENT.match(line) or not line.strip():
        return ""
    if len(line) > LONGEST:
        return line.strip()
    wide = line.expandtabs()
    indent = len(wide) - len(wide.lstrip())
    return f"{indent} " + "".join(f"{token[0]} " for token in _TOKEN.finditer(line))


def _introduced(lines: Sequence[tuple[str, str]]) -> list[str]:
    """The names that only added lines have, and that these bind, in the order of their use."""
    added = [text.partition(" ")[2] for mark, text in lines if mark == "+"]
    before = {name for mark, text in lines if mark in ("-", "after") for name in _names(text)}
    short = (text for text in added if len(text) <= 2 * LONGEST)
    bound = {name for text in short for name in _binds(text)} - before - _KEPT
    used = dict.fromkeys(name for text in added for name in _names(text))
    return [name for name in used if name in bound]


def _binds(text: str) -> Iterator[str]:
    """The names that a line of code gives a meaning to."""
    if targets := _TARGETS.match(text):
        yield from targets[1].split(" , ")
    for bound in _BOUND.finditer(text):
        yield from (bound[1] or bound[2] or bound[3]).split(" , ")
    for defined in _DEFINED.finditer(text):
        yield defined[1]
        yield from _PARAMETER.findall(defined[2] or "")


def _names(text: str) -> Iterator[str]:
    return (token[0] for token in _TOKEN.finditer(text) if token["name"])


def _with(names: Mapping[str, str], text: str) -> str:
    """A normalized line with other names."""
    return _TOKEN.sub(lambda t: names.get(t[0], t[0]) if t["name"] else t[0], text)
