"""A patch as text: only the files that are not UTF-8 text are in git's binary form.

A patch is handed on as JSON and as a column of a database, which hold text. git's binary form holds
any bytes in ASCII, but nobody can read it, and it applies to the very file only: it is for the
files that need it, and for no other.
"""

FILE = b"diff --git "  # begins a file's part; no other line of a patch that git writes begins so
_FILE = FILE.decode()


def is_text(patch: bytes) -> bool:
    """Whether the whole patch is UTF-8 text."""
    try:
        patch.decode()
    except UnicodeDecodeError:
        return False
    return True


def as_text(patch: bytes, in_ascii: bytes) -> tuple[str, list[str]]:
    """`patch`, with the files that are no text as they are in `in_ascii`; and what it cannot hold.

    Both are the same difference as git writes it; `in_ascii` has every file in binary form, and
    names in quotes. A link that leads to a name that is no text has no such form: the path of each
    is told. Raises `ValueError` where the two are not of the same files.
    """
    parts, others = _files(patch), _files(in_ascii)
    if len(parts) != len(others):
        raise ValueError(f"{len(parts)} files in the one, {len(others)} in the other")
    pairs = zip(parts, others, strict=True)
    chosen = [part if is_text(part) else other for part, other in pairs]
    held = b"".join(part for part in chosen if is_text(part))
    return held.decode(), [_path(part) for part in chosen if not is_text(part)]


def with_clear_names(patch: str) -> str:
    """`patch` with names in quotes where `git apply` cannot read them otherwise.

    Of an empty file, and of a changed mode, only the line `diff --git a/NAME b/NAME` has the name;
    `git apply` (2.39) takes a blank before a slash for its middle.
    """
    lines = patch.split("\n")
    for number, line in enumerate(lines):
        if line.startswith(_FILE) and " /" in line and '"' not in line:
            name = line[len(_FILE) : (len(_FILE) + len(line)) // 2]
            lines[number] = f'{_FILE}"{name}" "b{name[1:]}"'
    return "\n".join(lines)


def _path(part: bytes) -> str:
    """Of the file that a part is of; its first line has the same name twice."""
    names = part.partition(b"\n")[0].removeprefix(FILE)
    name = names[: len(names) // 2]
    if name.startswith(b'"'):  # git escapes what is no ASCII by its bytes
        name = name[1:-1].decode("unicode_escape").encode("latin-1")
    return name.removeprefix(b"a/").decode(errors="replace")


def _files(patch: bytes) -> list[bytes]:
    """The parts of a patch, one per file, with their line ends."""
    first, *rest = patch.split(b"\n" + FILE)
    parts = [first, *(FILE + part for part in rest)]
    return [part + b"\n" for part in parts[:-1]] + parts[-1:]
