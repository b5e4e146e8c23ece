"""A patch as text: only the files that are not UTF-8 text are in git's binary form.

A patch is handed on as JSON and as a column of a database, which hold text. git's binary form holds
any bytes in ASCII, but nobody can read it, and it applies to the very file only: it is for the
files that need it, and for no other.
"""

FILE = b"diff --git "  # begins a file's part; no other line of a patch that git writes begins so


def is_text(patch: bytes) -> bool:
    """Whether the whole patch is UTF-8 text."""
    try:
        patch.decode()
    except UnicodeDecodeError:
        return False
    return True


def as_text(patch: bytes, in_ascii: bytes) -> str:
    """`patch`, with the files that are no text as they are in `in_ascii`.

    Both are the same difference as git writes it; `in_ascii` has every file in binary form, and
    names in quotes. Raises `ValueError` where they are not of the same files.
    """
    parts, others = _files(patch), _files(in_ascii)
    if len(parts) != len(others):
        raise ValueError(f"{len(parts)} files in the one, {len(others)} in the other")
    chosen = (part if is_text(part) else other for part, other in zip(parts, others, strict=True))
    return b"".join(chosen).decode("utf-8")


def _files(patch: bytes) -> list[bytes]:
    """The parts of a patch, one per file, with their line ends."""
    first, *rest = patch.split(b"\n" + FILE)
    parts = [first, *(FILE + part for part in rest)]
    return [part + b"\n" for part in parts[:-1]] + parts[-1:]
