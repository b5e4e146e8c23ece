"""Check a claim about a text by program: that the words it quotes stand there, and its numbers.

A claim gives the first and the last words of its place, as in the published system. Both must stand
in the text word for word and in order. Typography does not count (`typography`), and runs of white
space count as one blank, because texts from PDF files have line breaks that no author made.
"""

import re
from collections.abc import Iterable, Iterator

from agents.documents.typography import Place, plain_text

LONGEST = 3_000  # characters between the beginning of a claim's first words and the end of its last
FEWEST_WORDS = 3  # of a head or tail: fewer are everywhere
LARGE_GAP = 2_500  # characters that no claim speaks of, before more is asked for
BESIDE = 600  # characters on either side in which the sentences beside a place are looked for
NUMBER = re.compile(
    r"(?<![\w.,])[-−+]?(?:\d{1,3}(?:[,'\u202f\u00a0 ]\d{3})+(?!\d)|\d+)(?:\.\d+)?"
    r"(?:\s?(?:%|per\s?cent\b))?"
)
CODE = re.compile(r"\b[A-Z]\d+(?:\.\d+)?\b")
ELLIPSIS = re.compile(r"\s*(?:\[\.{3}\]|\(\.{3}\)|\.{3,4})\s*")
ABBREVIATED = "".join(rf"(?<!\b{word})" for word in ("[A-Z]", "Mr", "Mrs", "Ms", "Dr", "St", "No"))
SENTENCE_END = re.compile(
    rf"(?:{ABBREVIATED}\.|[!?。！？])[\"'”’)\]»]*\s+|\n\s*\n|[。！？]"
)  # a name's initials and titles end none
IN_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve",
)  # fmt: skip
IN_WORD = re.compile(rf"\b(?:{'|'.join(IN_WORDS)})\b", re.IGNORECASE)


class NotThere(Exception):
    """A quotation that does not stand in the text; the message says what is wrong with it."""


def locate(text: str, head: str, tail: str) -> Place:
    """The place in `text` that begins with `head` and ends with the next `tail`.

    Raises `NotThere` if one of them does not stand in `text`, is too short, or if they are in the
    wrong order or too far apart; also if the head stands at several places.
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
    """Whether `tail` stands once more after a place that `locate` found."""
    return bool(_places(text[place.end : place.start + LONGEST], tail))


def quoted(text: str, quotation: str) -> Place:
    """Where a quotation stands first; `...` in it stands for words that it leaves out.

    The place has these words, too. Raises `NotThere`.
    """
    parts = [part for part in ELLIPSIS.split(plain_text(quotation).text) if part.strip()]
    if len(parts) < 2 or _places(text, quotation):
        return _found(text, quotation, "quotation")[0]
    firsts = _found(text, parts[0], "quotation")
    rest = [_found(text, part, "quotation") for part in parts[1:]]
    for first in firsts:
        end = first.end
        for places in rest:
            end = next((place.end for place in places if place.start >= end), len(text) + LONGEST)
        if end - first.start <= LONGEST:
            return Place(first.start, end)
    raise NotThere(
        f"The parts of the quotation do not stand in this order within {LONGEST} characters: give "
        "each as a quotation of its own."
    )


def beside(text: str, place: Place, sentences: int = 1) -> Place:
    """`place` with the rest of its sentences, and so many `sentences` on either side of these.

    At most `BESIDE` characters are added on either side; 0 sentences: nothing is added.
    """
    if not sentences:
        return place
    low, high = max(0, place.start - BESIDE), min(len(text), place.end + BESIDE)
    starts = [match.end() for match in SENTENCE_END.finditer(text, low, place.start)]
    last = max(place.start, place.end - 2)  # the quotation may end with its sentence
    ends_ = [m.end() for m in SENTENCE_END.finditer(text, last, high) if m.end() >= place.end]
    return Place(
        starts[-sentences - 1] if len(starts) > sentences else low,
        ends_[sentences] if len(ends_) > sentences else high,
    )


def _found(text: str, words: str, what: str) -> list[Place]:
    parts = words.split()
    if len(parts) < FEWEST_WORDS and sum(map(len, parts)) < 4 * FEWEST_WORDS:
        raise NotThere(f"The {what} has fewer than {FEWEST_WORDS} words.")
    found = _places(text, words)
    if not found:
        raise NotThere(
            f"The {what} does not stand in the text word for word: {' '.join(parts)[:80]!r}."
        )
    return found


def _places(text: str, words: str) -> list[Place]:
    """Where `words` stand in `text`, typography aside."""
    wanted = plain_text(words).text.split()
    if not wanted:
        return []
    plain = plain_text(text)
    pattern = re.compile(r"\s+".join(map(re.escape, wanted)))
    return [plain.original(Place(*match.span())) for match in pattern.finditer(plain.text)]


def strange_numbers(claim: str, evidence: str) -> list[str]:
    """The numbers in `claim` that are not in `evidence`. Labels such as F12 are no numbers.

    Numbers up to twelve may stand in the evidence as words.
    """
    known = {_plain(number) for number in NUMBER.findall(evidence)}
    known |= {str(IN_WORDS.index(word.lower())) for word in IN_WORD.findall(evidence)}
    told = NUMBER.findall(CODE.sub(" ", claim))
    return [number for number in told if _plain(number) not in known]


def _plain(number: str) -> str:
    """2,500.0 and 2 500 are the same number, as are 06 and 6; 5 and 5 % are not."""
    percent = "%" if number.endswith(("%", "t")) else ""
    digits = re.sub(r"[,'\s%+a-z]", "", number).replace("−", "-")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return re.sub(r"^(-?)0+(?=\d)", r"\1", digits) + percent


def gaps(text: str, places: Iterable[Place], *, least: int = LARGE_GAP) -> Iterator[Place]:
    """The stretches of at least `least` characters of `text` that none of `places` covers."""
    reached = 0
    for place in sorted(places):
        if place.start - reached >= least:
            yield Place(reached, place.start)
        reached = max(reached, place.end)
    if len(text) - reached >= least:
        yield Place(reached, len(text))


def ends(text: str, place: Place, characters: int = 60) -> str:
    """The first and the last `characters` of a place, in one line; a shorter place whole."""
    stretch = " ".join(text[place.start : place.end].split())
    if len(stretch) <= 2 * characters:
        return stretch
    return f"{stretch[:characters]} … {stretch[-characters:]}"
