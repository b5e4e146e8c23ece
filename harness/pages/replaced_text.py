"""A text that was replaced by another in a file, as the view of a diff without line numbers."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import unified_diff

from harness.pages.diff_view import DiffFile, DiffLine, DiffView, Kind, coloured, cut
from harness.terminal import plain

MOST_CHARS = 20_000  # of both texts together, beyond which they stand below each other
_KINDS: Mapping[str, Kind] = {"+": "add", "-": "del"}


def replaced_text(path: str, old: str, new: str) -> DiffView:
    """What an edit of the file `path` has changed: `old` into `new`."""
    before, after = _lines(old), _lines(new)
    left_out = 0
    if len(old) + len(new) > MOST_CHARS:  # comparing takes quadratic time
        shown = [_lines(text[: MOST_CHARS // 2]) for text in (old, new)]
        left_out = sum(max(0, len(text) - MOST_CHARS // 2) for text in (old, new))
        marked = [f"-{line}" for line in shown[0]] + [f"+{line}" for line in shown[1]]
    else:
        everything = len(before) + len(after)  # one hunk, whose head says nothing
        marked = list(unified_diff(before, after, lineterm="", n=everything))[3:]
    lines = tuple(_shown(path, marked)) if marked else ()
    file = DiffFile(
        path=plain(path),
        change="" if old else "added",
        added=sum(line.kind == "add" for line in lines),
        removed=sum(line.kind == "del" for line in lines),
        lines=lines,
    )
    return DiffView(files=(file,) if lines else (), left_out=left_out, parsed=False)


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


def _shown(path: str, marked: Sequence[str]) -> Iterator[DiffLine]:
    spans = coloured(path, [cut(line[1:]) for line in marked])
    for line, pieces in zip(marked, spans, strict=True):
        kind = _KINDS.get(line[:1], "")
        yield DiffLine(kind=kind, before=None, after=None, spans=(("", line[:1]), *pieces))
