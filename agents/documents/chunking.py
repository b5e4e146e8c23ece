"""Cut a long document into pieces at real boundaries: headings first, then ever smaller ones.

Sizes, kinds of heading and the choice of one kind are those of the published splitter
(arXiv 2606.10662). That one asks a model where to cut long sections; here a program decides, so
that the same text is always cut the same way, at no cost.
"""

import itertools
import re
import statistics
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

TINY, LARGE, LARGEST = 6_000, 25_000, 30_000  # characters
PREAMBLE = 200  # what stands before the first heading is a section of its own beyond this
FEWEST = 3  # headings of a kind, before they are taken for the document's own
SNAP = 0.1  # of a piece's size: how far a cut may move to a better place
TITLE = 80  # characters of a heading
LOOK_BACK = 200
ARTICLE = 12_000  # characters for which a date line holds

HEADINGS = {
    "section": r"section\s+\w",
    "article": r"article\s+\w",
    "chapter": r"chapter\s+\w",
    "part": r"part\s+\w",
    "numbered_title": r"title\s+\w",
    "item": r"item\s+\w",
    "annex": r"(?:schedule|annex|appendix)\b",
    "document": r"document\b",
    "passage": r"passage\b",
    "doc": r"doc\b",
    "source": r"source\s*:",
    "title": r"title\s*:",
    "level_1": r"#[ \t]+\S",
    "level_2": r"##[ \t]+\S",
    "level_3": r"###[ \t]+\S",
}
_ANY = "|".join(f"(?P<{kind}>{begins})" for kind, begins in HEADINGS.items())
ANY_HEADING = re.compile(rf"^[ \t]*(?=[sacptid#])(?:{_ANY}).*", re.IGNORECASE | re.MULTILINE)
SENTENCE_ENDS = tuple(".!?:。！？：")
CLOSING = "\"'”’)]»」』"
BLANK = re.compile(r"\s+(?<=\n)")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATE = (
    rf"(?:\d{{1,2}}(?:st|nd|rd|th)?\s{_MONTH},?\s\d{{4}}|{_MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?,?\s\d{{4}}"
    r"|\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{4})"
)
DATE_LINE = re.compile(
    rf"^[ \t]*(?:[^\n\d]{{0,25}}\b)?{_DATE}(?!\d)[^\n]{{0,40}}$", re.IGNORECASE | re.MULTILINE
)  # a line that has little but a date, such as the one over an article
# where a piece may begin, the best first; a match's end is the place
PLACES = (
    re.compile(r"\n\s*\n"),  # after a blank line
    re.compile(rf"[{''.join(SENTENCE_ENDS)}][{re.escape(CLOSING)}]*[ \t]*\n"),
    re.compile(r"\n"),
    re.compile(rf"[.!?。！？][{re.escape(CLOSING)}]*\s|[。！？]"),
    re.compile(r"\s"),
)


class Piece(NamedTuple):
    """A piece of a document: `text[start:end]` in characters, and the headings above it."""

    start: int
    end: int
    title: str


def split(text: str) -> list[Piece]:
    """The pieces of `text` in order, without gap or overlap.

    Each has `TINY` to `LARGEST` characters; a shorter text is one piece, an empty one has none. The
    time is linear in the length of the text.
    """
    if not text:
        return []
    headings = Headings(text)
    edges = [0, *_sections(text, headings.kinds), len(text)]
    packed = _pack([b - a for a, b in itertools.pairwise(edges)])
    starts, at = [], 0
    for size in packed:
        starts += [at, *_cuts(text, at, at + size)]
        at += size
    ends = [*starts[1:], len(text)]
    return [Piece(a, b, headings.above(a)) for a, b in zip(starts, ends, strict=True)]


Kinds = dict[str, list[int]]  # where headings of each kind begin, in order


