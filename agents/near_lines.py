"""Find the line of a file that is most similar to another text, in bounded time."""

import difflib
from collections.abc import Sequence
from heapq import nlargest

WIDTH, LINES = 160, 20_000  # characters of a line, and lines of a file, that are looked at
COMPARED = 10  # lines; one comparison can take 0.1 s
ALIKE = 0.6  # from 0 to 1


def nearest_line(lines: Sequence[str], wanted: str) -> int:
    """The number, from 1, of the line most similar to `wanted`; 0 if none is similar.

    Blanks around a line do not count. Takes a second at most, whatever the lines are: only those
    that share most characters with `wanted` are compared character by character.
    """
    matcher = difflib.SequenceMatcher(b=wanted.strip()[:WIDTH])
    alike = []
    for number, line in enumerate(lines[:LINES], 1):
        matcher.set_seq1(line.strip()[:WIDTH])
        if matcher.real_quick_ratio() >= ALIKE and (bound := matcher.quick_ratio()) >= ALIKE:
            alike.append((bound, -number))
    found = []
    for _, number in nlargest(COMPARED, alike):
        matcher.set_seq1(lines[-number - 1].strip()[:WIDTH])
        if (ratio := matcher.ratio()) >= ALIKE:
            found.append((ratio, number))
    return -max(found)[1] if found else 0
