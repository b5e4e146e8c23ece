"""A diff as files, hunks and coloured lines, for `templates/diff_view.html.j2`.

Whatever a system hands in can be shown: of a long diff the beginning, of long lines the beginning,
of binary files that they changed; and what is no unified diff, line by line as it is.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from pygments import lex
from pygments.lexers import get_lexer_by_name
from pygments.token import Token
from unidiff import Hunk, PatchedFile, PatchSet

from harness.terminal import plain
from harness.text.unified_diff import parse

MOST_CHARS = 30_000  # of one diff; its end is left out
MOST_LINES = 1_200
MOST_LINE = 400  # characters of one line
Kind = Literal["add", "del", "hunk", "file", ""]
Span = tuple[str, str]  # class, text
_LEXERS: Mapping[str, str] = {
    "py": "python", "pyi": "python", "pyx": "cython", "js": "javascript", "ts": "typescript",
    "java": "java", "c": "c", "h": "c", "cc": "cpp", "cpp": "cpp", "hpp": "cpp", "go": "go",
    "rs": "rust", "rb": "ruby", "php": "php", "sh": "bash", "json": "json", "toml": "toml",
    "yaml": "yaml", "yml": "yaml", "cfg": "ini", "ini": "ini",
}  # fmt: skip
_CLASSES: Sequence[tuple[Any, str]] = (
    (Token.Comment, "tc"),
    (Token.Literal.String, "ts"),
    (Token.Literal.Number, "tn"),
    (Token.Keyword, "tk"),
    (Token.Operator.Word, "tk"),
    (Token.Name.Function, "tf"),
    (Token.Name.Class, "tf"),
    (Token.Name.Decorator, "tf"),
)
_HEADER = re.compile(
    r"diff |index |--- |\+\+\+ |new file|deleted file|rename |similarity |old mode|new mode|copy "
    r"|Binary files |GIT binary patch"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffLine:
    """A line with its numbers before and after, and its text in coloured pieces."""

    kind: Kind
    before: int | None
    after: int | None
    spans: Sequence[Span]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffFile:
    """What is changed in one file. `change`: added, removed, renamed, binary, or empty."""

    path: str
    change: str
    added: int
    removed: int
    lines: Sequence[DiffLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffView:
    """A diff. Empty files: it changes nothing."""

    files: Sequence[DiffFile]
    left_out: int  # characters at its end
    parsed: bool  # as a unified diff

    @property
    def added(self) -> int:
        """Lines that it adds, as far as it is shown."""
        return sum(file.added for file in self.files)

    @property
    def removed(self) -> int:
        """Lines that it removes, as far as it is shown."""
        return sum(file.removed for file in self.files)


@lru_cache(maxsize=128)
def diff_view(diff: str, most: int = MOST_CHARS) -> DiffView:
    """The view of a diff; of one with more than `most` characters, or lines, of its beginning."""
    shown = diff if len(diff) <= most else diff[:most].rpartition("\n")[0] or diff[:most]
    pieces = shown.split("\n", MOST_LINES)
    if len(pieces) > MOST_LINES and pieces[-1]:
        shown = "\n".join(pieces[:-1])
    left_out = len(diff) - len(shown)
    files = _parsed(shown) if not left_out else None
    if files is None:
        lines = tuple(_plain_lines(shown))
        one = DiffFile(
            path="",
            change="",
            added=sum(line.kind == "add" for line in lines),
            removed=sum(line.kind == "del" for line in lines),
            lines=lines,
        )
        return DiffView(files=(one,) if shown.strip() else (), left_out=left_out, parsed=False)
    return DiffView(files=tuple(map(_file, files)), left_out=0, parsed=True)


def same_change(one: str, other: str) -> bool:
    """Whether two diffs remove and add the same lines in the same files, wherever they stand."""
    if one == other:
        return True
    if max(len(one), len(other)) > MOST_CHARS:
        return False
    mine, theirs = _parsed(one), _parsed(other)
    return bool(mine) and bool(theirs) and _changes(mine) == _changes(theirs)


def _changes(files: Iterable[PatchedFile] | None) -> list[tuple[str, str, str]]:
    return sorted(
        (file.path, line.line_type, line.value)
        for file in files or ()
        for hunk in file
        for line in hunk
        if line.line_type in "+-"
    )


def _parsed(diff: str) -> PatchSet | None:
    """The files of a diff; None where it is no unified diff, or has text outside of them."""
    try:
        found = parse(diff)
    except ValueError:
        return None
    return found if found or not diff.strip() else None


def _file(file: PatchedFile) -> DiffFile:
    lines = [line for hunk in file for line in _hunk(file.path, hunk)]
    return DiffFile(
        path=plain(file.path),
        change=_change(file),
        added=file.added,
        removed=file.removed,
        lines=tuple(lines),
    )


def _change(file: PatchedFile) -> str:
    if file.is_binary_file:
        return "binary"
    if file.is_added_file:
        return "added"
    if file.is_removed_file:
        return "removed"
    if file.is_rename:
        return f"renamed from {plain(file.source_file or '').removeprefix('a/')}"
    return ""


def _hunk(path: str, hunk: Hunk) -> Iterator[DiffLine]:
    """The lines of a hunk, with its head before them."""
    where = f"@@ -{hunk.source_start} +{hunk.target_start} @@ {cut(hunk.section_header or '')}"
    yield DiffLine(kind="hunk", before=None, after=None, spans=(("", where.rstrip()),))
    lines = [(line.line_type, cut(line.value), line) for line in hunk]
    before = coloured(path, [text for kind, text, _ in lines if kind in " -"])
    after = coloured(path, [text for kind, text, _ in lines if kind in " +"])
    kinds: Mapping[str, Kind] = {"+": "add", "-": "del"}
    for kind, text, line in lines:
        spans: Sequence[Span] = (("", text),)
        if kind in " -":
            spans = next(before)
        if kind in " +":
            spans = next(after)
        yield DiffLine(
            kind=kinds.get(kind, ""),
            before=line.source_line_no,
            after=line.target_line_no,
            spans=spans,
        )


def cut(line: str) -> str:
    """A line without its end and control characters, and not longer than a page bears."""
    line = line.rstrip("\n")
    more = f" … {len(line) - MOST_LINE:,} more characters" if len(line) > MOST_LINE else ""
    return plain(line[:MOST_LINE]).replace("\n", " ") + more


def coloured(path: str, lines: Sequence[str]) -> Iterator[Sequence[Span]]:
    """The lines in pieces with their classes, as the language of the file has them."""
    name = _LEXERS.get(path.rpartition(".")[2].lower())
    if name is None:
        yield from (((("", line)),) for line in lines)
        return
    text = "\n".join(lines)
    inside = any(text.count(quotes) % 2 for quotes in ('"""', "'''"))  # it begins or ends in one
    for part in lines if inside else [text]:
        yield from _lexed(name, part)


def _lexed(name: str, text: str) -> Iterator[Sequence[Span]]:
    """The lines of a text in the language of that name."""
    lexer = get_lexer_by_name(name, stripnl=False, stripall=False, ensurenl=False)
    line: list[Span] = []
    for token, value in lex(text, lexer):
        mark = next((name for kind, name in _CLASSES if token in kind), "")
        for number, piece in enumerate(value.split("\n")):
            if number:
                yield line
                line = []
            if piece and line and line[-1][0] == mark:
                line[-1] = (mark, line[-1][1] + piece)
            elif piece:
                line.append((mark, piece))
    yield line


def _plain_lines(text: str) -> Iterator[DiffLine]:
    inside = False  # of a hunk, where a removed line may look like a header
    for line in text.rstrip("\n").split("\n"):
        kind: Kind = ""
        if line.startswith("@@"):
            inside, kind = True, "hunk"
        elif line.startswith("diff ") or (not inside and _HEADER.match(line)):
            inside, kind = False, "file"
        elif line[:1] in ("+", "-"):
            kind = "add" if line[0] == "+" else "del"
        yield DiffLine(kind=kind, before=None, after=None, spans=(("", cut(line)),))
