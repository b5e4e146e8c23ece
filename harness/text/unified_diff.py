"""Patches as `unidiff` reads them."""

from unidiff import PatchSet, UnidiffParseError


def parse(patch: str) -> PatchSet:
    """The files that `patch` changes. Raises `ValueError`, one line: it is no unified diff.

    Of text without any file's part none are found, and that is no error.
    """
    try:
        return PatchSet(patch)
    except UnidiffParseError as error:  # numbers of too many digits are a ValueError already
        raise ValueError(" ".join(str(error).split())) from error
