"""Parse patches with `unidiff`."""

from unidiff import PatchSet, UnidiffParseError

MOST_CHARS = 5_000_000  # 3 s, and 0.5 GB of memory, where its lines are short


def parse(patch: str) -> PatchSet:
    """The files that `patch` changes.

    Of text without any file's part none are found, and that is no error. Raises `ValueError`, one
    line: it is no unified diff, or has more than 5 million characters.
    """
    if len(patch) > MOST_CHARS:
        raise ValueError(f"it has over {MOST_CHARS:,} characters")
    try:
        return PatchSet(patch)
    except UnidiffParseError as error:  # numbers of too many digits are a ValueError already
        raise ValueError(" ".join(str(error).split())) from error
