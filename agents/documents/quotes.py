"""What a program can check of a claim about a text: that its words stand there, and its numbers.

A claim points to its place by the first and the last words of it, as in the published system. Both
must stand in the text verbatim and in order; runs of white space count as one blank, because texts
from PDF files are broken into lines where no author broke them.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

LONGEST = 3_000  # characters between the beginning of a claim's first words and the end of its last
FEWEST_WORDS = 3  # of a head or tail: fewer are everywhere
LARGE_GAP = 2_500  # characters that no claim speaks of, before more is asked for
NUMBER = re.compile(
    r"(?<![\w.,])[-−+]?(?:\d{1,3}(?:[,'\u202f\u00a0 ]\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:\s?%)?"
)
CODE = re.compile(r"\b[A-Z]\d+(?:\.\d+)?\b")


class Place(NamedTuple):
    """`text[start:end]`."""

    start: int
    end: int


class NotThere(Exception):
    """A quotation that does not stand in the text; the message says what is wrong with it."""


def locate(text: str, head: str, tail: str) -> Place:
    """The place that begins with `head` and ends with the next `tail`.

    Raises `NotThere` for words that do not stand in `text`, in another order, too far from each
    other, or too few to tell a place; and for a head that stands at several.
    """
    heads, tails = _found(text, head, "head"), _found(text, tail, "tail")
    if len(heads) > 1:
        raise NotThere(f"The head stands at {len(heads)} places: give more of its words.")
    (first,) = heads
    last = next((t for t in tails if t.start >= first.start and t.end >= first.end), None)
    if last is None:
        raise NotThere("The tail stands before the head: give them in the order of the text.")
    if last.end - first.start > LONGEST:
        raise NotThere(
            f"Head and tail are {last.end - first.start} characters apart, at most {LONGEST} are "
            "taken: split the claim."
        )
    return Place(first.start, last.end)


def ends_again(text: str, place: Place, tail: str) -> bool:
    """Whether a place that `locate` found could have ended later, at the same words."""
    return bool(_words(tail).search(text, place.end, place.start + LONGEST))


def quoted(text: str, quotation: str) -> Place:
    """Where a quotation stands first. Raises `NotThere`."""
    return _found(text, quotation, "quotation")[0]


def _found(text: str, words: str, what: str) -> list[Place]:
    parts = words.split()
    if len(parts) < FEWEST_WORDS and sum(map(len, parts)) < 4 * FEWEST_WORDS:
        raise NotThere(f"The {what} has fewer than {FEWEST_WORDS} words.")
    found = [Place(*match.span()) for match in _words(words).finditer(text)]
    if not found:
        raise NotThere(
            f"The {what} does not stand in the text word for word: {' '.join(parts)[:80]!r}."
        )
    return found


def _words(words: str) -> re.Pattern[str]:
    return re.compile(r"\s+".join(map(re.escape, words.split())))


def strange_numbers(claim: str, evidence: str) -> list[str]:
    """The numbers of a claim that its evidence does not have; labels such as F12 are none."""
    known = {_plain(number) for number in NUMBER.findall(evidence)}
    told = NUMBER.findall(CODE.sub(" ", claim))
    return [number for number in told if _plain(number) not in known]


def _plain(number: str) -> str:
    """2,500.0 and 2 500 are the same number; 5 and 5 % are not."""
    percent = "%" if number.endswith("%") else ""
    digits = re.sub(r"[,'\s%+]", "", number).replace("−", "-")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return digits + percent


def gaps(text: str, places: Iterable[Place], *, least: int = LARGE_GAP) -> Iterator[Place]:
    """The stretches of at least so many characters that none of `places` covers."""
    reached = 0
    for place in sorted(places):
        if place.start - reached >= least:
            yield Place(reached, place.start)
        reached = max(reached, place.end)
    if len(text) - reached >= least:
        yield Place(reached, len(text))


def ends(text: str, place: Place, characters: int = 60) -> str:
    """A stretch for a person: its first and its last characters, in one line."""
    stretch = " ".join(text[place.start : place.end].split())
    if len(stretch) <= 2 * characters:
        return stretch
    return f"{stretch[:characters]} … {stretch[-characters:]}"
