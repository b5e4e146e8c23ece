"""Keys and passwords: which of them this process has, and text without them.

A secret leaves the process to its provider only. Text is cleaned where it comes in from there
(`harness.model.litellm_backend`), and again at each door to a disk or a screen: the parameters of
every statement of the store and the board, `write_beside`, the logs of grading, the streams of the
command line. Each door looks for the secrets' values: text that holds none of them is not changed
by a byte. What only looks like a key is taken out of errors and nowhere else: a patch may well say
`sorted(key=…)` or have a made-up key in a test.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

MARK = "[key]"
LEAST = 8  # characters of a secret
LONG = 20  # characters from which words are a secret, too
NAMES = re.compile(
    r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL)S?(?:_(?:ID|BASE|\d+))?$"
    r"|(?:^|[_-])(?:PAT|AUTH|AUTHORIZATION|AUTH_CONFIG)$",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[-+.,\deE]+")
_UNESCAPED = re.compile(r"[A-Za-z0-9_.-]+")
_WORDS = re.compile(r"[a-z]+(?:[ _-][a-z]+)*")  # "none", "not-needed"
_SHAPES = re.compile(
    r"\b(?:sk|gsk|xai|pk|rk)-[A-Za-z0-9_\-]{8,}|\bAIza[A-Za-z0-9_\-]{8,}"
    r"|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bhf_[A-Za-z]{20,}|\bAKIA[A-Z0-9]{16}\b"
    r"|\bBearer\s+\S+|\bBasic\s+[A-Za-z0-9+/]{12,}=*|(?<=[?&_]key=)[^&\s\"']+"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)",
)


class Secrets:
    """The values of secrets, in every form in which they stand in a text."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._plain: list[tuple[str, bytes]] = []
        self._escaped: list[tuple[str, re.Pattern[str], bytes, re.Pattern[bytes]]] = []

    def learn(self, values: Iterable[str]) -> None:
        """Know these from now on; what is too short or a plain word is no secret."""
        # without the line end that a file leaves, too: that is how it is sent
        given = {form for value in values for form in (value, value.strip())}
        self._values |= {value for value in given if is_secret(value)}
        known = sorted(self._values, key=len, reverse=True)  # one may be a part of another
        forms = dict.fromkeys(form for value in known for form in (value, quote(value, safe="")))
        self._plain = [(form, form.encode(errors="replace")) for form in forms]
        self._escaped = []
        for value in known:
            if not _UNESCAPED.fullmatch(value):
                anchor = max(_UNESCAPED.findall(value) or [""], key=len)
                pattern = _escaped(value)
                both = re.compile(pattern), re.compile(pattern.encode(errors="replace"))
                self._escaped.append((anchor, both[0], anchor.encode(), both[1]))

    def redact(self, text: str) -> str:
        """`text` with a mark in place of each secret."""
        for form, _ in self._plain:
            if form in text:
                text = text.replace(form, MARK)
        for anchor, pattern, *_ in self._escaped:
            if anchor in text:
                text = pattern.sub(MARK, text)
        return text

    def redact_bytes(self, content: bytes) -> bytes:
        """`content` with a mark in place of each secret."""
        for _, form in self._plain:
            if form in content:
                content = content.replace(form, MARK.encode())
        for *_, anchor, pattern in self._escaped:
            if anchor in content:
                content = pattern.sub(MARK.encode(), content)
        return content

    def redact_error(self, text: str) -> str:
        """`text` with a mark in place of each secret, and of what has the shape of one."""
        return _SHAPES.sub(MARK, self.redact(text))


def is_secret(value: str) -> bool:
    """Whether a value under a secret's name is one: no word, number or path of a file."""
    if len(value) < LEAST or _NUMBER.fullmatch(value):
        return False
    if len(value) < LONG and _WORDS.fullmatch(value):
        return False
    return not (value.startswith("/") and "\0" not in value and Path(value).exists())


def environment_secrets(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """The variable and the value of each: under a secret's name, or a password in an address."""
    found = [(name, value) for name, value in environ.items() if NAMES.search(name)]
    for name, value in environ.items():
        found += [(name, password) for password in passwords(value)]
    return [(name, value) for name, value in found if is_secret(value)]


def passwords(text: str) -> list[str]:
    """The passwords of the addresses in `text`."""
    found = []
    for address in text.split() if "://" in text and "@" in text else ():
        try:
            password = urlsplit(address).password
        except ValueError:
            continue
        found += [password] if password else []
    return found


def _escaped(value: str) -> str:
    """A pattern of the value in JSON, in Python's or a shell's quotes, or in one in the other.

    Backslashes at its ends are left to what stands beside it, so that JSON stays JSON.
    """
    parts = []
    for character in value.strip("\\"):
        if character == "\\":
            parts.append(r"\\+")
        elif character.isascii() and character.isprintable():
            escape = "" if _UNESCAPED.fullmatch(character) else r"\\*"
            parts.append(escape + re.escape(character))
        else:
            spelt = json.dumps(character)[1:-1].replace("\\", r"\\+")
            parts.append(f"(?:{re.escape(character)}|(?i:{spelt}))")
    return "".join(parts)


_OURS = Secrets()  # a process has one environment, and so one of these
redact, redact_bytes, redact_error = _OURS.redact, _OURS.redact_bytes, _OURS.redact_error


def learn(*values: str) -> None:
    """Know the secrets of the environment as it is now, and `values` besides."""
    _OURS.learn([*(value for _, value in environment_secrets(os.environ)), *values])
