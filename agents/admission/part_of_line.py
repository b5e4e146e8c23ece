"""Whether a part of a line says what the whole line says. Pure functions."""

import re

_TURNING_WORDS = (
    "not no never none nothing nobody nor neither non without cannot unless except hardly almost "
    "false fail fails failed failing failure failures error errors invalid wrong wrongly unable "
    "instead rather contrary opposite far denied denies refuted anything wouldn couldn"
)
_TURNING = frozenset(_TURNING_WORDS.split())
_TURNS = re.compile(r"n['’]t\b|!=|<>|\s(?:[<>]=?|!|~)(?=\s)", re.IGNORECASE)
_TURNED = re.compile(
    r"(?:un(?!der|til|ions?$|i[cqtx]|its?$|supported$|expected$|hashable$|bound$|pack)"
    r"|non|dis(?!k|play|t)|mis(?!c))[a-z]{3,}$"  # not the words of Python's own errors
)
# a key or a label, what has one before a gap, and what has none of its own behind it
_KEY = re.compile(r"""\w['"\])]*(?::(?=\s|$)|=(?!=)|\s?[-=]>)""")
_OPENS = re.compile(r"""(?:\w['"\])]*(?::|=|\s?[-=]>)|\bis|\bgives|\breturns)[\s\[({'"]*$""")
_IS_VALUE = re.compile(r"""(?![\s\[({]*[\w'"]+\s*[:=]|[=!<>]=|[-=]>)""")
_BETWEEN = re.compile(r"[\s=:,;(){}\[\]|]+")
_ERROR_NAME = re.compile(
    r"(?:^|[\s.])[A-Z]\w*(?:Error|Exception|Warning|Exit|Interrupt|Iteration|NotFound|Invalid)$"
)
_BAD_RIGHT = re.compile(r"[.,:/\-]\d|%|[eE][-+]?\d")

_LONG = 400  # characters: what is longer is no mark of a tool
_DURATION = r"(?:\0|[\d.]+ ?(?:s|secs?|seconds?|ms))"
_BEFORE = re.compile(
    r"""(?:
        E\ +|>+\ +|[|]\ +|\$\ +|[=_*-]{3}\ +           # of tests, of shells, of headings
        |\[?(?:\0|\d{4}-\d\d-\d\d)[T\ ](?:\0|\d\d:\d\d:\d\d(?:[.,]\d+)?)\]?:?\ +
        |\[?(?:DEBUG|INFO|WARNING|WARN)\]?[:\ ]\ *(?:[\w.]+:)?
        |[\w./-]+\.\w+:\d+(?::\d+)?:\ *(?:in\ \w+\ *)? # a place in a file
        |(?:[A-Za-z_]\w*\.)*(?!(?:No|Not|Non|Never|False|Un)(?:[A-Z]|_))
          [A-Z]\w*(?:Error|Exception|Warning|Exit|Interrupt):\ +
    )*""",
    re.VERBOSE,
)
_MODULE = re.compile(r"(?:[A-Za-z_]\w*\.)+")
_AFTER = re.compile(
    rf"(?:\ in\ {_DURATION})?(?:\ \(?\0?\)?|\ \(\d+:\d\d:\d\d\))?(?:\ +[=_*-]{{3}})?"
    r"|[.;,]|\ +\[\ *\d+%\]"
)
_COUNTS = re.compile(rf"(?:=== )?\d+ [a-z]+(?:, \d+ [a-z]+)* in {_DURATION}(?: .*)?")
_COUNTS_BEFORE = re.compile(r"(?:=== )?(?:\d+ [a-z]+, )+")
_COUNTS_AFTER = re.compile(r"(?:, \d+ [a-z]+)+(?: in .*)?")
_RESULT = re.compile(r" \((?:[a-z]+(?: [a-z]+)*=\d+(?:, )?)+\)")
_BAD = re.compile(r"\b(?:failed|errors?)\b")


def stands_apart(text: str, start: int, end: int) -> bool:
    """Whether `text[start:end]` begins and ends where words and numbers do."""
    piece, left, right = text[start:end], text[max(start - 2, 0) : start], text[end : end + 3]
    if left and _is_word(left[-1]) and _is_word(piece[0]):
        return False
    if left and piece[0].isdigit() and left[-1] in ".,-+":
        return False
    if left and piece[0].isalpha() and (left[-1] in "!~" or re.fullmatch(r"\w-", left)):
        return False
    if right and _is_word(right[0]) and _is_word(piece[-1]):
        return False
    if piece[-1].isdigit() and _BAD_RIGHT.match(right):
        return False
    return not (piece[-1].isalpha() and re.match(r"['’-]\w", right))


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def harmless_before(text: str, start: int, end: int) -> bool:
    """Whether what stands before `text[start:end]` is a mark of a tool and no part of what it says.

    Marks of test runners and logs, a place in a file, the name of an error or its module.
    """
    if start > _LONG:
        return False
    before, piece = text[:start], text[start:end]
    found = _BEFORE.match(before)
    rest = before[found.end() if found else 0 :]
    if not rest or (piece[0].isupper() and _MODULE.fullmatch(rest)):
        return True
    return bool(_COUNTS_BEFORE.fullmatch(before)) and _counts(text, piece)


def harmless_after(text: str, start: int, end: int) -> bool:
    """Whether what stands after `text[start:end]` adds nothing that could turn its meaning.

    How long it took, how far the tests are, the message of an error, the reason of a failed test.
    """
    after, piece = text[end : end + _LONG + 1], text[start:end]
    if _explained(piece, after):
        return True
    if len(after) > _LONG:
        return False
    if _AFTER.fullmatch(after):
        return True
    if piece in ("OK", "FAILED"):
        return bool(_RESULT.fullmatch(after))
    return bool(_COUNTS_AFTER.fullmatch(after)) and _counts(text, piece)


def _counts(text: str, piece: str) -> bool:
    """Whether a part of a test runner's last line hides no failure."""
    if len(text) > _LONG:
        return False
    counted = re.fullmatch(r"\d+ [a-z]+(?:, \d+ [a-z]+)*(?: in .*)?", piece)
    hidden = _BAD.search(text) and not _BAD.search(piece)
    return bool(counted and not hidden and _COUNTS.fullmatch(text))


def _explained(piece: str, after: str) -> bool:
    """Whether the rest is the message of the error, or why the test failed, that `piece` names."""
    if after.startswith(":") and _ERROR_NAME.search(piece[-200:]):
        return True
    return after.startswith(" - ") and bool(re.fullmatch(r"(?:FAILED|ERROR) \S+", piece))


def hides_meaning(before: str, hidden: str, after: str) -> bool:
    """Whether a gap between two pieces hides a word or an operator that turns what they say.

    Also whether it takes the noun from one number and gives it that of another, or a value from one
    key or label and gives it to another.
    """
    if not hidden.strip() or (not after and _explained(before, hidden.rstrip())):
        return False
    words = [word.strip(".!?'\"`").lower() for word in _BETWEEN.split(hidden)]
    if _TURNS.search(hidden) or not _TURNING.isdisjoint(words) or any(map(_TURNED.match, words)):
        return True
    if _KEY.search(hidden) and _IS_VALUE.match(after) and _OPENS.search(before):
        return True
    if not (before[-1:].isdigit() and after[:1].isalpha()):
        return False
    return bool(re.search(r"[^\W\d_]", hidden) and re.search(r"\d", hidden))
