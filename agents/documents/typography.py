"""Texts without typography, for the comparison with quotations.

Curly and straight quotation marks and apostrophes, dashes, ligatures, soft hyphens and characters
of zero width look alike to a reader, and models copy them in either form.
"""

import re
from bisect import bisect_right
from functools import lru_cache
from typing import NamedTuple


class Place(NamedTuple):
    """`text[start:end]`, in characters."""

    start: int
    end: int


_ONE_FOR_ONE = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′`´ʼ", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),  # hyphens, dashes and the minus sign
    }
)
_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
_OF_OTHER_LENGTH = {
    **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", ""),  # soft hyphen, no width
    "…": "...",
    "''": '"',
    **_LIGATURES,
}
_REPLACED = re.compile("''|-{2,}|[" + "".join(k for k in _OF_OTHER_LENGTH if len(k) == 1) + "]")


class PlainText:
    """A text without typography, with the position of each character in the original text."""

    def __init__(self, original: str) -> None:
        same = original.translate(_ONE_FOR_ONE)
        pieces: list[str] = []
        self._plain, self._original = [0], [0]  # positions in both that belong together
        reached = length = 0
        for match in _REPLACED.finditer(same):
            instead = _OF_OTHER_LENGTH.get(match[0], "-")
            pieces += [same[reached : match.start()], instead]
            length += match.start() - reached + len(instead)
            reached = match.end()
            self._plain.append(length)
            self._original.append(reached)
        self.text = "".join([*pieces, same[reached:]])

    def original(self, place: Place) -> Place:
        """The place in the original text that `place`, in `text`, was made of."""
        return Place(self._position(place.start), self._position(place.end))

    def _position(self, at: int) -> int:
        index = bisect_right(self._plain, at) - 1
        position = self._original[index] + at - self._plain[index]
        following = self._original[index + 1 : index + 2]
        return min([position, *following])


@lru_cache(maxsize=16)
def plain_text(text: str) -> PlainText:
    """`PlainText(text)`, cached for the texts used last."""
    return PlainText(text)
