"""Where known secrets stand in a text, however they are spelt there.

In each view of a text (`harness.secrets.escapes`) only ASCII letters and digits are looked at, in
lower case, so that nothing that stands between them hides a secret: zero-width and control
characters, line ends, hyphens. Some thirty *spellings* of each secret (backwards, in hexadecimal,
in base64 at each of its alignments, …) are looked for there as they are. Only where one is found,
its place is worked out, and what stands between its characters is looked at: a quotation mark and
brackets end a text, and nothing that reaches over them is a secret. Where escapes are undone, one
that stands before a secret may have taken its first letters (`%` and `41st` look like `%41` and
`st`): there a spelling is looked for without these, and these in the escape. Time is linear in the
text.
"""

import base64
import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from harness.secrets.escapes import TAKEN, Span, View, letters, views, whole_escapes

LEAST = 8  # characters of a secret, and letters and digits of a spelling
LONG = 16  # letters and digits of a spelling that is no accident, whatever stands between them
SEEN = 4  # letters and digits that are looked for where an escape may have taken some

_RUN = re.compile(r"[0-9A-Za-z]+")
_CONTROL = r"[\x00-\x09\x0b-\x1f\x7f\\]|[^\x00-\x7f]|\n *+"  # what may split any secret
_LOOSE = r'[^0-9A-Za-z"{}\[\]]'  # what may split a long one
_UNSEEN = re.compile("[\x00-\x1f\x7f\\\\\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
_BEGUN = re.compile(  # at a secret's end an escape that more digits would make one, or longer
    r"(?:\\(?:[uU][0-9A-Fa-f]{0,7}|x[0-9A-Fa-f]?|[0-3][0-7]?)|%[0-9A-Fa-f]|=[0-9A-F]"
    r"|&#(?:[0-9]{1,6}|[xX][0-9A-Fa-f]{0,5}))\Z"
)
_UNSAFE = re.compile("[\\\\\"'\x00-\x1f]")  # not replaced at the ends: JSON has to stay JSON


_Matches = Callable[..., re.Match[str] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spelling:
    """One way to write a secret: its letters and digits in lower case, and its other characters.

    `head` and `tail` stand around the letters and digits, and are a part of the secret, too.
    """

    core: bytes
    other: str
    random: bool = True  # no words, which a text may hold with blanks between them
    head: str = ""
    tail: str = ""

    def pattern(self) -> re.Pattern[str]:
        """What matches a place of `core` in a view where that is the secret."""
        own = "".join(map(re.escape, sorted(set(self.other))))
        loose = self.random and len(self.core) >= LONG and '"' not in self.other
        between = f"(?:{_LOOSE if loose else _CONTROL}{f'|[{own}]' if own else ''})*+"
        return re.compile(between.join(self.core.decode()), re.IGNORECASE)


class Spellings:
    """All spellings of some secrets."""

    def __init__(self, values: Iterable[str]) -> None:
        """`values` have `LEAST` characters or more."""
        values = list(values)
        every = [spelling for value in values for spelling in _spellings(value)]
        known = {(each.core, each.other): each for each in reversed(every)}  # the first one stays
        self._known = sorted(known.values(), key=lambda spelling: len(spelling.core))
        self._odd = [re.compile(text, re.IGNORECASE) for value in values for text in _odd(value)]
        self._patterns: dict[_Spelling, re.Pattern[str]] = {}

    def spans(self, text: str) -> list[Span]:
        """Where secrets stand in `text`, in order; none touches another."""
        if len(text) < LEAST or not (self._known or self._odd):
            return []
        found = [span for view in views(text) for span in self._found(view)]
        return _joined(whole_escapes(text, span) for span in found) if found else []

    def _found(self, view: View) -> list[Span]:
        """Spans of the text that `view` is of."""
        odd = (match.span() for odd in self._odd for match in odd.finditer(view.text))
        found = [view.origin(span) for span in odd]
        for spelling in self._known:
            taken = min(TAKEN, len(spelling.core) - SEEN) if view.undone else 0
            seen = spelling.core[taken:]
            if len(seen) > len(view.letters):
                break
            if seen in view.letters:
                found += self._places(spelling, view, taken)
        return found

    def _places(self, spelling: _Spelling, view: View, taken: int) -> Iterator[Span]:
        """Spans of the text that `view` is of; an escape may have the first `taken` letters."""
        core = spelling.core
        if spelling not in self._patterns:
            self._patterns[spelling] = spelling.pattern()
        matches, seen = self._patterns[spelling].fullmatch, core[taken:]
        at = view.letters.find(seen)
        while at >= 0:
            span = _whole(spelling, matches, view, at - taken)
            if span is None and taken:
                span = _cut(core, matches, view, at, taken)
            if span is not None:
                yield span
            at = view.letters.find(seen, at + (1 if span is None else len(seen)))


def _whole(spelling: _Spelling, matches: _Matches, view: View, at: int) -> Span | None:
    """The span of a secret, if it begins with this letter of the view."""
    size = len(spelling.core)
    if at < 0 or not view.letters.startswith(spelling.core, at):
        return None
    start, end = view.place(at), view.place(at + size - 1) + 1
    if end - start != size and not matches(view.text, start, end):
        return None
    return view.origin(_with_ends(view.text, start, end, spelling))


def _cut(core: bytes, matches: _Matches, view: View, at: int, taken: int) -> Span | None:
    """The span of a secret whose first letters an escape before it has taken, if there is one.

    With the letter `at` of the view the secret begins, without its first `taken`.
    """
    for lost in range(taken, 0, -1):
        first = at - taken + lost
        if first < 0 or view.letters[first:at] != core[lost:taken]:
            return None
        if core[:lost] not in view.endings:
            continue
        end = view.place(at + len(core) - taken - 1) + 1
        gap = view.place(first - 1) + 1 if first else 0
        for below, (start, stop), after in view.ended(gap, view.place(first)):
            tail = _tail(below.text[max(start + 1, stop - 2 * TAKEN) : stop], core[:lost])
            if tail and matches(tail + view.text[after:end]):
                begin, _ = below.origin((stop - len(tail), stop))
                return begin, view.origin((end - 1, end))[1]
    return None


def _tail(escape: str, core: bytes) -> str:
    """The shortest end of an escape that has these letters and digits; empty if none has."""
    sizes = range(len(core), len(escape) + 1)
    return next((escape[-size:] for size in sizes if letters(escape[-size:]) == core), "")


def _with_ends(text: str, start: int, end: int, spelling: _Spelling) -> Span:
    head, tail = spelling.head, spelling.tail
    return (
        start - len(head) if text.endswith(head, 0, start) else start,
        end + len(tail) if text.startswith(tail, end) else end,
    )


def _spellings(value: str) -> Iterator[_Spelling]:
    for view in views(value):  # the escapes in a secret are undone in a text's views, too
        whole = _BEGUN.split(view.text)[0]  # what follows may make one escape of the rest
        for text in (view.text, view.text[::-1], codecs.encode(view.text, "rot13"), whole):
            yield from _plain(text)
    for form in _encoded(value.encode(errors="replace")):
        core = letters(form.decode())
        if len(core) >= LEAST:
            yield _Spelling(core=core, other="+/-_")


def _plain(text: str) -> Iterator[_Spelling]:
    core = letters(text)
    if len(core) < LEAST or core.isdigit():
        return  # see `_odd`
    runs = [run.span() for run in _RUN.finditer(text)]
    start, end = runs[0][0], runs[-1][1]
    yield _Spelling(
        core=core,
        other=_RUN.sub("", text[start:end]),
        random=not core.isalpha(),
        head=_UNSAFE.split(text[:start])[-1],
        tail=_UNSAFE.split(text[end:])[0],
    )


def _encoded(content: bytes) -> Iterator[bytes]:
    once = _aligned(content, base64.b64encode, 6)
    yield from once
    for form in once:
        for each in {form, form.translate(bytes.maketrans(b"+/", b"-_"))}:
            yield from _aligned(each, base64.b64encode, 6)
    yield from _aligned(content, base64.b32encode, 5)
    for number in ("{:02x}", "0x{:02x}", "{:d}", "{:03o}", "{:08b}"):
        yield "".join(map(number.format, content)).encode()


def _aligned(content: bytes, encode: Callable[[bytes], bytes], bits: int) -> list[bytes]:
    """What `content` alone makes of its encoding, `bits` a letter, at each place it may begin at.

    The letters at its ends that hold bits of its neighbours, too, are left out.
    """
    found = []
    for before in range(bits if bits % 2 else bits // 2):
        encoded = encode(bytes(before) + content)
        found.append(encoded[-(-8 * before // bits) : 8 * (before + len(content)) // bits])
    return found


def _odd(value: str) -> list[str]:
    """Patterns of a value that has hardly any letters: character by character, as it stands."""
    if len(core := letters(value)) >= LEAST and not core.isdigit():
        return []
    seen = _UNSEEN.sub("", value).strip("\"'")
    between = f"{_UNSEEN.pattern}*+"
    ways = (seen, seen[::-1], codecs.encode(seen, "rot13"))
    return [between.join(map(re.escape, way)) for way in ways if seen]


def _joined(spans: Iterable[Span]) -> list[Span]:
    """In order, with those that overlap or touch as one."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined
