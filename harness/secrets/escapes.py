"""A text with its escapes undone, and where in the text each character came from.

Percent, HTML entities, the backslash escapes of JSON, YAML, Python and C, quoted-printable, the
colours of a terminal, and letters that only look like those of ASCII. Time is linear in the text,
whatever it holds: no pattern here can try one place in two ways.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from html.entities import html5
from unicodedata import normalize

VIEWS = 6  # of one text: escapes in escapes in escapes
Span = tuple[int, int]  # from, to

_RUN = re.compile(r"[0-9A-Za-z]+")
_NOT_LETTERS = bytes(code for code in range(256) if code > 127 or not chr(code).isalnum())
_HALF = re.compile(r"\\u[0-9A-Fa-f]{0,3}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Escapes:
    """Escapes of one kind. `bases` are those of the numbers that its groups hold."""

    pattern: re.Pattern[str]
    bases: tuple[int, ...] = ()
    ascii: bool = True  # a text that is all ASCII may have some, too

    def meaning(self, escape: re.Match[str]) -> str:
        """What one stands for; nothing for a line end, a colour and the like."""
        group = escape.lastindex
        if group is None:
            return "\x1b" if escape[0] == r"\e" else ""  # a colour may follow
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
            rf"\\(?:u\{{({_HEX}{{1,6}})\}}|[uU]({_HEX}{{8}}|{_HEX}{{4}})|x\{{?({_HEX}{{2}})\}}?"
            r"|([0-3][0-7]{2})|[abefnrtv])"
        ),
        bases=(16, 16, 16, 8),
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
        pattern=re.compile(rf"\x1b(?:\[{_TERMINAL}|\][^\x07\x1b]*+(?:\x07|\x1b\\)|[()]\w|[@-Z^_])")
    ),
    _Escapes(pattern=re.compile(r"([\ud800-\udbff]\\*+[\udc00-\udfff])"), ascii=False),
    _Escapes(pattern=re.compile(rf"\x9b{_TERMINAL}|([{_WIDE}{_TAGS}])"), ascii=False),
)


class View:
    """A text with escapes of one more kind undone than in the view that it is made from."""

    def __init__(self, text: str, below: "View | None" = None, kind: _Escapes = _KINDS[0]) -> None:
        self.text = text
        self._below = below
        self._kind = kind

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

    def _before(self, place: int) -> Span:
        """What the character at `place` was in the view below."""
        here, there, widths = self._pieces
        piece = bisect_right(here, place) - 1
        if widths[piece]:
            return there[piece], there[piece] + widths[piece]
        at = there[piece] + place - here[piece]
        return at, at + 1

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
    """`text`, then the same with the escapes undone that are left, while there are any."""
    view = View(text)
    yield view
    for _ in range(VIEWS):
        before = view
        for kind in _KINDS:
            if kind.ascii or not view.text.isascii():
                undone, count = kind.pattern.subn(kind.meaning, view.text)
                view = View(undone, view, kind) if count else view
        if view.text == before.text:
            return
        yield view


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
    return (first if text[start] == "\\" or (start - first) % 2 else start), end