class Headings:
    """The headings of a text.

    `kinds` are the positions of all of them, by kind. Those that are titles are used by `above`. No
    title is a heading that is long or ends like a sentence, which is prose that begins with such a
    word, nor a source, which belongs to a figure above it.
    """

    def __init__(self, text: str) -> None:
        self.kinds: Kinds = {}
        self._text = text
        titles: Kinds = {}
        for heading in ANY_HEADING.finditer(text):
            if _stands_alone(text, heading):
                kind, (start, end) = str(heading.lastgroup), heading.span()
                self.kinds.setdefault(kind, []).append(start)
                ended = text[end - 1] in SENTENCE_ENDS
                if end - start <= TITLE and not ended and kind != "source":
                    titles.setdefault(kind, []).append(start)
        self._titles = sorted(titles.values(), key=lambda found: found[0])
        self._dates = [
            match.start() for match in DATE_LINE.finditer(text) if not _ends_sentence(match[0])
        ]

    def above(self, place: int) -> str:
        """The outermost and the innermost title above `text[place:]`, joined by ` › `, or "".

        Of each kind the last title before `place` counts. A kind that appears earlier in the text
        is the outer one, and a title ends where a title of an outer kind follows.
        """
        blank = BLANK.match(self._text, place, place + LOOK_BACK)
        begins = blank.end() if blank else place
        reached: list[int] = []
        for found in self._titles:
            before = bisect_right(found, begins)
            if before and found[before - 1] > max(reached, default=-1):
                reached.append(found[before - 1])
        ends = reached if len(reached) < 3 else [reached[0], reached[-1]]
        lines = [self._text[at : at + TITLE].split("\n", 1)[0] for at in ends]
        return " › ".join(" ".join(line.strip("# \t").split()) for line in lines)

    def dated(self, place: int) -> str:
        """The last line at or above `text[place:]` that has little but a date, or nothing.

        What is farther away than `ARTICLE` belongs to another article.
        """
        before = bisect_right(self._dates, place)
        if not before or place - self._dates[before - 1] > ARTICLE:
            return ""
        at = self._dates[before - 1]
        return " ".join(self._text[at : at + 2 * TITLE].split("\n", 1)[0].split())


def _ends_sentence(line: str) -> bool:
    return line.rstrip().rstrip(CLOSING).endswith(SENTENCE_ENDS)


def _sections(text: str, kinds: Kinds) -> list[int]:
    """Where sections begin: the headings of the kind that is most frequent and most even."""
    for level in ("level_2", "level_3"):  # a level cuts where those above it do
        above = kinds.get(f"level_{int(level[-1]) - 1}", [])
        kinds[level] = sorted([*above, *kinds.get(level, [])])
    enough = [found for found in kinds.values() if len(found) >= FEWEST]
    best = max(enough, key=lambda f: len(f) / (1 + _unevenness([*f, len(text)])), default=[])
    return best[1:] if best and best[0] <= PREAMBLE else best


def _unevenness(places: Sequence[int]) -> float:
    """The coefficient of variation of the gaps between `places`."""
    gaps = [b - a for a, b in itertools.pairwise(places)]
    return statistics.pstdev(gaps) / statistics.fmean(gaps)


def _stands_alone(text: str, match: re.Match[str]) -> bool:
    """A heading follows nothing, a blank line, or the end of a sentence; else it is prose."""
    above = text[max(0, match.start() - LOOK_BACK) : match.start()]
    words = above.rstrip()
    if not words or above.count("\n", len(words)) > 1:
        return True
    return words.rstrip(CLOSING).endswith(SENTENCE_ENDS)


def _pack(sizes: Sequence[int]) -> list[int]:
    """The sizes after sections were merged until none is tiny; the last one is merged backwards."""
    packed = [0]
    for size in sizes:
        if packed[-1] >= TINY:
            packed.append(0)
        packed[-1] += size
    if len(packed) > 1 and packed[-1] < TINY:
        last = packed.pop()
        packed[-1] += last
    return packed


def _cuts(text: str, start: int, end: int) -> Iterator[int]:
    """Where `text[start:end]` is cut: evenly, each cut moved to the best place near it."""
    size = end - start
    if size <= LARGEST:
        return
    number = -(-size // LARGE)
    most = int(SNAP * size / number)
    for index in range(1, number):
        ideal = start + size * index // number
        yield _place(text, ideal - most, ideal, ideal + most)


def _place(text: str, low: int, ideal: int, high: int) -> int:
    found = [m.start() for m in ANY_HEADING.finditer(text, low, high) if _stands_alone(text, m)]
    for place in PLACES:
        found = [at for at in found if low <= at <= high] or [
            match.end() for match in place.finditer(text, low, high)
        ]
        if found:
            return min(found, key=lambda at: (abs(at - ideal), at))
    return ideal
