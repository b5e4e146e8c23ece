"""How much work one file may be to read. Text can be written so that following its names or putting
its strings together doubles with each line; such a file is not read to its end."""

from dataclasses import dataclass

MOST_STEPS = 400_000  # ten times what the largest file takes that a gold patch changes
CHARS = 8  # characters of a text that are one step


class TooManySteps(Exception):
    """A file is more work to read than any that a person wrote."""


@dataclass(slots=True)
class Steps:
    """What is left of the work for one file, and for the texts in it that are read as code."""

    left: int = MOST_STEPS

    def take(self, count: int = 1) -> None:
        """Count work before it is done, or the size of what came of it."""
        self.left -= count
        if self.left < 0:
            raise TooManySteps

    def read(self, *texts: object) -> None:
        """Count texts by their length, and sequences by their number of elements."""
        self.take(sum(1 + len(t) // CHARS for t in texts if isinstance(t, str | bytes | list)))
