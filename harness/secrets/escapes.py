"""A text with its escapes undone, and where in the text each character came from.

Percent, HTML entities, the backslash escapes of JSON, YAML, Python and C, quoted-printable, the
colours of a terminal, and letters that only look like those of ASCII. Time is linear in the text,
whatever it holds: no pattern here can try one place in two ways.

An escape is read as far as it can go, so it may take the beginning of what follows it: `%` before
`41st`, a backslash before `next`. `View.ended` tells where that may be so. What a terminal obeys
may take a whole address: there are views in which it stays, too.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from html.entities import html5
from unicodedata import normalize

VIEWS = 6  # of one text: escapes in escapes in escapes
TAKEN = 9  # letters and digits that an escape takes at most: "U" and eight of a number
Span = tuple[int, int]  # from, to

_RUN = re.compile(r"[0-9A-Za-z]+")
_NOT_LETTERS = bytes(code for code in range(256) if code > 127 or not chr(code).isalnum())
_CONTROLS = dict(zip("abefnrtv", "\a\b\x1b\f\n\r\t\v", strict=True))
_HALF = re.compile(r"\\u[0-9A-Fa-f]{0,3}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Escapes:
    """Escapes of one kind. `bases` are those of the numbers that its groups hold."""

    pattern: re.Pattern[str]
    bases: tuple[int, ...] = ()
    ascii: bool = True  # a text that is all ASCII may have some, too
    hides: bool = False  # what stands between its beginning and its end is on no screen

    def meaning(self, escape: re.Match[str]) -> str:
        """What one stands for; nothing for a colour and the like."""
        group = escape.lastindex
        if group is None:
            return "" if self.hides else _CONTROLS[escape[0][-1]]
        if group > len(self.bases):
            return _named(escape[group], escape[0])
        code = int(escape[group], self.bases[group - 1])
        return chr(code) if code < 0x110000 else ""


def _named(name: str, whole: str) -> str:
    """Of an entity's name, of halves of a pair, of a character that only looks like one of ASCII.

    `whole` where nobody knows the name.
    """
    if name.endswith(";"):
        return html5.get(name, whole)
    if name[0] < "\ue000":
        pair = name.replace("\\", "").encode("utf-16-le", "surrogatepass")
        return pair.decode("utf-16-le")
    return chr(ord(name) - 0xE0000) if name >= "\U000e0000" else normalize("NFKC", name)


_HEX = "[0-9A-Fa-f]"
_TERMINAL = r"[0-?]*+[ -/]*+[@-~]"
_WIDE = "\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d7ff"
_TAGS = "\U000e0020-\U000e007e"  # ASCII that nobody sees
# Each but the last two begins with one certain character: a text without it is read in no time.
_KINDS = (
    _Escapes(
        pattern=re.compile(
            rf"(?<!\\)\\++(?:u\{{({_HEX}{{1,6}})\}}|U(00(?:0{_HEX}|10){_HEX}{{4}})|[uU]({_HEX}{{4}})"
            rf"|x\{{?({_HEX}{{2}})\}}?|([0-3][0-7]{{2}})|[abefnrtv])"
        ),
        bases=(16, 16, 16, 16, 8),
    ),
    _Escapes(pattern=re.compile(rf"%(?:u({_HEX}{{4}})|({_HEX}{{2}}))"), bases=(16, 16)),
    _Escapes(pattern=re.compile(r"=([0-9A-F]{2})"), bases=(16,)),  # quoted-printable
    _Escapes(
        pattern=re.compile(
            rf"&(?:#(?:([0-9]{{1,7}})|[xX]({_HEX}{{1,6}}));?|([A-Za-z][A-Za-z0-9]{{1,30}};))"
        ),
        bases=(10, 16),
    ),
    _Escapes(
        pattern=re.compile(rf"\x1b(?:\[{_TERMINAL}|\][^\x07\x1b]*+(?:\x07|\x1b\\)|[()]\w|[@-Z^_])"),
        hides=True,
    ),
    _Escapes(pattern=re.compile(rf"\x9b{_TERMINAL}"), ascii=False, hides=True),
    _Escapes(pattern=re.compile(r"([\ud800-\udbff]\\*+[\udc00-\udfff])"), ascii=False),
    _Escapes(pattern=re.compile(f"([{_WIDE}{_TAGS}])"), ascii=False),
)
_SHOWN = tuple(kind for kind in _KINDS if not kind.hides)
_HIDING = tuple(kind for kind in _KINDS if kind.hides)


class View:
    """A text with escapes of one more kind undone than in the view that it is made from."""

    def __init__(self, text: str, below: "View | None" = None, kind: _Escapes = _KINDS[0]) -> None:
        self.text = text
        self._below = below
        self._kind = kind
        self.undone = below is not None  # whether there were escapes

    @cached_property
    def letters(self) -> bytes:
        """The ASCII letters and digits, in lower case."""
        return letters(self.text)

    def place(self, number: int) -> int:
        """Where the letter or digit of this number stands in the text."""
        numbers, places = self._runs
        run = bisect_right(numbers, number) - 1
        return places[run] + number - numbers[run]

    def origin(self, span: Span) -> Span:
        """The same span in the text that all views are of."""
        view = self
        while view._below is not None:
            span = view._before(span[0])[0], view._before(span[1] - 1)[1]
            view = view._below
        return span

    @cached_property
    def endings(self) -> frozenset[bytes]:
        """Letters and digits, up to `TAKEN`, that escapes of this view and those below end with."""
        if self._below is None:
            return frozenset()
        escapes = {escape[0] for escape in self._kind.pattern.finditer(self._below.text)}
        ends = {letters(escape[-2 * TAKEN :])[-TAKEN:] for escape in escapes}
        return self._below.endings.union(end[at:] for end in ends for at in range(len(end)))

    def ended(self, start: int, end: int) -> "Iterator[tuple[View, Span, int]]":
        """Escapes, of this view and those below, whose meaning ends from `start` to `end` here.

        The view that an escape stands in, where it does, and the place here that follows it.
        """
        if self._below is None:
            return
        here, there, widths = self._pieces
        for piece in range(max(1, bisect_left(here, start)), bisect_right(here, end)):
            if not widths[piece]:
                before = piece - 1
                plain = 0 if widths[before] else here[piece] - here[before]
                yield self._below, (there[before] + plain, there[piece]), here[piece]
        span = self._before(start)[0], self._before(end)[0]
        for view, escape, place in self._below.ended(*span):
            yield view, escape, self._after(place)

    def _before(self, place: int) -> Span:
        """What the character at `place` was in the view below."""
        here, there, widths = self._pieces
        piece = bisect_right(here, place) - 1
        if widths[piece]:
            return there[piece], there[piece] + widths[piece]
        at = there[piece] + place - here[piece]
        return at, at + 1

    def _after(self, place: int) -> int:
        """Where what stands at `place` in the view below stands here."""
        here, there, widths = self._pieces
        piece = bisect_right(there, place) - 1
        if widths[piece]:
            return here[piece]
        at = here[piece] + place - there[piece]
        return min(at, here[piece + 1]) if piece + 1 < len(here) else at

    @cached_property
    def _runs(self) -> tuple[list[int], list[int]]:
        """Of each run of letters and digits: the number of its first one, and its place."""
        numbers, places, number = [], [], 0
        for run in _RUN.finditer(self.text):
            numbers.append(number)
            places.append(run.start())
            number += run.end() - run.start()
        return numbers, places

    @cached_property
    def _pieces(self) -> tuple[list[int], list[int], list[int]]:
        """Where each piece begins here and below; the width below of an escape, 0 of others."""
        here, there, widths, at, done = [0], [0], [0], 0, 0
        below = self._below.text if self._below else ""
        for escape in self._kind.pattern.finditer(below):
            at += escape.start() - done
            done = escape.end()
            if meaning := self._kind.meaning(escape):
                here.append(at)
                there.append(escape.start())
                widths.append(done - escape.start())
                at += len(meaning)
            here.append(at)
            there.append(done)
            widths.append(0)
        return here, there, widths


def views(text: str) -> Iterator[View]:
    """`text`, then the same with the escapes undone that are left, while there are any.

    What hides a part of the text goes when all else is undone, so some views have it.
    """
    view, kinds = View(text), _SHOWN
    yield view
    for _ in range(2 * VIEWS):
        undone = _undone(view, kinds)
        if undone.text != view.text:
            view, kinds = undone, _SHOWN
            yield view
        elif kinds is _SHOWN:
            kinds = _HIDING
        else:
            return


def _undone(view: View, kinds: tuple[_Escapes, ...]) -> View:
    for kind in kinds:
        if kind.ascii or not view.text.isascii():
            text, count = kind.pattern.subn(kind.meaning, view.text)
            view = View(text, view, kind) if count else view
    return view


def letters(text: str) -> bytes:
    """The ASCII letters and digits of `text`, in lower case."""
    return text.encode(errors="surrogatepass").lower().translate(None, _NOT_LETTERS)


def whole_escapes(text: str, span: Span) -> Span:
    """`span` with the whole of an escape where it begins inside of one: JSON stays JSON."""
    start, end = span
    half = _HALF.search(text, max(0, start - 5), start)
    start = first = half.start() if half else start
    while first and text[first - 1] == "\\":
        first -= 1
    inside = text[start] == "\\" or (start - first) % 2
    deeper = first < start and text[start] in "bfnrtu"  # an escape of JSON in JSON, maybe
    return (first if inside or deeper else start), end
