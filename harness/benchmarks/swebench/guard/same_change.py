"""Whether two patches are the same change."""


def same_change(patch: str, other: str) -> bool:
    """Whether two patches differ in nothing but what is lost when a patch is copied as text.

    Line ends, the final one among them, and the space that begins a blank line of context: `git
    apply`, or `patch` after it, reads each.
    """
    return _plain(patch) == _plain(other)


def _plain(patch: str) -> str:
    lines = (line.removesuffix("\r") for line in patch.split("\n"))
    return "\n".join("" if line == " " else line for line in lines).rstrip("\n")
