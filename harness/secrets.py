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
        self._forms: tuple[str, ...] = ()
        self._bytes: tuple[bytes, ...] = ()

    def learn(self, values: Iterable[str]) -> None:
        """Know these from now on; what is too short or a plain word is no secret."""
        forms = {form for value in values if is_secret(value) for form in _forms(value)}
        # the longest first: one may be a part of another
        self._forms = tuple(sorted(forms | set(self._forms), key=lambda form: (-len(form), form)))
        self._bytes = tuple(form.encode(errors="replace") for form in self._forms)

    def redact(self, text: str) -> str:
        """`text` with a mark in place of each secret."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, MARK)
        return text

    def redact_bytes(self, content: bytes) -> bytes:
        """`content` with a mark in place of each secret."""
        for form in self._bytes:
            if form in content:
                content = content.replace(form, MARK.encode())
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


def _forms(value: str) -> set[str]:
    """The value as it stands, in JSON, in JSON in JSON, in an address, and in Python's quotes."""
    forms = {value, quote(value, safe=""), repr(value)[1:-1]}
    for ascii_only in (True, False):
        once = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        forms |= {once, json.dumps(once, ensure_ascii=ascii_only)[1:-1]}
    return forms


_OURS = Secrets()  # a process has one environment, and so one of these
redact, redact_bytes, redact_error = _OURS.redact, _OURS.redact_bytes, _OURS.redact_error


def learn(*values: str) -> None:
    """Know the secrets of the environment as it is now, and `values` besides."""
    _OURS.learn([*(value for _, value in environment_secrets(os.environ)), *values])
